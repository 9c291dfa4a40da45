/* Joins of several large tables: in which order, and for each step which side moves.
 *
 * The pair of units with the smallest guessed result is joined first. A side that is small goes to
 * every task of the other; else both are sent by a key of theirs, and the next steps go on from
 * there: a chain of joins, each over the columns that are still needed. */
#include "plan/graph.h"

#include <stdlib.h>
#include <string.h>

static bool is_heavy(const struct ei_plan_leaf *leaf) {
    return leaf->has_frag || (leaf->heavy && leaf->input != NULL);
}

static size_t count_heavy(const struct ei_plan_scope *s) {
    size_t count = 0;
    for (size_t i = 0; i < s->count; i++)
        count += is_heavy(&s->leaves[i]) ? 1 : 0;
    return count;
}

/* The unit of a leaf: its rows come by splits, or as a planned subquery, or are read everywhere. */
static int begin_unit(struct ei_plan_graph *g, size_t i) {
    struct ei_plan_leaf *leaf = &g->b->scope.leaves[i];
    struct ei_plan_unit *u = &g->units[i];
    if (leaf->has_frag)
        ei_tree_set(ei_tree_get(leaf->node, "subquery"), "node", ei_tree_copy(leaf->frag.tree));
    u->from = ei_plan_own(g->ctx, ei_tree_copy(leaf->node));
    if (!u->attached)
        ei_plan_unit_filter(g, u);
    for (size_t k = 0; u->attached && k < ei_tree_len(u->where); k++)
        u->rows = EI_MAX(u->rows * ei_plan_selectivity(g, ei_tree_at(u->where, k)), 1.0);
    if (leaf->has_frag && leaf->single)
        return ei_plan_unit_cut(g, u, SIZE_MAX);
    u->spread = is_heavy(leaf);
    if (leaf->has_frag)
        ei_plan_frag_like(&u->base, &leaf->frag);
    else if (u->spread)
        u->base = (struct ei_plan_frag){.spread = EI_PLAN_SPLIT,
                                        .split_input = leaf->input,
                                        .rows = leaf->rows,
                                        .what = ei_asprintf("scan %s", leaf->input)};
    return EI_PLAN_OK;
}

/* A key that both units have; SIZE_MAX if there is none. The one that they are sent by is best. */
static size_t shared_class(const struct ei_plan_graph *g, const struct ei_plan_unit *a,
                           const struct ei_plan_unit *b) {
    struct ei_plan_column_at x, y;
    size_t found = SIZE_MAX;
    for (size_t class = 0; class < g->columns; class ++) {
        if (g->class_of[class] != class || !ei_plan_graph_column(g, a->mask, class, &x) ||
            !ei_plan_graph_column(g, b->mask, class, &y))
            continue;
        if (found == SIZE_MAX || class == a->key_class || class == b->key_class)
            found = class;
    }
    return found;
}

/* Without a conjunct that joins them by this class: the equality that others imply. */
static void imply_equality(struct ei_plan_graph *g, const struct ei_plan_unit *a,
                           const struct ei_plan_unit *b) {
    for (size_t class = 0; class < g->columns; class ++) {
        struct ei_plan_column_at x, y, p, q;
        if (g->class_of[class] != class || !ei_plan_graph_column(g, a->mask, class, &x) ||
            !ei_plan_graph_column(g, b->mask, class, &y))
            continue;
        bool given = false;
        for (size_t i = 0; i < g->conjunct_count && !given; i++)
            given = !g->conjuncts[i].done &&
                    ei_plan_graph_equality(g, g->conjuncts[i].expression, &p, &q) &&
                    g->class_of[g->first[p.leaf] + p.column] == class &&
                    (g->conjuncts[i].mask & a->mask) != 0 && (g->conjuncts[i].mask & b->mask) != 0;
        if (given)
            continue;
        const struct ei_plan_leaf *l = &g->b->scope.leaves[x.leaf],
                                  *r = &g->b->scope.leaves[y.leaf];
        json_object_array_add(
            a->where, ei_tree_equal(ei_tree_column(l->alias, l->columns.columns[x.column].name),
                                    ei_tree_column(r->alias, r->columns.columns[y.column].name)));
    }
}

