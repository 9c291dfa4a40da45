/* The table of aggregates that can be computed in two steps, and how.
 *
 * x and y are the arguments, p0.. the columns that the partials gave. Each partial aggregate gets
 * the user's FILTER. A rule must give the same type as the aggregate it replaces, and the same
 * value (floating-point sums up to the order of addition). */
#include "plan/internal.h"

#include <string.h>

/* Classes of argument types. */
#define INTEGERS "int"
#define EXACT "decimal"
#define FLOATS "float"
#define NUMBERS "number" /* any of them */

/* Sum of squared distances from the common mean, of the groups' counts, means and sums (Chan et
 * al.): stable where sums of squares are not. */
#define ALL_SQUARES                                                                                \
    "(sum(p2) + coalesce(list_sum(list_transform(list({'n': p0, 'm': p1}) FILTER (p0 > 0), "       \
    "lambda v: v.n * (v.m - sum(p0 * p1) / sum(p0)) ** 2)), 0))"
#define SPREAD_PARTIALS                                                                            \
    { "count(x)", "avg(x)", "var_pop(x) * count(x)" }

static const struct ei_plan_agg_rule RULES[] = {
    {"count_star", 0, NULL, {"count(*)"}, "CAST(coalesce(sum(p0), 0) AS BIGINT)"},
    {"count", 0, NULL, {"count(*)"}, "CAST(coalesce(sum(p0), 0) AS BIGINT)"},
    {"count", 1, NULL, {"count(x)"}, "CAST(coalesce(sum(p0), 0) AS BIGINT)"},
    {"count_if countif", 1, NULL, {"count_if(x)"}, "sum(p0)"},
    {"sum", 1, NUMBERS, {"sum(x)"}, "sum(p0)"},
    {"fsum kahan_sum sumkahan", 1, NUMBERS, {"fsum(x)"}, "fsum(p0)"},
    {"avg mean", 1, INTEGERS, {"sum(x)", "count(x)"}, "CAST(sum(p0) AS DOUBLE) / sum(p1)"},
    {"avg mean", 1, FLOATS, {"sum(x)", "count(x)"}, "sum(p0) / sum(p1)"},
    {"avg mean", 1, EXACT, {"sum(x)", "count(x)"}, NULL}, /* ei_plan_agg_final */
    {"min", 1, NULL, {"min(x)"}, "min(p0)"},
    {"max", 1, NULL, {"max(x)"}, "max(p0)"},
    {"any_value", 1, NULL, {"any_value(x)"}, "any_value(p0)"},
    {"bool_and", 1, NULL, {"bool_and(x)"}, "bool_and(p0)"},
    {"bool_or", 1, NULL, {"bool_or(x)"}, "bool_or(p0)"},
    {"bit_and", 1, NULL, {"bit_and(x)"}, "bit_and(p0)"},
    {"bit_or", 1, NULL, {"bit_or(x)"}, "bit_or(p0)"},
    {"bit_xor", 1, NULL, {"bit_xor(x)"}, "bit_xor(p0)"},
    {"product", 1, NUMBERS, {"product(x)"}, "product(p0)"},
    {"arg_max argmax max_by",
     2,
     NULL,
     {"arg_max(x, y)", "max(y) FILTER (x IS NOT NULL)"},
     "arg_max(p0, p1)"},
    {"arg_min argmin min_by",
     2,
     NULL,
     {"arg_min(x, y)", "min(y) FILTER (x IS NOT NULL)"},
     "arg_min(p0, p1)"},
    {"var_pop", 1, NUMBERS, SPREAD_PARTIALS,
     "CASE WHEN sum(p0) > 0 THEN " ALL_SQUARES " / sum(p0) END"},
    {"var_samp variance", 1, NUMBERS, SPREAD_PARTIALS,
     "CASE WHEN sum(p0) > 1 THEN " ALL_SQUARES " / (sum(p0) - 1) END"},
    {"stddev_pop", 1, NUMBERS, SPREAD_PARTIALS,
     "CASE WHEN sum(p0) > 0 THEN sqrt(" ALL_SQUARES " / sum(p0)) END"},
    {"stddev_samp stddev", 1, NUMBERS, SPREAD_PARTIALS,
     "CASE WHEN sum(p0) > 1 THEN sqrt(" ALL_SQUARES " / (sum(p0) - 1)) END"},
};

/* Results that depend on the order of the rows, unless the call orders them itself. */
static const char ORDERED[] =
    "first last arbitrary first_value last_value list array_agg string_agg "
    "group_concat listagg reservoir_quantile approx_quantile "
    "json_group_array json_group_object json_group_structure";
/* DISTINCT changes nothing here. */
static const char IDEMPOTENT[] =
    "min max bool_and bool_or bit_and bit_or any_value arg_min arg_max "
    "argmin argmax min_by max_by";

static bool in_words(const char *words, const char *name) {
    size_t len = strlen(name);
    for (const char *p = words; (p = strstr(p, name)) != NULL; p += len)
        if ((p == words || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
            return true;
    return false;
}

static bool in_class(const char *class, const char *type) {
    if (class == NULL)
        return true;
    bool integer =
        in_words("BOOLEAN TINYINT SMALLINT INTEGER BIGINT UTINYINT USMALLINT UINTEGER", type);
    bool number = strcmp(class, NUMBERS) == 0;
    if (strcmp(class, INTEGERS) == 0 || number)
        if (integer)
            return true;
    if (strcmp(class, EXACT) == 0 || number)
        if (strncmp(type, "DECIMAL(", 8) == 0 && strchr(type, '[') == NULL)
            return true;
    if (strcmp(class, FLOATS) == 0 || number)
        return in_words("FLOAT DOUBLE", type);
    return false;
}

const struct ei_plan_agg_rule *ei_plan_agg_rule(const char *name, size_t arguments,
                                                const char *type) {
    for (size_t i = 0; i < EI_ARRAY_LEN(RULES); i++)
        if (RULES[i].arguments == arguments && in_words(RULES[i].names, name) &&
            in_class(RULES[i].types, type))
            return &RULES[i];
    return NULL;
}

/* DECIMAL averages divide the unscaled integers, as DuckDB does: the last bit counts. */
const char *ei_plan_agg_final(struct ei_plan_ctx *ctx, const struct ei_plan_agg_rule *rule,
                              const char *type) {
    if (rule->final != NULL)
        return rule->final;
    const char *comma = strchr(type, ',');
    unsigned scale = 0;
    for (const char *p = comma == NULL ? "" : comma + 1; *p >= '0' && *p <= '9'; p++)
        scale = scale * 10 + (unsigned)(*p - '0');
    struct ei_buf power = {0};
    ei_buf_putc(&power, '1');
    for (unsigned i = 0; i < scale; i++)
        ei_buf_putc(&power, '0');
    char *sql = ei_asprintf("CAST(CAST(sum(p0) * %s AS HUGEINT) AS DOUBLE) / (sum(p1) * %s)",
                            power.data, power.data);
    ei_buf_release(&power);
    return ei_plan_own_string(ctx, sql);
}

bool ei_plan_agg_order_dependent(const char *name) {
    return in_words(ORDERED, name);
}

bool ei_plan_agg_ignores_distinct(const char *name) {
    return in_words(IDEMPOTENT, name);
}
