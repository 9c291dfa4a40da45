#include "duck/engine.h"

#include "base/mem.h"
#include "duck/errors.h"
#include "duck/sink.h"
#include "duck/source.h"

#include <stdio.h>
#include <stdlib.h>

struct ei_duck_engine {
    duckdb_database database;
};

struct setting {
    const char *name, *value;
};

static int set_all(duckdb_config config, const struct setting *settings, size_t n,
                   struct ei_error *e) {
    for (size_t i = 0; i < n; i++) {
        if (settings[i].value != NULL &&
            duckdb_set_config(config, settings[i].name, settings[i].value) == DuckDBError)
            return ei_fail(e, EI_INTERNAL, "DuckDB does not take the setting %s = %s",
                           settings[i].name, settings[i].value);
    }
    return 0;
}

static int open_database(const struct ei_duck_engine_options *o, duckdb_database *out,
                         struct ei_error *e) {
    char limit[32];
    (void)snprintf(limit, sizeof limit, "%lluB", (unsigned long long)o->memory_limit_bytes);
    const struct setting settings[] = {
        {"threads", "1"},
        {"memory_limit", o->memory_limit_bytes > 0 ? limit : NULL},
        {"temp_directory", o->temp_directory != NULL ? o->temp_directory : ""},
        {"autoinstall_known_extensions", "false"}, /* a task never loads code from the net */
        {"autoload_known_extensions", "false"},
        {"allow_community_extensions", "false"},
    };
    duckdb_config config = NULL;
    if (duckdb_create_config(&config) == DuckDBError)
        return ei_fail(e, EI_INTERNAL, "DuckDB gives no configuration");
    int status = set_all(config, settings, EI_ARRAY_LEN(settings), e);
    char *why = NULL;
    if (status == 0 && duckdb_open_ext(NULL, out, config, &why) == DuckDBError) {
        status = ei_duck_error(why, -1, e);
        (void)ei_wrap(e, "DuckDB cannot be opened");
    }
    duckdb_free(why);
    duckdb_destroy_config(&config);
    return status;
}

static int register_all(struct ei_duck_engine *engine, const struct ei_duck_engine_options *o,
                        struct ei_error *e) {
    duckdb_connection c = NULL;
    if (ei_duck_connect(engine, &c, e) != 0)
        return -1;
    int status = ei_duck_register_sink(c, e);
    if (status == 0)
        status = ei_duck_register_source(c, e);
    for (size_t i = 0; status == 0 && i < o->registration_count; i++)
        status = o->registrations[i](c, e);
    duckdb_disconnect(&c);
    return status;
}

int ei_duck_engine_open(const struct ei_duck_engine_options *o, struct ei_duck_engine **out,
                        struct ei_error *e) {
    struct ei_duck_engine *engine = ei_calloc(1, sizeof *engine);
    *out = NULL;
    if (open_database(o, &engine->database, e) != 0 || register_all(engine, o, e) != 0) {
        ei_duck_engine_close(engine);
        return -1;
    }
    *out = engine;
    return 0;
}

void ei_duck_engine_close(struct ei_duck_engine *engine) {
    if (engine == NULL)
        return;
    if (engine->database != NULL)
        duckdb_close(&engine->database);
    free(engine);
}

int ei_duck_connect(struct ei_duck_engine *engine, duckdb_connection *out, struct ei_error *e) {
    if (duckdb_connect(engine->database, out) == DuckDBSuccess)
        return 0;
    return ei_fail(e, EI_INTERNAL, "DuckDB gives no connection");
}

void ei_duck_cancel(duckdb_connection c) {
    duckdb_interrupt(c);
}
