/* Which items of FROM are spread over the tasks, and whether the joins are right then.
 *
 * One item (a table by its splits, or a planned subquery) is spread, all others are read whole by
 * every task; or several are spread by a key that they are joined by (join.c). */
#include "plan/graph.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum spread_of {
    REPLICATED,
    SPREAD,
    WRONG,
};

struct check {
    struct ei_plan_ctx *ctx;
    struct ei_plan_scope *s;
};

/* The rules: join type -> may a side be spread while the other is replicated? */
static const struct {
    const char *type;
    bool left, right;
} RULES[] = {
    {"INNER", true, true}, {"LEFT", true, false}, {"RIGHT", false, true},
    {"SEMI", true, false}, {"ANTI", true, false}, {"FULL", false, false},
};

static enum spread_of check_from(struct check *c, struct json_object *node,
                                 struct json_object *conjuncts);

static bool is_inner(struct json_object *join) {
    return ei_tree_is(join, "join_type", "INNER") && !ei_tree_is(join, "ref_type", "ASOF") &&
           !ei_tree_is(join, "ref_type", "POSITIONAL");
}

/* What filters the rows of a side: inner joins hand down WHERE and ON, outer ones only what holds
 * for the side that they keep. Fresh array. */
static struct json_object *inherited(struct json_object *join, struct json_object *conjuncts,
                                     bool left) {
    struct json_object *array = json_object_new_array();
    bool inner = is_inner(join);
    const char *keeper = left ? "LEFT" : "RIGHT";
    bool kept =
        inner || ei_tree_is(join, "join_type", keeper) ||
        (left && (ei_tree_is(join, "join_type", "SEMI") || ei_tree_is(join, "join_type", "ANTI")));
    for (size_t i = 0; kept && i < ei_tree_len(conjuncts); i++)
        json_object_array_add(array, json_object_get(ei_tree_at(conjuncts, i)));
    if (inner)
        ei_tree_conjuncts(ei_tree_get(join, "condition"), array);
    return array;
}

static bool using_key(struct check *c, struct json_object *join) {
    struct json_object *names = ei_tree_get(join, "using_columns");
    for (size_t i = 0; i < ei_tree_len(names); i++) {
        const char *name = json_object_get_string(ei_tree_at(names, i));
        bool all = true;
        for (size_t k = 0; k < c->s->count; k++) {
            const struct ei_plan_leaf *leaf = &c->s->leaves[k];
            if (leaf->part && strcasecmp(leaf->columns.columns[leaf->key_column].name, name) != 0)
                all = false;
        }
        if (all)
            return true;
    }
    return false;
}

static enum spread_of both_spread(struct check *c, struct json_object *join,
                                  struct json_object *conjuncts) {
    struct json_object *usable = json_object_new_array();
    if (is_inner(join))
        for (size_t i = 0; i < ei_tree_len(conjuncts); i++)
            json_object_array_add(usable, json_object_get(ei_tree_at(conjuncts, i)));
    ei_tree_conjuncts(ei_tree_get(join, "condition"), usable);
    bool joined = ei_plan_joined_by_key(c->s, usable, ei_tree_get(join, "left"),
                                        ei_tree_get(join, "right")) ||
                  using_key(c, join);
    json_object_put(usable);
    if (joined && !ei_tree_is(join, "ref_type", "ASOF"))
        return SPREAD;
    (void)ei_plan_whole(c->ctx, "large tables are joined without a shared key");
    return WRONG;
}

