/* The joins of a block as a graph: what join.c's shared key cannot do.
 *
 * A unit is a part of FROM whose rows are (or will be) made by the same tasks. Inner joins merge
 * units in an order of their own; the right sides of LEFT, SEMI and ANTI joins are attached to the
 * unit that has all columns of their conditions. Expressions keep the columns of the user's tables
 * until a unit is printed; `places` says where such a column is found then. */
#ifndef EIDER_PLAN_GRAPH_H
#define EIDER_PLAN_GRAPH_H

#include "plan/internal.h"

#define EI_GRAPH_LEAVES_MAX 60

struct ei_plan_unit {
    struct json_object *from;  /* owned by the context */
    struct json_object *where; /* array of conjuncts */
    uint64_t mask;             /* leaves whose columns it has */
    bool alive, attached;      /* attached: the right side of a join, not merged by itself */
    bool spread;               /* else every task reads all of it */
    bool reduced;              /* filters or joins make it smaller than its tables */
    struct ei_plan_frag base;  /* if spread: by what */
    size_t key_class;          /* hash exchanges: the key; SIZE_MAX else */
    double rows, table_rows;   /* guesses: now; of its largest table */
};

struct ei_plan_conjunct {
    struct json_object *expression; /* owned by the context */
    uint64_t mask;
    bool done;
};

struct ei_plan_attachment {
    const char *type; /* LEFT, SEMI, ANTI */
    struct json_object *conditions;
    uint64_t left_mask;
    size_t unit;
    bool done;
};

struct ei_plan_place {
    const char *table, *column;
};

struct ei_plan_graph {
    struct ei_plan_ctx *ctx;
    struct ei_plan_block *b;
    struct ei_plan_unit units[EI_GRAPH_LEAVES_MAX];
    size_t unit_count; /* unit i begins as leaf i */
    struct ei_plan_conjunct *conjuncts;
    size_t conjunct_count, conjunct_capacity;
    struct ei_plan_attachment attachments[EI_GRAPH_LEAVES_MAX];
    size_t attachment_count;
    /* Columns of all leaves, numbered through. */
    size_t *first, *class_of, columns;
    double leaf_rows[EI_GRAPH_LEAVES_MAX];
    struct ei_plan_place *places;
    uint32_t partitions;
};

/* ---- graph.c ---- */
/* EI_PLAN_WHOLE: not a graph that can be handled; nothing was changed then. */
int ei_plan_graph_init(struct ei_plan_graph *g, struct ei_plan_ctx *ctx, struct ei_plan_block *b);
void ei_plan_graph_release(struct ei_plan_graph *g);
uint64_t ei_plan_graph_mask(const struct ei_plan_graph *g, struct json_object *expression);
/* The column of a unit that belongs to a class of equal columns; false if it has none. */
bool ei_plan_graph_column(const struct ei_plan_graph *g, uint64_t mask, size_t class,
                          struct ei_plan_column_at *at);
const char *ei_plan_graph_type(const struct ei_plan_graph *g, const struct ei_plan_column_at *at);
/* The type that values of this type are hashed as; NULL: they cannot be. */
const char *ei_plan_key_type(const char *type);
bool ei_plan_graph_equality(const struct ei_plan_graph *g, struct json_object *expression,
                            struct ei_plan_column_at *a, struct ei_plan_column_at *b);

/* ---- qualify.c ---- */
/* Every column reference of the block gets the alias of its FROM item, stars are written out and
 * the result's columns keep their names. EI_PLAN_WHOLE, with nothing changed, if one is not
 * understood. */
int ei_plan_qualify(struct ei_plan_ctx *ctx, struct ei_plan_block *b, uint64_t hidden);

/* ---- estimate.c ---- */
/* Guesses only: they choose between plans that are all right. */
double ei_plan_selectivity(const struct ei_plan_graph *g, struct json_object *conjunct);
double ei_plan_join_rows(const struct ei_plan_graph *g, const struct ei_plan_unit *a,
                         const struct ei_plan_unit *b, bool *connected);
double ei_plan_unit_bytes(const struct ei_plan_graph *g, const struct ei_plan_unit *u);

/* ---- unit.c ---- */
/* Applies the conjuncts whose columns are all there now. */
void ei_plan_unit_filter(struct ei_plan_graph *g, struct ei_plan_unit *u);
/* Makes a stage of the unit; it becomes a reader of it. Class SIZE_MAX: to every task. */
int ei_plan_unit_cut(struct ei_plan_graph *g, struct ei_plan_unit *u, size_t class);
/* A fresh expression with the columns where they are now. */
struct json_object *ei_plan_unit_placed(struct ei_plan_graph *g, struct json_object *expression);
struct json_object *ei_plan_unit_where(struct ei_plan_graph *g, const struct ei_plan_unit *u);
/* Columns that hold the key the unit was sent by. Owned by the context; NULL if there is none. */
struct json_object *ei_plan_unit_keys(struct ei_plan_graph *g, const struct ei_plan_unit *u);
char *ei_plan_unit_describe(const struct ei_plan_graph *g, const struct ei_plan_unit *u);
/* Which columns are still used by what is not in a unit yet. Fresh, one flag a column. */
bool *ei_plan_unit_needed(const struct ei_plan_graph *g);

/* ---- chain.c ---- */
/* Joins of a block with several large tables, whatever their keys. *taken false: not for this. */
int ei_plan_chain(struct ei_plan_ctx *ctx, struct ei_plan_block *b, bool *taken);

#endif
