/* The planner's environment. Two connections: on `user` the user's own text binds, with an empty
 * stand-in for each table of files; on `stage` the stages' texts bind, over empty inputs. So names
 * of the one never meet names of the other. A third one looks at files. */
#include "gateway/engine.h"
#include "duck/errors.h"
#include "duck/table_facts.h"
#include "duck/types.h"
#include "base/mem.h"
#include "os/os.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Expressions nest deeply: json-c's own limit is 32 levels. */
#define TREE_DEPTH_MAX 4000

struct loaded {
    char *key;
    struct ei_table_facts *facts;
    uint64_t *distinct; /* owned, or NULL */
    struct ei_plan_relation relation;
};

struct ei_binder {
    const struct ei_prepare_input *in;
    duckdb_connection user, stage, files;
    duckdb_prepared_statement print;   /* json_deserialize_sql($1) */
    struct ei_map stage_tables;        /* name -> its CREATE statement, owned: made already */
    struct json_object *template_tree; /* of SELECT 1, to print single expressions */
    struct loaded *tables;
    size_t count, capacity;
};

static const char *string_member(struct json_object *o, const char *key) {
    struct json_object *v = NULL;
    if (!json_object_object_get_ex(o, key, &v) || v == NULL)
        return "";
    return json_object_get_string(v);
}

int ei_binder_create(const struct ei_prepare_input *in, struct ei_binder **out,
                     struct ei_error *e) {
    struct ei_binder *b = ei_calloc(1, sizeof *b);
    b->in = in;
    *out = b;
    if (ei_gateway_connect(in->gateway, &b->user, e) != 0 ||
        ei_gateway_connect(in->gateway, &b->stage, e) != 0 ||
        ei_gateway_connect(in->gateway, &b->files, e) != 0)
        return -1;
    struct ei_buf sql = {0};
    ei_buf_puts(&sql, "SET file_search_path=");
    ei_buf_sql_string(&sql, in->directory);
    /* Nothing runs here but small helpers: optimising them costs more than it gains. */
    ei_buf_puts(&sql, "; PRAGMA disable_optimizer");
    int rc = ei_duck_run(b->user, sql.data, e);
    if (rc == 0)
        rc = ei_duck_run(b->stage, "PRAGMA disable_optimizer", e);
    ei_buf_release(&sql);
    return rc;
}

void ei_binder_destroy(struct ei_binder *b) {
    if (b == NULL)
        return;
    for (size_t i = 0; i < b->count; i++) {
        ei_table_facts_destroy(b->tables[i].facts);
        ei_plan_schema_release(&b->tables[i].relation.schema);
        free(b->tables[i].key);
        free(b->tables[i].distinct);
    }
    free(b->tables);
    json_object_put(b->template_tree);
    for (size_t i = 0; i < b->stage_tables.count; i++)
        free(b->stage_tables.entries[i].value);
    ei_map_release(&b->stage_tables);
    if (b->print != NULL)
        duckdb_destroy_prepare(&b->print);
    if (b->user != NULL)
        duckdb_disconnect(&b->user);
    if (b->stage != NULL)
        duckdb_disconnect(&b->stage);
    if (b->files != NULL)
        duckdb_disconnect(&b->files);
    free(b);
}

bool ei_binder_has_column(const struct ei_binder *b, const char *name) {
    for (size_t i = 0; i < b->count; i++)
        for (size_t c = 0; c < b->tables[i].relation.schema.count; c++)
            if (strcasecmp(b->tables[i].relation.schema.columns[c].name, name) == 0)
                return true;
    return false;
}

duckdb_connection ei_binder_connection(struct ei_binder *b) {
    return b->user;
}

/* ---- text <-> tree ---- */

/* "syntax error at or near "x" (line 2, column 5)" */
static int fail_at(struct ei_error *e, enum ei_code code, const char *message, const char *sql,
                   size_t offset) {
    size_t line = 1, column = 1;
    for (size_t i = 0; i < offset && sql[i] != '\0'; i++) {
        column = sql[i] == '\n' ? 1 : column + (((unsigned char)sql[i] & 0xc0) != 0x80);
        line += sql[i] == '\n';
    }
    return ei_fail(e, code, "%s (line %zu, column %zu)", message, line, column);
}

