/* DuckDB's parse trees (json_serialize_sql) as json-c values: reading, comparing and building
 * nodes. Functions that return a fresh node say so; the caller owns it until it is added to
 * another. */
#ifndef EIDER_PLAN_TREE_H
#define EIDER_PLAN_TREE_H

#include <json-c/json.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The member, or NULL if it is missing or null. */
struct json_object *ei_tree_get(struct json_object *node, const char *key);
/* The member's text, or "". */
const char *ei_tree_str(struct json_object *node, const char *key);
bool ei_tree_is(struct json_object *node, const char *key, const char *value);
bool ei_tree_flag(struct json_object *node, const char *key);
size_t ei_tree_len(struct json_object *array); /* 0 for NULL */
struct json_object *ei_tree_at(struct json_object *array, size_t i);

bool ei_tree_is_ref(struct json_object *node);      /* COLUMN_REF */
bool ei_tree_is_function(struct json_object *node); /* FUNCTION expression */
bool ei_tree_is_subquery(struct json_object *node); /* SUBQUERY expression, not FROM item */
bool ei_tree_is_window(struct json_object *node);
bool ei_tree_is_lambda(struct json_object *node);
/* A name of a column reference: part 0 is the leftmost. NULL behind the last. */
const char *ei_tree_ref_part(struct json_object *ref, size_t i);
size_t ei_tree_ref_parts(struct json_object *ref);
/* Is it an integer constant? */
bool ei_tree_int_value(struct json_object *node, int64_t *out);

/* DuckDB prints the DOUBLE 1e3 as 1000.0, which is a DECIMAL, and the DECIMAL 5. as 5, which is an
 * INTEGER: makes such constants CAST('1e3' AS DOUBLE). */
void ei_tree_keep_types(struct json_object *node);
/* DuckDB prints CROSS JOIN as a comma, which binds less than JOIN: those inside other joins become
 * JOIN ON 1 = 1. */
void ei_tree_keep_joins(struct json_object *node);

/* Fresh nodes. */
struct json_object *ei_tree_copy(struct json_object *node);
struct json_object *ei_tree_column(const char *table, const char *column);
struct json_object *ei_tree_int(int64_t value);
struct json_object *ei_tree_table(const char *name, const char *alias);
struct json_object *ei_tree_derived(struct json_object *node_owned, const char *alias);
struct json_object *ei_tree_select_node(void);
struct json_object *ei_tree_star(void);
struct json_object *ei_tree_and(struct json_object *a_owned, struct json_object *b_owned);
struct json_object *ei_tree_equal(struct json_object *a_owned, struct json_object *b_owned);
/* x IN (query) */
struct json_object *ei_tree_in(struct json_object *x_owned, struct json_object *query_owned);
struct json_object *ei_tree_coalesce(struct json_object *a_owned, struct json_object *b_owned);
/* INNER without a condition is CROSS. */
struct json_object *ei_tree_join(const char *type, struct json_object *left_owned,
                                 struct json_object *right_owned,
                                 struct json_object *condition_owned);
struct json_object *ei_tree_order(const char *type, const char *null_order,
                                  struct json_object *expression_owned);
struct json_object *ei_tree_modifier(const char *type);
/* The document that json_deserialize_sql takes, around a copy of a query node. */
struct json_object *ei_tree_statement(struct json_object *node);

/* Makes dst's content that of src, in place; src is freed. */
void ei_tree_overwrite(struct json_object *dst, struct json_object *src_owned);
/* The same for an expression inside another: dst's alias stays, it may be an argument's name. */
void ei_tree_replace(struct json_object *dst, struct json_object *src_owned);
void ei_tree_set_str(struct json_object *node, const char *key, const char *value);
void ei_tree_set(struct json_object *node, const char *key, struct json_object *value_owned);

/* Calls visit for node and every object below, parents first; false from visit = not below it. */
typedef bool (*ei_tree_visit)(void *ctx, struct json_object *node);
void ei_tree_walk(struct json_object *node, ei_tree_visit visit, void *ctx);
/* Visits what belongs to expressions of one block only: not the insides of subqueries. */
void ei_tree_walk_block(struct json_object *node, ei_tree_visit visit, void *ctx);

/* Equal but for positions and the alias of the whole; refs decides on two column references. */
typedef bool (*ei_tree_same_ref)(void *ctx, struct json_object *a, struct json_object *b);
bool ei_tree_same(struct json_object *a, struct json_object *b, ei_tree_same_ref refs, void *ctx);

/* Appends the conjuncts of an expression (not copied) to a json array of references. */
void ei_tree_conjuncts(struct json_object *expression, struct json_object *array);

#endif