static bool is_small(const struct ei_plan_graph *g, const struct ei_plan_unit *u) {
    return ei_plan_unit_bytes(g, u) <= (double)g->ctx->env->broadcast_limit_bytes;
}

/* The keys that are left of a small unit go to every task that scans the large one: what finds no
 * partner is not sent at all. */
static int reduce_by_keys(struct ei_plan_graph *g, const struct ei_plan_unit *small,
                          size_t small_class, struct ei_plan_unit *large, size_t large_class) {
    struct ei_plan_column_at x, y;
    double bytes = small->rows * 9;
    if (large->base.spread != EI_PLAN_SPLIT || small->rows * 4 > large->rows ||
        bytes > (double)g->ctx->env->broadcast_limit_bytes ||
        !ei_plan_graph_column(g, small->mask, small_class, &x) ||
        !ei_plan_graph_column(g, large->mask, large_class, &y))
        return EI_PLAN_OK;
    const struct ei_plan_place *place = &g->places[g->first[x.leaf] + x.column];
    const struct ei_plan_leaf *leaf = &g->b->scope.leaves[y.leaf];
    struct ei_plan_frag keys = {.spread = EI_PLAN_HASH,
                                .partitions = g->partitions,
                                .rows = (uint64_t)small->rows,
                                .what = ei_asprintf("keys of %s", place->table)};
    keys.tree = ei_plan_own(g->ctx, ei_tree_select_node());
    json_object_array_add(ei_tree_get(keys.tree, "select_list"),
                          ei_tree_column(place->table, place->column));
    ei_tree_set(keys.tree, "from_table", ei_tree_table(place->table, place->table));
    const char *input = NULL;
    ei_plan_add_distinct(keys.tree);
    int status = ei_plan_close(g->ctx, &keys, EIDER__V1__DISTRIBUTION__DISTRIBUTION_BROADCAST, NULL,
                               0, 1, &input);
    if (status == EI_PLAN_OK) {
        struct json_object *query = ei_tree_select_node();
        json_object_array_add(ei_tree_get(query, "select_list"),
                              ei_tree_column(input, place->column));
        ei_tree_set(query, "from_table", ei_tree_table(input, input));
        struct json_object *column =
            ei_tree_column(leaf->alias, leaf->columns.columns[y.column].name);
        json_object_array_add(large->where, ei_tree_in(column, query));
        large->rows = EI_MIN(large->rows, small->rows * 4);
    }
    ei_plan_frag_release(&keys);
    return status;
}

/* Sends both by their keys; b may lose rows without a partner before that, a only if `both`. */
static int shuffle(struct ei_plan_graph *g, struct ei_plan_unit *a, size_t a_class,
                   struct ei_plan_unit *b, size_t b_class, bool both) {
    int status = EI_PLAN_OK;
    if (both && b->rows < a->rows)
        return shuffle(g, b, b_class, a, a_class, false);
    if (a->key_class != a_class)
        status = ei_plan_unit_cut(g, a, a_class);
    if (status == EI_PLAN_OK && b->key_class != b_class)
        status = reduce_by_keys(g, a, a_class, b, b_class);
    if (status == EI_PLAN_OK && b->key_class != b_class)
        status = ei_plan_unit_cut(g, b, b_class);
    return status;
}

/* Without a key, a side that is not far too large still goes to every task. */
static bool can_copy(const struct ei_plan_graph *g, const struct ei_plan_unit *u) {
    return ei_plan_unit_bytes(g, u) <= 64.0 * (double)g->ctx->env->broadcast_limit_bytes;
}

