/* What the planner's files share. Nothing here is for other layers.
 *
 * Every step returns EI_PLAN_OK, EI_PLAN_WHOLE (this cannot be split; ctx->reason says why) or
 * EI_PLAN_ERROR (the query or a table is wrong; *ctx->e is filled). All trees and strings made on
 * the way belong to the context and are freed with it. */
#ifndef EIDER_PLAN_INTERNAL_H
#define EIDER_PLAN_INTERNAL_H

#include "base/buf.h"
#include "base/mem.h"
#include "plan/plan.h"
#include "plan/tree.h"

enum ei_plan_status {
    EI_PLAN_OK = 0,
    EI_PLAN_WHOLE = 1,
    EI_PLAN_ERROR = -1,
};

#define EI_PLAN_STAGES_MAX 200
#define EI_PLAN_NODES_MAX 200000 /* objects of a tree with its CTEs written out */
#define EI_PLAN_REASON_MAX 400
/* A table below this part of the broadcast limit is rather read by every task than moved. */
#define EI_PLAN_TINY_PART 16

/* A name that stage SQL may use in FROM: a table of files or the output of an earlier stage. */
struct ei_plan_input {
    char *name;
    const struct ei_plan_relation *relation; /* or NULL: a stage's output */
    uint32_t stage;
    const struct ei_plan_schema *schema;
};

struct ei_plan_stage {
    Eider__V1__StageSpec *spec;
    struct ei_plan_schema schema;
};

struct ei_plan_ctx {
    const struct ei_plan_env *env;
    struct ei_error *e;
    struct json_object **trees; /* owned, released at the end */
    size_t tree_count, tree_capacity;
    char **strings;
    size_t string_count, string_capacity;
    struct ei_plan_input *inputs;
    size_t input_count, input_capacity;
    struct ei_plan_stage *stages[EI_PLAN_STAGES_MAX];
    size_t stage_count;
    bool in_from; /* what is planned now is an item of a FROM */
    char reason[EI_PLAN_REASON_MAX];
};

/* How the rows of a fragment are spread over the tasks that produce them. */
enum ei_plan_spread {
    EI_PLAN_SINGLE, /* all in one task */
    EI_PLAN_SPLIT,  /* by the splits of one table */
    EI_PLAN_HASH,   /* by the partitions of hash exchanges that it reads */
};

/* A query node that tasks will run, whose output is not yet given anywhere. */
struct ei_plan_frag {
    struct json_object *tree; /* SELECT or set operation over inputs' names; owned by the context */
    struct ei_plan_schema out;
    enum ei_plan_spread spread;
    const char *split_input; /* SPLIT */
    uint32_t partitions;     /* HASH */
    uint64_t rows;           /* a guess */
    char *what;              /* for people: "scan flights"; owned */
};
void ei_plan_frag_release(struct ei_plan_frag *f);

