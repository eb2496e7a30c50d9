/* Dynamically linked: glibc with name services, time zones, threads. */
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void *thread(void *text) { return strdup(text); }

int main(void) {
    void *from_thread = NULL;
    pthread_t id;
    if (pthread_create(&id, NULL, thread, "thread") != 0 || pthread_join(id, &from_thread) != 0) return 1;
    struct passwd *user = getpwuid(65532);
    struct servent *service = getservbyname("https", "tcp");
    struct protoent *protocol = getprotobyname("tcp");
    if (user == NULL || service == NULL || protocol == NULL) return 2;
    setenv("TZ", "Europe/Berlin", 1);
    time_t start = 0;
    char text[32];
    strftime(text, sizeof text, "%H %Z", localtime(&start));
    printf("dynamic %s %s %d %d %s\n", (char *)from_thread, user->pw_name, (service->s_port >> 8 & 255) | (service->s_port & 255) << 8,
           protocol->p_proto, text);
    return 0;
}
