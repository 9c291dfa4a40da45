/* From a block's FROM and WHERE to units, conjuncts and attachments. */
#include "plan/graph.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct masking {
    const struct ei_plan_scope *s;
    uint64_t mask;
};

static bool note_leaf(void *arg, struct json_object *node) {
    struct masking *m = arg;
    struct ei_plan_column_at at;
    if (ei_tree_is_ref(node) && ei_tree_ref_parts(node) > 1 &&
        ei_plan_scope_find(m->s, node, &at) == 1)
        m->mask |= 1ULL << at.leaf;
    return true;
}

uint64_t ei_plan_graph_mask(const struct ei_plan_graph *g, struct json_object *expression) {
    struct masking m = {.s = &g->b->scope};
    ei_tree_walk_block(expression, note_leaf, &m);
    return m.mask;
}

const char *ei_plan_key_type(const char *type) {
    static const char *const INTEGERS[] = {"TINYINT",  "SMALLINT",  "INTEGER", "BIGINT",
                                           "UTINYINT", "USMALLINT", "UINTEGER"};
    for (size_t i = 0; i < EI_ARRAY_LEN(INTEGERS); i++)
        if (strcmp(type, INTEGERS[i]) == 0)
            return "BIGINT";
    return ei_plan_hashable(type) ? type : NULL;
}

const char *ei_plan_graph_type(const struct ei_plan_graph *g, const struct ei_plan_column_at *at) {
    return g->b->scope.leaves[at->leaf].columns.columns[at->column].type;
}

bool ei_plan_graph_equality(const struct ei_plan_graph *g, struct json_object *expression,
                            struct ei_plan_column_at *a, struct ei_plan_column_at *b) {
    const struct ei_plan_scope *s = &g->b->scope;
    struct json_object *left = ei_tree_get(expression, "left"),
                       *right = ei_tree_get(expression, "right");
    if (!ei_tree_is(expression, "type", "COMPARE_EQUAL") || !ei_tree_is_ref(left) ||
        !ei_tree_is_ref(right) || ei_plan_scope_find(s, left, a) != 1 ||
        ei_plan_scope_find(s, right, b) != 1 || a->leaf == b->leaf ||
        a->path != ei_tree_ref_parts(left) || b->path != ei_tree_ref_parts(right))
        return false;
    const char *x = ei_plan_key_type(ei_plan_graph_type(g, a));
    const char *y = ei_plan_key_type(ei_plan_graph_type(g, b));
    return x != NULL && y != NULL && strcmp(x, y) == 0;
}

bool ei_plan_graph_column(const struct ei_plan_graph *g, uint64_t mask, size_t class,
                          struct ei_plan_column_at *at) {
    for (size_t l = 0; l < g->b->scope.count; l++)
        for (size_t c = 0; (mask >> l & 1) != 0 && c < g->b->scope.leaves[l].columns.count; c++)
            if (g->class_of[g->first[l] + c] == class && g->places[g->first[l] + c].table != NULL) {
                *at = (struct ei_plan_column_at){.leaf = l, .column = c, .path = 2};
                return true;
            }
    return false;
}

static void merge_classes(struct ei_plan_graph *g) {
    for (size_t i = 0; i < g->conjunct_count; i++) {
        struct ei_plan_column_at a, b;
        if (!ei_plan_graph_equality(g, g->conjuncts[i].expression, &a, &b))
            continue;
        size_t x = g->class_of[g->first[a.leaf] + a.column];
        size_t y = g->class_of[g->first[b.leaf] + b.column];
        for (size_t k = 0; k < g->columns; k++)
            if (g->class_of[k] == EI_MAX(x, y))
                g->class_of[k] = EI_MIN(x, y);
    }
}

static void number_columns(struct ei_plan_graph *g) {
    const struct ei_plan_scope *s = &g->b->scope;
    g->first = ei_calloc(s->count + 1, sizeof *g->first);
    for (size_t i = 0; i < s->count; i++) {
        g->first[i] = g->columns;
        g->columns += s->leaves[i].columns.count;
    }
    g->class_of = ei_calloc(g->columns + 1, sizeof *g->class_of);
    g->places = ei_calloc(g->columns + 1, sizeof *g->places);
    for (size_t i = 0; i < s->count; i++)
        for (size_t c = 0; c < s->leaves[i].columns.count; c++) {
            g->class_of[g->first[i] + c] = g->first[i] + c;
            g->places[g->first[i] + c] =
                (struct ei_plan_place){s->leaves[i].alias, s->leaves[i].columns.columns[c].name};
        }
}

