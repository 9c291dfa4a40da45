/* One unit of the join graph: its filters, its columns, its stage. */
#include "plan/graph.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void ei_plan_unit_filter(struct ei_plan_graph *g, struct ei_plan_unit *u) {
    for (size_t i = 0; i < g->conjunct_count; i++) {
        struct ei_plan_conjunct *c = &g->conjuncts[i];
        struct ei_plan_column_at a, b;
        if (c->done || c->mask == 0 || (c->mask & ~u->mask) != 0)
            continue;
        c->done = true;
        json_object_array_add(u->where, json_object_get(c->expression));
        if (ei_plan_graph_equality(g, c->expression, &a, &b))
            continue; /* the join's own guess has it */
        u->rows = EI_MAX(u->rows * ei_plan_selectivity(g, c->expression), 1.0);
        u->reduced = true;
    }
}

struct placing {
    struct ei_plan_graph *g;
    bool *needed; /* or NULL */
};

static bool visit(void *arg, struct json_object *node) {
    struct placing *p = arg;
    struct ei_plan_column_at at;
    if (!ei_tree_is_ref(node))
        return true;
    if (ei_tree_ref_parts(node) < 2 || ei_plan_scope_find(&p->g->b->scope, node, &at) != 1)
        return false;
    size_t number = p->g->first[at.leaf] + at.column;
    if (p->needed != NULL) {
        p->needed[number] = true;
        return false;
    }
    const struct ei_plan_place *place = &p->g->places[number];
    if (place->table == NULL)
        return false;
    struct json_object *names = json_object_new_array();
    json_object_array_add(names, json_object_new_string(place->table));
    json_object_array_add(names, json_object_new_string(place->column));
    for (size_t i = 2; i < ei_tree_ref_parts(node); i++)
        json_object_array_add(names, json_object_new_string(ei_tree_ref_part(node, i)));
    ei_tree_set(node, "column_names", names);
    return false;
}

struct json_object *ei_plan_unit_placed(struct ei_plan_graph *g, struct json_object *expression) {
    struct placing p = {.g = g};
    struct json_object *copy = ei_tree_copy(expression);
    ei_tree_walk_block(copy, visit, &p);
    return copy;
}

bool *ei_plan_unit_needed(const struct ei_plan_graph *g) {
    static const char *const CLAUSES[] = {"select_list", "group_expressions", "having", "qualify"};
    struct placing p = {.g = (struct ei_plan_graph *)(uintptr_t)g,
                        .needed = ei_calloc(g->columns + 1, sizeof(bool))};
    for (size_t i = 0; i < EI_ARRAY_LEN(CLAUSES); i++)
        ei_tree_walk_block(ei_tree_get(g->b->node, CLAUSES[i]), visit, &p);
    ei_tree_walk_block(g->b->orders, visit, &p);
    for (size_t i = 0; i < g->conjunct_count; i++)
        if (!g->conjuncts[i].done)
            ei_tree_walk_block(g->conjuncts[i].expression, visit, &p);
    for (size_t i = 0; i < g->attachment_count; i++)
        if (!g->attachments[i].done)
            ei_tree_walk_block(g->attachments[i].conditions, visit, &p);
    return p.needed;
}

/* A name for a stage's column that no select alias can be taken for. */
static const char *free_name(const struct ei_plan_graph *g, struct json_object *list,
                             const char *name, struct json_object *item_owned) {
    struct json_object *items = ei_tree_get(g->b->node, "select_list");
    char *wanted = ei_strdup(name);
    for (size_t i = 0; i < ei_tree_len(items); i++) {
        const char *alias = ei_tree_str(ei_tree_at(items, i), "alias");
        if (strcasecmp(alias, wanted) != 0 ||
            strcasecmp(alias, ei_plan_item_name(ei_tree_at(items, i), "")) == 0)
            continue;
        char *longer = ei_asprintf("%s_", wanted);
        free(wanted);
        wanted = longer;
        i = (size_t)-1;
    }
    const char *given = ei_plan_add_item(g->ctx, list, item_owned, wanted);
    free(wanted);
    return given;
}

