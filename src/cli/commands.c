#include "cli/cli.h"

static const struct ei_cli_option UP_OPTIONS[] = {
    {"workers", 0, "N", "number of workers (default 1)"},
    {"cores-per-worker", 0, "C", "task slots of each worker (default: all cores, shared out)"},
    {"memory-per-worker", 0, "SIZE",
     "memory for tasks of each worker, e.g. 4GB (default: 60% of RAM, "
     "shared out)"},
    {"port", 0, "P", "port of the master's RPC and REST (default: any free one)"},
    {"ui-port", 0, "P", "port of the web page (default: any free one)"},
    {NULL, 0, NULL, NULL},
};

static const struct ei_cli_option SQL_OPTIONS[] = {
    {"file", 'f', "FILE", "read the SQL from a file, - for standard input"},
    {"timeout", 0, "SECONDS", "cancel the query after so long"},
    {"no-progress", 0, NULL, "no progress line on a terminal"},
    {NULL, 0, NULL, NULL},
};

static const struct ei_cli_option JOB_LIST_OPTIONS[] = {
    {"limit", 0, "N", "at most so many, newest first (default 20)"},
    {NULL, 0, NULL, NULL},
};

static const struct ei_cli_option BENCH_TASKS_OPTIONS[] = {
    {"number", 'n', "N", "so many tasks (default 1000000, with --single 100000)"},
    {"single", 0, NULL, "every task is a job of its own"},
    {"in-flight", 0, "K", "with --single: so many jobs at a time (default 256)"},
    {NULL, 0, NULL, NULL},
};

static const struct ei_cli_option BENCH_EXCHANGE_OPTIONS[] = {
    {"size", 0, "SIZE", "about so many bytes are exchanged (default 1GB)"},
    {NULL, 0, NULL, NULL},
};

/* The one list of commands. Help, and the check of what was typed, come from it. */
const struct ei_command EI_COMMANDS[] = {
    {"up", "", "start a cluster on this machine", NULL, UP_OPTIONS, 0, ei_cmd_up},
    {"down", "", "stop the cluster that `up` started", NULL, NULL, 0, ei_cmd_down},
    {"status", "", "show the processes of the cluster", NULL, NULL, 0, ei_cmd_status},
    {"sql", "[SQL]", "run SQL and print the result",
     "The SQL comes from the argument, from --file or from standard input; several statements are\n"
     "separated by semicolons. Tables are files:\n"
     "  eider sql \"SELECT carrier, count(*) FROM 'data/*.parquet' GROUP BY ALL\"\n"
     "  eider sql \"SELECT ip, count(*) AS n FROM read_access_log('logs/*.log.gz') GROUP BY ip\"\n"
     "Without a running cluster a throw-away one is started and removed again.\n",
     SQL_OPTIONS, 1, ei_cmd_sql},
    {"explain", "[SQL]", "show how a query is split into stages", NULL, SQL_OPTIONS, 1,
     ei_cmd_explain},
    {"job list", "", "list jobs, newest first", NULL, JOB_LIST_OPTIONS, 0, ei_cmd_job_list},
    {"job show", "ID", "show a job's stages with times and sizes", NULL, NULL, 1, ei_cmd_job_show},
    {"job cancel", "ID", "stop a job", NULL, NULL, 1, ei_cmd_job_cancel},
    {"table list", "", "list the tables of the catalogue", NULL, NULL, 0, ei_cmd_table_list},
    {"bench tasks", "", "measure what a task costs that does nothing",
     "Runs N empty tasks on the cluster, then single ones there and back. Shows tasks a second, "
     "the\n"
     "time of a round trip and the CPU time a task of each kind of process.\n",
     BENCH_TASKS_OPTIONS, 0, ei_cmd_bench_tasks},
    {"bench exchange", "", "measure how fast stages exchange rows",
     "Made-up rows are written by one half of a job, partitioned by hash, and read by the other.\n",
     BENCH_EXCHANGE_OPTIONS, 0, ei_cmd_bench_exchange},
    {"version", "", "print the version", NULL, NULL, 0, ei_cmd_version},
    {"help", "[COMMAND]", "explain a command", NULL, NULL, 2, ei_cmd_help},
    {NULL, NULL, NULL, NULL, NULL, 0, NULL},
};
