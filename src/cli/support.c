/* Small things that every command needs. */
#include "cli/cli.h"
#include "base/mem.h"
#include "os/os.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *ei_cli_get(const struct ei_cli *c, const char *option) {
    const struct ei_cli_option *o = c->command->options;
    for (size_t i = 0; o != NULL && o[i].name != NULL; i++)
        if (strcmp(o[i].name, option) == 0)
            return c->values[i];
    EI_ASSERT(!"an option that is not in the command's table");
    return NULL;
}

int ei_cli_number(const struct ei_cli *c, const char *option, long least, long most, long fallback,
                  long *out) {
    const char *text = ei_cli_get(c, option);
    *out = fallback;
    if (text == NULL)
        return 0;
    char *end = NULL;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || n < least || n > most) {
        (void)ei_cli_usage("--%s must be a whole number from %ld to %ld, not '%s'", option, least,
                           most, text);
        return -1;
    }
    *out = n;
    return 0;
}

uint64_t ei_cli_size(const char *text) {
    char *end = NULL;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno != 0 || end == text || text[0] == '-')
        return 0;
    int shift = 0;
    switch (toupper((unsigned char)*end)) {
    case '\0':
        return n;
    case 'K':
        shift = 10;
        break;
    case 'M':
        shift = 20;
        break;
    case 'G':
        shift = 30;
        break;
    case 'T':
        shift = 40;
        break;
    default:
        return 0;
    }
    end++;
    if (*end == 'i' || *end == 'I')
        end++;
    if (*end == 'b' || *end == 'B')
        end++;
    return *end == '\0' && n < (1ULL << 20) << (40 - shift) ? n << shift : 0;
}

int ei_cli_fail(const struct ei_error *e) {
    (void)fflush(stdout);
    (void)fprintf(stderr, "eider: %s\n", e->text);
    return ei_code_exit(e->code);
}

int ei_cli_usage(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    (void)fputs("eider: ", stderr);
    (void)vfprintf(stderr, fmt, ap);
    (void)fputc('\n', stderr);
    va_end(ap);
    return 2;
}

char *ei_cli_data_dir(const struct ei_cli *c) {
    char cwd[4096];
    if (getcwd(cwd, sizeof cwd) == NULL)
        (void)snprintf(cwd, sizeof cwd, "/");
    const char *named = c->data_dir != NULL ? c->data_dir : getenv("EIDER_DATA_DIR");
    if (named != NULL && named[0] != '\0')
        return ei_path_absolute(named, cwd);
    const char *home = getenv("HOME");
    char *joined = ei_path_join(home != NULL && home[0] != '\0' ? home : "/tmp", ".eider");
    char *absolute = ei_path_absolute(joined, cwd);
    free(joined);
    return absolute;
}
