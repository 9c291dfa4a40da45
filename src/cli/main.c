/* eider: one executable, one verb each. Daemon verbs are called by the supervisor and by workers;
 * people use the commands of commands.c. */
#include "cli/cli.h"
#include "base/mem.h"
#include "executor/executor.h"
#include "gateway/gateway.h"
#include "master/master.h"
#include "os/os.h"
#include "worker/worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} DAEMONS[] = {
    {"master", ei_master_main},     {"gateway", ei_gateway_main},       {"worker", ei_worker_main},
    {"executor", ei_executor_main}, {"supervisor", ei_supervisor_main},
};

static const struct ei_cli_option COMMON_OPTIONS[] = {
    {"data-dir", 0, "DIR", "the cluster's directory (default: $EIDER_DATA_DIR, or ~/.eider)"},
    {"output", 'o', "FORM", "table, json or csv"},
    {"quiet", 'q', NULL, "print only what was asked for"},
    {"help", 'h', NULL, "show this help"},
    {NULL, 0, NULL, NULL},
};

static void print_options(const struct ei_cli_option *o) {
    for (; o != NULL && o->name != NULL; o++) {
        char left[64];
        (void)snprintf(left, sizeof left, "%s%c%s--%s%s%s", o->letter ? "-" : "",
                       o->letter ? o->letter : ' ', o->letter ? ", " : "   ", o->name,
                       o->argument ? " " : "", o->argument ? o->argument : "");
        (void)printf("  %-28s %s\n", left, o->help);
    }
}

static void print_command_help(const struct ei_command *c) {
    (void)printf("eider %s%s%s: %s\n\n", c->name, c->arguments[0] ? " " : "", c->arguments,
                 c->summary);
    if (c->details != NULL)
        (void)printf("%s\n", c->details);
    (void)puts("Options:");
    print_options(c->options);
    print_options(COMMON_OPTIONS);
}

static void print_help(void) {
    (void)puts("eider: one system out of 1 to 1,000 machines\n\nCommands:");
    for (const struct ei_command *c = EI_COMMANDS; c->name != NULL; c++) {
        char left[64];
        (void)snprintf(left, sizeof left, "%s %s", c->name, c->arguments);
        (void)printf("  %-20s %s\n", left, c->summary);
    }
    (void)puts("\nCommon options:");
    print_options(COMMON_OPTIONS);
    (void)puts("\nExit codes: 0 ok, 1 the job failed, 2 wrong usage, 3 the cluster cannot be "
               "reached,\n4 not found, 5 denied, 124 timed out, 130 interrupted.\n"
               "`eider help COMMAND` explains one command.");
}

int ei_cmd_version(struct ei_cli *c) {
    (void)c;
    (void)puts("eider " EIDER_VERSION);
    return 0;
}

/* Edit distance, for "did you mean". Both at most 31 bytes long. */
static unsigned distance(const char *a, const char *b) {
    enum { MOST = 31 };
    size_t n = strlen(a), m = strlen(b);
    if (n > MOST || m > MOST)
        return 99;
    unsigned row[MOST + 1];
    for (size_t j = 0; j <= m; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned above = row[j];
            unsigned replace = diagonal + (a[i - 1] != b[j - 1]);
            unsigned least = EI_MIN(above, row[j - 1]) + 1;
            row[j] = EI_MIN(least, replace);
            diagonal = above;
        }
    }
    return row[m];
}

static void consider(const char *typed, const char *name, const char **best, unsigned *least) {
    unsigned d = distance(typed, name);
    if (d < *least) {
        *least = d;
        *best = name;
    }
}

static const struct ei_command *find_command(int argc, char **argv, int *words) {
    for (const struct ei_command *c = EI_COMMANDS; c->name != NULL; c++) {
        const char *space = strchr(c->name, ' ');
        if (space == NULL && strcmp(c->name, argv[0]) == 0) {
            *words = 1;
            return c;
        }
        size_t noun = space == NULL ? 0 : (size_t)(space - c->name);
        if (space != NULL && argc > 1 && strlen(argv[0]) == noun &&
            strncmp(c->name, argv[0], noun) == 0 && strcmp(space + 1, argv[1]) == 0) {
            *words = 2;
            return c;
        }
    }
    return NULL;
}

static int unknown_command(int argc, char **argv) {
    size_t n = strlen(argv[0]);
    for (const struct ei_command *c = EI_COMMANDS; c->name != NULL; c++)
        if (strncmp(c->name, argv[0], n) == 0 && c->name[n] == ' ')
            return ei_cli_usage(
                "'%s' needs a verb: `eider help` lists them (for example 'eider %s')", argv[0],
                c->name);
    const char *best = NULL;
    unsigned least = 3;
    for (const struct ei_command *c = EI_COMMANDS; c->name != NULL; c++)
        consider(argv[0], c->name, &best, &least);
    (void)argc;
    if (best != NULL)
        return ei_cli_usage("there is no command '%s'; did you mean '%s'?", argv[0], best);
    return ei_cli_usage("there is no command '%s'; `eider help` lists the commands", argv[0]);
}

