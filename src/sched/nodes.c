/* Nodes and their hosts. A node is one incarnation of a worker; the host is what stays when it
 * comes back, and carries the memory of its failures: a host whose attempts fail too often is left
 * alone for a while, longer each time, but never so many hosts that less than half remain. */
#include "sched/internal.h"

#include <stdlib.h>
#include <string.h>

uint32_t ei_sc_node_slot(const struct ei_sched *s, uint64_t id) {
    uintptr_t slot = (uintptr_t)ei_map_get_u64(&s->node_ids, id);
    return slot == 0 ? EI_SC_NONE : (uint32_t)(slot - 1);
}

bool ei_sc_node_usable(const struct ei_sched *s, const struct ei_sc_node *n) {
    return n->host != NULL && !n->down && !n->cordoned && n->host->excluded_until_us == 0;
}

void ei_sc_node_reindex(struct ei_sched *s, uint32_t slot) {
    struct ei_sc_node *n = &s->nodes[slot];
    if (n->pos != EI_SC_NONE)
        ei_sc_index_remove(s, slot);
    if (n->free_cores > 0 && n->reserved == NULL && !n->for_gang && ei_sc_node_usable(s, n))
        ei_sc_index_put(s, slot);
}

void ei_sc_node_take(struct ei_sched *s, uint32_t slot, const struct ei_sc_run *run,
                     const struct ei_sc_shape *shape) {
    struct ei_sc_node *n = &s->nodes[slot];
    EI_ASSERT(n->free_cores >= run->cores && n->free_memory >= run->memory);
    n->free_cores -= run->cores;
    n->free_memory -= run->memory;
    ei_sc_terms_take(&n->terms, &shape->terms, true);
    ei_sc_node_reindex(s, slot);
}

void ei_sc_node_give(struct ei_sched *s, uint32_t slot, const struct ei_sc_run *run,
                     const struct ei_sc_shape *shape) {
    struct ei_sc_node *n = &s->nodes[slot];
    n->free_cores += run->cores;
    n->free_memory += run->memory;
    ei_sc_terms_take(&n->terms, &shape->terms, false);
    EI_ASSERT(n->free_cores <= n->cores && n->free_memory <= n->memory);
    ei_sc_node_reindex(s, slot);
    if (n->pos != EI_SC_NONE || n->reserved != NULL)
        ei_sc_shapes_unblock(s, slot);
    if (n->for_gang && s->gang != NULL)
        ei_sc_stage_unhold(s, s->gang);
}

/* ---- hosts ---- */

static struct ei_sc_host *host_get(struct ei_sched *s, const char *name) {
    struct ei_sc_host *h = ei_map_get(&s->hosts, name);
    if (h != NULL)
        return h;
    h = ei_calloc(1, sizeof *h);
    h->name = ei_strdup(name);
    h->id = ++s->next_host_id;
    h->first = EI_SC_NONE;
    h->failed_us = ei_malloc(s->config.node_exclude_failures * sizeof *h->failed_us);
    for (uint32_t i = 0; i < s->config.node_exclude_failures; i++)
        h->failed_us[i] = INT64_MIN;
    (void)ei_map_put(&s->hosts, name, h);
    (void)ei_map_put_u64(&s->host_ids, h->id, h);
    return h;
}

static void host_free(struct ei_sc_host *h) {
    free(h->failed_us);
    free(h->name);
    free(h);
}

/* Within the window of the last failure or exclusion a host is remembered without a node. */
static bool host_clean(const struct ei_sched *s, const struct ei_sc_host *h) {
    uint32_t ring = s->config.node_exclude_failures;
    int64_t last = h->failed_us[(h->failed_at + ring - 1) % ring];
    return h->excluded_until_us == 0 &&
           (last == INT64_MIN || s->now_us - last >= (int64_t)s->config.node_exclude_us);
}

static void host_drop_if_clean(struct ei_sched *s, struct ei_sc_host *h) {
    if (h->nodes > 0 || !host_clean(s, h))
        return;
    (void)ei_map_remove(&s->hosts, h->name);
    (void)ei_map_remove_u64(&s->host_ids, h->id);
    host_free(h);
}

static void reindex_host(struct ei_sched *s, const struct ei_sc_host *h) {
    for (uint32_t i = 0; i < s->node_count; i++) {
        if (s->nodes[i].host != h)
            continue;
        if (s->nodes[i].reserved != NULL)
            ei_sc_unreserve(s, s->nodes[i].reserved);
        ei_sc_node_reindex(s, i);
    }
}

void ei_sc_host_failed(struct ei_sched *s, struct ei_sc_host *h) {
    uint32_t ring = s->config.node_exclude_failures;
    h->failed_us[h->failed_at] = s->now_us;
    h->failed_at = (h->failed_at + 1) % ring;
    int64_t window = (int64_t)s->config.node_exclude_us;
    ei_sc_timer_add(s, s->now_us + window, EI_SC_TIMER_HOST, h->id, 0);
    int64_t oldest = h->failed_us[h->failed_at];
    if (oldest == INT64_MIN || s->now_us - oldest >= window || h->excluded_until_us != 0)
        return;
    if ((s->hosts_excluded + 1) * 2 > s->hosts_live)
        return;
    h->excluded_until_us = s->now_us + (window << EI_MIN(h->strikes, 3u));
    h->strikes++;
    for (uint32_t i = 0; i < ring; i++)
        h->failed_us[i] = INT64_MIN;
    if (h->nodes > 0)
        s->hosts_excluded++;
    ei_sc_timer_add(s, h->excluded_until_us, EI_SC_TIMER_HOST, h->id, 0);
    ei_sc_timer_add(s, h->excluded_until_us + window, EI_SC_TIMER_HOST, h->id, 0);
    reindex_host(s, h);
}

