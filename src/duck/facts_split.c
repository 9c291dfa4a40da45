/* Pieces of files into splits of about equal size. */
#include "duck/facts.h"

#include "base/mem.h"

#include <stdlib.h>

#define SPLITS_PER_SLOT 3           /* so that slots which finish early find more work */
#define OPEN_COST_BYTES (64u << 10) /* what opening one more file is worth in bytes */

void ei_facts_add_piece(struct ei_facts *f, size_t file, uint64_t begin, uint64_t end,
                        uint64_t weight_bytes) {
    EI_GROW(f->pieces, f->piece_count, f->piece_capacity);
    f->pieces[f->piece_count++] = (struct ei_facts_piece){file, begin, end, weight_bytes};
}

uint64_t ei_facts_target(const struct ei_facts *f, uint64_t min_bytes, uint64_t max_bytes) {
    uint64_t slots = EI_MAX(f->want_splits, 1u);
    uint64_t splits = EI_MIN(f->out->bytes / min_bytes, slots * SPLITS_PER_SLOT);
    if (splits > slots)
        splits -= splits % slots; /* else the last round leaves slots idle */
    uint64_t target = f->out->bytes / EI_MAX(splits, 1u) + 1;
    return EI_MIN(EI_MAX(target, min_bytes), max_bytes);
}

static void add_slice(Eider__V1__Split *split, size_t *capacity, const struct ei_facts_file *file,
                      uint64_t begin, uint64_t end) {
    Eider__V1__FileSlice *s = ei_malloc(sizeof *s);
    eider__v1__file_slice__init(s);
    s->path = ei_strdup(file->path);
    s->begin = begin;
    s->end = end;
    s->file_size = file->size;
    s->file_mtime_ns = file->mtime_ns;
    EI_GROW(split->slices, split->n_slices, *capacity);
    split->slices[split->n_slices++] = s;
}

static Eider__V1__Split *new_split(void) {
    Eider__V1__Split *split = ei_malloc(sizeof *split);
    eider__v1__split__init(split);
    return split;
}

/* One split of pieces[first, last): neighbours in one file become one slice. */
static Eider__V1__Split *split_of(const struct ei_facts *f, size_t first, size_t last,
                                  const uint64_t *ends) {
    Eider__V1__Split *split = new_split();
    size_t capacity = 0;
    for (size_t i = first; i < last;) {
        struct ei_facts_piece p = f->pieces[i++];
        while (i < last && f->pieces[i].file == p.file && f->pieces[i].begin == p.end && p.end > 0)
            p.end = f->pieces[i++].end;
        if (p.begin == 0 && p.end == ends[p.file])
            p.end = 0;
        add_slice(split, &capacity, &f->files[p.file], p.begin, p.end);
    }
    return split;
}

void ei_facts_pack(struct ei_facts *f, uint64_t target_bytes, const uint64_t *ends) {
    size_t first = 0, capacity = 0;
    uint64_t total = 0, done = 0;
    for (size_t i = 0; i < f->piece_count; i++)
        total += f->pieces[i].weight_bytes + OPEN_COST_BYTES;
    uint64_t count = EI_MAX((total + target_bytes / 2) / target_bytes, 1u);
    for (size_t i = 0; i < f->piece_count; i++) {
        uint64_t weight = f->pieces[i].weight_bytes + OPEN_COST_BYTES;
        /* The split that is being filled ends at its share of the total, to the nearest piece. */
        uint64_t share = (uint64_t)((__uint128_t)total * (f->out->split_count + 1) / count);
        if (i > first && done + weight / 2 > share) {
            EI_GROW(f->out->splits, f->out->split_count, capacity);
            f->out->splits[f->out->split_count++] = split_of(f, first, i, ends);
            first = i;
        }
        done += weight;
    }
    if (f->piece_count > first) {
        EI_GROW(f->out->splits, f->out->split_count, capacity);
        f->out->splits[f->out->split_count++] = split_of(f, first, f->piece_count, ends);
    }
}

void ei_facts_fill_whole(struct ei_facts *f) {
    size_t capacity = 0;
    f->out->whole = new_split();
    for (size_t i = 0; i < f->file_count; i++)
        add_slice(f->out->whole, &capacity, &f->files[i], 0, 0);
}