static enum spread_of check_join(struct check *c, struct json_object *join,
                                 struct json_object *conjuncts) {
    struct json_object *to_left = inherited(join, conjuncts, true);
    struct json_object *to_right = inherited(join, conjuncts, false);
    enum spread_of left = check_from(c, ei_tree_get(join, "left"), to_left);
    enum spread_of right = check_from(c, ei_tree_get(join, "right"), to_right);
    json_object_put(to_left);
    json_object_put(to_right);
    if (left == WRONG || right == WRONG)
        return WRONG;
    if (left == REPLICATED && right == REPLICATED)
        return REPLICATED;
    const char *type = ei_tree_str(join, "join_type");
    if (ei_tree_is(join, "ref_type", "POSITIONAL")) {
        (void)ei_plan_whole(c->ctx, "POSITIONAL JOIN");
        return WRONG;
    }
    if (left == SPREAD && right == SPREAD)
        return both_spread(c, join, conjuncts);
    for (size_t i = 0; i < EI_ARRAY_LEN(RULES); i++)
        if (strcmp(type, RULES[i].type) == 0 && (left == SPREAD ? RULES[i].left : RULES[i].right)) {
            if (!ei_tree_is(join, "ref_type", "ASOF") || left == SPREAD)
                return SPREAD;
        }
    (void)ei_plan_whole(c->ctx, "%s%s JOIN with the large table on its %s side",
                        ei_tree_is(join, "ref_type", "ASOF") ? "ASOF " : "", type,
                        left == SPREAD ? "left" : "right");
    return WRONG;
}

static enum spread_of check_from(struct check *c, struct json_object *node,
                                 struct json_object *conjuncts) {
    if (ei_tree_is(node, "type", "JOIN"))
        return check_join(c, node, conjuncts);
    const struct ei_plan_leaf *leaf = ei_plan_scope_leaf(c->s, node);
    return leaf != NULL && leaf->part ? SPREAD : REPLICATED;
}

int ei_plan_from_check(struct ei_plan_ctx *ctx, struct ei_plan_scope *s, struct json_object *node) {
    struct check c = {.ctx = ctx, .s = s};
    struct json_object *conjuncts = json_object_new_array();
    ei_tree_conjuncts(ei_tree_get(node, "where_clause"), conjuncts);
    enum spread_of spread = check_from(&c, ei_tree_get(node, "from_table"), conjuncts);
    json_object_put(conjuncts);
    return spread == WRONG ? EI_PLAN_WHOLE : EI_PLAN_OK;
}

static bool has_any(struct json_object *node, const char *key) {
    return ei_tree_len(ei_tree_get(node, key)) > 0 ||
           json_object_is_type(ei_tree_get(node, key), json_type_object);
}

struct finding {
    struct ei_plan_ctx *ctx;
    bool found;
};

static bool find_aggregate_or_window(void *arg, struct json_object *node) {
    struct finding *f = arg;
    if (ei_tree_is_window(node) ||
        (ei_tree_is_function(node) &&
         f->ctx->env->is_aggregate(f->ctx->env->ctx, ei_tree_str(node, "function_name"))))
        f->found = true;
    return !f->found;
}

/* Only scans, filters and projects: each row of its result comes from rows of one task. */
static bool is_streaming(struct ei_plan_ctx *ctx, struct json_object *node) {
    if (!ei_tree_is(node, "type", "SELECT_NODE") || has_any(node, "modifiers") ||
        has_any(node, "group_expressions") || has_any(node, "group_sets") ||
        has_any(node, "having") || has_any(node, "qualify") ||
        !ei_tree_is(node, "aggregate_handling", "STANDARD_HANDLING"))
        return false;
    struct finding f = {.ctx = ctx};
    ei_tree_walk_block(ei_tree_get(node, "select_list"), find_aggregate_or_window, &f);
    return !f.found;
}

static struct json_object *derived_node(struct ei_plan_leaf *leaf) {
    return ei_tree_get(ei_tree_get(leaf->node, "subquery"), "node");
}

static int plan_leaf(struct ei_plan_ctx *ctx, struct ei_plan_leaf *leaf) {
    if (leaf->opaque)
        return ei_plan_whole(ctx, "LATERAL subquery over a large table");
    bool in_from = ctx->in_from;
    ctx->in_from = true;
    int status = ei_plan_node(ctx, derived_node(leaf), &leaf->frag);
    ctx->in_from = in_from;
    if (status != EI_PLAN_OK)
        return status;
    leaf->has_frag = true;
    leaf->single = leaf->frag.spread == EI_PLAN_SINGLE;
    leaf->part = !leaf->single;
    leaf->rows = leaf->frag.rows;
    uint64_t bytes = leaf->frag.rows * leaf->columns.count * 12;
    leaf->bytes = leaf->frag.spread == EI_PLAN_SPLIT ? leaf->bytes : bytes;
    if (leaf->frag.spread != EI_PLAN_SPLIT)
        leaf->big = bytes > ctx->env->broadcast_limit_bytes;
    return EI_PLAN_OK;
}

