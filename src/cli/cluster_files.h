/* The files in a local cluster's data directory that name its processes. */
#ifndef EIDER_CLI_CLUSTER_FILES_H
#define EIDER_CLI_CLUSTER_FILES_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

#define EI_CLUSTER_FILE "cluster.json" /* every process with pid and start time */
#define EI_CLIENT_FILE "client.json"   /* how clients reach the cluster, mode 0600 */

int ei_supervisor_main(int argc, char **argv);

/* Ends processes of an earlier supervisor that died without them. The lock must be held. */
int ei_cluster_stop_leftovers(const char *data_dir, struct ei_error *e);

#endif
