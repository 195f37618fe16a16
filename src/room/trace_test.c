/* The ordered trace from the opened socket to media (docs/room.md). */
#include "room/testing.h"

#include <stdlib.h>

#include "room/inner.h"

#define R "r@conference.meet.example"

static void newcomer_is_shown_everybody_then_itself(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *b = client_enter(w, "r", NULL, false);
    struct client *a = client_login(w, NULL);
    client_join(a, "r");
    /* In this order: focus, others, metadata, oneself, subject. */
    assert_non_null(strstr(a->inbox[0], "from='" R "/focus'"));
    assert_non_null(strstr(a->inbox[0], "jid='focus@auth.meet.example/focus'"));
    assert_non_null(strstr(a->inbox[0], "key='visitor-codecs' value='vp8,av1,h264'"));
    assert_non_null(strstr(a->inbox[1], b->nick));
    assert_non_null(strstr(a->inbox[1], ">av1,vp8,h264</jitsi_participant_codecList>"));
    assert_non_null(strstr(a->inbox[2], "room_metadata"));
    assert_non_null(strstr(a->inbox[3], "code='110'"));
    assert_non_null(strstr(a->inbox[3], a->nick));
    assert_non_null(strstr(a->inbox[4], "<subject"));
    assert_null(strstr(a->inbox[3], "201"));
    client_expect(b, "<presence", a->nick, a->jid, NULL);
    world_free(&w);
}

static void offer_holds_what_the_client_looks_for(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *a = client_login(w, NULL);
    client_join(a, "r");
    const char *offer = client_expect(a, "session-initiate", NULL);
    static const char *const parts[] = {
        "from='" R "/focus'",
        "initiator='" R "/focus'",
        "name='audio' senders='both'",
        "name='video' senders='both'",
        "<payload-type xmlns='urn:xmpp:jingle:apps:rtp:1' id='111' name='opus' clockrate='48000' "
        "channels='2'>",
        "id='100' name='VP8' clockrate='90000'",
        "id='96' name='rtx'",
        "name='apt' value='100'",
        "id='1' uri='urn:ietf:params:rtp-hdrext:ssrc-audio-level'",
        "id='5' uri='http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01'",
        "name='jvb-a0'",
        "name='jvb-v0'",
        "mixedmslabel mixedlabelvideo0",
        "setup='actpass'>AA:BB<",
        "ip='203.0.113.5' network='0' port='10000' priority='2130706431' protocol='udp' "
        "type='host'",
        "priority='1509949439' protocol='tcp' tcptype='passive' type='host'",
        "url='wss://school.example:8443/colibri-ws/0/",
        "semantics='BUNDLE'",
        "<bridge-session xmlns='http://jitsi.org/protocol/focus' id='",
        "extmap-allow-mixed",
    };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (!strstr(offer, parts[i]))
            fail_msg("the offer has no %s: %s", parts[i], offer);
    assert_null(strstr(offer, "name='data'"));
    assert_null(strstr(offer, "sdes:mid"));
    char to[128];
    cut_after(offer, " to='", to, sizeof to);
    assert_string_equal(to, a->jid);
    world_free(&w);
}

static void classic_receivers_learn_sources_without_simulcast(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *b = client_enter(w, "r", NULL, false);
    struct client *old = client_login(w, NULL);
    old->json = false;
    client_join(old, "r");
    const char *offer = client_expect(old, "session-initiate", NULL);
    char first[64], second[64];
    (void)snprintf(first, sizeof first, "ssrc='%u' name='%s-v0'", b->ssrc + 1, b->nick);
    (void)snprintf(second, sizeof second, "ssrc='%u'", b->ssrc + 2);
    assert_non_null(strstr(offer, first));
    assert_null(strstr(offer, second));
    assert_null(strstr(offer, "SIM"));
    struct client *a = client_enter(w, "r", NULL, false);
    const char *add = client_expect(b, "source-add", "json-message", NULL);
    char json[128];
    (void)snprintf(json, sizeof json, "{\"s\":\"%u\",\"n\":\"%s-v0\",\"m\":\"sv tv\"}", a->ssrc + 1,
                   a->nick);
    assert_non_null(strstr(add, json));
    (void)snprintf(json, sizeof json, "[[\"f\",\"%u\",\"%u\"]]", a->ssrc + 1, a->ssrc + 4);
    assert_non_null(strstr(add, json));
    world_free(&w);
}

static void what_changed_during_the_offer_comes_after_the_accept(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *a = client_login(w, NULL);
    client_join(a, "r");
    struct client *b = client_enter(w, "r", NULL, false);
    client_never(a, "source-add", NULL);
    client_accept(a, "r");
    char name[16];
    (void)snprintf(name, sizeof name, "%s-v0", b->nick);
    client_expect(a, "source-add", name, NULL);
    world_free(&w);
}

