/* The executor: a child of the worker that runs tasks with DuckDB and can be killed at any time. */
#ifndef EIDER_EXECUTOR_EXECUTOR_H
#define EIDER_EXECUTOR_EXECUTOR_H

/* Speaks to its worker over descriptor 3. Returns the exit code of the process. */
int ei_executor_main(int argc, char **argv);

#endif
