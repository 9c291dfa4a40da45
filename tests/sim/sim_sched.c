/* Runs the scheduler through seeds: sim_sched [--seeds A-B | --seed-file FILE] [--nodes N]
 * [--verbose]. Exit code 1 and the failing seed when a rule was broken. */
#include "sim/world.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    uint64_t first, last;
    const char *file;
    uint32_t nodes;
    bool verbose;
};

static bool run_seed(const struct options *o, uint64_t seed, uint64_t *launches, uint64_t *hash) {
    struct sim w;
    sim_init(&w, seed, o->nodes, o->verbose);
    sim_run(&w);
    bool good = w.broken == NULL;
    if (o->verbose && w.trace.data != NULL)
        (void)fputs(w.trace.data, stdout);
    if (!good)
        (void)printf("seed %" PRIu64 ": at %.6f s, step %" PRIu64 ": %s\n"
                     "    again with its trace: sim_sched --seeds %" PRIu64 "-%" PRIu64
                     " --nodes %u --verbose\n",
                     seed, (double)w.now / 1e6, w.steps, w.broken, seed, seed, o->nodes);
    *launches += w.launches;
    *hash = w.hash;
    sim_release(&w);
    return good;
}

static bool run_file(const struct options *o, uint64_t *launches) {
    FILE *f = fopen(o->file, "r");
    if (f == NULL) {
        (void)fprintf(stderr, "cannot read %s\n", o->file);
        return false;
    }
    bool good = true;
    char line[200];
    while (fgets(line, sizeof line, f) != NULL) {
        char *end;
        uint64_t hash, seed = strtoull(line, &end, 10);
        struct options one = *o;
        if (end == line)
            continue; /* a comment */
        one.nodes = (uint32_t)strtoul(end, NULL, 10);
        good = run_seed(&one, seed, launches, &hash) && good;
    }
    (void)fclose(f);
    return good;
}

static bool parse(int argc, char **argv, struct options *o) {
    static const struct option table[] = {{"seeds", required_argument, NULL, 's'},
                                          {"seed-file", required_argument, NULL, 'f'},
                                          {"nodes", required_argument, NULL, 'n'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {0}};
    int c;
    while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
        char *end;
        switch (c) {
        case 's':
            o->first = strtoull(optarg, &end, 10);
            o->last = *end == '-' ? strtoull(end + 1, NULL, 10) : o->first;
            break;
        case 'f':
            o->file = optarg;
            o->first = 1;
            o->last = 0;
            break;
        case 'n':
            o->nodes = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'v':
            o->verbose = true;
            break;
        default:
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv) {
    struct options o = {.first = 1, .last = 200};
    if (!parse(argc, argv, &o))
        return 2;
    uint64_t launches = 0, failed = 0, hash = 0, again = 0;
    if (o.file != NULL && !run_file(&o, &launches))
        failed++;
    for (uint64_t seed = o.first; seed <= o.last; seed++) {
        bool good = run_seed(&o, seed, &launches, &hash);
        if (good && seed < o.first + 3 && !o.verbose) {
            uint64_t ignored = 0;
            good = run_seed(&o, seed, &ignored, &again) && hash == again;
            if (hash != again)
                (void)printf("seed %" PRIu64 ": two runs differ\n", seed);
        }
        failed += !good;
        if (failed >= 5)
            break;
    }
    (void)printf("%s, %" PRIu64 " attempts launched\n", failed == 0 ? "all seeds held" : "FAILED",
                 launches);
    return failed == 0 ? 0 : 1;
}
