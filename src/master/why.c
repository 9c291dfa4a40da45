#include "master/why.h"

#include "base/mem.h"
#include "master/json.h"
#include "os/os.h"
#include "sched/admission.h"

#include <stdlib.h>
#include <string.h>

#define SKEW_ROWS_MIN 10000 /* of a stage: below that nothing is slow */
#define SKEW_PERCENT 150    /* of the fair part */
#define STRAGGLER_FACTOR 3  /* times the median */
#define STRAGGLER_MIN_US 1000000
#define WAITED_MIN_US 1000000
#define SPILL_MIN_BYTES (1u << 20)
#define FAILURES_TOLD 4

static const struct {
    const char *name, *text;
} reasons[] = {
#define X(name, text) {#name, text},
    EI_WHY_REASONS(X)
#undef X
};

static void add(struct ei_why *w, const char *code, struct ei_buf *text) {
    if (w->count < EI_WHY_MAX) {
        w->reasons[w->count].code = code;
        w->reasons[w->count++].text = ei_buf_steal(text);
    }
    ei_buf_release(text);
}

void ei_why_release(struct ei_why *w) {
    for (size_t i = 0; i < w->count; i++)
        free(w->reasons[i].text);
    *w = (struct ei_why){0};
}

void ei_why_text(const struct ei_why *w, struct ei_buf *out) {
    for (size_t i = 0; i < w->count; i++)
        ei_buf_printf(out, "%s%s", i > 0 ? " " : "", w->reasons[i].text);
}

static void put_size(struct ei_buf *b, uint64_t bytes) {
    if (bytes >= UINT64_C(1) << 30)
        ei_buf_printf(b, "%.1f GB", (double)bytes / (double)(UINT64_C(1) << 30));
    else
        ei_buf_printf(b, "%.1f MB", (double)bytes / (double)(1u << 20));
}

static double seconds(int64_t us) {
    return (double)us / 1e6;
}

/* ---- why it waits ---- */

/* The largest live worker. */
static void put_largest(const struct ei_master *m, struct ei_buf *b) {
    const struct ei_peer *best = NULL;
    for (size_t i = 0; i < m->nodes.count; i++) {
        const struct ei_peer *p = m->nodes.entries[i].value;
        if (best == NULL || p->memory_bytes > best->memory_bytes ||
            (p->memory_bytes == best->memory_bytes && p->cores > best->cores))
            best = p;
    }
    if (best == NULL)
        return;
    ei_buf_printf(b, "; the largest, %s, has %u core%s and ", best->name, best->cores,
                  best->cores == 1 ? "" : "s");
    put_size(b, best->memory_bytes);
}

static void put_task_size(struct ei_buf *b, const struct ei_sched_reason *r) {
    ei_buf_printf(b, "%u core%s", r->cores, r->cores == 1 ? "" : "s");
    if (r->memory_bytes > 0) {
        ei_buf_puts(b, " and ");
        put_size(b, r->memory_bytes);
    }
}

static void put_limit(struct ei_buf *b, const char *whose, const struct ei_sched_reason *r) {
    bool memory = r->limit > UINT32_MAX || (r->memory_bytes > 0 && r->limit > 100000);
    ei_buf_printf(b, "It waits because %s is at its limit of ", whose);
    if (memory) {
        put_size(b, r->limit);
        ei_buf_puts(b, " of memory, of which ");
        put_size(b, r->used);
        ei_buf_puts(b, " are in use.");
        return;
    }
    ei_buf_printf(b, "%llu cores (max_cores), of which %llu are in use.",
                  (unsigned long long)r->limit, (unsigned long long)r->used);
}

static uint64_t total_cores(const struct ei_master *m) {
    uint64_t cores = 0;
    for (size_t i = 0; i < m->nodes.count; i++)
        cores += ((const struct ei_peer *)m->nodes.entries[i].value)->cores;
    return cores;
}

/* Who holds the cores. */
static void put_holders(const struct ei_master *m, const struct ei_job *job, struct ei_buf *b) {
    const struct ei_state_settings *list = &m->state.settings[EI_STATE_QUEUE];
    const char *best = "default";
    uint64_t most = ei_sched_queue_use(m->sched, "default").cores;
    for (size_t i = 0; i < list->count; i++) {
        uint64_t cores = ei_sched_queue_use(m->sched, list->items[i].name).cores;
        if (cores >= most && list->items[i].text[EI_QUEUE_PARENT][0] == '\0') {
            most = cores;
            best = list->items[i].name;
        }
    }
    ei_buf_printf(b, "; queue \"%s\" holds %llu of the %llu cores, this job's queue \"%s\" %llu",
                  best, (unsigned long long)most, (unsigned long long)total_cores(m), job->queue,
                  (unsigned long long)ei_sched_queue_use(m->sched, job->queue).cores);
}