static int parse_error(struct json_object *o, const char *sql, struct ei_error *e) {
    const char *type = string_member(o, "error_type");
    const char *message = string_member(o, "error_message");
    if (strcmp(type, "not implemented") == 0)
        return ei_fail(
            e, EI_UNSUPPORTED,
            "this statement is not one that Eider runs: it takes SELECT (also FROM "
            "..., WITH ..., VALUES ...), EXPLAIN [ANALYZE], DESCRIBE, COPY ... TO, "
            "CREATE TABLE ... AS, INSERT INTO, CREATE EXTERNAL TABLE, CREATE VIEW, DROP, "
            "ANALYZE, SHOW TABLES, SHOW STATS and SET");
    const char *position = string_member(o, "position");
    if (position[0] != '\0')
        return fail_at(e, EI_INVALID, message, sql, strtoul(position, NULL, 10));
    return ei_fail(e, EI_INVALID, "%s", message);
}

int ei_binder_parse(struct ei_binder *b, const char *sql, struct json_object **tree,
                    struct ei_error *e) {
    struct ei_buf call = {0};
    ei_buf_puts(&call, "SELECT CAST(json_serialize_sql(");
    ei_buf_sql_string(&call, sql);
    ei_buf_puts(&call, ") AS VARCHAR)");
    char *text = NULL;
    int rc = ei_gateway_text(b->user, call.data, &text, e);
    ei_buf_release(&call);
    if (rc != 0)
        return -1;
    struct json_tokener *tokener = json_tokener_new_ex(TREE_DEPTH_MAX);
    struct json_object *o = json_tokener_parse_ex(tokener, text, -1);
    json_tokener_free(tokener);
    free(text);
    struct json_object *error = NULL, *statements = NULL;
    if (o == NULL)
        return ei_fail(e, EI_INTERNAL, "DuckDB's parse tree is not JSON");
    if (json_object_object_get_ex(o, "error", &error) && json_object_get_boolean(error)) {
        rc = parse_error(o, sql, e);
    } else if (!json_object_object_get_ex(o, "statements", &statements) ||
               json_object_array_length(statements) != 1) {
        rc = ei_fail(e, EI_INVALID, "one statement at a time, please: there are several here");
    }
    if (rc != 0) {
        json_object_put(o);
        return -1;
    }
    *tree = o;
    return 0;
}

