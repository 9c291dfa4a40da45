/* eider up, eider down */
#include "cli/cli.h"
#include "base/mem.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_SHARE_PERCENT 60
#define WORKERS_MAX 1000

int ei_cmd_up(struct ei_cli *c) {
    long workers, cores, port, ui_port;
    if (ei_cli_number(c, "workers", 1, WORKERS_MAX, 1, &workers) != 0 ||
        ei_cli_number(c, "cores-per-worker", 1, 1024, 0, &cores) != 0 ||
        ei_cli_number(c, "port", 1, 65535, 0, &port) != 0 ||
        ei_cli_number(c, "ui-port", 1, 65535, 0, &ui_port) != 0)
        return 2;
    if (cores == 0)
        cores = EI_MAX(1, ei_cpu_count() / workers);
    uint64_t memory = ei_memory_total_bytes() / 100 * MEMORY_SHARE_PERCENT / (uint64_t)workers;
    const char *size = ei_cli_get(c, "memory-per-worker");
    if (size != NULL) {
        memory = ei_cli_size(size);
        if (memory < 64 << 20)
            return ei_cli_usage("--memory-per-worker must be a size of at least 64MB such as 4GB, "
                                "not '%s'",
                                size);
    }
    char *data_dir = ei_cli_data_dir(c);
    struct ei_local_options o = {.data_dir = data_dir,
                                 .workers = workers,
                                 .cores_per_worker = cores,
                                 .memory_per_worker_bytes = memory,
                                 .port = port,
                                 .ui_port = ui_port};
    struct ei_error e = {0};
    int64_t begin = ei_now_us();
    int code = 0;
    struct ei_cluster_address address = {0};
    if (ei_local_start(&o, &e) != 0 || ei_cluster_find(data_dir, &address, &e) != 0) {
        code = ei_cli_fail(&e);
    } else if (!c->quiet) {
        (void)printf("cluster ready in %lld ms: 1 master, 1 gateway, %ld worker%s x %ld core%s\n",
                     (long long)((ei_now_us() - begin) / 1000), workers, workers == 1 ? "" : "s",
                     cores, cores == 1 ? "" : "s");
        (void)printf("data directory %s\nweb page       %s#token=%s\n", data_dir, address.ui,
                     address.token);
        (void)printf("try            eider sql \"SELECT 42\"     stop it with  eider down\n");
    }
    ei_cluster_address_release(&address);
    free(data_dir);
    return code;
}

int ei_cmd_down(struct ei_cli *c) {
    char *data_dir = ei_cli_data_dir(c);
    struct ei_error e = {0};
    int code = ei_local_stop(data_dir, &e) != 0 ? ei_cli_fail(&e) : 0;
    if (code == 0 && !c->quiet)
        (void)printf("cluster in %s stopped\n", data_dir);
    free(data_dir);
    return code;
}
