/* Joins of several large tables: each is scanned, filtered, cut to the needed columns and sent by
 * the hash of a key that the joins share; the block then runs as the user wrote it, per partition.
 */
#include "plan/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool below(struct json_object *from, struct json_object *node) {
    if (from == node)
        return true;
    return ei_tree_is(from, "type", "JOIN") &&
           (below(ei_tree_get(from, "left"), node) || below(ei_tree_get(from, "right"), node));
}

/* Is it a = b with plain columns of two items? */
static bool is_equality(const struct ei_plan_scope *s, struct json_object *conjunct,
                        struct ei_plan_column_at *a, struct ei_plan_column_at *b) {
    struct json_object *left = ei_tree_get(conjunct, "left"),
                       *right = ei_tree_get(conjunct, "right");
    if (!ei_tree_is(conjunct, "type", "COMPARE_EQUAL") || !ei_tree_is_ref(left) ||
        !ei_tree_is_ref(right))
        return false;
    return ei_plan_scope_find(s, left, a) == 1 && ei_plan_scope_find(s, right, b) == 1 &&
           a->path == ei_tree_ref_parts(left) && b->path == ei_tree_ref_parts(right) &&
           a->leaf != b->leaf;
}

static bool is_key(const struct ei_plan_scope *s, const struct ei_plan_column_at *at,
                   struct json_object *side) {
    const struct ei_plan_leaf *leaf = &s->leaves[at->leaf];
    return leaf->part && leaf->key_column == at->column && below(side, leaf->node);
}

bool ei_plan_joined_by_key(struct ei_plan_scope *s, struct json_object *conjuncts,
                           struct json_object *left, struct json_object *right) {
    for (size_t i = 0; i < ei_tree_len(conjuncts); i++) {
        struct ei_plan_column_at a, b;
        if (!is_equality(s, ei_tree_at(conjuncts, i), &a, &b))
            continue;
        if ((is_key(s, &a, left) && is_key(s, &b, right)) ||
            (is_key(s, &b, left) && is_key(s, &a, right)))
            return true;
    }
    return false;
}

/* Columns of all items, numbered through; class_of[i] = the smallest equal one. */
struct classes {
    struct ei_plan_scope *s;
    size_t *first, *class_of, count;
};

static size_t number(const struct classes *k, const struct ei_plan_column_at *at) {
    return k->first[at->leaf] + at->column;
}

static void merge(struct classes *k, size_t a, size_t b) {
    size_t from = EI_MAX(k->class_of[a], k->class_of[b]);
    size_t to = EI_MIN(k->class_of[a], k->class_of[b]);
    for (size_t i = 0; i < k->count; i++)
        if (k->class_of[i] == from)
            k->class_of[i] = to;
}

static void merge_using(struct classes *k, struct json_object *names) {
    for (size_t i = 0; i < ei_tree_len(names); i++) {
        const char *name = json_object_get_string(ei_tree_at(names, i));
        size_t previous = SIZE_MAX;
        for (size_t l = 0; l < k->s->count; l++)
            for (size_t c = 0; c < k->s->leaves[l].columns.count; c++)
                if (strcasecmp(k->s->leaves[l].columns.columns[c].name, name) == 0) {
                    if (previous != SIZE_MAX)
                        merge(k, previous, k->first[l] + c);
                    previous = k->first[l] + c;
                }
    }
}

static void merge_conditions(struct classes *k, struct json_object *from,
                             struct json_object *conjuncts) {
    if (ei_tree_is(from, "type", "JOIN")) {
        ei_tree_conjuncts(ei_tree_get(from, "condition"), conjuncts);
        merge_using(k, ei_tree_get(from, "using_columns"));
        merge_conditions(k, ei_tree_get(from, "left"), conjuncts);
        merge_conditions(k, ei_tree_get(from, "right"), conjuncts);
    }
}

static void classes_init(struct classes *k, struct ei_plan_scope *s, struct json_object *node) {
    *k = (struct classes){.s = s, .first = ei_calloc(s->count + 1, sizeof *k->first)};
    for (size_t i = 0; i < s->count; i++) {
        k->first[i] = k->count;
        k->count += s->leaves[i].columns.count;
    }
    k->class_of = ei_calloc(k->count + 1, sizeof *k->class_of);
    for (size_t i = 0; i < k->count; i++)
        k->class_of[i] = i;
    struct json_object *conjuncts = json_object_new_array();
    ei_tree_conjuncts(ei_tree_get(node, "where_clause"), conjuncts);
    merge_conditions(k, ei_tree_get(node, "from_table"), conjuncts);
    for (size_t i = 0; i < ei_tree_len(conjuncts); i++) {
        struct ei_plan_column_at a, b;
        if (is_equality(s, ei_tree_at(conjuncts, i), &a, &b))
            merge(k, number(k, &a), number(k, &b));
    }
    json_object_put(conjuncts);
}

static void classes_release(struct classes *k) {
    free(k->first);
    free(k->class_of);
}

