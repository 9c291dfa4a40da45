/* What all streams of one loop share: two read buffers, and the list of streams to flush when the
 * turn ends. Created with the first stream, gone with the last. Private to rpc/. */
#ifndef EIDER_RPC_LOOP_H
#define EIDER_RPC_LOOP_H

#include "rpc/link.h"

#include <stdbool.h>
#include <uv.h>

#define EI_LOOP_READ_BYTES (64u << 10)

struct ei_loop {
    uv_loop_t *uv;
    size_t references;
    uv_prepare_t prepare;
    uv_idle_t idle; /* keeps the loop from sleeping while something is to be flushed */
    int handles;
    bool flushing;
    struct ei_link dirty;
    struct ei_loop *next;
    char wire[EI_LOOP_READ_BYTES];  /* as it came from the kernel */
    char plain[EI_LOOP_READ_BYTES]; /* as it came out of TLS */
};

struct ei_loop *ei_loop_get(uv_loop_t *uv); /* takes a reference */
void ei_loop_put(struct ei_loop *l);
/* ei_stream's flush is called for the link before the loop sleeps. */
void ei_loop_mark(struct ei_loop *l, struct ei_link *link);
void ei_loop_flush_link(struct ei_link *link); /* in stream.c */

#endif
