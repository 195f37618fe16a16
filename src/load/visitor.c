#include "load/visitor.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"
#include "proto/xml.h"
#include "xmpp/ns.h"

#define OUT_MAX ((size_t)64 * 1024)

struct visitor {
    struct visitor_config config;
    struct arena *arena; /* of one text */
    struct buf out;
    struct xml_writer writer;
    char endpoint[9];
    char focus[VISITOR_TEXT]; /* our room's */
    bool authenticated;
    bool counting;
    uint32_t handled; /* stanzas since <enable/> (XEP-0198) */
};

struct visitor *visitor_new(const struct visitor_config *config)
{
    struct visitor *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->config = *config;
    v->arena = arena_new(XML_ARENA_MAX);
    buf_init(&v->out, OUT_MAX);
    (void)snprintf(v->focus, sizeof v->focus, "%s@conference.%s/focus", config->room,
                   config->domain); /* a name that is cut just finds no room */
    if (!v->arena)
        visitor_free(&v);
    return v;
}

void visitor_free(struct visitor **visitor)
{
    if (!*visitor)
        return;
    arena_free(&(*visitor)->arena);
    buf_done(&(*visitor)->out);
    free(*visitor);
    *visitor = NULL;
}

const char *visitor_endpoint(const struct visitor *v)
{
    return v->endpoint;
}

static void fail(struct visitor *v, const char *why)
{
    v->config.handler.failed(v->config.handler.arg, why);
}

static struct xml_writer *begin(struct visitor *v)
{
    buf_clear(&v->out);
    xml_writer_init(&v->writer, &v->out);
    return &v->writer;
}

static void finish(struct visitor *v)
{
    if (v->out.failed)
        fail(v, "text too long");
    else
        v->config.handler.send(v->config.handler.arg, buf_slice(&v->out));
}

static struct xml_writer *begin_iq(struct visitor *v, const char *type, struct slice id,
                                   struct slice to)
{
    struct xml_writer *w = begin(v);
    xml_open(w, "iq", NS_CLIENT);
    xml_put_str(w, "type", type);
    xml_put(w, "id", id);
    if (to.len > 0)
        xml_put(w, "to", to);
    return w;
}

static void open_stream(struct visitor *v)
{
    struct xml_writer *w = begin(v);
    xml_open(w, "open", NS_FRAMING);
    xml_put_str(w, "to", v->config.domain);
    xml_put_str(w, "version", "1.0");
    xml_close(w);
    finish(v);
}

void visitor_start(struct visitor *v)
{
    open_stream(v);
}

static void on_features(struct visitor *v)
{
    struct xml_writer *w;
    if (!v->authenticated) {
        w = begin(v);
        xml_open(w, "auth", NS_SASL);
        xml_put_str(w, "mechanism", "ANONYMOUS");
        xml_close(w);
    } else {
        w = begin_iq(v, "set", SLICE("bind"), slice_of(NULL, 0));
        xml_empty(w, "bind", NS_BIND);
        xml_close(w);
    }
    finish(v);
}

static void ask_for_conference(struct visitor *v)
{
    char text[VISITOR_TEXT];
    (void)snprintf(text, sizeof text, "focus.%s", v->config.domain); /* as above */
    struct xml_writer *w = begin_iq(v, "set", SLICE("conference"), slice_str(text));
    xml_open(w, "conference", NS_FOCUS);
    (void)snprintf(text, sizeof text, "%s@conference.%s", v->config.room, v->config.domain);
    xml_put_str(w, "room", text);
    xml_put_str(w, "machine-uid", v->endpoint);
    xml_close(w);
    xml_close(w);
    finish(v);
}

static void on_bound(struct visitor *v, const struct xml_node *iq)
{
    const struct xml_node *bind = xml_child(iq, "bind", NS_BIND);
    struct slice jid = xml_text(xml_child(bind, "jid", NULL));
    if (jid.len < sizeof v->endpoint) {
        fail(v, "not bound");
        return;
    }
    (void)slice_copy(jid, v->endpoint, sizeof v->endpoint); /* the first eight digits */
    struct xml_writer *w = begin(v);
    xml_open(w, "enable", NS_SM);
    xml_put_str(w, "resume", "true");
    xml_close(w);
    finish(v);
    v->counting = true;
    v->handled = 0;
    ask_for_conference(v);
    v->config.handler.bound(v->config.handler.arg);
}

