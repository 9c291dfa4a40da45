/* DuckDB's vectors as the codec wants them, and back. */
#ifndef EIDER_DUCK_VECTORS_H
#define EIDER_DUCK_VECTORS_H

#include "duck/api.h"
#include "exchange/block.h"

/* Fills out[node] and the nodes below it from a vector of that type. */
void ei_duck_vectors_get(const struct ei_layout *l, uint32_t node, duckdb_vector v,
                         struct ei_vector *out);

/* Puts rows [first, first + n) of a verified block's node into an output vector that is fresh for
 * this chunk. Strings point into the block. -1: DuckDB has no memory for a list. */
int ei_duck_vectors_put(const struct ei_layout *l, const struct ei_block_view *views, uint32_t node,
                        uint64_t first, uint64_t n, duckdb_vector out);

#endif