/* The conjuncts of several items become the join's condition, so that DuckDB prints no comma. */
static void join_conditions(struct ei_plan_graph *g, struct ei_plan_unit *u) {
    struct json_object *condition = NULL, *where = ei_plan_own(g->ctx, json_object_new_array());
    for (size_t i = 0; i < ei_tree_len(u->where); i++) {
        struct json_object *e = ei_tree_at(u->where, i);
        uint64_t mask = ei_plan_graph_mask(g, e);
        if ((mask & (mask - 1)) != 0)
            condition = ei_tree_and(condition, ei_tree_copy(e));
        else
            json_object_array_add(where, json_object_get(e));
    }
    if (condition == NULL)
        condition = ei_tree_equal(ei_tree_int(1), ei_tree_int(1));
    ei_tree_set(u->from, "condition", condition);
    ei_tree_set_str(u->from, "ref_type", "REGULAR");
    u->where = where;
}

/* b's tables, filters and tasks become a's. */
static void join_units(struct ei_plan_graph *g, struct ei_plan_unit *a, struct ei_plan_unit *b) {
    imply_equality(g, a, b);
    bool swap = !a->spread && b->spread; /* what is spread stands first */
    struct ei_plan_unit *first = swap ? b : a, *second = swap ? a : b;
    a->from = ei_plan_own(
        g->ctx, ei_tree_join("INNER", ei_tree_copy(first->from), ei_tree_copy(second->from), NULL));
    if (swap) {
        struct ei_plan_frag base = a->base;
        a->base = b->base;
        b->base = base;
        a->key_class = b->key_class;
    }
    a->spread = a->spread || b->spread;
    for (size_t i = 0; i < ei_tree_len(b->where); i++)
        json_object_array_add(a->where, json_object_get(ei_tree_at(b->where, i)));
    a->mask |= b->mask;
    a->table_rows = EI_MAX(a->table_rows, b->table_rows);
    a->reduced = a->reduced || b->reduced;
    b->alive = false;
}

/* Joins b into a; b is gone then. */
static int merge(struct ei_plan_graph *g, struct ei_plan_unit *a, struct ei_plan_unit *b) {
    bool connected;
    double rows = ei_plan_join_rows(g, a, b, &connected);
    int status = EI_PLAN_OK;
    if (a->spread && b->spread) {
        struct ei_plan_unit *small = ei_plan_unit_bytes(g, a) < ei_plan_unit_bytes(g, b) ? a : b;
        size_t class = shared_class(g, a, b);
        bool together = class != SIZE_MAX && a->key_class == class && b->key_class == class;
        if (together)
            status = EI_PLAN_OK;
        else if (is_small(g, small))
            status = ei_plan_unit_cut(g, small, SIZE_MAX);
        else if (class != SIZE_MAX)
            status = shuffle(g, a, class, b, class, true);
        else if (can_copy(g, small))
            status = ei_plan_unit_cut(g, small, SIZE_MAX);
        else
            status = ei_plan_whole(g->ctx, "large tables are joined without a shared key");
    }
    if (status != EI_PLAN_OK)
        return status;
    join_units(g, a, b);
    a->rows = rows;
    ei_plan_unit_filter(g, a);
    join_conditions(g, a);
    return EI_PLAN_OK;
}

/* ---- LEFT, SEMI, ANTI ---- */

/* The columns of the first equality of a join's conditions. */
static bool join_key(const struct ei_plan_graph *g, const struct ei_plan_attachment *t,
                     struct ei_plan_column_at *left, struct ei_plan_column_at *right) {
    for (size_t i = 0; i < ei_tree_len(t->conditions); i++) {
        struct ei_plan_column_at a, b;
        if (!ei_plan_graph_equality(g, ei_tree_at(t->conditions, i), &a, &b))
            continue;
        bool a_right = (g->units[t->unit].mask >> a.leaf & 1) != 0;
        *left = a_right ? b : a;
        *right = a_right ? a : b;
        return true;
    }
    return false;
}