static bool is_integer(const char *type) {
    return strstr(type, "INT") != NULL && strchr(type, '(') == NULL && strchr(type, '[') == NULL &&
           strstr(type, "HUGE") == NULL && strcmp(type, "INTERVAL") != 0;
}

/* One type for two sides of an equality whose values hash alike; NULL if there is none. */
static const char *common_type(const char *a, const char *b) {
    if (strcmp(a, b) == 0)
        return ei_plan_hashable(a) ? a : NULL;
    if (!is_integer(a) || !is_integer(b))
        return NULL;
    return strcmp(a, "UBIGINT") == 0 || strcmp(b, "UBIGINT") == 0 ? "HUGEINT" : "BIGINT";
}

/* Gives each spread item its column of this class; false if one has none or the types differ. */
static bool set_keys(struct classes *k, size_t class) {
    const char *type = NULL;
    for (size_t i = 0; i < k->s->count; i++) {
        struct ei_plan_leaf *leaf = &k->s->leaves[i];
        bool found = false;
        for (size_t c = 0; leaf->part && !found && c < leaf->columns.count; c++) {
            if (k->class_of[k->first[i] + c] != class)
                continue;
            const char *own = leaf->columns.columns[c].type;
            type = type == NULL ? common_type(own, own) : common_type(type, own);
            found = type != NULL;
            leaf->key_column = c;
        }
        if (leaf->part && !found)
            return false;
    }
    for (size_t i = 0; i < k->s->count; i++) {
        struct ei_plan_leaf *leaf = &k->s->leaves[i];
        if (leaf->part)
            leaf->key_cast =
                strcmp(leaf->columns.columns[leaf->key_column].type, type) == 0 ? NULL : type;
    }
    return true;
}

static int choose_key(struct ei_plan_ctx *ctx, struct ei_plan_block *b) {
    struct classes k;
    classes_init(&k, &b->scope, b->node);
    int status = EI_PLAN_WHOLE;
    for (size_t class = 0; class < k.count && status != EI_PLAN_OK; class ++)
        if (k.class_of[class] == class && set_keys(&k, class))
            status = ei_plan_from_check(ctx, &b->scope, b->node);
    classes_release(&k);
    if (status == EI_PLAN_OK)
        return status;
    struct ei_buf names = {0};
    for (size_t i = 0; i < b->scope.count; i++)
        if (b->scope.leaves[i].part)
            ei_buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", b->scope.leaves[i].alias);
    status = ei_plan_whole(ctx, "its large tables (%s) are not all joined by one key", names.data);
    ei_buf_release(&names);
    return status;
}

/* Which columns of an item the block may use: by name, so rather too many than too few. */
struct needed {
    const struct ei_plan_leaf *leaf;
    bool *columns;
};

static bool note_needed(void *arg, struct json_object *node) {
    struct needed *n = arg;
    if (ei_tree_is(node, "class", "STAR"))
        for (size_t c = 0; c < n->leaf->columns.count; c++)
            n->columns[c] = true;
    struct json_object *using = ei_tree_get(node, "using_columns");
    struct json_object *names[2] = {using, ei_tree_get(node, "column_names")};
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < ei_tree_len(names[k]); i++) {
            const char *part = json_object_get_string(ei_tree_at(names[k], i));
            bool row = strcasecmp(part, n->leaf->alias) == 0 && ei_tree_len(names[k]) == 1;
            for (size_t c = 0; c < n->leaf->columns.count; c++)
                if (row || strcasecmp(n->leaf->columns.columns[c].name, part) == 0)
                    n->columns[c] = true;
        }
    return true;
}

/* May WHERE's filters on this item be applied before the joins? */
static bool may_filter(struct json_object *from, struct json_object *leaf) {
    if (!ei_tree_is(from, "type", "JOIN"))
        return true;
    bool left = below(ei_tree_get(from, "left"), leaf);
    const char *type = ei_tree_str(from, "join_type");
    bool kept = strcmp(type, "INNER") == 0 ||
                (left && strcmp(type, "RIGHT") != 0 && strcmp(type, "FULL") != 0) ||
                (!left && strcmp(type, "RIGHT") == 0);
    return kept && may_filter(ei_tree_get(from, left ? "left" : "right"), leaf);
}

/* The filters of WHERE that only concern this item. Fresh expression or NULL. */
static struct json_object *filters_of(struct ei_plan_block *b, size_t leaf) {
    struct json_object *filter = NULL, *conjuncts = json_object_new_array();
    ei_tree_conjuncts(ei_tree_get(b->node, "where_clause"), conjuncts);
    for (size_t i = 0; i < ei_tree_len(conjuncts); i++) {
        if (ei_plan_only_leaf(&b->scope, ei_tree_at(conjuncts, i), leaf))
            filter = ei_tree_and(filter, ei_tree_copy(ei_tree_at(conjuncts, i)));
    }
    json_object_put(conjuncts);
    return filter;
}