/* The index of the key among the columns; it is added if it is not one of them. */
static int add_key(struct ei_plan_graph *g, struct ei_plan_unit *u, size_t class,
                   struct json_object *list, uint32_t *key) {
    struct ei_plan_column_at at;
    if (!ei_plan_graph_column(g, u->mask, class, &at))
        return ei_plan_whole(g->ctx, "large tables are joined without a shared key");
    const char *own = ei_plan_graph_type(g, &at), *type = ei_plan_key_type(own);
    const struct ei_plan_place *place = &g->places[g->first[at.leaf] + at.column];
    struct json_object *item = ei_plan_own(g->ctx, ei_tree_column(place->table, place->column));
    for (size_t i = 0; strcmp(own, type) == 0 && i < ei_tree_len(list); i++)
        if (ei_tree_same(ei_tree_at(list, i), item, NULL, NULL)) {
            *key = (uint32_t)i;
            return EI_PLAN_OK;
        }
    struct ei_buf sql = {0};
    ei_buf_puts(&sql, "CAST(");
    ei_buf_sql_ident(&sql, place->table);
    ei_buf_putc(&sql, '.');
    ei_buf_sql_ident(&sql, place->column);
    ei_buf_printf(&sql, " AS %s)", type);
    int status = EI_PLAN_OK;
    if (strcmp(own, type) != 0)
        status = ei_plan_parse_expression(g->ctx, sql.data, &item);
    ei_buf_release(&sql);
    *key = (uint32_t)ei_tree_len(list);
    if (status == EI_PLAN_OK)
        (void)free_name(g, list, "join_key", ei_tree_copy(item));
    return status;
}

char *ei_plan_unit_describe(const struct ei_plan_graph *g, const struct ei_plan_unit *u) {
    struct ei_buf what = {0};
    size_t count = 0;
    for (size_t l = 0; l < g->b->scope.count; l++)
        if ((u->mask >> l & 1) != 0)
            ei_buf_printf(&what, "%s%s", count++ == 0 ? "" : ", ", g->b->scope.leaves[l].alias);
    char *text = ei_asprintf("%s %s", count == 1 ? "scan" : "join", what.data);
    ei_buf_release(&what);
    return text;
}

struct json_object *ei_plan_unit_where(struct ei_plan_graph *g, const struct ei_plan_unit *u) {
    struct json_object *where = NULL;
    for (size_t i = 0; i < ei_tree_len(u->where); i++)
        where = ei_tree_and(where, ei_plan_unit_placed(g, ei_tree_at(u->where, i)));
    return where;
}

/* a.x = b.x AND a.x = b.y: before b meets a, its x and y differ. */
static bool twice_in_a_leaf(const struct ei_plan_graph *g, size_t class) {
    for (size_t l = 0; l < g->b->scope.count; l++) {
        size_t count = 0;
        for (size_t c = 0; c < g->b->scope.leaves[l].columns.count; c++)
            count += g->class_of[g->first[l] + c] == class ? 1 : 0;
        if (count > 1)
            return true;
    }
    return false;
}

/* A column before it in the unit that is equal to it and of the same type; itself if there is none.
 * Outer joins do not make their columns equal. */
static size_t twin(const struct ei_plan_graph *g, uint64_t mask, const bool *needed,
                   size_t number) {
    const char *type = NULL;
    for (size_t pass = 0; pass < 2; pass++)
        for (size_t l = 0; l < g->b->scope.count; l++)
            for (size_t c = 0; c < g->b->scope.leaves[l].columns.count; c++) {
                size_t n = g->first[l] + c;
                const char *own = g->b->scope.leaves[l].columns.columns[c].type;
                if (n == number && (g->units[l].attached || pass == 1))
                    return number;
                if (n == number)
                    type = own;
                if (pass == 1 && (mask >> l & 1) != 0 && needed[n] && !g->units[l].attached &&
                    g->places[n].table != NULL && g->class_of[n] == g->class_of[number] &&
                    strcmp(own, type) == 0)
                    return n;
            }
    return number;
}