/* Presence: that we are here, what we can do, and that nothing of ours is muted. */
static void enter(struct visitor *v)
{
    char text[VISITOR_TEXT];
    (void)snprintf(text, sizeof text, "%s@conference.%s/%s", v->config.room, v->config.domain,
                   v->endpoint); /* as above */
    struct xml_writer *w = begin(v);
    xml_open(w, "presence", NS_CLIENT);
    xml_put_str(w, "to", text);
    xml_empty(w, "x", NS_MUC);
    xml_open(w, "c", NS_CAPS);
    xml_put_str(w, "hash", "sha-1");
    xml_put_str(w, "node", "https://darasa.example/load");
    xml_put_str(w, "ver", "load");
    xml_close(w);
    xml_leaf(w, "jitsi_participant_codecList", NS_CLIENT, SLICE("vp8"));
    (void)snprintf(text, sizeof text, "Load %s", v->endpoint);
    xml_leaf(w, "nick", NS_NICK, slice_str(text));
    (void)snprintf(text, sizeof text, "{\"%s-a0\":{\"muted\":%s},\"%s-v0\":{\"muted\":%s}}",
                   v->endpoint, v->config.audio ? "false" : "true", v->endpoint,
                   v->config.video ? "false" : "true");
    xml_leaf(w, "SourceInfo", NS_CLIENT, slice_str(text));
    xml_close(w);
    finish(v);
}

static void answer_features(struct visitor *v, const struct xml_node *iq)
{
    static const char *const features[] = {"http://jitsi.org/ssrc-rewriting-1",
                                           "http://jitsi.org/json-encoded-sources",
                                           "http://jitsi.org/tcc",
                                           "http://jitsi.org/receive-multiple-video-streams",
                                           "http://jitsi.org/source-name",
                                           "urn:ietf:rfc:4588",
                                           "urn:ietf:rfc:5761",
                                           "urn:ietf:rfc:5888",
                                           "urn:xmpp:jingle:1",
                                           "urn:xmpp:jingle:apps:dtls:0",
                                           "urn:xmpp:jingle:apps:rtp:audio",
                                           "urn:xmpp:jingle:apps:rtp:video",
                                           "urn:xmpp:jingle:transports:ice-udp:1"};
    struct xml_writer *w = begin_iq(v, "result", xml_get(iq, "id"), xml_get(iq, "from"));
    xml_open(w, "query", NS_DISCO_INFO);
    for (size_t i = 0; i < ARRAY_LEN(features); i++) {
        xml_open(w, "feature", NS_DISCO_INFO);
        xml_put_str(w, "var", features[i]);
        xml_close(w);
    }
    xml_close(w);
    xml_close(w);
    finish(v);
}

static void put_source(struct visitor *v, struct xml_writer *w, uint32_t ssrc, char kind)
{
    char text[VISITOR_TEXT];
    xml_open(w, "source", NS_JINGLE_SOURCES);
    xml_put_u64(w, "ssrc", ssrc);
    (void)snprintf(text, sizeof text, "%s-%c0", v->endpoint, kind); /* fits */
    xml_put_str(w, "name", text);
    xml_open(w, "parameter", NS_JINGLE_RTP);
    xml_put_str(w, "name", "msid");
    (void)snprintf(text, sizeof text, "%s-%c0 track", v->endpoint, kind); /* fits */
    xml_put_str(w, "value", text);
    xml_close(w);
    xml_close(w);
}

static void put_group(struct xml_writer *w, const char *semantics, const uint32_t *ssrcs,
                      size_t count)
{
    xml_open(w, "ssrc-group", NS_JINGLE_SOURCES);
    xml_put_str(w, "semantics", semantics);
    for (size_t i = 0; i < count; i++) {
        xml_open(w, "source", NS_JINGLE_SOURCES);
        xml_put_u64(w, "ssrc", ssrcs[i]);
        xml_close(w);
    }
    xml_close(w);
}

