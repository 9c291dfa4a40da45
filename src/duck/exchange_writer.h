/* Writes an exchange file: rows in, blocks out to a descriptor. */
#ifndef EIDER_DUCK_EXCHANGE_WRITER_H
#define EIDER_DUCK_EXCHANGE_WRITER_H

#include "duck/sink.h"

struct ei_exchange_writer;

/* Creates the file. The layout is borrowed. */
int ei_exchange_writer_create(const struct ei_sink_options *o, const struct ei_layout *layout,
                              struct ei_exchange_writer **out, struct ei_error *e);

/* n rows; hashes is one for each row, NULL with one partition. */
int ei_exchange_writer_add(struct ei_exchange_writer *w, const struct ei_vector *vectors,
                           const uint64_t *hashes, uint32_t n, struct ei_error *e);

/* Writes what is left, index and end. */
int ei_exchange_writer_finish(struct ei_exchange_writer *w, struct ei_sink_result *r,
                              struct ei_error *e);

/* Frees; an unfinished file is removed. NULL-safe. */
void ei_exchange_writer_destroy(struct ei_exchange_writer *w);

#endif
