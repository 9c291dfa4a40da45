/* The worker: one per machine. Registers with the master, keeps an executor running, hands it
 * tasks, owns and serves the exchange files they leave. Never loads DuckDB, never runs user code.
 */
#ifndef EIDER_WORKER_WORKER_H
#define EIDER_WORKER_WORKER_H

/* Returns the exit code of the process. Options: see the table in worker/main.c. */
int ei_worker_main(int argc, char **argv);

#endif