static int to_sql(void *ctx, struct json_object *tree, char **sql, struct ei_error *e) {
    struct ei_binder *b = ctx;
    if (b->print == NULL &&
        duckdb_prepare(b->stage, "SELECT json_deserialize_sql(CAST($1 AS JSON))", &b->print) !=
            DuckDBSuccess)
        return ei_duck_error(duckdb_prepare_error(b->print), -1, e);
    (void)duckdb_bind_varchar(b->print, 1,
                              json_object_to_json_string_ext(
                                  tree, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    return ei_gateway_prepared_text(b->print, sql, e);
}

int ei_binder_to_sql(struct ei_binder *b, struct json_object *tree, char **sql,
                     struct ei_error *e) {
    return to_sql(b, tree, sql, e);
}

/* The text of one expression. */
static int expression_sql(struct ei_binder *b, struct json_object *expression, char **sql,
                          struct ei_error *e) {
    if (b->template_tree == NULL && ei_binder_parse(b, "SELECT 1", &b->template_tree, e) != 0)
        return -1;
    struct json_object *statement =
        json_object_array_get_idx(json_object_object_get(b->template_tree, "statements"), 0);
    struct json_object *node = json_object_object_get(statement, "node");
    struct json_object *list = json_object_new_array();
    json_object_array_add(list, json_object_get(expression));
    json_object_object_add(node, "select_list", list);
    char *whole = NULL;
    if (to_sql(b, b->template_tree, &whole, e) != 0)
        return -1;
    static const char SELECT[] = "SELECT ";
    size_t skip = strncmp(whole, SELECT, sizeof SELECT - 1) == 0 ? sizeof SELECT - 1 : 0;
    *sql = ei_strdup(whole + skip);
    free(whole);
    return 0;
}

/* ---- tables of files ---- */

static bool looks_like_file(const char *name) {
    return strpbrk(name, "./*") != NULL;
}

/* What makes two nodes name the same table: everything but where they stand and their alias. */
static char *node_key(struct json_object *node) {
    struct json_object *function = NULL;
    if (!json_object_object_get_ex(node, "function", &function))
        return ei_asprintf("table %s", string_member(node, "table_name"));
    struct json_object *copy = NULL;
    if (json_object_deep_copy(function, &copy, NULL) != 0)
        return ei_strdup("");
    json_object_object_del(copy, "query_location");
    struct json_object *children = json_object_object_get(copy, "children");
    size_t n =
        json_object_is_type(children, json_type_array) ? json_object_array_length(children) : 0;
    for (size_t i = 0; i < n; i++)
        json_object_object_del(json_object_array_get_idx(children, i), "query_location");
    char *key = ei_asprintf("function %s", json_object_to_json_string(copy));
    json_object_put(copy);
    return key;
}

static struct loaded *find_loaded(struct ei_binder *b, const char *key) {
    for (size_t i = 0; i < b->count; i++)
        if (strcmp(b->tables[i].key, key) == 0)
            return &b->tables[i];
    return NULL;
}

void ei_schema_add(struct ei_plan_schema *s, const char *name, const char *type) {
    s->columns = ei_realloc(s->columns, (s->count + 1) * sizeof *s->columns);
    s->columns[s->count++] = (struct ei_plan_column){ei_strdup(name), ei_strdup(type)};
}

/* A named argument is a comparison with its name, or an expression with its name as alias. */
static int add_argument(struct ei_binder *b, struct json_object *child, struct ei_table_argument *a,
                        struct ei_error *e) {
    const char *name = string_member(child, "alias");
    struct json_object *value = child;
    if (strcmp(string_member(child, "class"), "COMPARISON") == 0 &&
        strcmp(string_member(child, "type"), "COMPARE_EQUAL") == 0) {
        struct json_object *left = json_object_object_get(child, "left");
        struct json_object *names = json_object_object_get(left, "column_names");
        if (names != NULL && json_object_array_length(names) == 1) {
            name = json_object_get_string(json_object_array_get_idx(names, 0));
            value = json_object_object_get(child, "right");
        }
    }
    struct json_object *bare = NULL;
    if (json_object_deep_copy(value, &bare, NULL) != 0)
        return ei_fail(e, EI_INTERNAL, "cannot copy a parse tree");
    json_object_object_add(bare, "alias", json_object_new_string(""));
    char *sql = NULL;
    int rc = expression_sql(b, bare, &sql, e);
    json_object_put(bare);
    a->sql = sql;
    a->name = name[0] == '\0' ? NULL : ei_strdup(name);
    return rc;
}

static int load_facts(struct ei_binder *b, const struct ei_table_call *call, uint32_t slots,
                      struct ei_table_facts **out, struct ei_error *e) {
    uint64_t bytes = b->in->gateway->test.split_bytes;
    if (bytes == 0)
        return ei_table_facts_load(b->files, call, slots, out, e);
    struct ei_table_limits small = {bytes, UINT32_MAX, bytes, UINT32_MAX};
    return ei_table_facts_load_limited(b->files, call, slots, &small, out, e);
}

static int load_call(struct ei_binder *b, const char *function, struct json_object *children,
                     const char *path, struct ei_table_facts **out, struct ei_error *e) {
    size_t n = children == NULL ? 1 : json_object_array_length(children);
    struct ei_table_argument *arguments = ei_calloc(n, sizeof *arguments);
    int rc = 0;
    if (children == NULL) {
        struct ei_buf quoted = {0};
        ei_buf_sql_string(&quoted, path);
        arguments[0].sql = ei_buf_steal(&quoted);
    }
    for (size_t i = 0; children != NULL && rc == 0 && i < n; i++)
        rc = add_argument(b, json_object_array_get_idx(children, i), &arguments[i], e);
    struct ei_table_call call = {function, arguments, n, b->in->directory};
    uint32_t slots = b->in->catalog == NULL ? 1 : b->in->catalog->slots;
    if (rc == 0)
        rc = load_facts(b, &call, EI_MAX(slots, 1), out, e);
    for (size_t i = 0; i < n; i++) {
        free((char *)arguments[i].name);
        free((char *)arguments[i].sql);
    }
    free(arguments);
    return rc;
}

static int load_node(struct ei_binder *b, struct json_object *node, int depth,
                     struct ei_table_facts **out, struct ei_error *e);

/* The files of the list; columns have the types that the table was given. */
static int load_managed(struct ei_binder *b, const Eider__V1__CatalogEntry *entry,
                        struct ei_table_facts **out, struct ei_error *e) {
    struct ei_manifest m;
    if (ei_manifest_read(entry->sql, &m, e) != 0)
        return -1;
    char *list = ei_manifest_list(&m);
    struct ei_table_argument argument = {NULL, list};
    struct ei_table_call call = {"read_parquet", &argument, 1, "/"};
    int rc = load_facts(b, &call, EI_MAX(b->in->catalog->slots, 1), out, e);
    size_t n = rc == 0 ? (*out)->input->n_columns : 0;
    for (size_t i = 0; i < n && i < m.columns.count; i++) {
        free((*out)->input->columns[i]->type);
        (*out)->input->columns[i]->type = ei_strdup(m.columns.columns[i].type);
    }
    free(list);
    ei_manifest_release(&m);
    return rc;
}

static int load_external(struct ei_binder *b, const Eider__V1__CatalogEntry *entry, int depth,
                         struct ei_table_facts **out, struct ei_error *e) {
    char *sql = ei_asprintf("SELECT * FROM %s", entry->sql);
    struct json_object *tree = NULL;
    int rc = ei_binder_parse(b, sql, &tree, e);
    free(sql);
    if (rc == 0) {
        struct json_object *statement =
            json_object_array_get_idx(json_object_object_get(tree, "statements"), 0);
        struct json_object *from =
            json_object_object_get(json_object_object_get(statement, "node"), "from_table");
        rc = depth > 0 ? ei_fail(e, EI_INVALID, "it refers to another table")
                       : load_node(b, from, depth + 1, out, e);
    }
    json_object_put(tree);
    return rc;
}

static int load_catalog(struct ei_binder *b, const Eider__V1__CatalogEntry *entry, int depth,
                        struct ei_table_facts **out, struct ei_error *e) {
    int rc = entry->kind == EIDER__V1__TABLE_KIND__TABLE_MANAGED
                 ? load_managed(b, entry, out, e)
                 : load_external(b, entry, depth, out, e);
    if (rc != 0)
        return ei_wrap(e, "table %s", entry->name);
    if (*out != NULL) {
        free((*out)->label);
        (*out)->label = ei_strdup(entry->name);
    }
    return 0;
}

/* *out NULL: the node is no table of files. */
static int load_node(struct ei_binder *b, struct json_object *node, int depth,
                     struct ei_table_facts **out, struct ei_error *e) {
    *out = NULL;
    struct json_object *function = NULL;
    if (json_object_object_get_ex(node, "function", &function)) {
        const char *name = string_member(function, "function_name");
        if (!ei_table_facts_is_file_function(name))
            return 0;
        return load_call(b, name, json_object_object_get(function, "children"), NULL, out, e);
    }
    const char *name = string_member(node, "table_name");
    if (string_member(node, "schema_name")[0] != '\0')
        return 0;
    const Eider__V1__CatalogEntry *entry = ei_catalog_find(b->in->catalog, name);
    if (entry != NULL && entry->kind == EIDER__V1__TABLE_KIND__TABLE_VIEW)
        return 0; /* its query stands in the tree */
    if (entry != NULL)
        return load_catalog(b, entry, depth, out, e);
    return looks_like_file(name) ? load_call(b, "", NULL, name, out, e) : 0;
}

static void put_columns(struct ei_buf *sql, const struct ei_plan_schema *s) {
    for (size_t i = 0; i < s->count; i++) {
        ei_buf_puts(sql, i == 0 ? "" : ", ");
        ei_buf_sql_ident(sql, s->columns[i].name);
        ei_buf_printf(sql, " %s", s->columns[i].type);
    }
}

static char *empty_table_sql(const char *name, const struct ei_plan_schema *s) {
    struct ei_buf sql = {0};
    ei_buf_puts(&sql, "CREATE OR REPLACE TEMP TABLE ");
    ei_buf_sql_ident(&sql, name);
    ei_buf_puts(&sql, " (");
    put_columns(&sql, s);
    ei_buf_puts(&sql, ")");
    return ei_buf_steal(&sql);
}

static int create_empty(duckdb_connection c, const char *name, const struct ei_plan_schema *s,
                        struct ei_error *e) {
    char *sql = empty_table_sql(name, s);
    int rc = ei_duck_run(c, sql, e);
    free(sql);
    return rc;
}

int ei_binder_stand_in(struct ei_binder *b, const char *name, const struct ei_plan_schema *s,
                       struct ei_error *e) {
    return create_empty(b->user, name, s, e);
}

uint64_t ei_binder_bytes(const struct ei_binder *b) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < b->count; i++)
        bytes += b->tables[i].relation.bytes;
    return bytes;
}

