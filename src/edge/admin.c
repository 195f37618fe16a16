/* The administrator's listener: is the process alive, does it serve, what has it counted. */
#include "edge/edge_parts.h"

static void answer_ready(struct edge *edge, struct exchange *exchange)
{
    const struct {
        const char *name;
        bool up;
    } parts[] = {
        {"signal", edge->upstream[EDGE_SIGNAL].link != NULL},
        {"web", edge->upstream[EDGE_WEB].link != NULL},
        {"tls", edge_is_ready(edge)},
    };
    struct buf text;
    bool all = true;
    buf_init(&text, 256);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        buf_printf(&text, "%s %s\n", parts[i].name, parts[i].up ? "up" : "missing");
        all = all && parts[i].up;
    }
    buf_add_byte(&text, '\0');
    response_text(&exchange->response, all ? 200 : 503, (const char *)text.data);
    buf_done(&text);
}

static void answer_metrics(struct edge *edge, struct exchange *exchange)
{
    const struct metrics *pages[PAGES_MAX + 1];
    size_t count = 0;
    pages[count++] = edge->metrics;
    for (size_t i = 0; i < edge->page_count; i++)
        if (!slice_eq_str(slice_str(edge->pages[i].program), "edge") || !edge->metrics)
            pages[count++] = edge->pages[i].metrics;
    fields_put(&exchange->response.fields, "content-type", "text/plain; version=0.0.4");
    response_text(&exchange->response, 200, "");
    metrics_print_all(pages, count, &exchange->response.body.data);
}

void admin_answer(struct edge *edge, struct exchange *exchange)
{
    struct slice path = exchange->request.path;
    fields_put(&exchange->response.fields, "cache-control", "no-store");
    if (!request_is(&exchange->request, "GET") && !request_is(&exchange->request, "HEAD"))
        response_text(&exchange->response, 405, "GET only.\n");
    else if (slice_eq_str(path, "/healthz"))
        response_text(&exchange->response, 200, "ok\n");
    else if (slice_eq_str(path, "/readyz"))
        answer_ready(edge, exchange);
    else if (slice_eq_str(path, "/metrics"))
        answer_metrics(edge, exchange);
    else
        response_text(&exchange->response, 404, "There are /healthz, /readyz and /metrics.\n");
    conn_respond(exchange);
}
