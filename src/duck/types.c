#include "duck/types.h"

#include "base/mem.h"
#include "duck/errors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* X(DUCKDB_TYPE_..., layout kind, width, limit, name) */
#define PLAIN_TYPES(X)                                                                             \
    X(BOOLEAN, FIXED, 1, 2, "BOOLEAN")                                                             \
    X(TINYINT, FIXED, 1, 0, "TINYINT")                                                             \
    X(SMALLINT, FIXED, 2, 0, "SMALLINT")                                                           \
    X(INTEGER, FIXED, 4, 0, "INTEGER")                                                             \
    X(BIGINT, FIXED, 8, 0, "BIGINT")                                                               \
    X(UTINYINT, FIXED, 1, 0, "UTINYINT")                                                           \
    X(USMALLINT, FIXED, 2, 0, "USMALLINT")                                                         \
    X(UINTEGER, FIXED, 4, 0, "UINTEGER")                                                           \
    X(UBIGINT, FIXED, 8, 0, "UBIGINT")                                                             \
    X(FLOAT, FIXED, 4, 0, "FLOAT")                                                                 \
    X(DOUBLE, FIXED, 8, 0, "DOUBLE")                                                               \
    X(TIMESTAMP, FIXED, 8, 0, "TIMESTAMP")                                                         \
    X(DATE, FIXED, 4, 0, "DATE")                                                                   \
    X(TIME, FIXED, 8, 0, "TIME")                                                                   \
    X(INTERVAL, FIXED, 16, 0, "INTERVAL")                                                          \
    X(HUGEINT, FIXED, 16, 0, "HUGEINT")                                                            \
    X(UHUGEINT, FIXED, 16, 0, "UHUGEINT")                                                          \
    X(VARCHAR, STRING, 0, 0, "VARCHAR")                                                            \
    X(BLOB, STRING, 0, 0, "BLOB")                                                                  \
    X(TIMESTAMP_S, FIXED, 8, 0, "TIMESTAMP_S")                                                     \
    X(TIMESTAMP_MS, FIXED, 8, 0, "TIMESTAMP_MS")                                                   \
    X(TIMESTAMP_NS, FIXED, 8, 0, "TIMESTAMP_NS")                                                   \
    X(UUID, FIXED, 16, 0, "UUID")                                                                  \
    X(BIT, STRING, 0, 0, "BIT")                                                                    \
    X(TIME_TZ, FIXED, 8, 0, "TIME WITH TIME ZONE")                                                 \
    X(TIMESTAMP_TZ, FIXED, 8, 0, "TIMESTAMP WITH TIME ZONE")                                       \
    X(BIGNUM, STRING, 0, 0, "BIGNUM")                                                              \
    X(TIME_NS, FIXED, 8, 0, "TIME_NS")                                                             \
    X(SQLNULL, NULL, 0, 0, "\"NULL\"")

static const struct {
    duckdb_type id;
    enum ei_layout_kind kind;
    uint8_t width;
    uint32_t limit;
    const char *name;
} PLAIN[] = {
#define X(id, kind, width, limit, name) {DUCKDB_TYPE_##id, EI_LAYOUT_##kind, width, limit, name},
    PLAIN_TYPES(X)
#undef X
};

static uint8_t physical_width(duckdb_type physical) {
    for (size_t i = 0; i < EI_ARRAY_LEN(PLAIN); i++) {
        if (PLAIN[i].id == physical)
            return PLAIN[i].width;
    }
    return 0;
}

static int add_child(duckdb_logical_type child, struct ei_layout *l, struct ei_error *e) {
    int status = ei_duck_layout_add(child, l, e);
    duckdb_destroy_logical_type(&child);
    return status;
}

static int add_struct(duckdb_logical_type type, struct ei_layout *l, struct ei_error *e) {
    idx_t n = duckdb_struct_type_child_count(type);
    ei_layout_add(l, EI_LAYOUT_STRUCT, 0, (uint32_t)n);
    for (idx_t i = 0; i < n; i++) {
        if (add_child(duckdb_struct_type_child_type(type, i), l, e) != 0)
            return -1;
    }
    return 0;
}

static int add_union(duckdb_logical_type type, struct ei_layout *l, struct ei_error *e) {
    idx_t n = duckdb_union_type_member_count(type);
    ei_layout_add(l, EI_LAYOUT_STRUCT, 0, (uint32_t)n + 1);
    ei_layout_add(l, EI_LAYOUT_FIXED, 1, (uint32_t)n);
    for (idx_t i = 0; i < n; i++) {
        if (add_child(duckdb_union_type_member_type(type, i), l, e) != 0)
            return -1;
    }
    return 0;
}

static int add_map(duckdb_logical_type type, struct ei_layout *l, struct ei_error *e) {
    ei_layout_add(l, EI_LAYOUT_LIST, 0, 0);
    ei_layout_add(l, EI_LAYOUT_STRUCT, 0, 2);
    if (add_child(duckdb_map_type_key_type(type), l, e) != 0)
        return -1;
    return add_child(duckdb_map_type_value_type(type), l, e);
}