/* ---- context.c ---- */
void ei_plan_ctx_release(struct ei_plan_ctx *ctx);
/* Takes back the stages from this number on, with their inputs. */
void ei_plan_ctx_drop(struct ei_plan_ctx *ctx, size_t stage_count);
/* Hands a tree or string to the context; returns it. */
struct json_object *ei_plan_own(struct ei_plan_ctx *ctx, struct json_object *tree);
char *ei_plan_own_string(struct ei_plan_ctx *ctx, char *s);
int ei_plan_whole(struct ei_plan_ctx *ctx, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
struct ei_plan_input *ei_plan_input_find(struct ei_plan_ctx *ctx, const char *name);
/* A new name for a relation, made from its label; the returned string lives as long as ctx. */
const char *ei_plan_input_add(struct ei_plan_ctx *ctx, const struct ei_plan_relation *relation);
int ei_plan_print(struct ei_plan_ctx *ctx, struct json_object *node, char **sql);
/* Names and types of a query node. A node that does not bind is EI_PLAN_WHOLE. */
int ei_plan_describe(struct ei_plan_ctx *ctx, struct json_object *node, struct ei_plan_schema *out);
/* Does it bind on its own? (Then it is not correlated.) */
bool ei_plan_binds(struct ei_plan_ctx *ctx, struct json_object *node);
/* Parses one expression of SQL; the result belongs to the context. */
int ei_plan_parse_expression(struct ei_plan_ctx *ctx, const char *sql, struct json_object **out);
void ei_plan_schema_copy(struct ei_plan_schema *dst, const struct ei_plan_schema *src);
void ei_plan_schema_add(struct ei_plan_schema *s, const char *name, const char *type);
uint32_t ei_plan_partitions(const struct ei_plan_ctx *ctx, uint64_t rows);
/* May rows be sent by the hash of a value of this type: equal values have equal bytes? */
bool ei_plan_hashable(const char *type);

/* ---- close.c ---- */
/* Makes a stage of a fragment. keys: columns of the output. *name is the new input's name. */
int ei_plan_close(struct ei_plan_ctx *ctx, const struct ei_plan_frag *f,
                  Eider__V1__Distribution distribution, const uint32_t *keys, size_t key_count,
                  uint32_t partitions, const char **name);
/* The name that the next closed fragment will get. */
const char *ei_plan_next_input(struct ei_plan_ctx *ctx);
/* A fragment that reads a closed one: SELECT over the new input with all its columns. */
void ei_plan_reader(struct ei_plan_ctx *ctx, const char *input, struct ei_plan_frag *out);

/* ---- tables.c, cte.c ---- */
/* Replaces each table of files in the tree by an input name. `text`/`positions`: see text.c. */
struct ei_plan_named {
    uint64_t location; /* byte offset in the user's text */
    const char *input;
    const char
        *visible; /* what the user's columns may be qualified with; NULL if an alias follows */
};
struct ei_plan_names {
    struct ei_plan_named *items;
    size_t count, capacity;
};
int ei_plan_resolve(struct ei_plan_ctx *ctx, struct json_object *tree, struct ei_plan_names *names);
/* A CTE that is used more than once becomes a stage that every use reads, if its result is small.
 */
int ei_plan_share(struct ei_plan_ctx *ctx, struct json_object *query, bool *shared);
int ei_plan_inline_ctes(struct ei_plan_ctx *ctx, struct json_object *tree);
/* Gives every further occurrence of the same input a name of its own. */
void ei_plan_separate(struct ei_plan_ctx *ctx, struct json_object *tree);
/* The user's text with input names in the place of tables; NULL if a table cannot be found in it.
 */
char *ei_plan_text(const char *sql, const struct ei_plan_names *names);

/* ---- scope.c ---- */
struct ei_plan_leaf {
    struct json_object *node; /* in the tree of the block */
    const char *alias;
    struct ei_plan_schema columns;
    bool opaque;          /* columns are not known: it refers to what stands left of it */
    const char *input;    /* of a table of files; NULL else */
    uint64_t bytes, rows; /* of the tables in it that can be split */
    bool splittable, big; /* big: some table in it is above the broadcast limit */
    bool heavy;           /* some is too large to be read by every task without a reason */
    bool part;            /* its rows are spread over the tasks; else each task has all of them */
    struct ei_plan_frag frag; /* of a planned subquery */
    bool has_frag, single;    /* single: the planned subquery has all its rows in one task */
    size_t key_column;        /* shuffle joins */
    const char *key_cast;
};
struct ei_plan_scope {
    struct ei_plan_leaf *leaves;
    size_t count, capacity;
    bool opaque;
};
int ei_plan_scope_init(struct ei_plan_ctx *ctx, struct json_object *from, struct ei_plan_scope *s);
void ei_plan_scope_release(struct ei_plan_scope *s);
struct ei_plan_leaf *ei_plan_scope_leaf(const struct ei_plan_scope *s, struct json_object *node);
struct ei_plan_column_at {
    size_t leaf, column, path; /* path: the first part of the reference behind the column */
};
/* 0: no column has that name, 1: *at, 2: several. */
int ei_plan_scope_find(const struct ei_plan_scope *s, struct json_object *ref,
                       struct ei_plan_column_at *at);
bool ei_plan_scope_same(const struct ei_plan_scope *s, struct json_object *a,
                        struct json_object *b);
/* Does an expression use columns of this item and nothing else? */
bool ei_plan_only_leaf(const struct ei_plan_scope *s, struct json_object *expression, size_t leaf);
/* The weight of the tables below a node. */
void ei_plan_weigh(struct ei_plan_ctx *ctx, struct json_object *node, struct ei_plan_leaf *out);

/* ---- block.c ---- */
/* Plans a query node; the tree is changed. */
int ei_plan_node(struct ei_plan_ctx *ctx, struct json_object *node, struct ei_plan_frag *out);

/* What a block's shape rule works on: the FROM and WHERE of `node` are spread as `base` says. */
struct ei_plan_block {
    struct json_object *node; /* SELECT_NODE without modifiers */
    struct ei_plan_scope scope;
    struct ei_plan_frag base;  /* tree NULL */
    struct ei_plan_schema out; /* of the block as the user wrote it, with hidden order columns */
    size_t visible;            /* columns of it that are not hidden */
    bool has_star, has_aggregate, has_window, has_limit;
    /* Its ORDER BY, twice: as taken off it and in its modifiers; arrays or NULL. */
    struct json_object *orders, *own_orders;
    /* Columns whose equal values are in one task (all of them equal to each other); or NULL. */
    struct json_object *keys;
};
/* A SELECT over the block's FROM and WHERE with this select list. */
struct json_object *ei_plan_block_select(struct ei_plan_block *b, struct json_object *list_owned);
/* Types of expressions (array of nodes, not changed) over the block's FROM. */
int ei_plan_block_types(struct ei_plan_ctx *ctx, struct ei_plan_block *b,
                        struct json_object *expressions, struct ei_plan_schema *out);
void ei_plan_frag_like(struct ei_plan_frag *out, const struct ei_plan_frag *base);

/* ---- from.c ---- */
/* Is the FROM tree right when its `part` leaves are spread and the others replicated? With several
 * part leaves each must have its key column set. */
int ei_plan_from_check(struct ei_plan_ctx *ctx, struct ei_plan_scope *s, struct json_object *node);
/* Chooses which leaves are spread; plans subqueries in FROM; base gets the spread. */
int ei_plan_from(struct ei_plan_ctx *ctx, struct ei_plan_block *b);

/* ---- join.c ---- */
/* Shuffles all part leaves by a shared key and puts the exchanges in their place. */
int ei_plan_shuffle_join(struct ei_plan_ctx *ctx, struct ei_plan_block *b);
/* Is one of these conjuncts an equality between the keys of a leaf here and a leaf there? */
bool ei_plan_joined_by_key(struct ei_plan_scope *s, struct json_object *conjuncts,
                           struct json_object *left, struct json_object *right);

/* ---- alias.c ---- */
/* Replaces uses of select aliases, ordinals and GROUP BY ALL by what they stand for. */
int ei_plan_resolve_aliases(struct ei_plan_ctx *ctx, struct ei_plan_block *b);

/* ---- substitute.c ---- */
/* Rewrites an expression of the block to one over an exchange: `from[i]` (compared as expressions)
 * becomes a copy of `to[i]`. A column that is in none of them is EI_PLAN_WHOLE. */
struct ei_plan_mapping {
    struct json_object *from, *to; /* arrays, owned by the context */
};
int ei_plan_substitute(struct ei_plan_ctx *ctx, const struct ei_plan_scope *s,
                       const struct ei_plan_mapping *m, struct json_object *expression);
/* Index of an expression in an array, or -1. */
long ei_plan_find(const struct ei_plan_scope *s, struct json_object *array,
                  struct json_object *expression);
/* Appends maximal column references that an expression needs. A star is EI_PLAN_WHOLE. */
int ei_plan_collect_refs(struct ei_plan_ctx *ctx, const struct ei_plan_scope *s,
                         struct json_object *expression, struct json_object *array);

/* ---- aggregate.c, agg_rules.c ---- */
struct ei_plan_agg_rule {
    const char *names; /* "stddev stddev_samp" */
    size_t arguments;
    const char *types;       /* of the argument x: a class of agg_rules.c, NULL = any */
    const char *partials[3]; /* over x and y */
    const char *final;       /* over p0, p1, p2 */
};
const struct ei_plan_agg_rule *ei_plan_agg_rule(const char *name, size_t arguments,
                                                const char *type);
/* The SQL of the final step for an argument of this type. */
const char *ei_plan_agg_final(struct ei_plan_ctx *ctx, const struct ei_plan_agg_rule *rule,
                              const char *type);
bool ei_plan_agg_order_dependent(const char *name);
bool ei_plan_agg_ignores_distinct(const char *name);
int ei_plan_aggregate(struct ei_plan_ctx *ctx, struct ei_plan_block *b, struct ei_plan_frag *out);
/* One rewriting of the aggregates of a block, between its two or three stages. */
struct ei_plan_agg {
    struct json_object *groups;            /* expressions; array */
    struct json_object *aggregates;        /* distinct aggregate calls; array */
    const struct ei_plan_agg_rule **rules; /* for each aggregate; NULL: cannot be split */
    struct ei_plan_schema *types;          /* of their first arguments */
    struct ei_plan_mapping map;            /* to the exchange's columns */
    bool sets;                             /* GROUPING SETS and the like */
};
/* The three ways; each makes its stages and leaves the last one in *out. */
int ei_plan_aggregate_partial(struct ei_plan_ctx *ctx, struct ei_plan_block *b,
                              struct ei_plan_agg *a, struct ei_plan_frag *out);
int ei_plan_aggregate_raw(struct ei_plan_ctx *ctx, struct ei_plan_block *b, struct ei_plan_agg *a,
                          struct ei_plan_frag *out);
bool ei_plan_aggregate_is_one_distinct(struct ei_plan_block *b, struct ei_plan_agg *a);
int ei_plan_aggregate_one_distinct(struct ei_plan_ctx *ctx, struct ei_plan_block *b,
                                   struct ei_plan_agg *a, struct ei_plan_frag *out);
/* What they share: a select item under a name that is new in the list; sending the first stage by
 * the group columns (its first ones); the last stage over its exchange. */
const char *ei_plan_add_item(struct ei_plan_ctx *ctx, struct json_object *list,
                             struct json_object *item_owned, const char *name);
const char *ei_plan_item_name(struct json_object *expression, const char *otherwise);
int ei_plan_aggregate_send(struct ei_plan_ctx *ctx, struct ei_plan_block *b, struct ei_plan_agg *a,
                           struct ei_plan_frag *first, struct ei_plan_frag *last,
                           const char **input);
int ei_plan_aggregate_finish(struct ei_plan_ctx *ctx, struct ei_plan_block *b,
                             struct ei_plan_agg *a, const char *input, struct ei_plan_frag *out);
/* A rule's SQL with its letters replaced; every aggregate in it gets the filter and DISTINCT. */
struct ei_plan_template {
    struct json_object *x, *y, *filter; /* not owned; NULL if there is none */
    bool distinct;
    const char *table, *columns[3]; /* what p0, p1, p2 stand for */
};
int ei_plan_instantiate(struct ei_plan_ctx *ctx, const char *sql, const struct ei_plan_template *t,
                        struct json_object **out_owned);
/* The block's select list and other clauses over an exchange, with its own names. */
int ei_plan_rewrite_block(struct ei_plan_ctx *ctx, struct ei_plan_block *b,
                          const struct ei_plan_mapping *map, const char *input,
                          struct ei_plan_frag *out);

/* ---- window.c, distinct.c, order.c, setop.c, subquery.c ---- */
int ei_plan_window(struct ei_plan_ctx *ctx, struct ei_plan_block *b, struct ei_plan_frag *out);
void ei_plan_add_distinct(struct json_object *node);
int ei_plan_distinct(struct ei_plan_ctx *ctx, struct ei_plan_frag *f);
struct ei_plan_modifiers {
    bool distinct, distinct_on;
    struct json_object *orders; /* array of {type, null_order, expression}; NULL if none */
    struct json_object *limit;  /* the LIMIT modifier; NULL if none */
    long *outputs;              /* of orders: index of the output column */
    size_t visible;             /* outputs from here on only serve the order */
};
void ei_plan_modifiers_release(struct ei_plan_modifiers *m);
/* Takes the modifiers off a node. */
void ei_plan_modifiers_take(struct ei_plan_ctx *ctx, struct json_object *node,
                            struct ei_plan_modifiers *m);
/* Finds the output column of each order; new ones are appended to the select list. */
int ei_plan_modifiers_bind(struct ei_plan_ctx *ctx, const struct ei_plan_scope *s,
                           struct json_object *node, const struct ei_plan_schema *out,
                           struct ei_plan_modifiers *m);
int ei_plan_order_limit(struct ei_plan_ctx *ctx, struct ei_plan_modifiers *m,
                        struct ei_plan_frag *f);
int ei_plan_setop(struct ei_plan_ctx *ctx, struct json_object *node, struct ei_plan_frag *out);
/* Plans or leaves the subqueries in the expressions of a block. */
int ei_plan_expression_subqueries(struct ei_plan_ctx *ctx, struct json_object *node);

/* ---- decorrelate.c ---- */
/* Subqueries of WHERE over large tables become joins. */
int ei_plan_decorrelate(struct ei_plan_ctx *ctx, struct json_object *node);

/* ---- guard.c ---- */
/* Constructs that only make sense in one place, anywhere in the query. */
int ei_plan_guard(struct ei_plan_ctx *ctx, struct json_object *tree);

/* ---- explain.c ---- */
char *ei_plan_explain(const Eider__V1__JobSpec *job, const struct ei_plan_ctx *ctx);

#endif