static void put_video(struct visitor *v, struct xml_writer *w)
{
    const struct visitor_config *c = &v->config;
    for (size_t i = 0; i < VISITOR_LAYERS; i++) {
        put_source(v, w, c->video_ssrcs[i], 'v');
        put_source(v, w, c->video_rtx[i], 'v');
    }
    put_group(w, "SIM", c->video_ssrcs, VISITOR_LAYERS);
    for (size_t i = 0; i < VISITOR_LAYERS; i++) {
        const uint32_t pair[] = {c->video_ssrcs[i], c->video_rtx[i]};
        put_group(w, "FID", pair, 2);
    }
}

static void put_content(struct visitor *v, struct xml_writer *w, bool video)
{
    const struct visitor_config *c = &v->config;
    xml_open(w, "content", NS_JINGLE);
    xml_put_str(w, "name", video ? "video" : "audio");
    xml_put_str(w, "creator", "responder");
    xml_open(w, "description", NS_JINGLE_RTP);
    xml_put_str(w, "media", video ? "video" : "audio");
    if (video && c->video)
        put_video(v, w);
    else if (!video && c->audio)
        put_source(v, w, c->audio_ssrc, 'a');
    xml_close(w);
    xml_open(w, "transport", NS_JINGLE_ICE);
    xml_put_str(w, "ufrag", c->ufrag);
    xml_put_str(w, "pwd", c->pwd);
    xml_open(w, "fingerprint", NS_JINGLE_DTLS);
    xml_put_str(w, "hash", "sha-256");
    xml_put_str(w, "setup", "active");
    xml_chars(w, slice_str(c->fingerprint));
    xml_close(w);
    xml_close(w);
    xml_close(w);
}

static void accept(struct visitor *v, struct slice sid)
{
    struct xml_writer *w = begin_iq(v, "set", SLICE("accept"), slice_str(v->focus));
    xml_open(w, "jingle", NS_JINGLE);
    xml_put_str(w, "action", "session-accept");
    xml_put(w, "sid", sid);
    put_content(v, w, false);
    put_content(v, w, true);
    xml_close(w);
    xml_close(w);
    finish(v);
}

static bool read_candidate(const struct xml_node *transport, struct address *ret_address)
{
    const struct xml_node *c = xml_child(transport, "candidate", NS_JINGLE_ICE);
    for (; c; c = xml_next(c, "candidate", NS_JINGLE_ICE)) {
        char ip[ADDRESS_TEXT_MAX];
        uint64_t port;
        if (slice_copy(xml_get(c, "ip"), ip, sizeof ip) &&
            slice_eq_str(xml_get(c, "protocol"), "udp") &&
            slice_to_u64(xml_get(c, "port"), UINT16_MAX, &port) == 0 &&
            address_parse(ip, (uint16_t)port, ret_address) == 0 && address_is_v4(ret_address))
            return true;
    }
    return false;
}

static void on_offer(struct visitor *v, const struct xml_node *jingle)
{
    const struct xml_node *content = xml_child(jingle, "content", NS_JINGLE);
    const struct xml_node *transport = xml_child(content, "transport", NS_JINGLE_ICE);
    const struct xml_node *fingerprint = xml_child(transport, "fingerprint", NS_JINGLE_DTLS);
    struct visitor_offer offer = {
        .ufrag = xml_get(transport, "ufrag"),
        .pwd = xml_get(transport, "pwd"),
        .hash = xml_get(fingerprint, "hash"),
        .fingerprint = slice_trim(xml_text(fingerprint)),
        .channel = xml_get(xml_child(transport, "web-socket", NS_COLIBRI), "url"),
    };
    if (!read_candidate(transport, &offer.candidate) || offer.channel.len == 0) {
        fail(v, "an offer without candidate or channel");
        return;
    }
    accept(v, xml_get(jingle, "sid"));
    v->config.handler.offer(v->config.handler.arg, &offer);
}

static void answer(struct visitor *v, const struct xml_node *iq)
{
    struct xml_writer *w = begin_iq(v, "result", xml_get(iq, "id"), xml_get(iq, "from"));
    xml_close(w);
    finish(v);
}

static void on_request(struct visitor *v, const struct xml_node *iq)
{
    const struct xml_node *jingle = xml_child(iq, "jingle", NS_JINGLE);
    if (xml_child(iq, "query", NS_DISCO_INFO)) {
        answer_features(v, iq);
        return;
    }
    answer(v, iq);
    if (slice_eq_str(xml_get(jingle, "action"), "session-initiate"))
        on_offer(v, jingle);
}