int ei_binder_set(struct ei_binder *b, const char *sql, struct ei_error *e) {
    return ei_duck_run(b->user, sql, e) == 0 ? ei_duck_run(b->stage, sql, e) : -1;
}

/* The planner describes many texts over the same inputs: each is made once. */
static int create_stage_input(struct ei_binder *b, const char *name, const struct ei_plan_schema *s,
                              struct ei_error *e) {
    char *sql = empty_table_sql(name, s);
    const char *made = ei_map_get(&b->stage_tables, name);
    if (made != NULL && strcmp(made, sql) == 0) {
        free(sql);
        return 0;
    }
    int rc = ei_duck_run(b->stage, sql, e);
    if (rc == 0)
        free(ei_map_put(&b->stage_tables, name, sql));
    else
        free(sql);
    return rc;
}

/* DuckDB knows its own readers; ours get a macro of the same name with the columns found. */
static int create_stand_in(struct ei_binder *b, struct json_object *node,
                           const struct ei_plan_schema *s, struct ei_error *e) {
    struct json_object *function = NULL;
    if (!json_object_object_get_ex(node, "function", &function))
        return create_empty(b->user, string_member(node, "table_name"), s, e);
    const char *name = string_member(function, "function_name");
    bool log = strcasecmp(name, "read_access_log") == 0;
    if (!log && strcasecmp(name, "read_lines") != 0)
        return 0;
    struct ei_buf sql = {0};
    ei_buf_printf(&sql, "CREATE OR REPLACE TEMP MACRO %s(path%s) AS TABLE SELECT ", name,
                  log ? ", malformed := 'skip'" : "");
    for (size_t i = 0; i < s->count; i++) {
        ei_buf_printf(&sql, "%sCAST(NULL AS %s) AS ", i == 0 ? "" : ", ", s->columns[i].type);
        ei_buf_sql_ident(&sql, s->columns[i].name);
    }
    ei_buf_puts(&sql, " WHERE false");
    int rc = ei_duck_run(b->user, sql.data, e);
    ei_buf_release(&sql);
    return rc;
}

