/* What the files of the cluster state share. */
#ifndef EIDER_STATE_INTERNAL_H
#define EIDER_STATE_INTERNAL_H

#include "state/state.h"

/* settings.c */
void ei_settings_release(struct ei_state *s);
int ei_settings_check(const struct ei_state *s, const struct ei_state_command *c,
                      struct ei_error *e);
void ei_settings_apply(struct ei_state *s, const struct ei_state_command *c); /* was checked */
unsigned ei_settings_most(enum ei_state_kind kind);

#endif