int ei_cmd_help(struct ei_cli *c) {
    if (c->argc == 0) {
        print_help();
        return 0;
    }
    int words = 0;
    const struct ei_command *found = find_command(c->argc, c->argv, &words);
    if (found == NULL)
        return unknown_command(c->argc, c->argv);
    print_command_help(found);
    return 0;
}

static const struct ei_cli_option *lookup(const struct ei_cli_option *o, const char *name,
                                          size_t len, char letter) {
    for (; o != NULL && o->name != NULL; o++)
        if (letter ? o->letter == letter
                   : strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

static int unknown_option(const struct ei_command *command, const char *typed) {
    const char *best = NULL;
    unsigned least = 4;
    char name[32];
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(typed + 2, "="), typed + 2);
    for (const struct ei_cli_option *o = command->options; o != NULL && o->name != NULL; o++)
        consider(name, o->name, &best, &least);
    for (const struct ei_cli_option *o = COMMON_OPTIONS; o->name != NULL; o++)
        consider(name, o->name, &best, &least);
    if (typed[1] == '-' && best != NULL)
        return ei_cli_usage("'eider %s' has no option '%s'; did you mean '--%s'?", command->name,
                            typed, best);
    return ei_cli_usage("'eider %s' has no option '%s'; `eider help %s` lists them", command->name,
                        typed, command->name);
}

static void set_option(struct ei_cli *c, const struct ei_cli_option *o, const char *value) {
    if (c->command->options != NULL && o >= c->command->options &&
        o < c->command->options + EI_CLI_OPTIONS_MAX && o->name != NULL) {
        size_t i = (size_t)(o - c->command->options);
        if (i < EI_CLI_OPTIONS_MAX &&
            lookup(c->command->options, o->name, strlen(o->name), 0) == o) {
            c->values[i] = value;
            if (strcmp(o->name, "param") == 0 && c->param_count < EI_CLI_PARAMS_MAX)
                c->params[c->param_count++] = value;
            return;
        }
    }
    if (strcmp(o->name, "data-dir") == 0)
        c->data_dir = value;
    else if (strcmp(o->name, "output") == 0)
        c->output = value;
    else if (strcmp(o->name, "quiet") == 0)
        c->quiet = true;
}

/* Sorts argv into options and positional arguments. -1: go on; else the exit code. */
static int parse(struct ei_cli *c, int argc, char **argv) {
    bool only_arguments = false;
    c->argv = ei_calloc((size_t)argc + 1, sizeof *c->argv);
    for (int i = 0; i < argc; i++) {
        char *a = argv[i];
        if (only_arguments || a[0] != '-' || a[1] == '\0') {
            c->argv[c->argc++] = a;
            continue;
        }
        if (strcmp(a, "--") == 0) {
            only_arguments = true;
            continue;
        }
        bool is_long = a[1] == '-';
        char *equals = is_long ? strchr(a, '=') : NULL;
        size_t len = is_long ? (equals ? (size_t)(equals - a - 2) : strlen(a + 2)) : 0;
        const struct ei_cli_option *o = lookup(c->command->options, a + 2, len, is_long ? 0 : a[1]);
        if (o == NULL)
            o = lookup(COMMON_OPTIONS, a + 2, len, is_long ? 0 : a[1]);
        if (o == NULL)
            return unknown_option(c->command, a);
        if (strcmp(o->name, "help") == 0) {
            print_command_help(c->command);
            return 0;
        }
        const char *value = is_long ? (equals ? equals + 1 : NULL) : (a[2] ? a + 2 : NULL);
        if (o->argument == NULL && value != NULL)
            return ei_cli_usage("the option --%s takes no value", o->name);
        if (o->argument != NULL && value == NULL) {
            if (i + 1 >= argc)
                return ei_cli_usage("the option --%s needs a value: %s", o->name, o->argument);
            value = argv[++i];
        }
        set_option(c, o, o->argument ? value : "");
    }
    if (c->command->max_arguments >= 0 && c->argc > c->command->max_arguments)
        return ei_cli_usage("'eider %s' does not know what to do with '%s'%s", c->command->name,
                            c->argv[c->command->max_arguments],
                            c->command->max_arguments == 1 ? ": quote the argument" : "");
    return -1;
}

int main(int argc, char **argv) {
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help();
        return argc < 2 ? 2 : 0;
    }
    if (strcmp(argv[1], "--version") == 0)
        return ei_cmd_version(NULL);
    for (size_t i = 0; i < EI_ARRAY_LEN(DAEMONS); i++)
        if (strcmp(argv[1], DAEMONS[i].name) == 0)
            return DAEMONS[i].run(argc - 1, argv + 1);
    int words = 0;
    struct ei_cli c = {.command = find_command(argc - 1, argv + 1, &words)};
    if (c.command == NULL)
        return unknown_command(argc - 1, argv + 1);
    int code = parse(&c, argc - 1 - words, argv + 1 + words);
    if (code == -1)
        code = c.command->run(&c);
    free(c.argv);
    return code;
}