static int key_expression(struct ei_plan_ctx *ctx, const struct ei_plan_leaf *leaf,
                          struct json_object *list) {
    struct ei_buf sql = {0};
    ei_buf_puts(&sql, "CAST(");
    ei_buf_sql_ident(&sql, leaf->alias);
    ei_buf_putc(&sql, '.');
    ei_buf_sql_ident(&sql, leaf->columns.columns[leaf->key_column].name);
    ei_buf_printf(&sql, " AS %s)", leaf->key_cast);
    struct json_object *key = NULL;
    int status = ei_plan_parse_expression(ctx, sql.data, &key);
    ei_buf_release(&sql);
    if (status != EI_PLAN_OK)
        return status;
    key = ei_tree_copy(key);
    ei_tree_set_str(key, "alias", "join_key");
    json_object_array_add(list, key);
    return EI_PLAN_OK;
}

/* The exchange in the place of the item, without the key that we added: a star must not see it. */
static void read_exchange(struct ei_plan_leaf *leaf, struct json_object *list, const char *input) {
    if (leaf->key_cast == NULL) {
        ei_tree_overwrite(leaf->node, ei_tree_table(input, leaf->alias));
        return;
    }
    struct json_object *node = ei_tree_select_node();
    for (size_t i = 0; i + 1 < ei_tree_len(list); i++)
        json_object_array_add(ei_tree_get(node, "select_list"),
                              ei_tree_column(input, ei_plan_item_name(ei_tree_at(list, i), "")));
    ei_tree_set(node, "from_table", ei_tree_table(input, input));
    ei_tree_overwrite(leaf->node, ei_tree_derived(node, leaf->alias));
}

/* The scan stage of one item; its exchange takes the item's place. */
static int shuffle_leaf(struct ei_plan_ctx *ctx, struct ei_plan_block *b, size_t index,
                        uint32_t partitions) {
    struct ei_plan_leaf *leaf = &b->scope.leaves[index];
    bool *columns = ei_calloc(leaf->columns.count + 1, sizeof *columns);
    struct needed needed = {.leaf = leaf, .columns = columns};
    ei_tree_walk(b->node, note_needed, &needed);
    columns[leaf->key_column] = true;
    struct json_object *scan = ei_plan_own(ctx, ei_tree_select_node());
    struct json_object *list = ei_tree_get(scan, "select_list");
    uint32_t key = 0;
    for (size_t c = 0; c < leaf->columns.count; c++) {
        if (!columns[c])
            continue;
        if (c == leaf->key_column)
            key = (uint32_t)ei_tree_len(list);
        json_object_array_add(list, ei_tree_column(leaf->alias, leaf->columns.columns[c].name));
    }
    free(columns);
    int status = EI_PLAN_OK;
    if (leaf->key_cast != NULL) {
        key = (uint32_t)ei_tree_len(list);
        status = key_expression(ctx, leaf, list);
    }
    struct ei_plan_frag frag = {0};
    if (leaf->has_frag) {
        ei_tree_set(ei_tree_get(leaf->node, "subquery"), "node", ei_tree_copy(leaf->frag.tree));
        ei_plan_frag_like(&frag, &leaf->frag);
    } else {
        frag.spread = EI_PLAN_SPLIT;
        frag.split_input = leaf->input;
        frag.rows = leaf->rows;
        frag.what = ei_asprintf("scan %s", leaf->input);
    }
    frag.tree = scan;
    ei_tree_set(scan, "from_table", ei_tree_copy(leaf->node));
    if (may_filter(ei_tree_get(b->node, "from_table"), leaf->node))
        ei_tree_set(scan, "where_clause", filters_of(b, index));
    const char *input = NULL;
    if (status == EI_PLAN_OK)
        status = ei_plan_close(ctx, &frag, EIDER__V1__DISTRIBUTION__DISTRIBUTION_HASH, &key, 1,
                               partitions, &input);
    ei_plan_frag_release(&frag);
    if (status == EI_PLAN_OK)
        read_exchange(leaf, list, input);
    return status;
}

int ei_plan_shuffle_join(struct ei_plan_ctx *ctx, struct ei_plan_block *b) {
    int status = choose_key(ctx, b);
    if (status != EI_PLAN_OK)
        return status;
    uint64_t rows = 0;
    struct ei_buf what = {0};
    ei_buf_puts(&what, "join");
    for (size_t i = 0; i < b->scope.count; i++)
        if (b->scope.leaves[i].part) {
            rows = EI_MAX(rows, b->scope.leaves[i].rows);
            ei_buf_printf(&what, " %s", b->scope.leaves[i].alias);
        }
    uint32_t partitions = ei_plan_partitions(ctx, rows);
    b->base = (struct ei_plan_frag){.spread = EI_PLAN_HASH,
                                    .partitions = partitions,
                                    .rows = rows,
                                    .what = ei_buf_steal(&what)};
    for (size_t i = 0; i < b->scope.count && status == EI_PLAN_OK; i++)
        if (b->scope.leaves[i].part)
            status = shuffle_leaf(ctx, b, i, partitions);
    return status;
}
