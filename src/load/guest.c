#include "load/guest.h"

#include <stdio.h>
#include <stdlib.h>

#include "crypto/random.h"

/* Checks of the bridge come every few seconds; silence ends us as it ends a browser. */
#define PATH_MAX_TEXT ((size_t)9 * 1024) /* tokens have up to 8 kB */

static void on_timer(struct loop_timer *timer, usec_t now);

void guest_init(struct guest *g, struct guest_world *world, unsigned index)
{
    const struct crowd_config *c = world->config;
    unsigned room = index / c->participants;
    *g = (struct guest){.world = world, .number = index % c->participants};
    if (c->entries) {
        g->token = c->entries->of[index].token;
        (void)snprintf(g->room, sizeof g->room, "%.60s", c->entries->of[index].room); /* cut */
    } else {
        (void)snprintf(g->room, sizeof g->room, "%.40s%u", c->room, room); /* cut to fit */
    }
    unsigned host = index + 1;
    g->local = address_v4(c->network[0], (uint8_t)(c->network[1] + (host >> 16)),
                          (uint8_t)(host >> 8), (uint8_t)host, udp_local(world->outlet.udp)->port);
    random_hex(g->ufrag, sizeof g->ufrag - 1);
    random_hex(g->pwd, sizeof g->pwd - 1);
    loop_timer_init(&g->timer, on_timer);
    for (size_t i = 0; i < GUEST_STREAMS; i++) {
        g->streams[i].ssrc = random_u32() | 1;
        g->streams[i].rtx = random_u32() | 1;
        g->streams[i].sequence = (uint16_t)(random_u32() & 0x7fff);
    }
    g->own_ssrc = random_u32() | 1;
}

static void send_control(struct guest *g)
{
    struct outlet *o = &g->world->outlet;
    struct path path;
    struct slice bytes;
    while (transport_poll(g->transport, &path, &bytes)) {
        if (o->count == OUTLET_PACKETS)
            outlet_flush(o);
        memcpy(o->bytes[o->count], bytes.data, bytes.len); /* DTLS and STUN are shorter */
        o->datagrams[o->count] =
            (struct udp_datagram){.path = path, .data = slice_of(o->bytes[o->count], bytes.len)};
        o->count++;
    }
}

void guest_done(struct guest *g)
{
    loop_timer_clear(g->world->loop, &g->timer);
    websocket_free(&g->xmpp);
    websocket_free(&g->channel);
    visitor_free(&g->visitor);
    if (g->transport) {
        transport_close(g->transport);
        send_control(g);
    }
    transport_free(&g->transport);
}

void guest_fail(struct guest *g, const char *why)
{
    if (g->failed)
        return;
    g->failed = why;
    g->sending = false;
    g->world->changed(g->world->arg, g);
}

static void on_send(void *arg, struct slice text)
{
    struct guest *g = arg;
    websocket_send(g->xmpp, text);
}

static void on_send_channel(void *arg, struct slice text)
{
    struct guest *g = arg;
    if (g->channel)
        websocket_send(g->channel, text);
}

static void on_bound(void *arg)
{
    struct guest *g = arg;
    g->bound = true;
    g->world->changed(g->world->arg, g);
}

static void on_failed(void *arg, const char *why)
{
    guest_fail(arg, why);
}

static void on_closed(void *arg)
{
    guest_fail(arg, "a WebSocket was lost");
}

static void on_height(void *arg, int height)
{
    struct guest *g = arg;
    trace_constrain(&g->trace, height);
}

/* Media begins when the transport stands. */
static void on_accepted(void *arg)
{
    struct guest *g = arg;
    if (g->world->config->record && g->number == 0)
        visitor_record(g->visitor);
}

static void on_channel_open(void *arg)
{
    struct guest *g = arg;
    const struct crowd_config *c = g->world->config;
    const struct visitor_wishes wishes = {
        .stage = c->stage_height > 0 ? g->stage : NULL,
        .stage_height = c->stage_height,
        .tiles = (int)c->tiles,
        .tile_height = c->tile_height,
        .bandwidth = c->bandwidth,
    };
    visitor_channel_open(g->visitor, &wishes);
}

static void on_channel_text(void *arg, struct slice text)
{
    struct guest *g = arg;
    visitor_channel_input(g->visitor, text);
}