static void host_readmit(struct ei_sched *s, struct ei_sc_host *h) {
    h->excluded_until_us = 0;
    /* the end of the exclusion counts as one failure: it keeps the strikes for one more window */
    h->failed_us[h->failed_at] = s->now_us;
    h->failed_at = (h->failed_at + 1) % s->config.node_exclude_failures;
    if (h->nodes > 0)
        s->hosts_excluded--;
    for (uint32_t i = 0; i < s->node_count; i++) {
        if (s->nodes[i].host == h) {
            ei_sc_node_reindex(s, i);
            ei_sc_shapes_unblock(s, i);
        }
    }
    ei_sc_unhold_all(s);
}

void ei_sc_host_timer(struct ei_sched *s, uint32_t host_id) {
    struct ei_sc_host *h = ei_map_get_u64(&s->host_ids, host_id);
    if (h == NULL)
        return;
    if (h->excluded_until_us != 0 && h->excluded_until_us <= s->now_us)
        host_readmit(s, h);
    else if (host_clean(s, h))
        h->strikes = 0;
    host_drop_if_clean(s, h);
}

/* ---- nodes ---- */

void ei_sc_node_add(struct ei_sched *s, const struct ei_sched_event *e) {
    if (ei_sc_node_slot(s, e->node) != EI_SC_NONE)
        return;
    uint32_t slot = s->node_free;
    if (slot != EI_SC_NONE) {
        s->node_free = s->nodes[slot].next_free;
    } else {
        EI_GROW(s->nodes, s->node_count, s->node_capacity);
        slot = s->node_count++;
    }
    const char *name = e->u.node_up.name;
    struct ei_sc_node *n = &s->nodes[slot];
    *n = (struct ei_sc_node){.id = e->node,
                             .host = host_get(s, name == NULL ? "" : name),
                             .cores = EI_MIN(e->u.node_up.cores, EI_SC_MAX_NODE_CORES),
                             .memory = e->u.node_up.memory_bytes,
                             .output_sweep = EI_SC_SWEEP_MIN,
                             .pos = EI_SC_NONE};
    n->terms = ei_sc_terms_make(s, e->u.node_up.labels, e->u.node_up.label_count,
                                e->u.node_up.extras, e->u.node_up.extra_count);
    n->ahead_first = n->ahead_last = EI_SC_NONE;
    n->free_cores = n->cores;
    n->free_memory = n->memory;
    n->next_on_host = n->host->first;
    n->host->first = slot;
    if (n->host->nodes++ == 0) {
        s->hosts_live++;
        s->hosts_excluded += n->host->excluded_until_us != 0;
    }
    s->node_live++;
    s->total_cores += n->cores;
    (void)ei_map_put_u64(&s->node_ids, e->node, (void *)((uintptr_t)slot + 1));
    ei_sc_node_reindex(s, slot);
    ei_sc_shapes_unblock(s, slot);
    ei_sc_unhold_all(s);
}

/* The caller has taken its attempts and outputs away. */
void ei_sc_node_remove(struct ei_sched *s, uint32_t slot) {
    struct ei_sc_node *n = &s->nodes[slot];
    struct ei_sc_host *h = n->host;
    EI_ASSERT(n->run_count == 0);
    if (n->reserved != NULL)
        ei_sc_unreserve(s, n->reserved);
    free(n->runs);
    free(n->outputs);
    ei_sc_terms_release(&n->terms);
    if (n->pos != EI_SC_NONE)
        ei_sc_index_remove(s, slot);
    (void)ei_map_remove_u64(&s->node_ids, n->id);
    s->total_cores -= n->cores;
    s->node_live--;
    uint32_t *at = &h->first;
    while (*at != slot)
        at = &s->nodes[*at].next_on_host;
    *at = n->next_on_host;
    n->for_gang = false;
    n->host = NULL;
    n->next_free = s->node_free;
    s->node_free = slot;
    if (--h->nodes == 0) {
        s->hosts_live--;
        s->hosts_excluded -= h->excluded_until_us != 0;
    }
    host_drop_if_clean(s, h);
    ei_sc_unhold_all(s);
}

void ei_sc_nodes_release(struct ei_sched *s) {
    for (uint32_t i = 0; i < s->node_count; i++) {
        if (s->nodes[i].host == NULL)
            continue;
        free(s->nodes[i].runs);
        free(s->nodes[i].outputs);
        ei_sc_terms_release(&s->nodes[i].terms);
    }
    for (size_t i = 0; i < s->hosts.count; i++)
        host_free(s->hosts.entries[i].value);
    ei_map_release(&s->hosts);
    ei_map_release(&s->host_ids);
    ei_map_release(&s->node_ids);
    free(s->nodes);
}
