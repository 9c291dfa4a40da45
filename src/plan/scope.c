/* The FROM items of a block and which of them owns a column name. */
#include "plan/internal.h"

#include <string.h>
#include <strings.h>

struct weighing {
    struct ei_plan_ctx *ctx;
    struct ei_plan_leaf *out;
};

static bool weigh(void *arg, struct json_object *node) {
    struct weighing *w = arg;
    if (!ei_tree_is(node, "type", "BASE_TABLE"))
        return true;
    const struct ei_plan_input *input = ei_plan_input_find(w->ctx, ei_tree_str(node, "table_name"));
    if (input == NULL || input->relation == NULL)
        return true;
    const struct ei_plan_relation *r = input->relation;
    if (r->bytes > w->ctx->env->broadcast_limit_bytes)
        w->out->big = true;
    if (r->bytes > w->ctx->env->broadcast_limit_bytes / EI_PLAN_TINY_PART && r->split_count > 1)
        w->out->heavy = true;
    if (r->split_count > 1) {
        w->out->splittable = true;
        w->out->bytes += r->bytes;
        w->out->rows += r->rows;
    }
    return true;
}

void ei_plan_weigh(struct ei_plan_ctx *ctx, struct json_object *node, struct ei_plan_leaf *out) {
    struct weighing w = {.ctx = ctx, .out = out};
    ei_tree_walk(node, weigh, &w);
}

/* SELECT * FROM a copy of this FROM item. */
static struct json_object *all_of(struct ei_plan_ctx *ctx, struct json_object *item) {
    struct json_object *node = ei_plan_own(ctx, ei_tree_select_node());
    json_object_array_add(ei_tree_get(node, "select_list"), ei_tree_star());
    ei_tree_set(node, "from_table", ei_tree_copy(item));
    return node;
}

static void name_columns(struct ei_plan_ctx *ctx, struct ei_plan_leaf *leaf) {
    struct json_object *aliases = ei_tree_get(leaf->node, "column_name_alias");
    const struct ei_plan_input *input =
        leaf->input == NULL ? NULL : ei_plan_input_find(ctx, leaf->input);
    if (input != NULL) {
        ei_plan_schema_copy(&leaf->columns, input->schema);
        for (size_t i = 0; i < EI_MIN(ei_tree_len(aliases), leaf->columns.count); i++) {
            free(leaf->columns.columns[i].name);
            leaf->columns.columns[i].name =
                ei_strdup(json_object_get_string(ei_tree_at(aliases, i)));
        }
        return;
    }
    leaf->opaque = ei_plan_describe(ctx, all_of(ctx, leaf->node), &leaf->columns) != EI_PLAN_OK;
}

static int add_leaf(struct ei_plan_ctx *ctx, struct json_object *node, struct ei_plan_scope *s) {
    EI_GROW(s->leaves, s->count, s->capacity);
    struct ei_plan_leaf *leaf = &s->leaves[s->count++];
    *leaf = (struct ei_plan_leaf){.node = node};
    leaf->alias = ei_tree_str(node, "alias");
    if (ei_tree_is(node, "type", "BASE_TABLE")) {
        const struct ei_plan_input *input =
            ei_plan_input_find(ctx, ei_tree_str(node, "table_name"));
        leaf->input = input == NULL ? NULL : input->name;
        if (leaf->alias[0] == '\0')
            leaf->alias = ei_tree_str(node, "table_name");
    } else if (ei_tree_is(node, "type", "TABLE_FUNCTION") && leaf->alias[0] == '\0') {
        leaf->alias = ei_tree_str(ei_tree_get(node, "function"), "function_name");
    }
    leaf->alias = ei_plan_own_string(ctx, ei_strdup(leaf->alias));
    ei_plan_weigh(ctx, node, leaf);
    name_columns(ctx, leaf);
    s->opaque = s->opaque || leaf->opaque;
    return EI_PLAN_OK;
}