/* Takes key and facts over. */
static struct loaded *keep(struct ei_binder *b, char *key, struct ei_table_facts *facts) {
    EI_GROW(b->tables, b->count, b->capacity);
    struct loaded *t = &b->tables[b->count++];
    *t = (struct loaded){.key = key, .facts = facts};
    for (size_t i = 0; i < facts->input->n_columns; i++)
        ei_schema_add(&t->relation.schema, facts->input->columns[i]->name,
                      facts->input->columns[i]->type);
    t->relation.label = facts->label;
    t->relation.input = facts->input;
    t->relation.splits = facts->splits;
    t->relation.split_count = facts->split_count;
    t->relation.whole = facts->whole;
    t->relation.whole_reason = facts->whole_reason;
    t->relation.rows = facts->rows;
    t->relation.bytes = facts->bytes;
    return t;
}

/* What ANALYZE found out about the table, if it is one of the catalogue. */
static void add_statistics(struct ei_binder *b, struct json_object *node, struct loaded *t) {
    const Eider__V1__CatalogEntry *entry =
        ei_catalog_find(b->in->catalog, string_member(node, "table_name"));
    struct json_object *stats = entry == NULL ? NULL : json_tokener_parse(entry->stats);
    struct json_object *distinct = NULL, *n = NULL;
    if (json_object_object_get_ex(stats, "distinct", &distinct)) {
        t->distinct = ei_calloc(t->relation.schema.count, sizeof *t->distinct);
        for (size_t i = 0; i < t->relation.schema.count; i++)
            if (json_object_object_get_ex(distinct, t->relation.schema.columns[i].name, &n))
                t->distinct[i] = json_object_get_uint64(n);
        t->relation.distinct = t->distinct;
    }
    json_object_put(stats);
}

