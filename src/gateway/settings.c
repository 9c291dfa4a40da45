/* Settings of a session. The gateway keeps none: SET answers with them, and the client sends them
 * along with what follows. Only those are allowed that change how a query is understood, alike in
 * every task; none that reach for files, memory or threads. */
#include "gateway/engine.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const ALLOWED[] = {
    "TimeZone",
    "Calendar",
    "default_null_order",
    "default_order",
    "integer_division",
    "ieee_floating_point_ops",
    "order_by_non_integer_literal",
    "scalar_subquery_error_on_multiple_rows",
};

static const char *allowed(const char *name) {
    for (size_t i = 0; i < EI_ARRAY_LEN(ALLOWED); i++)
        if (strcasecmp(name, ALLOWED[i]) == 0 ||
            (strcasecmp(name, "null_order") == 0 && strcmp(ALLOWED[i], "default_null_order") == 0))
            return ALLOWED[i];
    return NULL;
}

static int refuse(const char *name, struct ei_error *e) {
    struct ei_buf list = {0};
    for (size_t i = 0; i < EI_ARRAY_LEN(ALLOWED); i++)
        ei_buf_printf(&list, "%s%s", i == 0 ? "" : ", ", ALLOWED[i]);
    (void)ei_fail(e, EI_UNSUPPORTED, "the setting %s cannot be set; those that can are %s", name,
                  list.data);
    ei_buf_release(&list);
    return -1;
}

static void put_set(struct ei_buf *sql, const char *name, const char *value) {
    ei_buf_printf(sql, "%sSET SESSION %s = ", sql->len == 0 ? "" : "; ", name);
    ei_buf_sql_string(sql, value);
}

int ei_settings_sql(const struct ei_prepare_input *in, char **out, struct ei_error *e) {
    struct ei_buf sql = {0};
    put_set(&sql, "TimeZone", in->gateway->time_zone);
    int rc = 0;
    if (in->settings != NULL && !json_object_is_type(in->settings, json_type_object))
        rc = ei_fail(e, EI_USAGE, "\"settings\" must be an object: {\"TimeZone\": \"UTC\"}");
    if (rc == 0 && in->settings != NULL) {
        json_object_object_foreach(in->settings, key, value) {
            const char *name = allowed(key);
            if (value == NULL)
                continue; /* as it was */
            if (name == NULL)
                rc = refuse(key, e);
            else
                put_set(&sql, name, json_object_get_string(value));
        }
    }
    if (rc == 0)
        *out = ei_buf_steal(&sql);
    ei_buf_release(&sql);
    return rc;
}

int ei_settings_statement(struct ei_binder *b, const struct ei_statement *s, char **json,
                          struct ei_error *e) {
    const char *name = allowed(s->name);
    if (name == NULL)
        return refuse(s->name, e);
    struct ei_buf sql = {0};
    if (s->query == NULL || strcasecmp(s->query, "default") == 0) {
        *json = ei_asprintf("{\"%s\":null}", name);
        return 0;
    }
    put_set(&sql, name, s->query);
    int rc = ei_binder_set(b, sql.data, e);
    ei_buf_clear(&sql);
    if (rc == 0) {
        ei_buf_printf(&sql, "{\"%s\":", name);
        ei_buf_json_string(&sql, s->query, strlen(s->query));
        ei_buf_putc(&sql, '}');
        *json = ei_strdup(sql.data);
    }
    ei_buf_release(&sql);
    return rc;
}