int ei_duck_layout_add(duckdb_logical_type type, struct ei_layout *l, struct ei_error *e) {
    duckdb_type id = duckdb_get_type_id(type);
    for (size_t i = 0; i < EI_ARRAY_LEN(PLAIN); i++) {
        if (PLAIN[i].id == id) {
            ei_layout_add(l, PLAIN[i].kind, PLAIN[i].width, PLAIN[i].limit);
            return 0;
        }
    }
    switch (id) {
    case DUCKDB_TYPE_DECIMAL:
        ei_layout_add(l, EI_LAYOUT_FIXED, physical_width(duckdb_decimal_internal_type(type)), 0);
        return 0;
    case DUCKDB_TYPE_ENUM:
        ei_layout_add(l, EI_LAYOUT_FIXED, physical_width(duckdb_enum_internal_type(type)),
                      EI_MAX(1, duckdb_enum_dictionary_size(type)));
        return 0;
    case DUCKDB_TYPE_LIST:
        ei_layout_add(l, EI_LAYOUT_LIST, 0, 0);
        return add_child(duckdb_list_type_child_type(type), l, e);
    case DUCKDB_TYPE_ARRAY:
        ei_layout_add(l, EI_LAYOUT_ARRAY, 0, (uint32_t)duckdb_array_type_array_size(type));
        return add_child(duckdb_array_type_child_type(type), l, e);
    case DUCKDB_TYPE_MAP:
        return add_map(type, l, e);
    case DUCKDB_TYPE_STRUCT:
        return add_struct(type, l, e);
    case DUCKDB_TYPE_UNION:
        return add_union(type, l, e);
    default:
        return ei_fail(e, EI_UNSUPPORTED,
                       "a column has a type that cannot travel between stages (DuckDB type %d): "
                       "cast it, for example to VARCHAR or JSON",
                       (int)id);
    }
}

static bool child_contains(duckdb_logical_type child, duckdb_type id) {
    bool found = ei_duck_type_contains(child, id);
    duckdb_destroy_logical_type(&child);
    return found;
}

bool ei_duck_type_contains(duckdb_logical_type type, duckdb_type id) {
    duckdb_type own = duckdb_get_type_id(type);
    bool found = own == id;
    if (own == DUCKDB_TYPE_LIST)
        found = child_contains(duckdb_list_type_child_type(type), id);
    if (own == DUCKDB_TYPE_ARRAY)
        found = child_contains(duckdb_array_type_child_type(type), id);
    if (own == DUCKDB_TYPE_MAP)
        found = child_contains(duckdb_map_type_key_type(type), id) ||
                child_contains(duckdb_map_type_value_type(type), id);
    idx_t fields = own == DUCKDB_TYPE_STRUCT ? duckdb_struct_type_child_count(type) : 0;
    for (idx_t i = 0; !found && i < fields; i++)
        found = child_contains(duckdb_struct_type_child_type(type, i), id);
    idx_t members = own == DUCKDB_TYPE_UNION ? duckdb_union_type_member_count(type) : 0;
    for (idx_t i = 0; !found && i < members; i++)
        found = child_contains(duckdb_union_type_member_type(type, i), id);
    return found;
}

void ei_duck_types_free(duckdb_logical_type *types, size_t count) {
    for (size_t i = 0; types != NULL && i < count; i++)
        duckdb_destroy_logical_type(&types[i]);
    free(types);
}

int ei_duck_statement_layout(duckdb_prepared_statement s, struct ei_layout *layout,
                             duckdb_logical_type **types, struct ei_error *e) {
    idx_t n = duckdb_prepared_statement_column_count(s);
    duckdb_logical_type *all = ei_calloc(n, sizeof(*all));
    int status = 0;
    *layout = (struct ei_layout){0};
    for (idx_t i = 0; i < n; i++) {
        all[i] = duckdb_prepared_statement_column_logical_type(s, i);
        if (status == 0)
            status = ei_duck_layout_add(all[i], layout, e);
    }
    if (status == 0)
        status = ei_layout_seal(layout, e);
    if (status != 0)
        ei_layout_release(layout);
    if (status != 0 || types == NULL)
        ei_duck_types_free(all, n);
    else
        *types = all;
    return status;
}