static int load_table(struct ei_binder *b, struct json_object *node, struct ei_error *e) {
    char *key = node_key(node);
    struct ei_table_facts *facts = NULL;
    if (find_loaded(b, key) != NULL) {
        free(key);
        return 0;
    }
    int rc = load_node(b, node, 0, &facts, e);
    if (rc != 0 || facts == NULL) {
        free(key);
        return rc;
    }
    struct loaded *t = keep(b, key, facts);
    add_statistics(b, node, t);
    return create_stand_in(b, node, &t->relation.schema, e);
}

int ei_binder_load_tables(struct ei_binder *b, struct json_object *tree, struct ei_error *e) {
    if (json_object_is_type(tree, json_type_array)) {
        size_t n = json_object_array_length(tree);
        for (size_t i = 0; i < n; i++)
            if (ei_binder_load_tables(b, json_object_array_get_idx(tree, i), e) != 0)
                return -1;
        return 0;
    }
    if (!json_object_is_type(tree, json_type_object))
        return 0;
    const char *type = string_member(tree, "type");
    bool table = strcmp(type, "BASE_TABLE") == 0 || strcmp(type, "TABLE_FUNCTION") == 0;
    if (table && load_table(b, tree, e) != 0)
        return -1;
    json_object_object_foreach(tree, key, child) {
        (void)key;
        if (ei_binder_load_tables(b, child, e) != 0)
            return -1;
    }
    return 0;
}

/* ---- the planner's callbacks ---- */

static int resolve(void *ctx, struct json_object *node, const struct ei_plan_relation **out,
                   struct ei_error *e) {
    struct ei_binder *b = ctx;
    char *key = node_key(node);
    struct loaded *t = find_loaded(b, key);
    (void)e;
    free(key);
    *out = t == NULL ? NULL : &t->relation;
    return 0;
}

static int parse(void *ctx, const char *sql, struct json_object **tree, struct ei_error *e) {
    return ei_binder_parse(ctx, sql, tree, e);
}

static int prepare_error(duckdb_prepared_statement statement, const char *sql, struct ei_error *e) {
    const char *text = duckdb_prepare_error(statement);
    struct ei_buf message = {0};
    uint32_t position = 0;
    ei_duck_error_cut(text, sql, &message, &position);
    (void)ei_duck_error(text, -1, e);
    if (message.len > 0 && position > 0)
        (void)fail_at(e, e->code, message.data, sql, position - 1);
    ei_buf_release(&message);
    return -1;
}