/* ws://host/path: the host is the one we know. */
static int open_channel(struct guest *g, struct slice url)
{
    const struct crowd_config *c = g->world->config;
    const uint8_t *path = memmem(url.data, url.len, "/colibri-ws/", 12);
    char text[PATH_MAX_TEXT];
    if (!path ||
        !slice_copy(slice_of(path, url.len - (size_t)(path - url.data)), text, sizeof text))
        return ERR_FORMAT;
    const struct websocket_target target = {.server = c->server, .host = c->host, .path = text};
    const struct websocket_handler handler = {on_channel_open, on_channel_text, on_closed, g};
    websocket_free(&g->channel);
    return websocket_new(g->world->loop, &target, &handler, &g->channel);
}

static int new_transport(struct guest *g, usec_t now, const struct visitor_offer *offer)
{
    const struct transport_config config = {
        .dtls = g->world->dtls,
        .srtp = g->world->srtp,
        .ufrag = slice_str(g->ufrag),
        .pwd = slice_str(g->pwd),
        .client = true,
        .tie_breaker = random_u64(),
        .seed = random_u64(),
    };
    const struct path path = {.local = g->local, .remote = offer->candidate};
    transport_free(&g->transport);
    int err = transport_new(&config, &g->transport);
    if (err == 0)
        err = transport_set_remote(g->transport, now, offer->ufrag, offer->pwd);
    if (err == 0)
        err = transport_set_fingerprint(g->transport, offer->hash, offer->fingerprint);
    return err ? err : transport_add_remote(g->transport, now, &path);
}

void guest_connect(struct guest *g, usec_t now, const struct visitor_offer *offer)
{
    if (new_transport(g, now, offer))
        guest_fail(g, "an offer that is of no use");
    else
        guest_update(g, now);
}

static void on_offer(void *arg, const struct visitor_offer *offer)
{
    struct guest *g = arg;
    if (open_channel(g, offer->channel))
        guest_fail(g, "no bridge channel");
    else
        guest_connect(g, loop_now(g->world->loop), offer);
}

static void on_open(void *arg)
{
    struct guest *g = arg;
    visitor_start(g->visitor);
}

static void on_text(void *arg, struct slice text)
{
    struct guest *g = arg;
    visitor_input(g->visitor, text);
}

int guest_start(struct guest *g, usec_t now)
{
    const struct crowd_config *c = g->world->config;
    struct visitor_config config = {
        .domain = c->domain,
        .room = g->room,
        .ufrag = g->ufrag,
        .pwd = g->pwd,
        .fingerprint = dtls_context_fingerprint(g->world->dtls),
        .audio = g->number < c->voices + c->silent,
        .video = g->number < c->cameras,
        .audio_ssrc = g->streams[TRACE_LAYERS].ssrc,
        .handler = {on_send, on_send_channel, on_bound, on_offer, on_accepted, on_height, on_failed,
                    g},
    };
    for (size_t i = 0; i < TRACE_LAYERS; i++) {
        config.video_ssrcs[i] = g->streams[i].ssrc;
        config.video_rtx[i] = g->streams[i].rtx;
    }
    char path[PATH_MAX_TEXT];
    (void)snprintf(path, sizeof path, "/xmpp-websocket?room=%s%s%s", g->room,
                   g->token ? "&token=" : "", g->token ? g->token : ""); /* fits, or is refused */
    const struct websocket_target target = {c->server, c->host, path, "xmpp"};
    const struct websocket_handler handler = {on_open, on_text, on_closed, g};
    g->began_at = now;
    g->visitor = visitor_new(&config);
    return g->visitor ? websocket_new(g->world->loop, &target, &handler, &g->xmpp) : ERR_MEMORY;
}

static void begin_media(struct guest *g, usec_t now)
{
    const struct crowd_config *c = g->world->config;
    g->sending = true;
    g->connected_at = now;
    g->report_at = now;
    trace_init(&g->trace, now, g->number < c->voices + c->silent, g->number < c->cameras,
               c->seed + g->own_ssrc);
    g->world->changed(g->world->arg, g);
}

void guest_update(struct guest *g, usec_t now)
{
    if (!g->transport)
        return;
    usec_t next = transport_tick(g->transport, now);
    send_control(g);
    enum transport_state state = transport_state(g->transport, now);
    if (state == TRANSPORT_FAILED) {
        guest_fail(g, "media was lost");
        return;
    }
    if (state == TRANSPORT_CONNECTED && !g->sending)
        begin_media(g, now);
    if (g->sending)
        next = usec_min(next, guest_send_due(g, now));
    if (loop_timer_set(g->world->loop, &g->timer, next))
        guest_fail(g, "no memory");
}

static void on_timer(struct loop_timer *timer, usec_t now)
{
    guest_update(CONTAINER_OF(timer, struct guest, timer), now);
}