static void put_until(struct ei_buf *b, int64_t until_us) {
    int64_t left_us = until_us - ei_now_us();
    if (until_us != 0 && left_us > 0)
        ei_buf_printf(b, ", in %.1f s at the latest", seconds(left_us));
}

static const struct ei_failure *last_failure(const struct ei_job *job, uint32_t stage) {
    uint32_t kept = EI_MIN(job->failure_count, (uint32_t)EI_JOB_FAILURES_MAX);
    for (uint32_t i = 0; i < kept; i++) {
        const struct ei_failure *f =
            &job->failures[(job->failure_count - 1 - i) % EI_JOB_FAILURES_MAX];
        if (f->id.stage == stage)
            return f;
    }
    return NULL;
}

/* "stage 3's task 17 on node b, tried 3 times because ..." */
static void put_input(const struct ei_master *m, const struct ei_job *job,
                      const struct ei_sched_reason *r, struct ei_buf *b) {
    const struct ei_failure *f = last_failure(job, r->input_stage);
    ei_buf_printf(b, "It waits for %u task%s of stage %u", r->input_missing,
                  r->input_missing == 1 ? "" : "s", r->input_stage);
    for (size_t i = 0; i < m->nodes.count && r->input_missing <= 3; i++) {
        const struct ei_peer *p = m->nodes.entries[i].value;
        for (size_t k = 0; k < p->flight_count; k++) {
            const struct ei_attempt *id = &p->flights[k].id;
            if (id->job == job->id && id->stage == r->input_stage)
                ei_buf_printf(b, ": task %u runs on %s for %.1f s (attempt %u)", id->task, p->name,
                              seconds(ei_now_us() - p->flights[k].launched_us), id->attempt);
        }
    }
    if (f != NULL)
        ei_buf_printf(b, "; task %u was tried %u times so far, because on %s: %s", f->id.task,
                      f->id.attempt, f->worker, f->error.text);
    ei_buf_putc(b, '.');
}

static void put_order(const struct ei_job *job, const struct ei_sched_reason *r, struct ei_buf *b) {
    switch (r->code) {
    case EI_SCHED_WHY_QUEUE_JOBS:
        ei_buf_printf(b,
                      "It waits because its queue \"%s\", or one above it, runs %llu jobs, its "
                      "limit (max_running_jobs %llu).",
                      job->queue, (unsigned long long)r->used, (unsigned long long)r->limit);
        break;
    case EI_SCHED_WHY_USER_JOBS:
        ei_buf_printf(b,
                      "It waits because user \"%s\" runs %llu jobs, the limit (max_running_jobs "
                      "%llu).",
                      job->user, (unsigned long long)r->used, (unsigned long long)r->limit);
        break;
    case EI_SCHED_WHY_DELAYED:
        ei_buf_printf(b, "It begins in %.1f s, as ordered.", seconds(r->until_us - ei_now_us()));
        break;
    default:
        ei_buf_printf(b, "It waits for job %llu to end.", (unsigned long long)r->other_job);
        break;
    }
}