/* ---- FROM ---- */

static bool is_type(struct json_object *join, const char *a, const char *b, const char *c) {
    return ei_tree_is(join, "join_type", a) || ei_tree_is(join, "join_type", b) ||
           ei_tree_is(join, "join_type", c);
}

/* Inner joins of items, and LEFT, SEMI and ANTI joins whose right side is one item. */
static bool has_form(struct json_object *from) {
    if (!ei_tree_is(from, "type", "JOIN"))
        return true;
    struct json_object *right = ei_tree_get(from, "right");
    bool regular = ei_tree_is(from, "ref_type", "REGULAR") || ei_tree_is(from, "ref_type", "CROSS");
    bool inner = ei_tree_is(from, "join_type", "INNER");
    bool other = is_type(from, "LEFT", "SEMI", "ANTI") && !ei_tree_is(right, "type", "JOIN");
    return regular && (inner || other) && has_form(ei_tree_get(from, "left")) && has_form(right);
}

static void hidden_leaves(const struct ei_plan_scope *s, struct json_object *from, uint64_t *mask) {
    if (!ei_tree_is(from, "type", "JOIN"))
        return;
    hidden_leaves(s, ei_tree_get(from, "left"), mask);
    hidden_leaves(s, ei_tree_get(from, "right"), mask);
    const struct ei_plan_leaf *leaf = ei_plan_scope_leaf(s, ei_tree_get(from, "right"));
    if (is_type(from, "SEMI", "ANTI", "ANTI") && leaf != NULL)
        *mask |= 1ULL << (leaf - s->leaves);
}

/* The conditions of USING as equalities. */
static struct json_object *conditions_of(struct ei_plan_graph *g, struct json_object *join,
                                         uint64_t left, uint64_t right) {
    struct json_object *array = ei_plan_own(g->ctx, json_object_new_array());
    struct json_object *names = ei_tree_get(join, "using_columns");
    ei_tree_conjuncts(ei_tree_get(join, "condition"), array);
    for (size_t i = 0; i < ei_tree_len(names); i++) {
        const char *name = json_object_get_string(ei_tree_at(names, i));
        uint64_t sides[2] = {left, right};
        struct json_object *refs[2] = {NULL, NULL};
        for (size_t k = 0; k < 2; k++)
            for (size_t l = 0; l < g->b->scope.count && refs[k] == NULL; l++)
                for (size_t c = 0; c < g->b->scope.leaves[l].columns.count; c++)
                    if ((sides[k] >> l & 1) != 0 &&
                        strcasecmp(g->b->scope.leaves[l].columns.columns[c].name, name) == 0) {
                        refs[k] = ei_tree_column(g->b->scope.leaves[l].alias, name);
                        break;
                    }
        struct json_object *equal = ei_tree_equal(refs[0], refs[1]);
        json_object_array_add(array, equal);
    }
    return array;
}

/* 1 = 1, which stands where a join needs some condition. */
static bool is_true(struct json_object *e) {
    int64_t a, b;
    return ei_tree_is(e, "type", "COMPARE_EQUAL") &&
           ei_tree_int_value(ei_tree_get(e, "left"), &a) &&
           ei_tree_int_value(ei_tree_get(e, "right"), &b) && a == b;
}

static void add_conjuncts(struct ei_plan_graph *g, struct json_object *array) {
    for (size_t i = 0; i < ei_tree_len(array); i++) {
        struct json_object *e = ei_tree_at(array, i);
        if (is_true(e))
            continue;
        EI_GROW(g->conjuncts, g->conjunct_count, g->conjunct_capacity);
        g->conjuncts[g->conjunct_count++] =
            (struct ei_plan_conjunct){.expression = ei_plan_own(g->ctx, json_object_get(e)),
                                      .mask = ei_plan_graph_mask(g, e)};
    }
}