static int describe_on(duckdb_connection c, const char *sql, struct ei_plan_schema *out,
                       struct ei_error *e) {
    duckdb_prepared_statement statement = NULL;
    *out = (struct ei_plan_schema){0};
    int rc = 0;
    if (duckdb_prepare(c, sql, &statement) != DuckDBSuccess) {
        rc = prepare_error(statement, sql, e);
        duckdb_destroy_prepare(&statement);
        return rc;
    }
    idx_t n = duckdb_prepared_statement_column_count(statement);
    for (idx_t i = 0; i < n && rc == 0; i++) {
        const char *name = duckdb_prepared_statement_column_name(statement, i);
        duckdb_logical_type type = duckdb_prepared_statement_column_logical_type(statement, i);
        struct ei_buf text = {0};
        ei_duck_type_print(type, &text);
        ei_schema_add(out, name == NULL ? "" : name, text.data == NULL ? "" : text.data);
        ei_buf_release(&text);
        duckdb_destroy_logical_type(&type);
        duckdb_free((void *)(uintptr_t)name);
    }
    if (duckdb_nparams(statement) > 0)
        rc = ei_fail(e, EI_UNSUPPORTED, "the query has parameters: write their values into it");
    duckdb_destroy_prepare(&statement);
    if (rc != 0)
        ei_plan_schema_release(out);
    return rc;
}

int ei_binder_describe(struct ei_binder *b, const char *sql, struct ei_plan_schema *out,
                       struct ei_error *e) {
    return describe_on(b->user, sql, out, e);
}

bool ei_binder_names(struct ei_binder *b, const char *sql, struct ei_plan_schema *out) {
    duckdb_prepared_statement statement = NULL;
    *out = (struct ei_plan_schema){0};
    bool ok = duckdb_prepare(b->user, sql, &statement) == DuckDBSuccess;
    idx_t n = ok ? duckdb_prepared_statement_column_count(statement) : 0;
    for (idx_t i = 0; i < n; i++) {
        const char *name = duckdb_prepared_statement_column_name(statement, i);
        ei_schema_add(out, name == NULL ? "" : name, "");
        duckdb_free((void *)(uintptr_t)name);
    }
    duckdb_destroy_prepare(&statement);
    return ok;
}

static int describe(void *ctx, const char *sql, const char *const *table_names,
                    const struct ei_plan_schema *const *tables, size_t table_count,
                    struct ei_plan_schema *out, struct ei_error *e) {
    struct ei_binder *b = ctx;
    for (size_t i = 0; i < table_count; i++)
        if (create_stage_input(b, table_names[i], tables[i], e) != 0)
            return -1;
    return describe_on(table_count == 0 ? b->user : b->stage, sql, out, e);
}

static bool known_name(const struct ei_map *names, const char *function_name) {
    struct ei_buf lower = {0};
    ei_buf_puts(&lower, function_name);
    for (size_t i = 0; i < lower.len; i++)
        lower.data[i] = (char)tolower((unsigned char)lower.data[i]);
    bool found = ei_map_get(names, lower.data) != NULL;
    ei_buf_release(&lower);
    return found;
}

static bool is_aggregate(void *ctx, const char *function_name) {
    const struct ei_binder *b = ctx;
    return known_name(&b->in->gateway->aggregates, function_name);
}

static bool is_volatile(void *ctx, const char *function_name) {
    const struct ei_binder *b = ctx;
    return known_name(&b->in->gateway->volatiles, function_name);
}

void ei_binder_env(struct ei_binder *b, struct ei_plan_env *env) {
    *env = (struct ei_plan_env){.ctx = b,
                                .resolve = resolve,
                                .describe = describe,
                                .to_sql = to_sql,
                                .parse = parse,
                                .is_aggregate = is_aggregate,
                                .is_volatile = is_volatile,
                                .broadcast_limit_bytes = EI_BROADCAST_LIMIT_BYTES,
                                .partition_rows = b->in->gateway->test.partition_rows};
    if (b->in->gateway->test.broadcast_limit_bytes > 0)
        env->broadcast_limit_bytes = b->in->gateway->test.broadcast_limit_bytes;
    env->slots = b->in->catalog == NULL ? 1 : EI_MAX(b->in->catalog->slots, 1);
}

