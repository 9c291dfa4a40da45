/* The scheduler's events and actions as text: one line an event, one indented line an action. */
#ifndef EIDER_TESTS_SIM_TRACE_H
#define EIDER_TESTS_SIM_TRACE_H

#include "base/buf.h"
#include "sched/sched.h"

void trace_event(struct ei_buf *b, const struct ei_sched_event *e);
void trace_actions(struct ei_buf *b, const struct ei_sched_actions *a);

#endif
