/* The file part of the cluster state: a journal of commands and now and then a snapshot. A command
 * is on disk (fdatasync) before ei_journal_commit returns, and only then is it applied. A
 * replicated log will take this file's place; state/ stays.
 *
 *   DIR/snapshot   a state as in state/state.h
 *   DIR/journal    "EIJL" | u32 format | u64 base | u32 CRC-32C of these, then records:
 *                  u32 length | u64 index | u32 CRC of the payload | u32 CRC of these | payload
 *
 * `base` is the index of the state that the first record applies to. A record that the file's end
 * cuts, or whose bytes are all zero, was never acknowledged: it is cut away. Any other wrong
 * checksum means that acknowledged data is damaged, and opening fails. After a failed sync nothing
 * more is accepted (what is on disk is unknown then) until the process starts anew. */
#ifndef EIDER_MASTER_JOURNAL_H
#define EIDER_MASTER_JOURNAL_H

#include "base/error.h"
#include "state/state.h"

#define EI_JOURNAL_COMPACT_BYTES (256u << 10)

struct ei_journal;
/* Makes DIR where needed, locks it, and brings *state (initialised by this call) up to date. */
int ei_journal_open(struct ei_journal **out, const char *dir, struct ei_state *state,
                    struct ei_error *e);
/* Checks, writes, syncs and applies one command. 1 = changed, 0 = nothing to do, -1 and *e. */
int ei_journal_commit(struct ei_journal *j, struct ei_state *state,
                      const struct ei_state_command *command, struct ei_error *e);
void ei_journal_close(struct ei_journal *j);

#endif
