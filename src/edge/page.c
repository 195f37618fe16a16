/* HTML of a stock Jitsi Meet build: its server-side includes, its base, its configuration. */
#include <stdlib.h>

#include "edge/edge_parts.h"
#include "edge/route.h"
#include "edge/ssi.h"

#define PATH_SIZE 512
#define PAGE_MAX ((size_t)(2 * 1024 * 1024))
/* Texts and includes from web, in turn. */
#define PARTS_MAX 17
/* A file that includes a file that includes … */
#define DEPTH_MAX 4
/* Directives of one page. */
#define PIECES_MAX 256
#define BASE "<base href=\"/jitsi/\" />"

struct part {
    struct page *page;
    struct waiter waiter; /* id 0: the text is here */
    struct buf text;
};

struct page {
    struct exchange *exchange;
    struct part parts[PARTS_MAX];
    size_t count;
    size_t pieces;
    bool failed;
};

static struct part *add_part(struct page *page)
{
    if (page->count == PARTS_MAX) {
        page->failed = true;
        return NULL;
    }
    struct part *part = &page->parts[page->count++];
    part->page = page;
    part->waiter = (struct waiter){.kind = WAITER_PAGE};
    list_init(&part->waiter.node);
    buf_init(&part->text, PAGE_MAX);
    return part;
}

static void add_text(struct page *page, struct slice text)
{
    struct buf *buf = &page->parts[page->count - 1].text;
    buf_add(buf, text);
    page->failed = page->failed || buf->failed;
}

void page_free(struct edge *edge, struct page **page)
{
    if (!*page)
        return;
    for (size_t i = 0; i < (*page)->count; i++) {
        upstream_forget(edge, &(*page)->parts[i].waiter);
        buf_done(&(*page)->parts[i].text);
    }
    free(*page);
    *page = NULL;
}

static void include_web(struct edge *edge, struct page *page, const char *path)
{
    struct part *part = add_part(page);
    /* Text goes on behind it. */
    if (!part || upstream_get(edge, page->exchange, path, &part->waiter) < 0 || !add_part(page))
        page->failed = true;
}

/* The page lives below /jitsi/, whatever its build thought: <base ...> is ours. */
static void add_html(struct page *page, struct slice html)
{
    const struct slice tag = SLICE("<base ");
    while (html.len > 0) {
        size_t at = 0;
        while (at < html.len && !slice_eq_nocase(slice_sub(html, at, tag.len), tag))
            at++;
        add_text(page, slice_sub(html, 0, at));
        html = slice_sub(html, at, SIZE_MAX);
        if (html.len == 0)
            return;
        add_text(page, SLICE(BASE));
        html = slice_sub(html, slice_index(html, '>') + 1, SIZE_MAX);
    }
}

static void add_page(struct edge *edge, struct page *page, struct slice html, unsigned depth);

static void include_file(struct edge *edge, struct page *page, struct slice path, unsigned depth)
{
    char name[PATH_SIZE];
    struct file file;
    struct buf text;
    if (depth == DEPTH_MAX || route_file_path(path, name, sizeof name) < 0) {
        count_add(&edge->counters, COUNT_REFUSED_PATH, 1);
        return;
    }
    if (file_open(edge->roots.jitsi, name, &file) < 0) {
        /* Most are optional; without a base nothing would load. */
        if (slice_eq_str(slice_str(name), "base.html"))
            add_text(page, SLICE(BASE));
        return;
    }
    buf_init(&text, PAGE_MAX);
    if (file_read(&file, &text) < 0)
        page->failed = true;
    else
        add_page(edge, page, buf_slice(&text), depth + 1);
    buf_done(&text);
    file_close(&file);
}

/* Relative paths are meant from the page's place at the root of the build. */
static void include(struct edge *edge, struct page *page, struct slice path, unsigned depth)
{
    char absolute[PATH_SIZE];
    path = slice_cut(&path, '?');
    struct slice inner = slice_starts(path, SLICE("/")) ? slice_sub(path, 1, SIZE_MAX) : path;
    absolute[0] = '/';
    if (!slice_copy(inner, absolute + 1, sizeof absolute - 1)) {
        count_add(&edge->counters, COUNT_REFUSED_PATH, 1);
        return;
    }
    if (slice_eq_str(inner, "config.js") || slice_eq_str(inner, "interface_config.js"))
        include_web(edge, page, absolute);
    else
        include_file(edge, page, slice_str(absolute), depth);
}

static void add_page(struct edge *edge, struct page *page, struct slice html, unsigned depth)
{
    struct ssi_piece piece;
    while (!page->failed && ssi_next(&html, &piece)) {
        if (++page->pieces > PIECES_MAX)
            page->failed = true;
        else if (piece.kind == SSI_TEXT)
            add_html(page, piece.text);
        else if (piece.kind == SSI_INCLUDE)
            include(edge, page, piece.text, depth);
        else if (piece.kind == SSI_ECHO)
            /* Variables of nginx: the host is known, the others keep their default. */
            add_text(page, slice_eq_str(piece.text, "http_host")
                               ? request_host(&page->exchange->request)
                               : piece.fallback);
    }
}

static void finish(struct edge *edge, struct page *page)
{
    struct exchange *exchange = page->exchange;
    struct response *response = &exchange->response;
    for (size_t i = 0; i < page->count && !page->failed; i++)
        if (page->parts[i].waiter.id != 0)
            return; /* still awaited */
    bool failed = page->failed;
    for (size_t i = 0; i < page->count && !failed; i++)
        buf_add(&response->body.data, buf_slice(&page->parts[i].text));
    page_free(edge, &exchange->page);
    if (failed) {
        buf_clear(&response->body.data);
        edge_refuse_upstream(edge, exchange);
        return;
    }
    response->status = 200;
    edge_put_jitsi_policy(edge, exchange);
    fields_put(&response->fields, "content-type", "text/html; charset=utf-8");
    fields_put(&response->fields, "cache-control", "no-cache");
    conn_respond(exchange);
}

void page_start(struct edge *edge, struct exchange *exchange, struct file *file)
{
    struct buf text;
    struct page *page = calloc(1, sizeof *page);
    buf_init(&text, PAGE_MAX);
    if (!page || file_read(file, &text) < 0) {
        free(page);
        file_close(file);
        buf_done(&text);
        edge_refuse(edge, exchange, 500);
        return;
    }
    file_close(file);
    page->exchange = exchange;
    exchange->page = page;
    if (add_part(page))
        add_page(edge, page, buf_slice(&text), 0);
    buf_done(&text);
    finish(edge, page);
}

void page_part(struct edge *edge, struct waiter *waiter, const struct response *response)
{
    struct part *part = CONTAINER_OF(waiter, struct part, waiter);
    struct page *page = part->page;
    if (!response || response->status != 200)
        page->failed = true;
    else
        buf_add(&part->text, buf_slice(&response->body.data));
    page->failed = page->failed || part->text.failed;
    finish(edge, page);
}