int ei_plan_scope_init(struct ei_plan_ctx *ctx, struct json_object *from, struct ei_plan_scope *s) {
    if (from == NULL || ei_tree_is(from, "type", "EMPTY"))
        return EI_PLAN_OK;
    if (!ei_tree_is(from, "type", "JOIN"))
        return add_leaf(ctx, from, s);
    int status = ei_plan_scope_init(ctx, ei_tree_get(from, "left"), s);
    return status != EI_PLAN_OK ? status : ei_plan_scope_init(ctx, ei_tree_get(from, "right"), s);
}

void ei_plan_scope_release(struct ei_plan_scope *s) {
    for (size_t i = 0; i < s->count; i++) {
        ei_plan_schema_release(&s->leaves[i].columns);
        ei_plan_frag_release(&s->leaves[i].frag);
    }
    free(s->leaves);
    *s = (struct ei_plan_scope){0};
}

struct ei_plan_leaf *ei_plan_scope_leaf(const struct ei_plan_scope *s, struct json_object *node) {
    for (size_t i = 0; i < s->count; i++)
        if (s->leaves[i].node == node)
            return &s->leaves[i];
    return NULL;
}

static long find_column(const struct ei_plan_schema *schema, const char *name) {
    for (size_t i = 0; i < schema->count; i++)
        if (strcasecmp(schema->columns[i].name, name) == 0)
            return (long)i;
    return -1;
}

int ei_plan_scope_find(const struct ei_plan_scope *s, struct json_object *ref,
                       struct ei_plan_column_at *at) {
    const char *first = ei_tree_ref_part(ref, 0), *second = ei_tree_ref_part(ref, 1);
    for (size_t i = 0; second != NULL && i < s->count; i++) {
        if (strcasecmp(s->leaves[i].alias, first) != 0)
            continue;
        long column = find_column(&s->leaves[i].columns, second);
        if (column < 0)
            continue;
        *at = (struct ei_plan_column_at){.leaf = i, .column = (size_t)column, .path = 2};
        return 1;
    }
    int found = 0;
    for (size_t i = 0; i < s->count; i++) {
        long column = find_column(&s->leaves[i].columns, first);
        if (column < 0)
            continue;
        if (found++ == 0)
            *at = (struct ei_plan_column_at){.leaf = i, .column = (size_t)column, .path = 1};
    }
    return EI_MIN(found, 2);
}

static bool same_names(struct json_object *a, struct json_object *b, size_t i, size_t j) {
    if (ei_tree_ref_parts(a) - i != ei_tree_ref_parts(b) - j)
        return false;
    for (; i < ei_tree_ref_parts(a); i++, j++)
        if (strcasecmp(ei_tree_ref_part(a, i), ei_tree_ref_part(b, j)) != 0)
            return false;
    return true;
}

static bool same_ref(void *arg, struct json_object *a, struct json_object *b) {
    const struct ei_plan_scope *s = arg;
    struct ei_plan_column_at x, y;
    if (ei_plan_scope_find(s, a, &x) == 1 && ei_plan_scope_find(s, b, &y) == 1)
        return x.leaf == y.leaf && x.column == y.column && same_names(a, b, x.path, y.path);
    return same_names(a, b, 0, 0);
}

bool ei_plan_scope_same(const struct ei_plan_scope *s, struct json_object *a,
                        struct json_object *b) {
    return ei_tree_same(a, b, same_ref, (void *)(uintptr_t)s);
}

struct owner {
    const struct ei_plan_scope *s;
    size_t leaf;
    bool only, any;
};

static bool check_owner(void *arg, struct json_object *node) {
    struct owner *o = arg;
    struct ei_plan_column_at at;
    if (ei_tree_is_subquery(node) || ei_tree_is_lambda(node) || ei_tree_is(node, "class", "STAR"))
        o->only = false;
    if (ei_tree_is_ref(node)) {
        o->any = true;
        if (ei_plan_scope_find(o->s, node, &at) != 1 || at.leaf != o->leaf)
            o->only = false;
    }
    return o->only;
}

bool ei_plan_only_leaf(const struct ei_plan_scope *s, struct json_object *expression, size_t leaf) {
    struct owner o = {.s = s, .leaf = leaf, .only = true};
    ei_tree_walk(expression, check_owner, &o);
    return o.only && o.any;
}
