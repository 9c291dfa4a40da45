/* The gateway's one connection to the master. It reconnects for ever, 50 ms to 2 s apart. */
#include "gateway/internal.h"
#include "base/mem.h"
#include "os/os.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RECONNECT_FIRST_MS 50
#define RECONNECT_MOST_MS 2000
#define CALL_TIMEOUT_MS 10000

static void tell_ready(struct ei_gateway *g) {
    if (g->ready_fd < 0)
        return;
    char line[64];
    int n = snprintf(line, sizeof line, "{\"ports\":{\"rpc\":%d}}\n", ei_server_port(g->server));
    ssize_t written = write(g->ready_fd, line, (size_t)n);
    (void)written; /* a supervisor that went away needs no answer */
    close(g->ready_fd);
    g->ready_fd = -1;
}

static void on_heartbeat(uv_timer_t *timer) {
    struct ei_gateway *g = timer->data;
    if (!g->registered)
        return;
    Eider__V1__Heartbeat beat = EIDER__V1__HEARTBEAT__INIT;
    beat.rss_bytes = ei_rss_bytes(0);
    ei_conn_send(g->master, &beat.base);
}

static void on_registered(void *data, const ProtobufCMessage *body, const struct ei_error *e) {
    struct ei_gateway *g = data;
    const Eider__V1__RegisterReply *reply = (const Eider__V1__RegisterReply *)body;
    struct ei_error refused = {0};
    if (body == NULL) {
        ei_log(EI_LOG_WARN, "the master did not answer the registration: %s", e->text);
    } else if (ei_error_from_wire(reply->error, &refused) != 0) {
        ei_log(EI_LOG_ERROR, "the master refused this gateway: %s", refused.text);
    } else {
        g->registered = true;
        g->reconnect_ms = RECONNECT_FIRST_MS;
        uint64_t every = reply->heartbeat_ms == 0 ? 1000 : reply->heartbeat_ms;
        (void)uv_timer_start(&g->heartbeat, on_heartbeat, every, every);
        tell_ready(g);
        ei_query_master_found(g);
        return;
    }
    ei_conn_close(g->master);
}

static void on_open(struct ei_conn *c, void *data) {
    struct ei_gateway *g = data;
    char address[64];
    (void)snprintf(address, sizeof address, "127.0.0.1:%d", ei_server_port(g->server));
    Eider__V1__Register r = EIDER__V1__REGISTER__INIT;
    r.role = (char *)"gateway";
    r.name = (char *)g->name;
    r.address = address;
    r.host_id = (char *)ei_host_id();
    r.pid = (uint32_t)getpid();
    r.incarnation = g->incarnation;
    r.http_port = (uint32_t)ei_server_port(g->server);
    ei_conn_call(c, &r.base, CALL_TIMEOUT_MS, on_registered, g);
}

static void on_message(struct ei_conn *c, void *data, const struct ei_message *m) {
    struct ei_gateway *g = data;
    if (m->type == EI_MSG_JOB_UPDATE)
        ei_query_on_update(g, (const Eider__V1__JobUpdate *)m->body);
    else if (m->type == EI_MSG_RUN_SQL)
        ei_query_on_run(g, (const Eider__V1__RunSql *)m->body, m->request);
    (void)c;
}

static void connect_master(struct ei_gateway *g);

static void on_reconnect(uv_timer_t *timer) {
    connect_master(timer->data);
}

static void on_closed(struct ei_conn *c, void *data, const struct ei_error *e) {
    struct ei_gateway *g = data;
    (void)c;
    g->master = NULL;
    (void)uv_timer_stop(&g->heartbeat);
    if (g->registered)
        ei_log(EI_LOG_WARN, "lost the master: %s", e->text);
    g->registered = false;
    if (g->stopping)
        return;
    ei_query_master_lost(g);
    (void)uv_timer_start(&g->reconnect, on_reconnect, g->reconnect_ms, 0);
    g->reconnect_ms = EI_MIN(g->reconnect_ms * 2, RECONNECT_MOST_MS);
}

static const struct ei_conn_events EVENTS = {on_open, on_message, on_closed};

static void connect_master(struct ei_gateway *g) {
    if (!g->stopping)
        g->master = ei_conn_connect(g->loop, g->tls, g->master_address, EI_ROLE_MASTER, &EVENTS, g);
}

void ei_master_link_start(struct ei_gateway *g) {
    g->reconnect_ms = RECONNECT_FIRST_MS;
    (void)uv_timer_init(g->loop, &g->reconnect);
    (void)uv_timer_init(g->loop, &g->heartbeat);
    g->reconnect.data = g;
    g->heartbeat.data = g;
    connect_master(g);
}

void ei_master_link_stop(struct ei_gateway *g) {
    uv_close((uv_handle_t *)&g->reconnect, NULL);
    uv_close((uv_handle_t *)&g->heartbeat, NULL);
    if (g->master != NULL)
        ei_conn_close(g->master);
}
