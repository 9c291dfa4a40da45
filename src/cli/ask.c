/* Commands that ask one question over REST and show the answer. */
#include "cli/order.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *ei_cli_text(struct json_object *o, const char *key) {
    struct json_object *v = NULL;
    return json_object_object_get_ex(o, key, &v) && v != NULL ? json_object_get_string(v) : "";
}

int64_t ei_cli_int(struct json_object *o, const char *key) {
    struct json_object *v = NULL;
    return json_object_object_get_ex(o, key, &v) ? json_object_get_int64(v) : 0;
}

void ei_cli_print_json(struct json_object *o) {
    (void)puts(
        json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

void ei_cli_put_int(struct ei_table *t, int64_t n) {
    char text[32];
    (void)snprintf(text, sizeof text, "%lld", (long long)n);
    ei_table_puts(t, text);
}

void ei_cli_put_bytes(struct ei_table *t, int64_t n) {
    char text[32];
    if (n >= 10LL << 30)
        (void)snprintf(text, sizeof text, "%.1f GB", (double)n / (double)(1 << 30));
    else if (n >= 1 << 20)
        (void)snprintf(text, sizeof text, "%.1f MB", (double)n / (double)(1 << 20));
    else
        (void)snprintf(text, sizeof text, "%.1f kB", (double)n / 1024.0);
    ei_table_puts(t, text);
}

void ei_cli_put_header(struct ei_table *t, const char *const *names, const char *right) {
    ei_table_init(t, strlen(right));
    for (size_t i = 0; i < t->columns; i++) {
        ei_table_puts(t, names[i]);
        t->right[i] = right[i] == 'r';
    }
}

void ei_cli_show_list(struct json_object *o, const char *key, enum ei_output form,
                      const char *const *names, const char *right,
                      void (*row)(struct ei_table *t, struct json_object *item)) {
    struct ei_table t;
    struct json_object *list = NULL;
    if (form == EI_OUTPUT_JSON) {
        ei_cli_print_json(o);
        return;
    }
    ei_cli_put_header(&t, names, right);
    size_t n = json_object_object_get_ex(o, key, &list) ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < n; i++)
        row(&t, json_object_array_get_idx(list, i));
    ei_table_print(&t, form);
    ei_table_release(&t);
}

void ei_cli_put_escaped(struct ei_buf *b, const char *text) {
    for (; *text != '\0'; text++) {
        if (isalnum((unsigned char)*text) || strchr("-_.~", *text) != NULL)
            ei_buf_putc(b, *text);
        else
            ei_buf_printf(b, "%%%02X", (unsigned char)*text);
    }
}

static int request(struct ei_cli *c, bool gateway, const char *method, const char *path,
                   struct json_object *body, struct json_object **out, struct ei_error *e) {
    char *data_dir = ei_cli_data_dir(c);
    struct ei_cluster_address address;
    int rc = ei_cluster_find(data_dir, &address, e);
    free(data_dir);
    if (rc != 0)
        return -1;
    rc = ei_cluster_send(&address, gateway, method, path,
                         body == NULL ? NULL : json_object_to_json_string(body), out, e);
    ei_cluster_address_release(&address);
    return rc;
}

int ei_cli_ask(struct ei_cli *c, bool gateway, const char *method, const char *path,
               struct json_object *body, ei_cli_show show) {
    enum ei_output form;
    struct ei_error e = {0};
    struct json_object *o = NULL;
    int rc = ei_cli_output(c, &form);
    if (rc == 0)
        rc = request(c, gateway, method, path, body, &o, &e);
    json_object_put(body);
    if (rc != 0)
        return e.code == EI_OK ? 2 : ei_cli_fail(&e);
    show(c, o, form);
    json_object_put(o);
    return 0;
}
