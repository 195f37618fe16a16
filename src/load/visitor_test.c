#include "load/visitor.h"

#include <stdio.h>

#include "base/check.h"

struct ears {
    char said[64 * 1024]; /* the last text */
    char wished[4096];    /* the last one on the channel */
    char ufrag[64], channel[128];
    struct address candidate;
    unsigned said_count, bound, offers, accepted;
    int height;
    const char *failed;
};

static void on_send(void *arg, struct slice text)
{
    struct ears *e = arg;
    assert_true(slice_copy(text, e->said, sizeof e->said));
    e->said_count++;
}

static void on_send_channel(void *arg, struct slice text)
{
    struct ears *e = arg;
    assert_true(slice_copy(text, e->wished, sizeof e->wished));
}

static void on_bound(void *arg)
{
    ((struct ears *)arg)->bound++;
}

static void on_offer(void *arg, const struct visitor_offer *offer)
{
    struct ears *e = arg;
    e->offers++;
    e->candidate = offer->candidate;
    assert_true(slice_copy(offer->ufrag, e->ufrag, sizeof e->ufrag));
    assert_true(slice_copy(offer->channel, e->channel, sizeof e->channel));
    assert_true(slice_eq_str(offer->fingerprint, "AA:BB"));
}

static void on_accepted(void *arg)
{
    ((struct ears *)arg)->accepted++;
}

static void on_height(void *arg, int height)
{
    ((struct ears *)arg)->height = height;
}

static void on_failed(void *arg, const char *why)
{
    ((struct ears *)arg)->failed = why;
}

static struct visitor *make(struct ears *e)
{
    *e = (struct ears){.height = 99};
    const struct visitor_config config = {.domain = "meet.example",
                                          .room = "class",
                                          .ufrag = "abcd",
                                          .pwd = "0123456789012345678901",
                                          .fingerprint = "CC:DD",
                                          .audio = true,
                                          .video = true,
                                          .audio_ssrc = 7,
                                          .video_ssrcs = {10, 11, 12},
                                          .video_rtx = {20, 21, 22},
                                          .handler = {on_send, on_send_channel, on_bound, on_offer,
                                                      on_accepted, on_height, on_failed, e}};
    struct visitor *v = visitor_new(&config);
    assert_non_null(v);
    return v;
}

static void hear(struct visitor *v, const char *text)
{
    visitor_input(v, slice_str(text));
}

static void said(const struct ears *e, const char *part)
{
    if (!strstr(e->said, part))
        fail_msg("no %s in %s", part, e->said);
}

static void enter(struct visitor *v, struct ears *e)
{
    visitor_start(v);
    said(e, "<open ");
    hear(v, "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='meet.example'/>");
    hear(v, "<stream:features xmlns:stream='http://etherx.jabber.org/streams'/>");
    said(e, "ANONYMOUS");
    hear(v, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
    said(e, "<open ");
    hear(v, "<stream:features xmlns:stream='http://etherx.jabber.org/streams'/>");
    said(e, "<bind ");
    hear(v, "<iq xmlns='jabber:client' type='result' id='bind'><bind "
            "xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>1a2b3c4d-0000@meet.example/x</jid>"
            "</bind></iq>");
    assert_int_equal(e->bound, 1);
    assert_string_equal(visitor_endpoint(v), "1a2b3c4d");
    said(e, "class@conference.meet.example");
    hear(v, "<iq xmlns='jabber:client' type='result' id='conference'/>");
    said(e, "class@conference.meet.example/1a2b3c4d");
}

static void offer(struct visitor *v)
{
    hear(v, "<iq xmlns='jabber:client' type='set' id='o1' from='f'><jingle "
            "xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='s1'><content "
            "name='audio'><transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='0xyz' "
            "pwd='p'><fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256'> AA:BB "
            "</fingerprint><candidate ip='2001:db8::1' port='1' protocol='udp'/><candidate "
            "ip='192.0.2.1' port='10000' protocol='udp'/><web-socket "
            "xmlns='http://jitsi.org/protocol/colibri' url='ws://h/colibri-ws/0/c/e?pwd=1'/>"
            "</transport></content></jingle></iq>");
}

static void comes_in(void **state)
{
    static struct ears ears;
    struct ears *e = &ears;
    struct visitor *v = make(e);
    enter(v, e);
    hear(v, "<iq xmlns='jabber:client' type='get' id='d1' from='f'><query "
            "xmlns='http://jabber.org/protocol/disco#info' node='n'/></iq>");
    said(e, "ssrc-rewriting-1");
    offer(v);
    assert_int_equal(e->offers, 1);
    assert_string_equal(e->ufrag, "0xyz");
    assert_string_equal(e->channel, "ws://h/colibri-ws/0/c/e?pwd=1");
    const struct address candidate = address_v4(192, 0, 2, 1, 10000);
    assert_true(address_eq(&e->candidate, &candidate));
    said(e, "session-accept");
    said(e, "1a2b3c4d-v0");
    said(e, "semantics='SIM'");
    said(e, "CC:DD");
    hear(v, "<iq xmlns='jabber:client' type='result' id='accept'/>");
    assert_int_equal(e->accepted, 1);
    visitor_record(v);
    said(e, "action='start'");
    said(e, "class@conference.meet.example/focus");
    assert_null(e->failed);
    visitor_free(&v);
}

static void counts_stanzas(void **state)
{
    static struct ears ears;
    struct ears *e = &ears;
    struct visitor *v = make(e);
    enter(v, e);
    hear(v, "<presence xmlns='jabber:client' from='x'/>");
    hear(v, "<message xmlns='jabber:client' from='x'/>");
    hear(v, "<r xmlns='urn:xmpp:sm:3'/>");
    said(e, "<a ");
    said(e, "h='3'"); /* with the answer about the conference */
    visitor_free(&v);
}

static void channel(void **state)
{
    static struct ears ears;
    struct ears *e = &ears;
    struct visitor *v = make(e);
    enter(v, e);
    const struct visitor_wishes wishes = {"99999999", 720, 9, 180, 50000000};
    visitor_channel_open(v, &wishes);
    assert_non_null(strstr(e->wished, "\"lastN\":10"));
    assert_non_null(strstr(e->wished, "\"99999999-v0\":{\"maxHeight\":720}"));
    assert_non_null(strstr(e->wished, "\"assumedBandwidthBps\":50000000"));
    visitor_channel_input(v, SLICE("{\"colibriClass\":\"SenderSourceConstraints\","
                                   "\"sourceName\":\"1a2b3c4d-v0\",\"maxHeight\":360}"));
    assert_int_equal(e->height, 360);
    visitor_free(&v);
}

static void nonsense(void **state)
{
    static struct ears ears;
    struct ears *e = &ears;
    struct visitor *v = make(e);
    enter(v, e);
    hear(v, "<iq");
    assert_non_null(e->failed);
    e->failed = NULL;
    hear(v, "<iq xmlns='jabber:client' type='set' id='o1' from='f'><jingle "
            "xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='s1'/></iq>");
    assert_non_null(e->failed);
    assert_int_equal(e->offers, 0);
    visitor_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(comes_in), cmocka_unit_test(counts_stanzas),
                                       cmocka_unit_test(channel), cmocka_unit_test(nonsense)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