static void rewriting_receivers_learn_nothing_by_jingle(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *b = client_enter(w, "r", NULL, true);
    struct client *a = client_login(w, NULL);
    a->rewriting = true;
    client_join(a, "r");
    const char *offer = client_expect(a, "session-initiate", NULL);
    assert_null(strstr(offer, b->nick));
    assert_non_null(strstr(offer, "jvb-a0"));
    struct client *c = client_enter(w, "r", NULL, false);
    client_never(b, "source-add", NULL);
    assert_non_null(c);
    world_free(&w);
}

static void bridge_hears_of_conference_then_endpoint(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 3, "b1");
    struct client *a = client_enter(w, "r", NULL, true);
    struct seen *conference = world_take(w, OUTBOX_BRIDGE, BRIDGE_CONFERENCE, NULL);
    assert_non_null(conference);
    assert_int_equal(conference->number, 3);
    struct seen *first = world_take(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, NULL);
    assert_true(json_is_null(json_object_get(first->body, "fingerprint")));
    const char *ufrag =
        json_string_value(json_object_get(json_object_get(first->body, "ice"), "ufrag"));
    assert_int_equal(ufrag[0], '3');
    json_t *e = world_last(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, a->nick)->body;
    assert_string_equal(json_string_value(json_object_get(json_object_get(e, "ice"), "remote_pwd")),
                        "0123456789012345678901");
    assert_true(json_is_true(json_object_get(e, "rewriting")));
    json_t *sources = json_object_get(e, "sources");
    assert_int_equal(json_array_size(sources), 2);
    json_t *video = json_array_get(sources, 1);
    assert_int_equal(json_array_size(json_object_get(video, "ssrcs")), 3);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(video, "ssrcs"), 2)),
                     a->ssrc + 3);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(video, "rtx"), 0)),
                     a->ssrc + 4);
    world_free(&w);
}

static void leaving_is_confirmed_and_shown(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, false);
    struct client *b = client_enter(w, "r", NULL, false);
    client_forget(a);
    client_send(b, "<presence type=\"unavailable\" xmlns=\"jabber:client\"/>");
    client_expect(b, "unavailable", "code='110'", NULL);
    client_expect(a, "unavailable", b->nick, NULL);
    client_never(a, "source-remove", NULL);
    assert_non_null(world_take(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT_GONE, b->nick));
    client_send(b, "<close xmlns=\"urn:ietf:params:xml:ns:xmpp-framing\"/>");
    assert_string_equal(client_expect(b, "<close", NULL),
                        "<close xmlns=\"urn:ietf:params:xml:ns:xmpp-framing\" />");
    client_send(a, "<presence type=\"unavailable\" xmlns=\"jabber:client\"/>");
    assert_non_null(world_take(w, OUTBOX_BRIDGE, BRIDGE_CONFERENCE_GONE, NULL));
    world_free(&w);
}

static void waits_for_a_bridge(void **state)
{
    struct world *w = world_new(false);
    struct client *a = client_login(w, NULL);
    client_join(a, "r");
    client_never(a, "session-initiate", NULL);
    world_bridge_up(w, 0, "b1");
    client_accept(a, "r");
    world_free(&w);
}

static void silent_clients_are_taken_for_plain_ones(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *a = client_login(w, NULL);
    client_send(a,
                "<iq xmlns='jabber:client' type='set' id='c' to='focus.meet.example'><conference "
                "xmlns='" NS_FOCUS "' room='" R "'/></iq>");
    client_send(a,
                "<presence xmlns='jabber:client' to='" R "/%s'><x xmlns='" NS_MUC "'/></presence>",
                a->nick);
    client_expect(a, "code='110'", NULL);
    client_never(a, "session-initiate", NULL);
    world_run(w, 4 * USEC_PER_SEC);
    client_expect(a, "session-initiate", "id='96'", NULL);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newcomer_is_shown_everybody_then_itself),
        cmocka_unit_test(offer_holds_what_the_client_looks_for),
        cmocka_unit_test(classic_receivers_learn_sources_without_simulcast),
        cmocka_unit_test(what_changed_during_the_offer_comes_after_the_accept),
        cmocka_unit_test(rewriting_receivers_learn_nothing_by_jingle),
        cmocka_unit_test(bridge_hears_of_conference_then_endpoint),
        cmocka_unit_test(leaving_is_confirmed_and_shown),
        cmocka_unit_test(waits_for_a_bridge),
        cmocka_unit_test(silent_clients_are_taken_for_plain_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