static void on_iq(struct visitor *v, const struct xml_node *iq)
{
    struct slice type = xml_get(iq, "type");
    struct slice id = xml_get(iq, "id");
    if (slice_eq_str(type, "get") || slice_eq_str(type, "set"))
        on_request(v, iq);
    else if (slice_eq_str(type, "error"))
        fail(v, "a request was refused");
    else if (slice_eq_str(id, "bind"))
        on_bound(v, iq);
    else if (slice_eq_str(id, "conference"))
        enter(v);
    else if (slice_eq_str(id, "accept"))
        v->config.handler.accepted(v->config.handler.arg);
}

static void acknowledge(struct visitor *v)
{
    struct xml_writer *w = begin(v);
    xml_open(w, "a", NS_SM);
    xml_put_u64(w, "h", v->handled);
    xml_close(w);
    finish(v);
}

void visitor_input(struct visitor *v, struct slice text)
{
    struct xml_node *node;
    if (slice_starts(text, SLICE("<presence")) || slice_starts(text, SLICE("<message"))) {
        v->handled += v->counting; /* who else is here is of no interest */
        return;
    }
    arena_reset(v->arena);
    if (xml_parse(v->arena, text, SLICE(NS_CLIENT), &node) != 0) {
        fail(v, "a text that does not parse");
        return;
    }
    v->handled += v->counting && slice_eq_str(node->name, "iq");
    if (slice_eq_str(node->name, "iq")) {
        on_iq(v, node);
    } else if (xml_is(node, "r", NS_SM)) {
        acknowledge(v);
    } else if (slice_eq_str(node->name, "features")) {
        on_features(v);
    } else if (xml_is(node, "success", NS_SASL)) {
        v->authenticated = true;
        open_stream(v);
    } else if (xml_is(node, "failure", NS_SASL) || slice_eq_str(node->name, "error")) {
        fail(v, "refused by the server");
    }
}

void visitor_record(struct visitor *v)
{
    struct xml_writer *w = begin_iq(v, "set", SLICE("record"), slice_str(v->focus));
    xml_open(w, "jibri", NS_JIBRI);
    xml_put_str(w, "action", "start");
    xml_put_str(w, "recording_mode", "file");
    xml_close(w);
    xml_close(w);
    finish(v);
}

void visitor_channel_open(struct visitor *v, const struct visitor_wishes *wishes)
{
    char name[VISITOR_TEXT];
    bool stage = wishes->stage && strcmp(wishes->stage, v->endpoint) != 0;
    (void)snprintf(name, sizeof name, "%s-v0", stage ? wishes->stage : ""); /* fits */
    json_t *text = json_pack("{ss si s{si} s[] s{}}", "colibriClass", "ReceiverVideoConstraints",
                             "lastN", wishes->tiles + (stage ? 1 : 0), "defaultConstraints",
                             "maxHeight", wishes->tile_height, "onStageSources", "constraints");
    if (stage) {
        (void)json_array_append_new(json_object_get(text, "onStageSources"), json_string(name));
        (void)json_object_set_new(json_object_get(text, "constraints"), name,
                                  json_pack("{si}", "maxHeight", wishes->stage_height));
    }
    if (wishes->bandwidth >= 0)
        (void)json_object_set_new(text, "assumedBandwidthBps", json_integer(wishes->bandwidth));
    char *dump = json_dumps(text, JSON_COMPACT);
    json_decref(text);
    if (dump)
        v->config.handler.send_channel(v->config.handler.arg, slice_str(dump));
    else
        fail(v, "no memory");
    free(dump);
}

void visitor_channel_input(struct visitor *v, struct slice text)
{
    if (!memmem(text.data, text.len, "SenderSourceConstraints", 23))
        return;
    json_t *message = json_loadb((const char *)text.data, text.len, 0, NULL);
    json_t *height = json_object_get(message, "maxHeight");
    if (json_is_integer(height))
        v->config.handler.height(v->config.handler.arg, (int)json_integer_value(height));
    json_decref(message);
}