static int place_sides(struct ei_plan_graph *g, struct ei_plan_unit *u, struct ei_plan_unit *r,
                       const struct ei_plan_attachment *t) {
    struct ei_plan_column_at x, y;
    if (!r->spread)
        return EI_PLAN_OK;
    bool key = join_key(g, t, &x, &y);
    if (is_small(g, r) || (!key && can_copy(g, r)))
        return ei_plan_unit_cut(g, r, SIZE_MAX);
    if (!key)
        return ei_plan_whole(g->ctx, "%s JOIN of large tables without a shared key", t->type);
    return shuffle(g, u, g->class_of[g->first[x.leaf] + x.column], r,
                   g->class_of[g->first[y.leaf] + y.column], false);
}

static int attach(struct ei_plan_graph *g, struct ei_plan_unit *u, struct ei_plan_attachment *t) {
    struct ei_plan_unit *r = &g->units[t->unit];
    struct json_object *condition = NULL;
    bool left = strcmp(t->type, "LEFT") == 0, connected;
    double rows = ei_plan_join_rows(g, u, r, &connected);
    int status = place_sides(g, u, r, t);
    if (status != EI_PLAN_OK)
        return status;
    for (size_t i = 0; i < ei_tree_len(t->conditions); i++)
        condition = ei_tree_and(condition, ei_tree_copy(ei_tree_at(t->conditions, i)));
    for (size_t i = 0; i < ei_tree_len(r->where); i++)
        condition = ei_tree_and(condition, ei_tree_copy(ei_tree_at(r->where, i)));
    if (condition == NULL)
        condition = ei_tree_equal(ei_tree_int(1), ei_tree_int(1));
    u->from = ei_plan_own(
        g->ctx, ei_tree_join(t->type, ei_tree_copy(u->from), ei_tree_copy(r->from), condition));
    u->rows = left ? EI_MAX(u->rows, connected ? rows : u->rows) : EI_MAX(u->rows * 0.3, 1.0);
    u->table_rows = left ? EI_MAX(u->table_rows, r->table_rows) : u->table_rows;
    t->done = true;
    r->alive = false;
    if (left)
        u->mask |= r->mask;
    ei_plan_unit_filter(g, u);
    return EI_PLAN_OK;
}

/* ---- the order ---- */

static struct ei_plan_unit *unit_with(struct ei_plan_graph *g, uint64_t mask) {
    for (size_t i = 0; i < g->unit_count; i++)
        if (g->units[i].alive && !g->units[i].attached && (mask & ~g->units[i].mask) == 0)
            return &g->units[i];
    return NULL;
}

/* SEMI and ANTI joins with something that every task can have are filters: as early as can be. */
static int attach_filters(struct ei_plan_graph *g) {
    int status = EI_PLAN_OK;
    for (size_t i = 0; i < g->attachment_count && status == EI_PLAN_OK; i++) {
        struct ei_plan_attachment *t = &g->attachments[i];
        struct ei_plan_unit *u = unit_with(g, t->left_mask), *r = &g->units[t->unit];
        if (t->done || strcmp(t->type, "LEFT") == 0 || u == NULL)
            continue;
        if (!r->spread || (u->spread && r->rows < u->rows && is_small(g, r)))
            status = attach(g, u, t);
    }
    return status;
}

static int attach_next(struct ei_plan_graph *g, bool *changed) {
    for (size_t i = 0; i < g->attachment_count; i++) {
        struct ei_plan_attachment *t = &g->attachments[i];
        struct ei_plan_unit *u = t->done ? NULL : unit_with(g, t->left_mask);
        if (u == NULL)
            continue;
        *changed = true;
        return attach(g, u, t);
    }
    return EI_PLAN_OK;
}

/* The pair with the smallest result: first of those that an equality joins. */
static int merge_next(struct ei_plan_graph *g, bool cross, bool *changed) {
    struct ei_plan_unit *a = NULL, *b = NULL;
    double least = 0;
    for (size_t i = 0; i < g->unit_count; i++)
        for (size_t j = 0; j < i; j++) {
            struct ei_plan_unit *x = &g->units[j], *y = &g->units[i];
            bool connected;
            if (!x->alive || !y->alive || x->attached || y->attached)
                continue;
            double rows = ei_plan_join_rows(g, x, y, &connected);
            if (connected == cross || (a != NULL && rows >= least))
                continue;
            a = x;
            b = y;
            least = rows;
        }
    *changed = a != NULL;
    return a == NULL ? EI_PLAN_OK : merge(g, a, b);
}

