/* The master: one libuv loop that feeds what it hears into the scheduler (sched/sched.h) and the
 * cluster state (state/state.h) and carries out what they answer. */
#ifndef EIDER_MASTER_MASTER_H
#define EIDER_MASTER_MASTER_H

/* The `eider master` process; returns its exit code. */
int ei_master_main(int argc, char **argv);

#endif
