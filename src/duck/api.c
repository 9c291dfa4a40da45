#include "duck/api.h"

#include "base/mem.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One pointer and one trampoline for each function. The trampoline keeps all registers, so it works
 * for every signature. */
#if defined(__x86_64__)
#define TRAMPOLINE(f)                                                                              \
    __asm__(".text\n.globl " #f "\n.type " #f ",@function\n" #f ":\n\tendbr64\n\tjmp *ei_duck_" #f \
            "(%rip)\n.size " #f ",.-" #f "\n");
#elif defined(__aarch64__)
#define TRAMPOLINE(f)                                                                              \
    __asm__(".text\n.globl " #f "\n.type " #f ",@function\n" #f ":\n\tadrp x16, ei_duck_" #f       \
            "\n\tldr x16, [x16, :lo12:ei_duck_" #f "]\n\tbr x16\n.size " #f ",.-" #f "\n");
#else
#error "duck/api.c: no trampoline for this processor yet"
#endif

#define X(f)                                                                                       \
    __attribute__((visibility("hidden"), used)) void *ei_duck_##f;                                 \
    TRAMPOLINE(f)
EI_DUCK_FUNCTIONS(X)
#undef X

struct function {
    const char *name;
    void **pointer;
};

static const struct function FUNCTIONS[] = {
#define X(f) {#f, &ei_duck_##f},
    EI_DUCK_FUNCTIONS(X)
#undef X
};

static void *open_beside_program(const char *relative) {
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return NULL;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return NULL;
    size_t room = sizeof path - (size_t)(slash + 1 - path);
    if ((size_t)snprintf(slash + 1, room, "%s", relative) >= room)
        return NULL;
    return access(path, R_OK) == 0 ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
}

static void *open_library(struct ei_error *e) {
    const char *named = getenv("EIDER_LIBDUCKDB");
    void *library = NULL;
    if (named != NULL && named[0] != '\0') {
        library = dlopen(named, RTLD_NOW | RTLD_LOCAL);
        if (library == NULL)
            (void)ei_fail(e, EI_NOT_FOUND,
                          "cannot load the DuckDB library that EIDER_LIBDUCKDB "
                          "names: %s",
                          dlerror());
        return library;
    }
    library = open_beside_program("libduckdb.so");
    if (library == NULL)
        library = open_beside_program("../lib/eider/libduckdb.so");
    if (library == NULL)
        library = dlopen(EIDER_LIBDUCKDB_DEFAULT, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        (void)ei_fail(e, EI_NOT_FOUND,
                      "cannot load DuckDB (%s): run scripts/setup.sh, or name the library in "
                      "EIDER_LIBDUCKDB",
                      dlerror());
    return library;
}

int ei_duck_load(struct ei_error *e) {
    static void *library;
    if (library != NULL)
        return 0;
    void *opened = open_library(e);
    if (opened == NULL)
        return -1;
    for (size_t i = 0; i < EI_ARRAY_LEN(FUNCTIONS); i++) {
        *FUNCTIONS[i].pointer = dlsym(opened, FUNCTIONS[i].name);
        if (*FUNCTIONS[i].pointer == NULL) {
            dlclose(opened);
            return ei_fail(e, EI_UNSUPPORTED,
                           "the DuckDB library has no function %s: version 1.5 is needed",
                           FUNCTIONS[i].name);
        }
    }
    library = opened;
    return 0;
}
