/* The tree of queues, the users, and where in it a job belongs. Queues and users that were set
 * stay; a user without settings lives as long as one of its jobs, and so do the shares below a
 * queue. */
#include "sched/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ei_sc_share *member_get(struct ei_sched *s, struct ei_sc_share *parent,
                                      enum ei_sc_share_kind kind, const char *name) {
    struct ei_sc_share *h = ei_map_get(&parent->members, name);
    if (h != NULL)
        return h;
    h = ei_malloc(sizeof *h);
    ei_sc_share_init(h, kind, parent, ++s->seq);
    h->name = ei_strdup(name);
    (void)ei_map_put(&parent->members, name, h);
    return h;
}

void ei_sc_queues_init(struct ei_sched *s) {
    ei_sc_share_init(&s->root, EI_SC_QUEUE, NULL, 0);
    (void)ei_map_put(&s->queues, "default", member_get(s, &s->root, EI_SC_QUEUE, "default"));
}

static void user_free(struct ei_sc_user *u) {
    free(u->members);
    free(u->name);
    free(u);
}

void ei_sc_queues_release(struct ei_sched *s) {
    for (size_t i = 0; i < s->users.count; i++)
        user_free(s->users.entries[i].value);
    ei_map_release(&s->users);
    ei_map_release(&s->queues);
    ei_sc_share_release(&s->root);
    free(s->guaranteed);
}

static struct ei_sc_user *user_get(struct ei_sched *s, const char *name) {
    struct ei_sc_user *u = ei_map_get(&s->users, name);
    if (u != NULL)
        return u;
    u = ei_calloc(1, sizeof *u);
    u->name = ei_strdup(name);
    u->weight = 1;
    (void)ei_map_put(&s->users, name, u);
    return u;
}

static void set_guarantee(struct ei_sched *s, struct ei_sc_share *q, uint32_t min_cores) {
    q->min_cores = min_cores;
    size_t at = 0;
    while (at < s->guaranteed_count && s->guaranteed[at] != q)
        at++;
    if (min_cores > 0 && at == s->guaranteed_count) {
        EI_GROW(s->guaranteed, s->guaranteed_count, s->guaranteed_capacity);
        s->guaranteed[s->guaranteed_count++] = q;
    } else if (min_cores == 0 && at < s->guaranteed_count) {
        s->guaranteed[at] = s->guaranteed[--s->guaranteed_count];
        q->short_of = false;
    }
}

/* A queue whose parent is not known, or whose name is taken by a priority level, is not made. */
void ei_sc_on_queue_set(struct ei_sched *s, const struct ei_sched_event *e) {
    const char *name = e->u.queue.name, *parent = e->u.queue.parent;
    if (name == NULL || name[0] == '\0' || name[0] == '@')
        return;
    struct ei_sc_share *q = ei_map_get(&s->queues, name);
    if (q == NULL) {
        struct ei_sc_share *up =
            parent == NULL || parent[0] == '\0' ? &s->root : ei_map_get(&s->queues, parent);
        if (up == NULL)
            return;
        q = member_get(s, up, EI_SC_QUEUE, name);
        (void)ei_map_put(&s->queues, name, q);
    }
    q->weight = EI_MAX(e->u.queue.weight, 1u);
    q->fifo = e->u.queue.fifo;
    q->limits = e->u.queue.limits;
    set_guarantee(s, q, e->u.queue.min_cores);
    ei_sc_share_refresh(q);
    ei_sc_gate_wake(s, &q->gate);
}

void ei_sc_on_user_set(struct ei_sched *s, const struct ei_sched_event *e) {
    if (e->u.user.name == NULL)
        return;
    struct ei_sc_user *u = user_get(s, e->u.user.name);
    u->kept = true;
    u->weight = EI_MAX(e->u.user.weight, 1u);
    u->limits = e->u.user.limits;
    for (uint32_t i = 0; i < u->member_count; i++) {
        if (u->members[i]->kind == EI_SC_USER)
            u->members[i]->weight = u->weight;
        ei_sc_share_refresh(u->members[i]);
    }
    ei_sc_gate_wake(s, &u->gate);
}

static void user_add(struct ei_sc_user *u, struct ei_sc_share *h) {
    h->user = u;
    EI_GROW(u->members, u->member_count, u->member_capacity);
    u->members[u->member_count++] = h;
}

static void user_drop(struct ei_sc_share *h) {
    struct ei_sc_user *u = h->user;
    if (u == NULL)
        return;
    for (uint32_t i = 0; i < u->member_count; i++) {
        if (u->members[i] == h)
            u->members[i] = u->members[--u->member_count];
    }
    h->user = NULL;
}

/* In a fair queue the users stand side by side; in a FIFO one all jobs of a priority do. A queue
 * that changed its mode keeps the shares of its old jobs apart. False: there is no such queue. */
bool ei_sc_job_join(struct ei_sched *s, struct ei_sc_job *j, const struct ei_sched_event *e) {
    const char *name = e->u.submit.queue, *user = e->u.submit.user;
    struct ei_sc_share *q =
        ei_map_get(&s->queues, name == NULL || name[0] == '\0' ? "default" : name);
    if (q == NULL)
        return false;
    j->queue = q;
    j->user = user_get(s, user == NULL ? "" : user);
    j->user->jobs++;
    char text[24];
    (void)snprintf(text, sizeof text, "@%d%s", e->u.submit.priority, q->fifo ? " fifo" : "");
    struct ei_sc_share *level = member_get(s, q, EI_SC_LEVEL, text);
    level->priority = e->u.submit.priority;
    struct ei_sc_share *up = member_get(s, level, EI_SC_USER, q->fifo ? "" : j->user->name);
    if (!q->fifo && up->user == NULL) {
        user_add(j->user, up);
        up->weight = j->user->weight;
    }
    ei_sc_share_init(&j->share, EI_SC_JOB, up, ++s->seq);
    if (q->fifo)
        user_add(j->user, &j->share);
    j->share.limits = e->u.submit.limits;
    return true;
}

/* The job is gone: so are the shares that were there for it alone. */
void ei_sc_job_leave(struct ei_sched *s, struct ei_sc_job *j) {
    user_drop(&j->share);
    struct ei_sc_share *h = &j->share;
    for (struct ei_sc_share *up = h->parent; up != NULL; h = up, up = h->parent) {
        up->children--;
        if (h->kind != EI_SC_JOB) {
            user_drop(h);
            (void)ei_map_remove(&up->members, h->name);
            ei_sc_share_release(h);
            free(h);
        }
        if (up->children > 0 || up->kind == EI_SC_QUEUE)
            break;
    }
    struct ei_sc_user *u = j->user;
    if (--u->jobs > 0 || u->kept)
        return;
    (void)ei_map_remove(&s->users, u->name);
    user_free(u);
}
