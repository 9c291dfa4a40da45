/* Guesses of sizes, from row counts and the form of filters. They choose, they never decide what is
 * right. */
#include "plan/graph.h"

#include <stdlib.h>
#include <string.h>

static size_t literals(struct json_object *children) {
    return ei_tree_len(children) > 1 ? ei_tree_len(children) - 1 : 1;
}

static bool refers(const struct ei_plan_graph *g, struct json_object *expression) {
    return ei_plan_graph_mask(g, expression) != 0;
}

/* Different values of a column as ANALYZE counted them; 0 if it did not. */
static double counted(const struct ei_plan_graph *g, size_t leaf, size_t column) {
    const char *input = g->b->scope.leaves[leaf].input;
    const struct ei_plan_input *in = input == NULL ? NULL : ei_plan_input_find(g->ctx, input);
    if (in == NULL || in->relation == NULL || in->relation->distinct == NULL)
        return 0;
    return (double)in->relation->distinct[column];
}

static double of_equality(const struct ei_plan_graph *g, struct json_object *e) {
    struct json_object *sides[2] = {ei_tree_get(e, "left"), ei_tree_get(e, "right")};
    struct ei_plan_column_at at;
    for (size_t i = 0; i < 2; i++)
        if (ei_tree_is_ref(sides[i]) && ei_plan_scope_find(&g->b->scope, sides[i], &at) == 1 &&
            counted(g, at.leaf, at.column) > 0)
            return 1 / counted(g, at.leaf, at.column);
    return 0.1;
}

static double of_comparison(const struct ei_plan_graph *g, struct json_object *e) {
    bool both = refers(g, ei_tree_get(e, "left")) && refers(g, ei_tree_get(e, "right"));
    if (ei_tree_is(e, "type", "COMPARE_EQUAL"))
        return of_equality(g, e);
    if (ei_tree_is(e, "type", "COMPARE_NOTEQUAL"))
        return 0.9;
    return both ? 0.5 : 0.3;
}

static double of_function(struct json_object *e) {
    const char *name = ei_tree_str(e, "function_name");
    bool prefix = strcmp(name, "~~") == 0 || strcmp(name, "like_escape") == 0 ||
                  strcmp(name, "contains") == 0 || strcmp(name, "starts_with") == 0;
    return prefix ? 0.1 : strcmp(name, "!~~") == 0 ? 0.9 : 0.3;
}

double ei_plan_selectivity(const struct ei_plan_graph *g, struct json_object *e) {
    struct json_object *children = ei_tree_get(e, "children");
    const char *type = ei_tree_str(e, "type");
    double s = 0;
    if (ei_tree_is(e, "class", "COMPARISON"))
        return of_comparison(g, e);
    if (ei_tree_is(e, "class", "BETWEEN"))
        return 0.2;
    if (ei_tree_is_function(e))
        return of_function(e);
    if (ei_tree_is_subquery(e))
        return 0.1;
    if (strcmp(type, "COMPARE_IN") == 0)
        return EI_MIN(0.5, 0.1 * (double)literals(children));
    if (strcmp(type, "CONJUNCTION_OR") == 0) {
        for (size_t i = 0; i < ei_tree_len(children); i++)
            s += ei_plan_selectivity(g, ei_tree_at(children, i));
        return EI_MIN(s, 0.8);
    }
    if (strcmp(type, "CONJUNCTION_AND") == 0) {
        s = 1;
        for (size_t i = 0; i < ei_tree_len(children); i++)
            s *= ei_plan_selectivity(g, ei_tree_at(children, i));
        return s;
    }
    if (strcmp(type, "OPERATOR_NOT") == 0)
        return 1 - ei_plan_selectivity(g, ei_tree_at(children, 0));
    return strcmp(type, "OPERATOR_IS_NULL") == 0 ? 0.1 : 0.9;
}

/* Different values of a class of equal columns: no more than the smallest table that has it, nor
 * than what was counted. */
static double values_of(const struct ei_plan_graph *g, size_t class) {
    double least = 1e18, most = 0;
    for (size_t l = 0; l < g->b->scope.count; l++)
        for (size_t c = 0; c < g->b->scope.leaves[l].columns.count; c++)
            if (g->class_of[g->first[l] + c] == class) {
                least = EI_MIN(least, g->leaf_rows[l]);
                most = EI_MAX(most, counted(g, l, c));
            }
    return EI_MAX(most > 0 ? EI_MIN(least, most) : least, 1.0);
}

double ei_plan_join_rows(const struct ei_plan_graph *g, const struct ei_plan_unit *a,
                         const struct ei_plan_unit *b, bool *connected) {
    double divisor = 1, most = EI_MAX(EI_MIN(a->table_rows, b->table_rows), 1.0);
    struct ei_plan_column_at at;
    *connected = false;
    for (size_t class = 0; class < g->columns; class ++) {
        if (g->class_of[class] != class || !ei_plan_graph_column(g, a->mask, class, &at) ||
            !ei_plan_graph_column(g, b->mask, class, &at))
            continue;
        *connected = true;
        divisor = EI_MIN(divisor * values_of(g, class), EI_MAX(most, divisor));
    }
    return EI_MAX(a->rows * b->rows / divisor, 1.0);
}

static double width_of(const char *type) {
    if (strchr(type, '[') != NULL || strchr(type, '(') != NULL)
        return strncmp(type, "DECIMAL", 7) == 0 ? 8 : 48;
    if (strcmp(type, "VARCHAR") == 0 || strcmp(type, "BLOB") == 0)
        return 24;
    if (strcmp(type, "DATE") == 0 || strcmp(type, "INTEGER") == 0)
        return 4;
    return 8;
}

double ei_plan_unit_bytes(const struct ei_plan_graph *g, const struct ei_plan_unit *u) {
    bool *needed = ei_plan_unit_needed(g);
    double width = 1;
    for (size_t l = 0; l < g->b->scope.count; l++)
        for (size_t c = 0; c < g->b->scope.leaves[l].columns.count; c++)
            if ((u->mask >> l & 1) != 0 && needed[g->first[l] + c])
                width += width_of(g->b->scope.leaves[l].columns.columns[c].type);
    free(needed);
    return u->rows * width;
}
