/* Where the exchange inputs of an attempt lie: outputs on this machine are read where they are,
 * others are fetched first. */
#include "base/mem.h"
#include "worker/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const Eider__V1__StageSource *find_source(const struct stage *s, uint32_t producer) {
    for (size_t i = 0; s->source && i < s->source->n_sources; i++) {
        if (s->source->sources[i]->producer == producer)
            return s->source->sources[i];
    }
    return NULL;
}

const Eider__V1__Output *ei_worker_source_output(const struct stage *s, uint32_t producer,
                                                 uint32_t task) {
    const Eider__V1__StageSource *source = find_source(s, producer);
    if (!source)
        return NULL;
    if (task < source->n_outputs && source->outputs[task]->task == task)
        return source->outputs[task]; /* the usual case: all outputs, by task */
    for (size_t i = 0; i < source->n_outputs; i++) {
        if (source->outputs[i]->task == task)
            return source->outputs[i];
    }
    return NULL;
}

/* A full disk here is no reason to compute the input again; a silent peer is. */
static bool producer_to_blame(enum ei_code code) {
    return code == EI_INPUT_LOST || code == EI_NOT_FOUND || code == EI_UNREACHABLE ||
           code == EI_TIMEOUT || code == EI_CORRUPT || code == EI_LIMIT || code == EI_IO;
}

static void input_lost(struct attempt *a, struct input *in, const struct ei_error *e) {
    in->lost = producer_to_blame(e->code);
    if (a->input_error && (a->input_error->code == EI_INPUT_LOST || !in->lost))
        return;
    if (!a->input_error)
        a->input_error = ei_malloc(sizeof *a->input_error);
    *a->input_error = *e;
    if (in->lost)
        a->input_error->code = EI_INPUT_LOST;
    ei_wrap(a->input_error, "the output of task %u.%u (attempt %u) cannot be read", in->producer,
            in->task, in->attempt);
}

/* The attempt cancels its fetches before it goes. */
struct waiting {
    struct worker *w;
    struct attempt *a;
};

static void fetched(void *data, struct fetch *f, const char *path, const struct ei_error *e) {
    struct waiting *waiting = data;
    struct worker *w = waiting->w;
    struct attempt *a = waiting->a;
    for (size_t i = 0; i < a->input_count; i++) {
        struct input *in = &a->inputs[i];
        if (in->fetch != f)
            continue;
        in->fetch = NULL;
        in->waiting = NULL;
        if (path)
            in->path = ei_strdup(path);
        else
            input_lost(a, in, e);
    }
    free(waiting);
    EI_ASSERT(a->inputs_pending > 0);
    if (--a->inputs_pending == 0) {
        ei_worker_inputs_settled(w, a);
        ei_worker_pump(w);
    }
}

static void find_one(struct worker *w, struct attempt *a, struct input *in,
                     const Eider__V1__Output *from) {
    struct ei_error e;
    in->task = from->task;
    in->attempt = from->attempt;
    bool here = strcmp(from->host_id, w->o.host_id) == 0;
    if (here && access(from->path, R_OK) == 0) {
        in->path = ei_strdup(from->path);
        return;
    }
    if (here && strcmp(from->worker, w->o.name) == 0) {
        ei_fail(&e, EI_INPUT_LOST, "%s is gone", from->path);
        input_lost(a, in, &e);
        return;
    }
    in->waiting = ei_malloc(sizeof *in->waiting);
    *in->waiting = (struct waiting){w, a};
    a->inputs_pending++;
    in->fetch = ei_worker_fetch(w, a->id.job, in->producer, from, a->first_partition,
                                a->partition_count, fetched, in->waiting);
}

/* Makes room for all outputs that the exchanges of the stage have. -1: the master did not say. */
static int64_t count_inputs(const struct stage *s, struct ei_error *e) {
    size_t n = 0;
    for (size_t i = 0; i < s->spec->n_exchanges; i++) {
        const Eider__V1__ExchangeInput *x = s->spec->exchanges[i];
        const Eider__V1__StageSource *source = find_source(s, x->stage);
        if (!source)
            return ei_fail(e, EI_STALE,
                           "the worker was not told where the output of stage %u lies that stage "
                           "%u of job %" PRIu64 " reads",
                           x->stage, s->id, s->job->id);
        n += source->n_outputs;
    }
    return (int64_t)n;
}

void ei_worker_inputs_find(struct worker *w, struct attempt *a) {
    const struct stage *s = a->stage;
    struct ei_error e;
    int64_t n = count_inputs(s, &e);
    if (n < 0) {
        ei_worker_attempt_failed(w, a, &e, true);
        return;
    }
    a->inputs = n ? ei_calloc((size_t)n, sizeof *a->inputs) : NULL;
    a->inputs_pending = 1; /* until all are looked at */
    for (size_t i = 0; i < s->spec->n_exchanges; i++) {
        uint32_t producer = s->spec->exchanges[i]->stage;
        const Eider__V1__StageSource *source = find_source(s, producer);
        for (size_t k = 0; k < source->n_outputs; k++) {
            struct input *in = &a->inputs[a->input_count++];
            in->exchange = (uint32_t)i;
            in->producer = producer;
            find_one(w, a, in, source->outputs[k]);
        }
    }
    if (--a->inputs_pending == 0)
        ei_worker_inputs_settled(w, a);
}

void ei_worker_inputs_release(struct worker *w, struct attempt *a) {
    for (size_t i = 0; i < a->input_count; i++) {
        struct input *in = &a->inputs[i];
        if (in->fetch) {
            ei_worker_fetch_cancel(in->fetch);
            free(in->waiting);
        }
        free(in->path);
    }
    free(a->inputs);
    a->inputs = NULL;
    a->input_count = a->inputs_pending = 0;
}
