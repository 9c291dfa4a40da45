/* Requests that wait for jobs to end: GET /v1/jobs/:id?wait_ms= and POST /v1/jobs?wait_ms=. They
 * are answered in the loop turn in which the last of their jobs ends, or when their time is up. */
#include "master/internal.h"

#include "base/mem.h"
#include "os/os.h"

#include <stdlib.h>

static void wait_free(struct ei_master *m, struct ei_wait *w) {
    for (uint32_t i = 0; i < w->count; i++) {
        struct ei_job *job =
            w->jobs[i].state < EI_JOB_SUCCEEDED ? ei_job_find(m, w->jobs[i].id) : NULL;
        for (size_t k = 0; job != NULL && k < job->wait_count; k++)
            if (job->waits[k] == w)
                job->waits[k] = job->waits[--job->wait_count];
    }
    struct ei_wait *last = m->waits[--m->wait_count];
    m->waits[w->at] = last;
    last->at = w->at;
    free(w);
}

/* The client went away: what only it wanted to know is not worth running. */
static void aborted(void *data) {
    struct ei_wait *w = data;
    struct ei_master *m = w->master;
    for (uint32_t i = 0; w->owner && !m->stopping && i < w->count; i++)
        if (w->jobs[i].state < EI_JOB_SUCCEEDED)
            (void)ei_job_cancel(m, w->jobs[i].id, "the client that waited for it went away", NULL);
    wait_free(m, w);
}

struct ei_wait *ei_wait_create(struct ei_master *m, struct ei_http_request *r, uint32_t count,
                               uint64_t wait_ms, ei_wait_fn answer) {
    struct ei_wait *w = ei_calloc(1, sizeof *w + count * sizeof w->jobs[0]);
    w->master = m;
    w->request = r;
    w->answer = answer;
    w->due_us = ei_now_us() + (int64_t)wait_ms * 1000;
    w->at = m->wait_count;
    EI_GROW(m->waits, m->wait_count, m->wait_capacity);
    m->waits[m->wait_count++] = w;
    m->next_wait_us = EI_MIN(m->next_wait_us, w->due_us);
    ei_http_on_abort(r, aborted, w);
    return w;
}

void ei_wait_add(struct ei_wait *w, struct ei_job *job) {
    struct ei_waited *j = &w->jobs[w->count++];
    j->id = job->id;
    j->state = job->state;
    if (ei_job_finished(job))
        return;
    w->left++;
    EI_GROW(job->waits, job->wait_count, job->wait_capacity);
    job->waits[job->wait_count++] = w;
}

/* The jobs of a request have rising ids. */
static struct ei_waited *find(struct ei_wait *w, uint64_t id) {
    uint32_t low = 0, high = w->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (w->jobs[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    EI_ASSERT(low < w->count && w->jobs[low].id == id);
    return &w->jobs[low];
}

void ei_waits_job_ended(struct ei_master *m, struct ei_job *job) {
    for (size_t i = 0; i < job->wait_count; i++) {
        struct ei_wait *w = job->waits[i];
        struct ei_waited *j = find(w, job->id);
        j->state = job->state;
        j->elapsed_us = job->ended_us - job->submitted_us;
        if (--w->left == 0)
            m->next_wait_us = INT64_MIN; /* it is answered at the end of this turn */
    }
    free(job->waits);
    job->waits = NULL;
    job->wait_count = job->wait_capacity = 0;
}

int64_t ei_waits_answer(struct ei_master *m, int64_t now_us) {
    if (now_us < m->next_wait_us)
        return m->next_wait_us;
    int64_t next_us = INT64_MAX;
    for (size_t i = 0; i < m->wait_count;) {
        struct ei_wait *w = m->waits[i];
        if (w->left > 0 && now_us < w->due_us) {
            next_us = EI_MIN(next_us, w->due_us);
            i++;
            continue;
        }
        w->answer(m, w);
        wait_free(m, w); /* the last one moves to i */
    }
    return m->next_wait_us = next_us;
}