static void put_nodes(const struct ei_master *m, const struct ei_job *job,
                      const struct ei_sched_reason *r, struct ei_buf *b) {
    switch (r->code) {
    case EI_SCHED_WHY_NO_NODES:
        ei_buf_puts(b, "It waits because no worker is connected to the master.");
        return;
    case EI_SCHED_WHY_NO_NODE_LARGE_ENOUGH:
        ei_buf_puts(
            b, "It waits because no worker is large enough for one of its tasks, which needs ");
        put_task_size(b, r);
        put_largest(m, b);
        break;
    case EI_SCHED_WHY_NO_NODE_WITH_LABELS:
        ei_buf_puts(b, "It waits because no worker has");
        for (size_t i = 0; job->spec != NULL && i < job->spec->n_labels; i++)
            ei_buf_printf(b, "%s the label \"%s\"", i > 0 ? "," : "", job->spec->labels[i]);
        for (size_t i = 0; job->spec != NULL && i < job->spec->n_needs; i++)
            ei_buf_printf(b, "%s %g of \"%s\"", i > 0 || job->spec->n_labels > 0 ? "," : "",
                          job->spec->needs[i]->milli / 1000.0, job->spec->needs[i]->name);
        break;
    case EI_SCHED_WHY_NODES_EXCLUDED:
        ei_buf_puts(b, "It waits because the workers with room take no new work: they are excluded "
                       "after failures, cordoned or draining (see `eider node list`)");
        put_until(b, r->until_us);
        break;
    case EI_SCHED_WHY_NODES_FULL:
        ei_buf_printf(b, "It waits because all %llu cores of the %zu connected workers are busy",
                      (unsigned long long)total_cores(m), m->nodes.count);
        put_holders(m, job, b);
        break;
    default:
        ei_buf_puts(b, "It waits because other work goes first: its share is used up, or its "
                       "priority is lower");
        put_holders(m, job, b);
        break;
    }
    ei_buf_putc(b, '.');
}

/* False: nothing keeps it. */
static bool put_wait(const struct ei_master *m, const struct ei_job *job,
                     const struct ei_sched_reason *r, struct ei_buf *b) {
    switch (r->code) {
    case EI_SCHED_WHY_NONE:
    case EI_SCHED_WHY_UNKNOWN_JOB:
    case EI_SCHED_WHY_FINISHED:
    case EI_SCHED_WHY_RUNNING:
        return false;
    case EI_SCHED_WHY_WAITS_INPUT:
        put_input(m, job, r, b);
        break;
    case EI_SCHED_WHY_QUEUE_LIMIT:
        put_limit(b, "its queue", r);
        break;
    case EI_SCHED_WHY_USER_LIMIT:
        put_limit(b, "its user", r);
        break;
    case EI_SCHED_WHY_JOB_LIMIT:
        put_limit(b, "the job", r);
        break;
    case EI_SCHED_WHY_QUEUE_JOBS:
    case EI_SCHED_WHY_USER_JOBS:
    case EI_SCHED_WHY_DELAYED:
    case EI_SCHED_WHY_AFTER_JOB:
        put_order(job, r, b);
        break;
    case EI_SCHED_WHY_RETRY_ELSEWHERE:
        ei_buf_puts(b, "It waits because a task failed and is to run on another worker, of which "
                       "none has room");
        put_until(b, r->until_us);
        ei_buf_putc(b, '.');
        break;
    case EI_SCHED_WHY_WAITS_LOCAL:
        ei_buf_puts(b, "It waits a moment for room on the workers that hold its input");
        put_until(b, r->until_us);
        ei_buf_putc(b, '.');
        break;
    case EI_SCHED_WHY_WAITS_GANG:
        ei_buf_printf(b,
                      "It waits because its %u tasks start all together, and there is room for %u "
                      "of them.",
                      r->tasks, r->room);
        break;
    default:
        put_nodes(m, job, r, b);
        break;
    }
    return true;
}

const char *ei_why_waits(const struct ei_master *m, const struct ei_job *job) {
    struct ei_sched_reason r;
    if (ei_job_finished(job) || ei_sched_why(m->sched, job->id, &r) != 0 ||
        r.code == EI_SCHED_WHY_RUNNING || r.code == EI_SCHED_WHY_NONE)
        return NULL;
    return ei_sched_reason_name(r.code);
}

/* ---- why it failed ---- */

static void why_ended_badly(const struct ei_job *job, struct ei_why *w) {
    struct ei_buf b = {0};
    bool failed = job->state == EI_JOB_FAILED;
    ei_buf_puts(&b, job->error != NULL ? job->error->text : "It ended without a reason");
    if (b.len > 0 && b.data[b.len - 1] != '.')
        ei_buf_putc(&b, '.');
    uint32_t kept = EI_MIN(job->failure_count, (uint32_t)EI_JOB_FAILURES_MAX), told = 0;
    const struct ei_failure *last =
        kept > 0 ? &job->failures[(job->failure_count - 1) % EI_JOB_FAILURES_MAX] : NULL;
    for (uint32_t i = 0; failed && i < kept && last->id.attempt > 1; i++) {
        const struct ei_failure *f =
            &job->failures[(job->failure_count - kept + i) % EI_JOB_FAILURES_MAX];
        if (f->id.stage != last->id.stage || f->id.task != last->id.task || told >= FAILURES_TOLD)
            continue;
        ei_buf_printf(&b, "%s attempt %u on %s: %.200s", told++ == 0 ? " Its attempts:" : ";",
                      f->id.attempt, f->worker, f->error.text);
    }
    if (told > 0 && b.data[b.len - 1] != '.')
        ei_buf_putc(&b, '.');
    add(w, reasons[failed ? EI_WHY_FAILED : EI_WHY_CANCELLED].name, &b);
}

