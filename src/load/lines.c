#include "load/lines.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_SIZE 65536
#define LINE_MAX_SIZE ((size_t)1024 * 1024)

struct lines {
    struct loop *loop;
    struct loop_io io;
    struct guest *guests;
    size_t count;
    struct buf in;
};

static struct slice text_of(json_t *line, const char *key)
{
    return slice_str(json_string_value(json_object_get(line, key)));
}

static void take_line(struct lines *l, struct slice bytes)
{
    json_t *line = json_loadb((const char *)bytes.data, bytes.len, 0, NULL);
    json_int_t number = json_integer_value(json_object_get(line, "guest"));
    const char *ip = json_string_value(json_object_get(line, "ip"));
    json_int_t port = json_integer_value(json_object_get(line, "port"));
    struct visitor_offer offer = {
        .ufrag = text_of(line, "ufrag"),
        .pwd = text_of(line, "pwd"),
        .hash = text_of(line, "hash"),
        .fingerprint = text_of(line, "fingerprint"),
    };
    if (!line || number < 0 || (size_t)number >= l->count || !ip || port < 0 || port > UINT16_MAX ||
        address_parse(ip, (uint16_t)port, &offer.candidate))
        (void)fputs("darasa load: a line that makes no sense\n", stderr);
    else
        guest_connect(&l->guests[number], loop_now(l->loop), &offer);
    json_decref(line);
}

static void on_ready(struct loop_io *io, uint32_t events)
{
    struct lines *l = CONTAINER_OF(io, struct lines, io);
    uint8_t *room = buf_reserve(&l->in, READ_SIZE);
    ssize_t got = room ? read(io->fd, room, READ_SIZE) : 0;
    if (got <= 0) {
        loop_unwatch(l->loop, io); /* nothing more will be said */
        return;
    }
    buf_commit(&l->in, (size_t)got);
    for (;;) {
        size_t len = slice_index(buf_slice(&l->in), '\n');
        if (len == l->in.len)
            return;
        take_line(l, slice_sub(buf_slice(&l->in), 0, len));
        buf_consume(&l->in, len + 1);
    }
}

int lines_new(struct loop *loop, struct guest *guests, size_t count, struct lines **ret_lines)
{
    struct lines *l = calloc(1, sizeof *l);
    if (!l)
        return ERR_MEMORY;
    *l = (struct lines){.loop = loop, .guests = guests, .count = count};
    l->io = (struct loop_io){.fd = STDIN_FILENO, .ready = on_ready};
    buf_init(&l->in, LINE_MAX_SIZE);
    int err = loop_watch(loop, &l->io, LOOP_READ);
    if (err)
        lines_free(&l);
    else
        *ret_lines = l;
    return err;
}

void lines_free(struct lines **lines)
{
    if (!*lines)
        return;
    loop_unwatch((*lines)->loop, &(*lines)->io);
    buf_done(&(*lines)->in);
    free(*lines);
    *lines = NULL;
}

int lines_tell(const struct guest *g, size_t number)
{
    const struct crowd_config *c = g->world->config;
    json_t *video = json_array();
    for (size_t i = 0; i < TRACE_LAYERS && g->number < c->cameras; i++)
        if (json_array_append_new(video, json_integer(g->streams[i].ssrc)))
            break; /* no memory: json_pack fails below, too */
    char address[ADDRESS_TEXT_MAX];
    address_format(&g->local, address);
    json_t *line = json_pack(
        "{ss sI ss ss ss sI so}", "address", address, "guest", (json_int_t)number, "ufrag",
        g->ufrag, "pwd", g->pwd, "fingerprint", dtls_context_fingerprint(g->world->dtls), "audio",
        g->number < c->voices ? (json_int_t)g->streams[TRACE_LAYERS].ssrc : 0, "video", video);
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    int err = text ? 0 : ERR_MEMORY;
    if (text && (puts(text) < 0 || fflush(stdout) != 0))
        err = ERR_IO;
    free(text);
    return err;
}
