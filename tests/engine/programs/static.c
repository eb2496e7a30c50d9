/* Statically linked: needs nothing of the image but its files. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    char directory[4096];
    struct stat temporary;
    if (stat("/tmp", &temporary) != 0 || getcwd(directory, sizeof directory) == NULL) return 1;
    FILE *file = fopen("/tmp/file", "w");
    if (file == NULL || fclose(file) != 0) return 2;
    if (access(getenv("SSL_CERT_FILE"), R_OK) != 0) return 3;
    printf("static %d:%d %s %o\n", (int)getuid(), (int)getgid(), directory, temporary.st_mode & 07777);
    return 0;
}