/* ---- catalogue entries ---- */

static void make_absolute(struct json_object *holder, const char *key, const char *directory) {
    const char *path = string_member(holder, key);
    char *absolute = ei_path_absolute(path, directory);
    json_object_object_add(holder, key, json_object_new_string(absolute));
    free(absolute);
}

/* A string constant, or a list of them (the call list_value('a', 'b')). */
static void make_argument_absolute(struct json_object *argument, const char *directory) {
    struct json_object *value = json_object_object_get(argument, "value");
    struct json_object *children = json_object_object_get(argument, "children");
    if (value != NULL &&
        json_object_is_type(json_object_object_get(value, "value"), json_type_string))
        make_absolute(value, "value", directory);
    size_t n =
        json_object_is_type(children, json_type_array) ? json_object_array_length(children) : 0;
    for (size_t i = 0; i < n; i++)
        make_argument_absolute(json_object_array_get_idx(children, i), directory);
}

void ei_binder_make_absolute(struct ei_binder *b, struct json_object *tree) {
    if (json_object_is_type(tree, json_type_array))
        for (size_t i = 0; i < json_object_array_length(tree); i++)
            ei_binder_make_absolute(b, json_object_array_get_idx(tree, i));
    if (!json_object_is_type(tree, json_type_object))
        return;
    struct json_object *function = json_object_object_get(tree, "function");
    const char *type = string_member(tree, "type");
    if (strcmp(type, "BASE_TABLE") == 0) {
        const char *name = string_member(tree, "table_name");
        if (looks_like_file(name) && ei_catalog_find(b->in->catalog, name) == NULL)
            make_absolute(tree, "table_name", b->in->directory);
    } else if (strcmp(type, "TABLE_FUNCTION") == 0 && function != NULL &&
               ei_table_facts_is_file_function(string_member(function, "function_name"))) {
        struct json_object *children = json_object_object_get(function, "children");
        make_argument_absolute(json_object_array_get_idx(children, 0), b->in->directory);
    }
    json_object_object_foreach(tree, key, child) {
        (void)key;
        ei_binder_make_absolute(b, child);
    }
}

int ei_binder_absolute(struct ei_binder *b, const char *from, char **out, struct ei_error *e) {
    static const char SELECT[] = "SELECT * FROM ";
    char *sql = ei_asprintf("%s%s", SELECT, from);
    struct json_object *tree = NULL;
    int rc = ei_binder_parse(b, sql, &tree, e);
    free(sql);
    struct json_object *node = NULL, *table = NULL, *function = NULL;
    struct ei_table_facts *facts = NULL;
    if (rc == 0) {
        struct json_object *statements = json_object_object_get(tree, "statements");
        node = json_object_object_get(json_object_array_get_idx(statements, 0), "node");
        table = json_object_object_get(node, "from_table");
        rc = load_node(b, table, 1, &facts, e);
        if (rc == 0 && (facts == NULL || json_object_object_get(node, "where_clause") != NULL))
            rc = ei_fail(e, EI_INVALID,
                         "an external table is files: AS FROM 'data/*.parquet' or AS "
                         "FROM read_csv('x.csv', ...)");
    }
    ei_table_facts_destroy(facts);
    if (rc == 0) {
        if (json_object_object_get_ex(table, "function", &function))
            make_argument_absolute(
                json_object_array_get_idx(json_object_object_get(function, "children"), 0),
                b->in->directory);
        else
            make_absolute(table, "table_name", b->in->directory);
        rc = to_sql(b, tree, &sql, e);
    }
    json_object_put(tree);
    if (rc != 0)
        return -1;
    *out = ei_strdup(strncmp(sql, SELECT, sizeof SELECT - 1) == 0 ? sql + sizeof SELECT - 1 : sql);
    free(sql);
    return 0;
}