/* The columns of the unit that are still needed, and where they will be. */
static struct json_object *columns_of(struct ei_plan_graph *g, const struct ei_plan_unit *u,
                                      struct ei_plan_place *next) {
    struct json_object *list = json_object_new_array();
    bool *needed = ei_plan_unit_needed(g);
    const char *input = ei_plan_next_input(g->ctx);
    for (size_t l = 0; l < g->b->scope.count; l++)
        for (size_t c = 0; c < g->b->scope.leaves[l].columns.count; c++) {
            size_t n = g->first[l] + c;
            if ((u->mask >> l & 1) == 0)
                continue;
            next[n] = (struct ei_plan_place){NULL, NULL};
            if (!needed[n] || g->places[n].table == NULL)
                continue;
            size_t same = twice_in_a_leaf(g, g->class_of[n]) ? n : twin(g, u->mask, needed, n);
            if (same != n) {
                next[n] = next[same];
                continue;
            }
            struct json_object *item = ei_tree_column(g->places[n].table, g->places[n].column);
            next[n].column =
                free_name(g, list, g->b->scope.leaves[l].columns.columns[c].name, item);
            next[n].table = input;
        }
    free(needed);
    return list;
}

struct json_object *ei_plan_unit_keys(struct ei_plan_graph *g, const struct ei_plan_unit *u) {
    if (!u->spread || u->base.spread != EI_PLAN_HASH || u->key_class == SIZE_MAX ||
        twice_in_a_leaf(g, u->key_class))
        return NULL;
    struct json_object *keys = ei_plan_own(g->ctx, json_object_new_array());
    for (size_t l = 0; l < g->b->scope.count; l++)
        for (size_t c = 0; c < g->b->scope.leaves[l].columns.count; c++) {
            const struct ei_plan_place *place = &g->places[g->first[l] + c];
            if ((u->mask >> l & 1) != 0 && !g->units[l].attached && place->table != NULL &&
                g->class_of[g->first[l] + c] == u->key_class)
                json_object_array_add(keys, ei_tree_column(place->table, place->column));
        }
    return keys;
}

int ei_plan_unit_cut(struct ei_plan_graph *g, struct ei_plan_unit *u, size_t class) {
    struct ei_plan_place *next = ei_calloc(g->columns + 1, sizeof *next);
    memcpy(next, g->places, g->columns * sizeof *next);
    struct json_object *node = ei_plan_own(g->ctx, ei_tree_select_node());
    struct json_object *list = columns_of(g, u, next);
    bool everywhere = class == SIZE_MAX;
    uint32_t key = 0;
    int status = everywhere ? EI_PLAN_OK : add_key(g, u, class, list, &key);
    if (ei_tree_len(list) == 0)
        (void)ei_plan_add_item(g->ctx, list, ei_tree_int(1), "one");
    ei_tree_set(node, "select_list", list);
    ei_tree_set(node, "from_table", ei_plan_unit_placed(g, u->from));
    ei_tree_set(node, "where_clause", ei_plan_unit_where(g, u));
    struct ei_plan_frag frag = {.spread = EI_PLAN_SINGLE};
    if (u->spread)
        ei_plan_frag_like(&frag, &u->base);
    if (frag.what == NULL || u->base.spread == EI_PLAN_SPLIT) {
        free(frag.what);
        frag.what = ei_plan_unit_describe(g, u);
    }
    frag.tree = node;
    frag.rows = (uint64_t)u->rows;
    const char *input = NULL;
    if (status == EI_PLAN_OK)
        status = ei_plan_close(g->ctx, &frag,
                               everywhere ? EIDER__V1__DISTRIBUTION__DISTRIBUTION_BROADCAST
                                          : EIDER__V1__DISTRIBUTION__DISTRIBUTION_HASH,
                               &key, everywhere ? 0 : 1, everywhere ? 1 : g->partitions, &input);
    ei_plan_frag_release(&frag);
    if (status == EI_PLAN_OK) {
        memcpy(g->places, next, g->columns * sizeof *next);
        u->from = ei_plan_own(g->ctx, ei_tree_table(input, input));
        u->where = ei_plan_own(g->ctx, json_object_new_array());
        ei_plan_frag_release(&u->base);
        u->spread = !everywhere;
        u->base = (struct ei_plan_frag){
            .spread = EI_PLAN_HASH, .partitions = g->partitions, .rows = (uint64_t)u->rows};
        u->key_class = class;
    }
    free(next);
    return status;
}
