/* Opens the libraries named on its command line, by soname. */
#include <dlfcn.h>
#include <stdio.h>

int main(int count, char **names) {
    for (int i = 1; i < count; i++) {
        if (dlopen(names[i], RTLD_NOW) == NULL) {
            printf("%s\n", dlerror());
            return 1;
        }
    }
    printf("%d libraries\n", count - 1);
    return 0;
}