/* Large tables must be spread; subqueries that reduce are planned for themselves. */
static int mark_required(struct ei_plan_ctx *ctx, struct ei_plan_scope *s) {
    for (size_t i = 0; i < s->count; i++) {
        struct ei_plan_leaf *leaf = &s->leaves[i];
        if (ei_tree_is(leaf->node, "type", "SUBQUERY")) {
            bool reduces = leaf->splittable && !is_streaming(ctx, derived_node(leaf));
            if (reduces && leaf->opaque && !leaf->big)
                reduces = false;
            int status = leaf->big || reduces ? plan_leaf(ctx, leaf) : EI_PLAN_OK;
            if (status != EI_PLAN_OK)
                return status;
        } else if (leaf->big && leaf->splittable) {
            leaf->part = true;
        } else if (leaf->big && leaf->input != NULL) {
            const struct ei_plan_relation *r = ei_plan_input_find(ctx, leaf->input)->relation;
            return ei_plan_whole(ctx, "%s cannot be split: %s", r->label,
                                 r->whole_reason != NULL ? r->whole_reason : "it is in one piece");
        }
    }
    return EI_PLAN_OK;
}

static size_t count_parts(const struct ei_plan_scope *s) {
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        n += s->leaves[i].part ? 1 : 0;
    return n;
}

/* Nothing has to be spread: the largest table that can be, if the joins allow it. */
static int choose_driver(struct ei_plan_ctx *ctx, struct ei_plan_block *b) {
    struct ei_plan_scope *s = &b->scope;
    bool *tried = ei_calloc(s->count + 1, sizeof *tried);
    int status = EI_PLAN_OK;
    for (size_t round = 0; round < s->count && status == EI_PLAN_OK; round++) {
        struct ei_plan_leaf *best = NULL;
        for (size_t i = 0; i < s->count; i++) {
            struct ei_plan_leaf *l = &s->leaves[i];
            if (!tried[i] && l->splittable && !l->opaque && !l->has_frag &&
                (best == NULL || l->bytes > best->bytes))
                best = l;
        }
        if (best == NULL)
            break;
        tried[best - s->leaves] = true;
        best->part = true;
        if (ei_plan_from_check(ctx, s, b->node) == EI_PLAN_OK) {
            if (ei_tree_is(best->node, "type", "SUBQUERY"))
                status = plan_leaf(ctx, best);
            break;
        }
        best->part = false;
    }
    free(tried);
    return status;
}

/* Only reduced subqueries are spread so far: rather a table that is larger than they are. */
static void add_larger_table(struct ei_plan_scope *s) {
    struct ei_plan_leaf *best = NULL;
    uint64_t spread_bytes = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct ei_plan_leaf *l = &s->leaves[i];
        if (l->part && (l->big || !l->has_frag))
            return;
        if (l->part)
            spread_bytes = EI_MAX(spread_bytes, l->bytes);
        else if (l->splittable && l->input != NULL && (best == NULL || l->bytes > best->bytes))
            best = l;
    }
    if (best != NULL && best->bytes > spread_bytes)
        best->part = true;
}

static int broadcast_leaf(struct ei_plan_ctx *ctx, struct ei_plan_leaf *leaf) {
    const char *input = NULL;
    if (!leaf->has_frag)
        return EI_PLAN_OK;
    int status = ei_plan_close(ctx, &leaf->frag, EIDER__V1__DISTRIBUTION__DISTRIBUTION_BROADCAST,
                               NULL, 0, 1, &input);
    if (status != EI_PLAN_OK)
        return status;
    struct json_object *table = ei_tree_table(input, leaf->alias);
    ei_tree_set(table, "column_name_alias",
                ei_tree_copy(ei_tree_get(leaf->node, "column_name_alias")));
    ei_tree_overwrite(leaf->node, table);
    leaf->has_frag = leaf->single = false;
    return EI_PLAN_OK;
}