/* ---- why it is slow ---- */

static void look_for_skew(const struct ei_job_stage *s, uint32_t id, struct ei_why *w) {
    uint32_t most = 0;
    if (s->tasks == NULL || s->totals.done < 2 || s->totals.rows_in < SKEW_ROWS_MIN)
        return;
    for (uint32_t t = 1; t < s->task_count; t++)
        if (s->tasks[t].rows_in > s->tasks[most].rows_in)
            most = t;
    const struct ei_task *task = &s->tasks[most];
    uint64_t fair = s->totals.rows_in / s->totals.done;
    if (task->rows_in * 100 < fair * SKEW_PERCENT || task->rows_in * 100 / s->totals.rows_in < 20)
        return;
    struct ei_buf b = {0};
    ei_buf_printf(&b,
                  "Skew: task %u of stage %u has %llu %% of its rows (%llu of %llu), and took "
                  "%.1f s.",
                  most, id, (unsigned long long)(task->rows_in * 100 / s->totals.rows_in),
                  (unsigned long long)task->rows_in, (unsigned long long)s->totals.rows_in,
                  seconds((int64_t)task->wall_us));
    add(w, reasons[EI_WHY_SKEW].name, &b);
}

/* Of the tasks that are done, and of those that run. */
static void look_for_stragglers(const struct ei_master *m, const struct ei_job *job, uint32_t id,
                                struct ei_why *w) {
    const struct ei_job_stage *s = &job->stages[id];
    uint64_t median_us, max_us;
    struct ei_buf b = {0};
    ei_stage_times(s, &median_us, &max_us);
    if (s->totals.done < 2)
        return;
    uint64_t bound_us = EI_MAX(median_us * STRAGGLER_FACTOR, (uint64_t)STRAGGLER_MIN_US);
    for (size_t i = 0; i < m->nodes.count && !ei_job_finished(job); i++) {
        const struct ei_peer *p = m->nodes.entries[i].value;
        for (size_t k = 0; k < p->flight_count && b.len == 0; k++) {
            const struct ei_flight *f = &p->flights[k];
            int64_t age_us = ei_now_us() - f->launched_us;
            if (f->id.job == job->id && f->id.stage == id && (uint64_t)age_us > bound_us)
                ei_buf_printf(&b,
                              "Straggler: task %u of stage %u runs on %s for %.1f s, where the "
                              "median is %.1f s.",
                              f->id.task, id, p->name, seconds(age_us),
                              seconds((int64_t)median_us));
        }
    }
    if (b.len == 0 && max_us > bound_us)
        ei_buf_printf(&b, "Straggler: a task of stage %u took %.1f s, where the median is %.1f s.",
                      id, seconds((int64_t)max_us), seconds((int64_t)median_us));
    if (b.len > 0)
        add(w, reasons[EI_WHY_STRAGGLER].name, &b);
}

static void look_for_repeats(const struct ei_master *m, const struct ei_job *job, uint32_t id,
                             struct ei_why *w) {
    const struct ei_failure *f = last_failure(job, id);
    struct ei_sched_stage_counts c;
    struct ei_buf b = {0};
    ei_stage_counts(m, job, id, &c);
    if (c.rounds > 0) {
        ei_buf_printf(&b, "Outputs of stage %u were lost and made again %u time%s.", id, c.rounds,
                      c.rounds == 1 ? "" : "s");
        add(w, reasons[EI_WHY_RECOMPUTED].name, &b);
    } else if (c.retries > 0) {
        ei_buf_printf(&b, "%u task%s of stage %u %s started again", c.retries,
                      c.retries == 1 ? "" : "s", id, c.retries == 1 ? "was" : "were");
        if (f != NULL)
            ei_buf_printf(&b, ", lastly task %u, because on %s: %.300s", f->id.task, f->worker,
                          f->error.text);
        if (b.data[b.len - 1] != '.')
            ei_buf_putc(&b, '.');
        add(w, reasons[EI_WHY_RETRIES].name, &b);
    }
}