static int join_all(struct ei_plan_graph *g) {
    int status = attach_filters(g);
    bool changed = true;
    while (status == EI_PLAN_OK && changed) {
        status = merge_next(g, false, &changed);
        if (status == EI_PLAN_OK && !changed)
            status = attach_next(g, &changed);
        if (status == EI_PLAN_OK && !changed)
            status = merge_next(g, true, &changed);
        if (status == EI_PLAN_OK && changed)
            status = attach_filters(g);
    }
    return status;
}

/* The last unit takes the place of the block's FROM and WHERE. */
static int finish(struct ei_plan_graph *g) {
    static const char *const CLAUSES[] = {"select_list", "group_expressions", "having", "qualify"};
    struct ei_plan_block *b = g->b;
    struct ei_plan_unit *u = unit_with(g, 0);
    EI_ASSERT(u != NULL);
    struct json_object *where = ei_plan_unit_where(g, u);
    for (size_t i = 0; i < g->conjunct_count; i++)
        if (!g->conjuncts[i].done)
            where = ei_tree_and(where, ei_plan_unit_placed(g, g->conjuncts[i].expression));
    ei_tree_set(b->node, "where_clause", where);
    ei_tree_set(b->node, "from_table", ei_plan_unit_placed(g, u->from));
    for (size_t i = 0; i < EI_ARRAY_LEN(CLAUSES); i++)
        if (ei_tree_get(b->node, CLAUSES[i]) != NULL)
            ei_tree_set(b->node, CLAUSES[i],
                        ei_plan_unit_placed(g, ei_tree_get(b->node, CLAUSES[i])));
    struct json_object *orders[2] = {b->orders, b->own_orders};
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < ei_tree_len(orders[k]); i++) {
            struct json_object *order = ei_tree_at(orders[k], i);
            ei_tree_set(order, "expression",
                        ei_plan_unit_placed(g, ei_tree_get(order, "expression")));
        }
    if (u->spread) {
        ei_plan_frag_like(&b->base, &u->base);
    } else {
        b->base.spread = EI_PLAN_SINGLE;
        b->base.rows = (uint64_t)u->rows;
    }
    free(b->base.what);
    b->base.what = ei_plan_unit_describe(g, u);
    b->keys = ei_plan_unit_keys(g, u);
    ei_plan_scope_release(&b->scope);
    return ei_plan_scope_init(g->ctx, ei_tree_get(b->node, "from_table"), &b->scope);
}

int ei_plan_chain(struct ei_plan_ctx *ctx, struct ei_plan_block *b, bool *taken) {
    struct ei_plan_graph g;
    *taken = false;
    if (count_heavy(&b->scope) < 2)
        return EI_PLAN_OK;
    int status = ei_plan_expression_subqueries(ctx, b->node);
    if (status != EI_PLAN_OK)
        return status;
    status = ei_plan_graph_init(&g, ctx, b);
    if (status == EI_PLAN_OK) {
        *taken = true;
        uint64_t rows = 0;
        for (size_t i = 0; i < b->scope.count; i++)
            rows = EI_MAX(rows, b->scope.leaves[i].rows);
        g.partitions = ei_plan_partitions(ctx, rows);
        for (size_t i = 0; i < g.unit_count && status == EI_PLAN_OK; i++)
            status = begin_unit(&g, i);
        if (status == EI_PLAN_OK)
            status = join_all(&g);
        if (status == EI_PLAN_OK)
            status = finish(&g);
    } else if (status == EI_PLAN_WHOLE) {
        status = EI_PLAN_OK; /* nothing was changed: another way may do */
    }
    ei_plan_graph_release(&g);
    return status;
}