/* With several spread items: the small ones become replicated again if one can be left. */
static bool reduce_parts(struct ei_plan_ctx *ctx, struct ei_plan_block *b) {
    struct ei_plan_scope *s = &b->scope;
    bool *before = ei_calloc(s->count, sizeof *before);
    struct ei_plan_leaf *largest = NULL;
    for (size_t i = 0; i < s->count; i++) {
        before[i] = s->leaves[i].part;
        if (before[i] && (largest == NULL || s->leaves[i].bytes > largest->bytes))
            largest = &s->leaves[i];
    }
    for (size_t i = 0; i < s->count; i++)
        if (&s->leaves[i] != largest && !s->leaves[i].big)
            s->leaves[i].part = false;
    bool done = count_parts(s) == 1 && ei_plan_from_check(ctx, s, b->node) == EI_PLAN_OK;
    for (size_t i = 0; !done && i < s->count; i++)
        s->leaves[i].part = before[i];
    free(before);
    return done;
}

/* The block goes on in the tasks of this leaf: a planned subquery is put in its place as it is. */
static void fuse(struct ei_plan_leaf *leaf) {
    if (leaf->has_frag)
        ei_tree_set(ei_tree_get(leaf->node, "subquery"), "node", ei_tree_copy(leaf->frag.tree));
}

static void base_from_leaf(struct ei_plan_block *b, struct ei_plan_leaf *leaf) {
    fuse(leaf);
    if (leaf->has_frag) {
        ei_plan_frag_like(&b->base, &leaf->frag);
        return;
    }
    b->base.spread = EI_PLAN_SPLIT;
    b->base.split_input = leaf->input;
    b->base.rows = leaf->rows;
    b->base.what = ei_asprintf("scan %s", leaf->input);
}

/* No leaf is spread: one task for the block, over whatever its subqueries gathered. */
static int single_block(struct ei_plan_block *b) {
    for (size_t i = 0; i < b->scope.count; i++)
        fuse(&b->scope.leaves[i]);
    b->base.spread = EI_PLAN_SINGLE;
    b->base.rows = 1;
    for (size_t i = 0; i < b->scope.count; i++)
        b->base.rows = EI_MAX(b->base.rows, b->scope.leaves[i].rows);
    b->base.what = ei_strdup("finish");
    return EI_PLAN_OK;
}

int ei_plan_from(struct ei_plan_ctx *ctx, struct ei_plan_block *b) {
    struct ei_plan_scope *s = &b->scope;
    int status = mark_required(ctx, s);
    bool taken = false;
    if (status == EI_PLAN_OK)
        status = ei_plan_chain(ctx, b, &taken);
    if (status != EI_PLAN_OK || taken)
        return status;
    if (count_parts(s) == 0)
        status = choose_driver(ctx, b);
    else
        add_larger_table(s);
    if (status != EI_PLAN_OK)
        return status;
    if (count_parts(s) == 0)
        return single_block(b);
    bool one = count_parts(s) == 1 || reduce_parts(ctx, b);
    if (one && ei_plan_from_check(ctx, s, b->node) != EI_PLAN_OK)
        return EI_PLAN_WHOLE;
    for (size_t i = 0; i < s->count && status == EI_PLAN_OK; i++)
        if (!s->leaves[i].part)
            status = broadcast_leaf(ctx, &s->leaves[i]);
    if (status != EI_PLAN_OK)
        return status;
    if (!one)
        return ei_plan_shuffle_join(ctx, b);
    for (size_t i = 0; i < s->count; i++)
        if (s->leaves[i].part)
            base_from_leaf(b, &s->leaves[i]);
    return EI_PLAN_OK;
}
