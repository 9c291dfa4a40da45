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
    {"param", 'p', "NAME=VALUE", "value of $NAME in the SQL; may be given several times"},
    {"timeout", 0, "SECONDS", "cancel the query after so long"},
    {"no-progress", 0, NULL, "no progress line on a terminal"},
    {"queue", 0, "NAME", "the queue that it runs in (default: default)"},
    {"priority", 0, "N", "higher goes first in its queue (default 0)"},
    {"max-cores", 0, "N", "hold at most so many cores at a time"},
    {"user", 0, "NAME", "run as another user (administrators only)"},
    {NULL, 0, NULL, NULL},
};

static const struct ei_cli_option SUBMIT_OPTIONS[] = {
    {"file", 'f', "FILE", "read the SQL from a file, - for standard input"},
    {"name", 0, "TEXT", "name of the job (default: its SQL)"},
    {"queue", 0, "NAME", "the queue that it runs in (default: default)"},
    {"priority", 0, "N", "higher goes first in its queue (default 0)"},
    {"after", 0, "LIST", "start after other jobs: ok:7, end:7 or fail:7, comma separated"},
    {"begin", 0, "TIME", "not before: +10m, 18:00 or '2026-12-24 18:00'"},
    {"time-limit", 0, "D", "cancel it when it has run for so long, e.g. 90s, 5m, 2h"},
    {"task-time-limit", 0, "D", "a task that runs longer is started again"},
    {"cores", 0, "N", "cores of each task (default 1)"},
    {"memory", 0, "SIZE", "memory of each task (default: a fair part of the worker's)"},
    {"max-cores", 0, "N", "hold at most so many cores at a time"},
    {"max-memory", 0, "SIZE", "hold at most so much memory at a time"},
    {"need", 0, "LIST", "named resources of each task: gpu=0.5,license=1"},
    {"label", 0, "LIST", "run only on workers with these labels, comma separated"},
    {"keep", 0, "D", "keep the result so long unless it is fetched (default 1d)"},
    {"user", 0, "NAME", "run as another user (administrators only)"},
    {NULL, 0, NULL, NULL},
};

static const struct ei_cli_option WAIT_OPTIONS[] = {
    {"timeout", 0, "SECONDS", "give up waiting after so long; the job goes on"},
    {NULL, 0, NULL, NULL},
};

static const struct ei_cli_option QUEUE_CREATE_OPTIONS[] = {
    {"parent", 0, "NAME", "the queue that it is a part of (default: none)"},
    {"policy", 0, "P", "fair: users and jobs share; fifo: jobs one after the other"},
    {"weight", 0, "N", "its share among its siblings (default 1)"},
    {"min-cores", 0, "N", "guaranteed while it has work for them"},
    {"max-cores", 0, "N", "of all its tasks together, 0 = no limit"},
    {"max-memory", 0, "SIZE", "likewise"},
    {"max-running-jobs", 0, "N", "more wait, 0 = no limit"},
    {"max-waiting-jobs", 0, "N", "more are refused, 0 = no limit"},
    {NULL, 0, NULL, NULL},
};

static const struct ei_cli_option CORDON_OPTIONS[] = {
    {"reason", 0, "TEXT", "shown in the list of nodes"},
    {NULL, 0, NULL, NULL},
};

static const struct ei_cli_option DRAIN_OPTIONS[] = {
    {"deadline", 0, "D", "then what is left is made again elsewhere: 90s, 5m, 2h (default: none)"},
    {"reason", 0, "TEXT", "shown in the list of nodes"},
    {NULL, 0, NULL, NULL},
};

static const struct ei_cli_option CRON_OPTIONS[] = {
    {"queue", 0, "NAME", "the queue that it runs in (default: default)"},
    {"priority", 0, "N", "higher goes first in its queue (default 0)"},
    {"user", 0, "NAME", "run as another user (administrators only)"},
    {NULL, 0, NULL, NULL},
};

static const struct ei_cli_option USER_OPTIONS[] = {
    {"weight", 0, "N", "the user's share inside every queue (default 1)"},
    {"max-cores", 0, "N", "of all tasks of the user together, 0 = no limit"},
    {"max-memory", 0, "SIZE", "likewise"},
    {"max-running-jobs", 0, "N", "more wait, 0 = no limit"},
    {"max-waiting-jobs", 0, "N", "more are refused, 0 = no limit"},
    {NULL, 0, NULL, NULL},
};

static const struct ei_cli_option JOB_LIST_OPTIONS[] = {
    {"limit", 0, "N", "at most so many, newest first (default 20)"},
    {"state", 0, "STATE", "only waiting, running, succeeded, failed or cancelled ones"},
    {"queue", 0, "NAME", "only those of a queue"},
    {"user", 0, "NAME", "only those of a user"},
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
    {"job submit", "[SQL]", "start a query that goes on by itself; prints the job's id",
     "The result is kept until `eider job result ID` fetches it, or for --keep.\n"
     "  id=$(eider job submit --queue etl --time-limit 1h -f report.sql)\n"
     "  eider job wait $id && eider job result $id -o csv > report.csv\n",
     SUBMIT_OPTIONS, 1, ei_cmd_job_submit},
    {"job wait", "ID", "wait until a job has ended", NULL, WAIT_OPTIONS, 1, ei_cmd_job_wait},
    {"job result", "ID", "print the result of a submitted job", NULL, NULL, 1, ei_cmd_job_result},
    {"why", "ID", "explain why a job waits, failed or is slow", NULL, NULL, 1, ei_cmd_why},
    {"queue create", "NAME", "make a queue", NULL, QUEUE_CREATE_OPTIONS, 1, ei_cmd_queue_create},
    {"queue set", "NAME", "change a queue; what is not named stays", NULL, QUEUE_CREATE_OPTIONS, 1,
     ei_cmd_queue_set},
    {"queue list", "", "list the queues with what they hold now", NULL, NULL, 0, ei_cmd_queue_list},
    {"user set", "NAME", "set the weight and the limits of a user", NULL, USER_OPTIONS, 1,
     ei_cmd_user_set},
    {"user list", "", "list users with settings of their own", NULL, NULL, 0, ei_cmd_user_list},
    {"node list", "", "list the workers with state and sizes", NULL, NULL, 0, ei_cmd_node_list},
    {"node cordon", "NAME", "no new work for a worker", NULL, CORDON_OPTIONS, 1,
     ei_cmd_node_cordon},
    {"node drain", "NAME", "no new work, and wait until nothing on it is needed",
     "The worker is \"drained\" when its tasks have ended and their outputs were read; then it can "
     "be\n"
     "stopped and nothing is lost.\n",
     DRAIN_OPTIONS, 1, ei_cmd_node_drain},
    {"node resume", "NAME", "let a worker take work again", NULL, NULL, 1, ei_cmd_node_resume},
    {"disk", "", "show what the workers keep on their disks", NULL, NULL, 0, ei_cmd_disk},
    {"cron add", "NAME SCHEDULE SQL", "run a query again and again",
     "The schedule has five fields: minute, hour, day of the month, month, day of the week; times "
     "are\nUTC. Each run is a submitted job named \"cron NAME\".\n"
     "  eider cron add daily-report \"0 3 * * mon-fri\" \"SELECT count(*) FROM 'new/*.csv'\"\n",
     CRON_OPTIONS, 3, ei_cmd_cron_add},
    {"cron list", "", "list cron entries with their next and last times", NULL, NULL, 0,
     ei_cmd_cron_list},
    {"cron remove", "NAME", "remove a cron entry", NULL, NULL, 1, ei_cmd_cron_remove},
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
