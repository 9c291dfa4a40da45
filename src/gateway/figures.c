/* EXPLAIN ANALYZE: the plan's lines, with what each stage took below its first line. */
#include "gateway/internal.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SKEW_TOLD 2 /* a largest task with more than so many times the median's rows is told of */

static void put_bytes(struct ei_buf *b, uint64_t bytes) {
    if (bytes >= 10u * 1000 * 1000)
        ei_buf_printf(b, "%.0f MB", (double)bytes / 1e6);
    else if (bytes >= 10000)
        ei_buf_printf(b, "%.0f kB", (double)bytes / 1e3);
    else
        ei_buf_printf(b, "%" PRIu64 " bytes", bytes);
}

static void put_ms(struct ei_buf *b, uint64_t us) {
    ei_buf_printf(b, us < 9950 ? "%.1f ms" : "%.0f ms", (double)us / 1000.0);
}

static void put_row(struct ei_local_rows *out, struct ei_buf *line) {
    ei_local_cell(out, line->data);
    ei_buf_clear(line);
}

static void put_times(struct ei_local_rows *out, const Eider__V1__StageProgress *s) {
    struct ei_buf line = {0};
    ei_buf_printf(&line, "  took: %u task%s, median ", s->tasks, s->tasks == 1 ? "" : "s");
    put_ms(&line, s->median_us);
    ei_buf_puts(&line, ", max ");
    put_ms(&line, s->max_us);
    ei_buf_puts(&line, ", cpu ");
    put_ms(&line, s->cpu_us);
    ei_buf_puts(&line, ", spilled ");
    put_bytes(&line, s->spill_bytes);
    ei_buf_printf(&line, ", %u retr%s", s->retries, s->retries == 1 ? "y" : "ies");
    put_row(out, &line);
    ei_buf_release(&line);
}

static void put_sizes(struct ei_local_rows *out, const Eider__V1__StageProgress *s) {
    struct ei_buf line = {0};
    ei_buf_printf(&line, "  in: %" PRIu64 " rows, ", s->rows_in);
    put_bytes(&line, s->bytes_in);
    ei_buf_printf(&line, "; out: %" PRIu64 " rows, ", s->rows_out);
    put_bytes(&line, s->bytes_out);
    put_row(out, &line);
    ei_buf_release(&line);
}

/* Rows are what a partition has; where a reader does not count them nothing can be told. */
static void put_skew(struct ei_local_rows *out, const Eider__V1__StageProgress *s) {
    struct ei_buf line = {0};
    if (s->tasks < 2 || s->rows_in == 0)
        return;
    double share = 100.0 * (double)s->max_rows_in / (double)s->rows_in;
    ei_buf_printf(&line, "  skew: the largest task reads %.0f %% of the rows", share);
    if (s->max_rows_in > SKEW_TOLD * s->median_rows_in && s->median_rows_in > 0)
        ei_buf_printf(&line, ", %.1f times the median: a few keys have most of the rows",
                      (double)s->max_rows_in / (double)s->median_rows_in);
    else if (s->median_rows_in == 0)
        ei_buf_puts(&line, ", and most tasks read none");
    put_row(out, &line);
    ei_buf_release(&line);
}

static void put_totals(struct ei_local_rows *out, const Eider__V1__JobUpdate *u,
                       const struct ei_figures *f) {
    struct ei_buf line = {0};
    ei_buf_puts(&line, "total: planning ");
    put_ms(&line, f->planned_us);
    ei_buf_puts(&line, ", queue wait ");
    put_ms(&line, u->waited_us);
    ei_buf_puts(&line, ", run ");
    put_ms(&line, u->ran_us);
    ei_buf_puts(&line, ", transfer ");
    put_ms(&line, f->transfer_us);
    ei_buf_printf(&line, " (%" PRIu64 " row%s)", f->rows, f->rows == 1 ? "" : "s");
    put_row(out, &line);
    ei_buf_release(&line);
}

static const Eider__V1__StageProgress *stage_of(const Eider__V1__JobUpdate *u, unsigned id) {
    for (size_t i = 0; i < u->n_stages; i++)
        if (u->stages[i]->stage == id)
            return u->stages[i];
    return NULL;
}

void ei_figures_rows(const char *plan, const Eider__V1__JobUpdate *u, const struct ei_figures *f,
                     struct ei_local_rows *out) {
    ei_schema_add(&out->schema, "plan", "VARCHAR");
    put_totals(out, u, f);
    for (const char *p = plan; *p != '\0';) {
        size_t n = strcspn(p, "\n");
        char *line = ei_strndup(p, n);
        unsigned id;
        ei_local_cell(out, line);
        const Eider__V1__StageProgress *s =
            sscanf(line, "stage %u:", &id) == 1 ? stage_of(u, id) : NULL;
        if (s != NULL) {
            put_times(out, s);
            put_sizes(out, s);
            put_skew(out, s);
        }
        free(line);
        p += n + (p[n] == '\n');
    }
}
