/* A plan as text for people: EXPLAIN, the job page, the golden tests. */
#include "plan/internal.h"

#include <inttypes.h>
#include <string.h>

/* Words that begin a new line when they stand outside of quotes and parentheses. */
static const char *const CLAUSES[] = {" FROM ",    " WHERE ",    " GROUP BY ", " HAVING ",
                                      " QUALIFY ", " ORDER BY ", " LIMIT "};

static size_t clause_at(const char *p) {
    for (size_t i = 0; i < EI_ARRAY_LEN(CLAUSES); i++)
        if (strncmp(p, CLAUSES[i], strlen(CLAUSES[i])) == 0)
            return 1;
    return 0;
}

static void put_sql(struct ei_buf *text, const char *sql, const char *indent) {
    int depth = 0;
    char quote = '\0';
    ei_buf_puts(text, indent);
    for (const char *p = sql; *p != '\0'; p++) {
        if (quote != '\0') {
            quote = *p == quote ? '\0' : quote;
        } else if (*p == '\'' || *p == '"') {
            quote = *p;
        } else {
            depth += *p == '(' ? 1 : *p == ')' ? -1 : 0;
        }
        if (depth == 0 && quote == '\0' && clause_at(p) != 0) {
            ei_buf_putc(text, '\n');
            ei_buf_puts(text, indent);
        } else {
            ei_buf_putc(text, *p);
        }
    }
    ei_buf_putc(text, '\n');
}

static void put_relation(struct ei_buf *text, const struct ei_plan_ctx *ctx, const char *name,
                         const char *how) {
    for (size_t i = 0; i < ctx->input_count; i++) {
        const struct ei_plan_input *input = &ctx->inputs[i];
        if (strcmp(input->name, name) != 0 || input->relation == NULL)
            continue;
        const struct ei_plan_relation *r = input->relation;
        ei_buf_printf(text, "  reads %s = %s, %" PRIu64 " rows, ", name, r->label, r->rows);
        if (r->bytes >= 10 * 1000 * 1000)
            ei_buf_printf(text, "%" PRIu64 " MB", r->bytes / 1000000);
        else
            ei_buf_printf(text, "%" PRIu64 " bytes", r->bytes);
        ei_buf_printf(text, ", %s\n", how);
    }
}

static void put_inputs(struct ei_buf *text, const struct ei_plan_ctx *ctx,
                       const Eider__V1__JobSpec *job, const Eider__V1__StageSpec *s) {
    for (size_t i = 0; i < s->n_tables; i++) {
        char *how = ei_asprintf("in %zu splits", s->n_splits);
        put_relation(text, ctx, s->tables[i]->name, how);
        free(how);
    }
    for (size_t i = 0; i < s->n_whole_tables; i++)
        put_relation(text, ctx, s->whole_tables[i]->name,
                     s->tasks > 1 ? "whole in every task" : "whole");
    for (size_t i = 0; i < s->n_exchanges; i++) {
        const Eider__V1__StageSpec *producer = job->stages[s->exchanges[i]->stage];
        const char *how = "all rows";
        if (producer->output == EIDER__V1__DISTRIBUTION__DISTRIBUTION_HASH)
            how = "a partition a task";
        else if (producer->output == EIDER__V1__DISTRIBUTION__DISTRIBUTION_BROADCAST)
            how = "all rows in every task";
        ei_buf_printf(text, "  reads %s, %s\n", s->exchanges[i]->name, how);
    }
}

static void put_output(struct ei_buf *text, const Eider__V1__StageSpec *s) {
    static const char *const NAMES[] = {
        [EIDER__V1__DISTRIBUTION__DISTRIBUTION_GATHER] = "gathered in one place",
        [EIDER__V1__DISTRIBUTION__DISTRIBUTION_BROADCAST] = "sent to every task that reads it",
        [EIDER__V1__DISTRIBUTION__DISTRIBUTION_RESULT] = "the result",
    };
    if (s->output != EIDER__V1__DISTRIBUTION__DISTRIBUTION_HASH) {
        ei_buf_printf(text, "  output: %s\n", NAMES[s->output]);
        return;
    }
    ei_buf_printf(text, "  output: %u partitions by hash of ", s->partitions);
    for (size_t i = 0; i < s->n_key_columns; i++)
        ei_buf_printf(text, "%s%s", i == 0 ? "" : ", ", s->columns[s->key_columns[i]]->name);
    ei_buf_putc(text, '\n');
}

char *ei_plan_explain(const Eider__V1__JobSpec *job, const struct ei_plan_ctx *ctx) {
    struct ei_buf text = {0};
    if (job->whole_reason != NULL && job->whole_reason[0] != '\0')
        ei_buf_printf(&text, "whole on one worker: %s\n", job->whole_reason);
    for (size_t i = 0; i < job->n_stages; i++) {
        const Eider__V1__StageSpec *s = job->stages[i];
        ei_buf_printf(&text, "stage %u: %s, %u task%s\n", s->id, s->name, s->tasks,
                      s->tasks == 1 ? "" : "s");
        put_inputs(&text, ctx, job, s);
        put_output(&text, s);
        put_sql(&text, s->sql, "    ");
    }
    return ei_buf_steal(&text);
}