int ei_duck_types_parse(duckdb_connection c, const char *const *texts, size_t count,
                        duckdb_logical_type **types, struct ei_layout *layout, struct ei_error *e) {
    struct ei_buf sql = {0};
    duckdb_prepared_statement s = NULL;
    int status = 0;
    for (size_t i = 0; i < count; i++)
        ei_buf_printf(&sql, "%sCAST(NULL AS %s)", i == 0 ? "SELECT " : ", ", texts[i]);
    if (count == 0) {
        *layout = (struct ei_layout){0};
        *types = NULL;
        return 0;
    }
    if (duckdb_prepare(c, sql.data, &s) == DuckDBError) {
        status = ei_duck_error(duckdb_prepare_error(s), -1, e);
        (void)ei_wrap(e, "a column type is not understood");
    } else if (duckdb_prepared_statement_column_count(s) != count) {
        status = ei_fail(e, EI_INVALID, "a column type is not understood: %s", sql.data);
    } else {
        status = ei_duck_statement_layout(s, layout, types, e);
    }
    duckdb_destroy_prepare(&s);
    ei_buf_release(&sql);
    return status;
}

int ei_duck_type_parse(duckdb_connection c, const char *text, duckdb_logical_type *out,
                       struct ei_error *e) {
    struct ei_layout layout;
    duckdb_logical_type *types = NULL;
    if (ei_duck_types_parse(c, &text, 1, &types, &layout, e) != 0)
        return -1;
    *out = types[0];
    free(types);
    ei_layout_release(&layout);
    return 0;
}

/* ---- printing ---- */

static void print_child(duckdb_logical_type child, struct ei_buf *out) {
    ei_duck_type_print(child, out);
    duckdb_destroy_logical_type(&child);
}

static void print_field(char *name, duckdb_logical_type type, idx_t i, struct ei_buf *out) {
    if (i > 0)
        ei_buf_puts(out, ", ");
    if (name[0] != '\0')
        ei_buf_sql_ident(out, name);
    else /* of row(1, 2): SQL has no way to write the type, names must be made up */
        ei_buf_printf(out, "v%" PRIu64, (uint64_t)i + 1);
    ei_buf_putc(out, ' ');
    print_child(type, out);
    duckdb_free(name);
}

static void print_enum(duckdb_logical_type type, struct ei_buf *out) {
    ei_buf_puts(out, "ENUM(");
    for (idx_t i = 0; i < duckdb_enum_dictionary_size(type); i++) {
        char *value = duckdb_enum_dictionary_value(type, i);
        ei_buf_puts(out, i > 0 ? ", " : "");
        ei_buf_sql_string(out, value);
        duckdb_free(value);
    }
    ei_buf_putc(out, ')');
}

static void print_nested(duckdb_logical_type type, duckdb_type id, struct ei_buf *out) {
    switch (id) {
    case DUCKDB_TYPE_DECIMAL:
        ei_buf_printf(out, "DECIMAL(%u,%u)", duckdb_decimal_width(type),
                      duckdb_decimal_scale(type));
        break;
    case DUCKDB_TYPE_ENUM:
        print_enum(type, out);
        break;
    case DUCKDB_TYPE_LIST:
        print_child(duckdb_list_type_child_type(type), out);
        ei_buf_puts(out, "[]");
        break;
    case DUCKDB_TYPE_ARRAY:
        print_child(duckdb_array_type_child_type(type), out);
        ei_buf_printf(out, "[%" PRIu64 "]", (uint64_t)duckdb_array_type_array_size(type));
        break;
    case DUCKDB_TYPE_MAP:
        ei_buf_puts(out, "MAP(");
        print_child(duckdb_map_type_key_type(type), out);
        ei_buf_puts(out, ", ");
        print_child(duckdb_map_type_value_type(type), out);
        ei_buf_putc(out, ')');
        break;
    case DUCKDB_TYPE_STRUCT:
        ei_buf_puts(out, "STRUCT(");
        for (idx_t i = 0; i < duckdb_struct_type_child_count(type); i++)
            print_field(duckdb_struct_type_child_name(type, i),
                        duckdb_struct_type_child_type(type, i), i, out);
        ei_buf_putc(out, ')');
        break;
    case DUCKDB_TYPE_UNION:
        ei_buf_puts(out, "UNION(");
        for (idx_t i = 0; i < duckdb_union_type_member_count(type); i++)
            print_field(duckdb_union_type_member_name(type, i),
                        duckdb_union_type_member_type(type, i), i, out);
        ei_buf_putc(out, ')');
        break;
    default: /* parses as no type: the next statement with it says so */
        ei_buf_printf(out, "\"type %d\"", (int)id);
    }
}

void ei_duck_type_print(duckdb_logical_type type, struct ei_buf *out) {
    duckdb_type id = duckdb_get_type_id(type);
    char *alias = duckdb_logical_type_get_alias(type);
    if (alias != NULL && strcmp(alias, "JSON") == 0) {
        ei_buf_puts(out, alias);
        duckdb_free(alias);
        return;
    }
    duckdb_free(alias);
    for (size_t i = 0; i < EI_ARRAY_LEN(PLAIN); i++) {
        if (PLAIN[i].id == id) {
            ei_buf_puts(out, PLAIN[i].name);
            return;
        }
    }
    print_nested(type, id, out);
}