/* Conditions that only concern the right side filter it beforehand. */
static void attach(struct ei_plan_graph *g, struct json_object *join, uint64_t left, size_t right,
                   struct json_object *conditions) {
    struct ei_plan_unit *u = &g->units[right];
    struct ei_plan_attachment *a = &g->attachments[g->attachment_count++];
    *a = (struct ei_plan_attachment){
        .unit = right,
        .conditions = ei_plan_own(g->ctx, json_object_new_array()),
        .type = ei_plan_own_string(g->ctx, ei_strdup(ei_tree_str(join, "join_type")))};
    u->attached = true;
    for (size_t i = 0; i < ei_tree_len(conditions); i++) {
        struct json_object *e = ei_tree_at(conditions, i);
        uint64_t mask = ei_plan_graph_mask(g, e);
        json_object_array_add(mask == u->mask ? u->where : a->conditions, json_object_get(e));
        a->left_mask |= mask & ~u->mask;
    }
    if (a->left_mask == 0)
        a->left_mask = left & -left; /* any row of the left side will do */
}

static uint64_t add_from(struct ei_plan_graph *g, struct json_object *from) {
    if (!ei_tree_is(from, "type", "JOIN")) {
        const struct ei_plan_leaf *leaf = ei_plan_scope_leaf(&g->b->scope, from);
        return 1ULL << (leaf - g->b->scope.leaves);
    }
    uint64_t left = add_from(g, ei_tree_get(from, "left"));
    uint64_t right = add_from(g, ei_tree_get(from, "right"));
    struct json_object *conditions = conditions_of(g, from, left, right);
    if (ei_tree_is(from, "join_type", "INNER")) {
        add_conjuncts(g, conditions);
        return left | right;
    }
    size_t unit = 0;
    while (g->units[unit].mask != right)
        unit++;
    attach(g, from, left, unit, conditions);
    return is_type(from, "LEFT", "LEFT", "LEFT") ? left | right : left;
}

static void add_units(struct ei_plan_graph *g) {
    for (size_t i = 0; i < g->b->scope.count; i++) {
        const struct ei_plan_leaf *leaf = &g->b->scope.leaves[i];
        double rows = (double)EI_MAX(leaf->rows, 1);
        const struct ei_plan_input *input =
            leaf->input == NULL ? NULL : ei_plan_input_find(g->ctx, leaf->input);
        if (input != NULL && input->relation != NULL)
            rows = (double)EI_MAX(input->relation->rows, 1);
        g->leaf_rows[i] = rows;
        g->units[i] = (struct ei_plan_unit){.mask = 1ULL << i,
                                            .alive = true,
                                            .where = ei_plan_own(g->ctx, json_object_new_array()),
                                            .key_class = SIZE_MAX,
                                            .rows = rows,
                                            .table_rows = rows};
    }
    g->unit_count = g->b->scope.count;
}

int ei_plan_graph_init(struct ei_plan_graph *g, struct ei_plan_ctx *ctx, struct ei_plan_block *b) {
    *g = (struct ei_plan_graph){.ctx = ctx, .b = b};
    struct json_object *from = ei_tree_get(b->node, "from_table");
    uint64_t hidden = 0;
    if (b->scope.opaque || b->scope.count > EI_GRAPH_LEAVES_MAX || !has_form(from))
        return ei_plan_whole(ctx, "a join of large tables that is not INNER, LEFT, SEMI or ANTI");
    hidden_leaves(&b->scope, from, &hidden);
    int status = ei_plan_qualify(ctx, b, hidden);
    if (status != EI_PLAN_OK)
        return status;
    number_columns(g);
    add_units(g);
    (void)add_from(g, from);
    struct json_object *where = ei_plan_own(ctx, json_object_new_array());
    ei_tree_conjuncts(ei_tree_get(b->node, "where_clause"), where);
    add_conjuncts(g, where);
    merge_classes(g);
    return EI_PLAN_OK;
}

void ei_plan_graph_release(struct ei_plan_graph *g) {
    for (size_t i = 0; i < g->unit_count; i++)
        ei_plan_frag_release(&g->units[i].base);
    free(g->conjuncts);
    free(g->first);
    free(g->class_of);
    free(g->places);
}
