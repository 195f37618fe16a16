/* A member of a class who sends anything at all: texts, each ended by a zero byte, the first byte
 * of each telling where it goes (1: bridge channel, 2: from the bridge, 3: from web, 4: a socket
 * that is not signed in, else XMPP).
 * '@' stands for the sender's nick, '$' for the session id of its Jingle session. */
#include <stdio.h>
#include <stdlib.h>

#include "room/realm.h"

#define OPEN "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='d' version='1.0'/>"

struct play {
    struct realm *realm;
    uint32_t random;
    char nick[9];
    char sid[17];
    char conference[64];
    char channel[256];
};

static void fill(void *arg, void *out, size_t len)
{
    struct play *p = arg;
    for (size_t i = 0; i < len; i++) {
        p->random = p->random * 1664525U + 1013904223U;
        ((uint8_t *)out)[i] = (uint8_t)(p->random >> 24);
    }
}

static void find(struct slice text, const char *before, char *out, size_t size)
{
    char copy[8192];
    (void)slice_copy(text, copy, sizeof copy);
    const char *at = strstr(copy, before);
    if (!at)
        return;
    at += strlen(before);
    (void)slice_copy(slice_of(at, strcspn(at, "'\"<")), out, size);
}

static void drain(struct play *p)
{
    struct outbox_frame f;
    while (realm_take(p->realm, &f)) {
        find(f.payload, "<jid>", p->nick, sizeof p->nick);
        find(f.payload, "<jid xmlns='urn:ietf:params:xml:ns:xmpp-bind'>", p->nick, sizeof p->nick);
        find(f.payload, "session-initiate' sid='", p->sid, sizeof p->sid);
        find(f.payload, "/colibri-ws/", p->channel, sizeof p->channel);
        if (f.peer == OUTBOX_BRIDGE)
            find(f.payload, "\"conference\":\"", p->conference, sizeof p->conference);
    }
}

static void edge(struct play *p, uint16_t type, uint64_t conn, const char *text)
{
    (void)realm_input_edge(p->realm, type, conn, slice_str(text));
    drain(p);
}

static void enter(struct play *p)
{
    char text[1024];
    edge(p, 1, 1,
         "{\"path\":\"/xmpp-websocket\",\"query\":\"\",\"protocols\":[\"xmpp\"],\"host\":\"h\"}");
    edge(p, 4, 1, OPEN);
    edge(p, 4, 1, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>");
    edge(p, 4, 1, OPEN);
    edge(p, 4, 1, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    edge(p, 4, 1, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    (void)realm_input_bridge(
        p->realm, 0, 1,
        SLICE("{\"boot\":\"b\",\"fingerprint\":{\"hash\":\"sha-256\",\"value\":"
              "\"AA\"},\"candidates\":[{\"ip\":\"::1\",\"port\":1}]}"));
    edge(p, 4, 1,
         "<iq type='set' id='c' to='focus.d'><conference xmlns='http://jitsi.org/protocol/focus' "
         "room='r@conference.d'/></iq>");
    (void)snprintf(text, sizeof text,
                   "<presence to='r@conference.d/%s'><x xmlns='http://jabber.org/protocol/muc'/>"
                   "</presence>",
                   p->nick);
    edge(p, 4, 1, text);
    realm_clock(p->realm, 5000000, 5000);
    (void)realm_tick(p->realm);
    drain(p);
    char *pwd = strchr(p->channel, '?');
    if (!pwd)
        return;
    *pwd++ = 0;
    (void)snprintf(text, sizeof text,
                   "{\"path\":\"/colibri-ws/%s\",\"query\":\"%s\",\"protocols\":[]}", p->channel,
                   pwd);
    edge(p, 1, 2, text);
}

/* The text with its placeholders filled in. */
static void expand(const struct play *p, struct slice raw, struct buf *out)
{
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.data[i] == '@')
            buf_add_str(out, p->nick);
        else if (raw.data[i] == '$')
            buf_add_str(out, p->sid);
        else if (raw.data[i] == '%')
            buf_add_str(out, p->conference);
        else
            buf_add_byte(out, raw.data[i]);
    }
}

static void play_one(struct play *p, struct slice raw, usec_t now)
{
    struct buf text;
    uint8_t where = raw.len > 0 ? raw.data[0] : 0;
    buf_init(&text, 1024 * 1024);
    expand(p, where >= 1 && where <= 4 ? slice_sub(raw, 1, raw.len) : raw, &text);
    realm_clock(p->realm, now, now / 1000);
    if (where == 2)
        (void)realm_input_bridge(p->realm, 0, (uint16_t)(20 + text.len % 7), buf_slice(&text));
    else if (where == 3)
        (void)realm_input_web(p->realm, (uint16_t)(10 + text.len % 4), 0, buf_slice(&text));
    else
        (void)realm_input_edge(p->realm, 4, where == 1 ? 2 : where == 4 ? 3 : 1, buf_slice(&text));
    drain(p);
    buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct play p = {.random = 1};
    const struct realm_config config = {.domain = "d",
                                        .open_rooms = true,
                                        .anonymous = true,
                                        .occupants_max = 8,
                                        .sessions_max = 8,
                                        .rooms_max = 8,
                                        .codecs = "vp8 vp9 h264 av1",
                                        .tokens = {.domain = "d"},
                                        .ids = {fill, &p},
                                        .seed = 1};
    p.realm = realm_new(&config);
    if (!p.realm)
        return 0;
    realm_clock(p.realm, 1000000, 1000);
    enter(&p);
    edge(&p, 1, 3, "{\"path\":\"/t/xmpp-websocket\",\"query\":\"a=%41\",\"protocols\":[\"xmpp\"]}");
    struct slice rest = slice_of(data, size);
    usec_t now = 5000000;
    for (int i = 0; i < 32 && rest.len > 0; i++) {
        now += 300000;
        play_one(&p, slice_cut(&rest, 0), now);
        (void)realm_tick(p.realm);
        drain(&p);
    }
    realm_free(&p.realm);
    return 0;
}