static void look_for_spill(const struct ei_job_stage *s, uint32_t id, struct ei_why *w) {
    struct ei_buf b = {0};
    if (s->totals.spill_bytes < SPILL_MIN_BYTES)
        return;
    ei_buf_printf(&b, "Stage %u spilled ", id);
    put_size(&b, s->totals.spill_bytes);
    ei_buf_puts(&b, " to disk: more memory for its tasks (--memory) would avoid that.");
    add(w, reasons[EI_WHY_SPILL].name, &b);
}

static void why_slow(const struct ei_master *m, const struct ei_job *job, struct ei_why *w) {
    int64_t waited_us = job->started_us - job->submitted_us;
    for (uint32_t i = 0; i < job->stage_count; i++) {
        look_for_repeats(m, job, i, w);
        look_for_skew(&job->stages[i], i, w);
        look_for_stragglers(m, job, i, w);
        look_for_spill(&job->stages[i], i, w);
    }
    if (job->started_us != 0 && waited_us > WAITED_MIN_US) {
        struct ei_buf b = {0};
        ei_buf_printf(&b, "It waited %.1f s before its first task started.", seconds(waited_us));
        add(w, reasons[EI_WHY_WAITED].name, &b);
    }
}

void ei_why(const struct ei_master *m, const struct ei_job *job, struct ei_why *out) {
    struct ei_sched_reason r;
    struct ei_buf b = {0};
    *out = (struct ei_why){0};
    if (job->state == EI_JOB_FAILED || job->state == EI_JOB_CANCELLED) {
        why_ended_badly(job, out);
        return;
    }
    if (!ei_job_finished(job) && ei_sched_why(m->sched, job->id, &r) == 0 &&
        put_wait(m, job, &r, &b))
        add(out, ei_sched_reason_name(r.code), &b);
    why_slow(m, job, out);
    if (out->count > 0)
        return;
    bool done = ei_job_finished(job);
    ei_buf_puts(&b, done ? "It succeeded, and nothing stands out."
                         : "It runs: nothing keeps it, and nothing stands out.");
    add(out, done ? reasons[EI_WHY_NOTHING_SLOW].name : ei_sched_reason_name(EI_SCHED_WHY_RUNNING),
        &b);
}

/* ---- REST ---- */

void ei_rest_job_why(struct ei_http_request *r, void *data) {
    const struct ei_master *m = data;
    struct ei_error e = {0};
    const struct ei_job *job = ei_rest_find_job(r, m, &e);
    if (job == NULL) {
        ei_http_respond_error(r, &e);
        return;
    }
    struct ei_why w;
    struct ei_buf text = {0};
    struct ei_json j = {0};
    ei_why(m, job, &w);
    ei_why_text(&w, &text);
    ei_json_open(&j, NULL, '{');
    ei_json_uint(&j, "job", job->id);
    ei_json_text(&j, "state", ei_job_state_name(job->state));
    ei_json_text(&j, "text", text.data);
    ei_json_open(&j, "reasons", '[');
    for (size_t i = 0; i < w.count; i++) {
        ei_json_open(&j, NULL, '{');
        ei_json_text(&j, "code", w.reasons[i].code);
        ei_json_text(&j, "text", w.reasons[i].text);
        ei_json_close(&j, '}');
    }
    ei_json_close(&j, ']');
    ei_json_close(&j, '}');
    ei_buf_release(&text);
    ei_why_release(&w);
    ei_rest_json(r, &j);
}

static void write_reason(struct ei_json *j, const char *code, const char *text) {
    ei_json_open(j, NULL, '{');
    ei_json_text(j, "code", code);
    ei_json_text(j, "text", text);
    ei_json_close(j, '}');
}

void ei_rest_reasons(struct ei_http_request *r, void *data) {
    struct ei_json j = {0};
    (void)data;
    ei_json_open(&j, NULL, '{');
    ei_json_open(&j, "reasons", '[');
#define X(name, text) write_reason(&j, #name, text);
    EI_SCHED_REASONS(X)
    EI_WHY_REASONS(X)
#undef X
    ei_json_close(&j, ']');
    ei_json_close(&j, '}');
    ei_rest_json(r, &j);
}
