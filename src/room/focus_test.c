/* The focus: changes of sources, restarts, crashes of workers. */
#include "room/testing.h"

#include <stdio.h>
#include <stdlib.h>

#include "room/inner.h"

#define R "r@conference.meet.example"

static void jingle(struct client *c, const char *id, const char *action, const char *inside)
{
    client_send(c,
                "<iq xmlns='jabber:client' type='set' id='%s' to='" R
                "/focus'><jingle xmlns='" NS_JINGLE "' action='%s' sid='%s'>%s</jingle></iq>",
                id, action, c->sid, inside);
}

static void source(struct client *c, const char *id, const char *action, uint32_t ssrc,
                   const char *name)
{
    char inside[512];
    (void)snprintf(inside, sizeof inside,
                   "<content name='video'><description xmlns='" NS_JINGLE_RTP
                   "' media='video'><source xmlns='" NS_JINGLE_SOURCES
                   "' ssrc='%u' name='%s' videoType='desktop'/></description></content>",
                   ssrc, name);
    jingle(c, id, action, inside);
}

static void sources_come_and_go(void **state)
{
    struct world *w = world_new(false);
    char name[16];
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, false);
    struct client *b = client_enter(w, "r", NULL, false);
    (void)snprintf(name, sizeof name, "%s-v1", a->nick);
    source(a, "s1", "source-add", 4711, name);
    client_expect(a, "id='s1'", "type='result'", NULL);
    client_expect(b, "source-add", "\"s\":\"4711\"", "\"v\":\"d\"", name, NULL);
    json_t *e = world_last(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, a->nick)->body;
    assert_int_equal(json_array_size(json_object_get(e, "sources")), 3);
    source(a, "s2", "source-remove", 4711, name);
    client_expect(a, "id='s2'", "type='result'", NULL);
    client_expect(b, "source-remove", "4711", NULL);
    world_free(&w);
}

/* What the bridge may make of sound for whom. */
static void the_bridge_knows_who_takes_redundant_sound(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, false);
    struct client *b = client_login(w, NULL);
    b->red = true;
    client_join(b, "r");
    client_accept(b, "r");
    json_t *e = world_last(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, a->nick)->body;
    assert_true(json_is_false(json_object_get(e, "red")));
    assert_true(json_is_false(json_object_get(e, "encrypted")));
    e = world_last(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, b->nick)->body;
    assert_true(json_is_true(json_object_get(e, "red")));
    client_send(a,
                "<presence xmlns='jabber:client' to='" R "/%s'>"
                "<jitsi_participant_e2ee.enabled>true</jitsi_participant_e2ee.enabled></presence>",
                a->nick);
    e = world_last(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, a->nick)->body;
    assert_true(json_is_true(json_object_get(e, "encrypted")));
    world_restart(w);
    world_forget(w);
    world_bridge_up(w, 0, "b1");
    e = world_last(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, b->nick)->body;
    assert_true(json_is_true(json_object_get(e, "red")));
    e = world_last(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, a->nick)->body;
    assert_true(json_is_true(json_object_get(e, "encrypted")));
    world_free(&w);
}

static void bad_sources_are_refused(void **state)
{
    struct world *w = world_new(false);
    char name[16], foreign[16];
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, false);
    struct client *b = client_enter(w, "r", NULL, false);
    client_forget(b);
    (void)snprintf(name, sizeof name, "%s-v1", a->nick);
    (void)snprintf(foreign, sizeof foreign, "%s-v1", b->nick);
    source(a, "1", "source-add", 1, foreign);
    client_expect(a, "id='1'", "type='error'", "bad-request", NULL);
    source(a, "2", "source-add", b->ssrc, name);
    client_expect(a, "id='2'", "bad-request", "in use", NULL);
    source(a, "3", "source-add", a->ssrc, name);
    client_expect(a, "id='3'", "bad-request", NULL);
    source(a, "4", "source-add", 0, name);
    client_expect(a, "id='4'", "bad-request", NULL);
    jingle(a, "5", "source-add",
           "<content name='video'><description xmlns='" NS_JINGLE_RTP
           "' media='video'><ssrc-group xmlns='" NS_JINGLE_SOURCES
           "' semantics='FID'><source xmlns='" NS_JINGLE_SOURCES
           "' ssrc='8'/><source xmlns='" NS_JINGLE_SOURCES
           "' ssrc='9'/></ssrc-group></description></content>");
    client_expect(a, "id='5'", "bad-request", NULL);
    for (uint32_t i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof name, "%s-v%u", a->nick, i + 1);
        source(a, "n", "source-add", 100 + i, name);
    }
    client_expect(a, "id='n'", "type='error'", "resource-constraint", NULL);
    jingle(a, "6", "dance", "");
    client_expect(a, "id='6'", "bad-request", NULL);
    (void)snprintf(a->sid, sizeof a->sid, "wrong");
    jingle(a, "7", "session-info", "");
    client_expect(a, "id='7'", "item-not-found", "<unknown-session xmlns='" NS_JINGLE_ERRORS "'",
                  NULL);
    world_free(&w);
}

static void unnamed_sources_get_names(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *b = client_enter(w, "r", NULL, false);
    struct client *a = client_login(w, NULL);
    client_join(a, "r");
    cut_after(client_expect(a, "session-initiate", NULL), "sid='", a->sid, sizeof a->sid);
    jingle(a, "acc", "session-accept",
           "<content name='audio'><description xmlns='" NS_JINGLE_RTP
           "' media='audio'><source xmlns='" NS_JINGLE_SOURCES "' ssrc='31'><parameter name='msid' "
           "value='s1 t1'/></source></description><transport xmlns='" NS_JINGLE_ICE
           "' ufrag='abcd' pwd='0123456789012345678901'><fingerprint xmlns='" NS_JINGLE_DTLS
           "' hash='sha-256'>EE</fingerprint></transport></content><content name='video'>"
           "<description xmlns='" NS_JINGLE_RTP "' media='video'><source xmlns='" NS_JINGLE_SOURCES
           "' ssrc='41'><parameter name='msid' value='s2 t2'/></source><source "
           "xmlns='" NS_JINGLE_SOURCES "' ssrc='51'><parameter name='msid' value='s3 t3'/></source>"
           "</description></content>");
    client_expect(a, "id='acc'", "type='result'", NULL);
    char names[3][64];
    (void)snprintf(names[0], 64, "\"s\":\"31\",\"n\":\"%s-a0\"", a->nick);
    (void)snprintf(names[1], 64, "\"s\":\"41\",\"n\":\"%s-v0\"", a->nick);
    (void)snprintf(names[2], 64, "\"s\":\"51\",\"n\":\"%s-v1\"", a->nick);
    client_expect(b, "source-add", names[0], names[1], names[2], NULL);
    world_free(&w);
}

static void accept_needs_a_transport(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *a = client_login(w, NULL);
    client_join(a, "r");
    cut_after(client_expect(a, "session-initiate", NULL), "sid='", a->sid, sizeof a->sid);
    jingle(a, "acc", "session-accept", "");
    client_expect(a, "id='acc'", "type='error'", "bad-request", NULL);
    jingle(a, "add", "source-add", "");
    client_expect(a, "id='add'", "unexpected-request", NULL);
    world_free(&w);
}

static void restart(struct client *c, const char *id, const char *bridge)
{
    char inside[256];
    (void)snprintf(inside, sizeof inside,
                   "<reason><connectivity-error/><text>ICE FAILED</text></reason><bridge-session "
                   "xmlns='" NS_FOCUS "' id='%s' restart='true'/>",
                   bridge);
    jingle(c, id, "session-terminate", inside);
}

static void failed_ice_gets_a_new_offer(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, false);
    struct client *b = client_enter(w, "r", NULL, false);
    client_forget(a);
    world_forget(w);
    restart(b, "x", "wrong");
    client_expect(b, "id='x'", "item-not-found", NULL);
    char old[17];
    memcpy(old, b->sid, sizeof old);
    restart(b, "t", b->bridge_session);
    client_expect(b, "id='t'", "type='result'", NULL);
    assert_non_null(world_take(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT_GONE, b->nick));
    client_expect(a, "source-remove", b->nick, NULL);
    b->ssrc += 500;
    client_accept(b, "r");
    assert_string_not_equal(old, b->sid);
    client_expect(a, "source-add", b->nick, NULL);
    restart(b, "soon", b->bridge_session);
    client_expect(b, "id='soon'", "resource-constraint", NULL);
    for (int i = 0; i < 4; i++) {
        world_run(w, 6 * USEC_PER_SEC);
        restart(b, "later", b->bridge_session);
        client_expect(b, "id='later'", "type='result'", NULL);
        client_accept(b, "r");
    }
    world_run(w, 6 * USEC_PER_SEC);
    restart(b, "many", b->bridge_session);
    client_expect(b, "id='many'", "resource-constraint", NULL);
    world_free(&w);
}

static void ending_the_session_keeps_the_member(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, false);
    struct client *b = client_enter(w, "r", NULL, false);
    jingle(b, "t", "session-terminate", "<reason><success/></reason>");
    client_expect(b, "id='t'", "type='result'", NULL);
    client_never(b, "session-initiate", NULL);
    client_never(a, "unavailable", NULL);
    world_free(&w);
}

static void rejected_offers_are_repeated_a_few_times(void **state)
{
    struct world *w = world_new(false);
    char id[32];
    world_bridge_up(w, 0, "b1");
    struct client *a = client_login(w, NULL);
    client_join(a, "r");
    for (int i = 0; i <= ERRORS_OF_CLIENT_MAX; i++) {
        cut_after(client_expect(a, "session-initiate", NULL), " id='", id, sizeof id);
        client_send(a,
                    "<iq xmlns='jabber:client' type='error' id='%s' to='" R "/focus'><error "
                    "type='cancel'/></iq>",
                    id);
        world_run(w, 3 * USEC_PER_SEC);
    }
    client_never(a, "session-initiate", NULL);
    world_free(&w);
}

static void crashed_worker_means_a_new_offer_to_all(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, false);
    struct client *b = client_enter(w, "r", NULL, true);
    world_run(w, 10 * USEC_PER_SEC);
    client_forget(a);
    client_forget(b);
    world_forget(w);
    realm_bridge_lost(w->realm, 0);
    world_run(w, USEC_PER_SEC / 2);
    client_never(a, "session-terminate", NULL);
    world_bridge_up(w, 0, "b2");
    char old[17];
    memcpy(old, a->sid, sizeof old);
    assert_non_null(strstr(a->inbox[0], "session-terminate"));
    assert_non_null(strstr(a->inbox[1], "session-initiate"));
    client_accept(a, "r");
    client_accept(b, "r");
    assert_string_not_equal(old, a->sid);
    client_never(a, "unavailable", NULL);
    client_expect(a, "source-add", b->nick, NULL);
    assert_non_null(world_take(w, OUTBOX_BRIDGE, BRIDGE_CONFERENCE, NULL));
    assert_non_null(world_take(w, OUTBOX_BRIDGE, BRIDGE_SYNC_DONE, NULL));
    world_free(&w);
}

static void same_worker_again_disturbs_nobody(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, false);
    world_forget(w);
    realm_bridge_lost(w->realm, 0);
    world_run(w, 2 * USEC_PER_SEC);
    world_bridge_up(w, 0, "b1");
    client_never(a, "session-terminate", NULL);
    assert_non_null(world_take(w, OUTBOX_BRIDGE, BRIDGE_CONFERENCE, NULL));
    assert_non_null(world_take(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, a->nick));
    assert_non_null(world_take(w, OUTBOX_BRIDGE, BRIDGE_SYNC_DONE, NULL));
    world_free(&w);
}

static void conference_moves_when_its_worker_stays_away(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, false);
    world_bridge_up(w, 1, "c1");
    world_run(w, 4 * USEC_PER_SEC);
    realm_bridge_lost(w->realm, 0);
    world_run(w, 4 * USEC_PER_SEC);
    client_never(a, "session-terminate", NULL);
    world_run(w, 2 * USEC_PER_SEC);
    client_expect(a, "session-terminate", NULL);
    const char *offer = client_expect(a, "session-initiate", NULL);
    assert_non_null(strstr(offer, "/colibri-ws/1/"));
    assert_non_null(strstr(offer, "ufrag='1"));
    world_free(&w);
}

static void classes_are_spread_over_workers(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    world_bridge_up(w, 1, "c1");
    (void)client_enter(w, "one", NULL, true);
    (void)client_enter(w, "one", NULL, true);
    struct client *b = client_enter(w, "two", NULL, true);
    assert_non_null(strstr(b->channel_url, "/colibri-ws/1/"));
    world_free(&w);
}

/* A worker dies of that one's bytes, and another is there. */
static void crash(struct world *w, const struct client *by, const char *boot)
{
    struct seen *told = world_last(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, by->nick);
    json_t *m = json_pack("{ss si sO ss}", "type", "crash", "worker", 0, "conference",
                          json_object_get(told->body, "conference"), "endpoint", by->nick);
    realm_input_crash(w->realm, m);
    json_decref(m);
    realm_bridge_lost(w->realm, 0);
    world_bridge_up(w, 0, boot);
}

/* Whose bytes two workers died of is not let in a third time; the others stay. */
static void poisonous_endpoint_is_refused(void **state)
{
    struct world *w = world_new(true);
    world_web(w, WEB_ROOM, 0,
              "{\"room\":\"r\",\"class\":\"c\",\"title\":\"T\",\"open\":true,\"guests\":true,"
              "\"policy\":{}}");
    world_bridge_up(w, 0, "b1");
    char *good = world_token(w, "good", "G", "pupil", NULL, "r");
    char *bad = world_token(w, "bad", "B", "pupil", NULL, "r");
    struct client *g = client_enter(w, "r", good, true);
    struct client *b = client_enter(w, "r", bad, true);
    crash(w, b, "b2");
    client_accept(g, "r");
    assert_int_equal(client_unread(b, "code='307'"), 0);
    client_send(b, "<presence xmlns='jabber:client' type='unavailable'/>");
    world_run(w, 10 * USEC_PER_SEC);
    b = client_enter(w, "r", bad, true);
    crash(w, b, "b3");
    client_expect(b, "code='307'", NULL);
    client_accept(g, "r");
    client_never(g, "code='110'", NULL);
    client_send(b,
                "<presence xmlns='jabber:client' to='" R "/%s'><x xmlns='" NS_MUC "'/></presence>",
                b->nick);
    client_expect(b, "type='error'", "not-allowed", NULL);
    assert_int_equal(realm_counters(w->realm)[REALM_SUSPECTS], 1);
    free(good);
    free(bad);
    world_free(&w);
}

static void worker_that_always_crashes_costs_nobody_the_class(void **state)
{
    struct world *w = world_new(false);
    char boot[8];
    world_bridge_up(w, 0, "b0");
    struct client *a = client_enter(w, "r", NULL, true);
    struct client *b = client_enter(w, "r", NULL, true);
    world_run(w, 10 * USEC_PER_SEC);
    for (int i = 1; i < 6; i++) {
        realm_bridge_lost(w->realm, 0);
        (void)snprintf(boot, sizeof boot, "b%d", i);
        world_bridge_up(w, 0, boot);
        client_accept(a, "r");
        world_run(w, USEC_PER_SEC); /* some are back sooner than others */
        client_accept(b, "r");
        world_run(w, USEC_PER_SEC / 2 * i);
    }
    assert_int_equal(realm_counters(w->realm)[REALM_SUSPECTS], 0);
    world_free(&w);
}

static void crash_by_nobody_here_accuses_nobody(void **state)
{
    static const char *const texts[] = {"{}", "{\"conference\":\"none\",\"endpoint\":\"x\"}",
                                        "{\"conference\":7,\"endpoint\":[]}"};
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, true);
    for (size_t i = 0; i < 3 * ARRAY_LEN(texts); i++) {
        json_t *m = json_loads(texts[i % ARRAY_LEN(texts)], 0, NULL);
        realm_input_crash(w->realm, m);
        json_decref(m);
    }
    client_never(a, "code='307'", NULL);
    assert_int_equal(realm_counters(w->realm)[REALM_SUSPECTS], 0);
    world_free(&w);
}

static void senseless_hello_condemns_the_worker(void **state)
{
    struct world *w = world_new(false);
    assert_int_equal(realm_input_bridge(w->realm, 0, BRIDGE_HELLO, SLICE("{}")), ERR_FORMAT);
    assert_int_equal(realm_input_bridge(w->realm, 0, BRIDGE_HELLO, SLICE("x")), ERR_FORMAT);
    assert_int_equal(realm_input_bridge(w->realm, 99, BRIDGE_HELLO, SLICE("{}")), ERR_FORMAT);
    world_bridge_up(w, 0, "b1");
    world_bridge(w, 0, BRIDGE_FORWARDED, "{\"conference\":\"none\",\"endpoint\":\"x\"}");
    world_bridge(w, 0, 999, "{}");
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_come_and_go),
        cmocka_unit_test(the_bridge_knows_who_takes_redundant_sound),
        cmocka_unit_test(bad_sources_are_refused),
        cmocka_unit_test(unnamed_sources_get_names),
        cmocka_unit_test(accept_needs_a_transport),
        cmocka_unit_test(failed_ice_gets_a_new_offer),
        cmocka_unit_test(ending_the_session_keeps_the_member),
        cmocka_unit_test(rejected_offers_are_repeated_a_few_times),
        cmocka_unit_test(crashed_worker_means_a_new_offer_to_all),
        cmocka_unit_test(same_worker_again_disturbs_nobody),
        cmocka_unit_test(conference_moves_when_its_worker_stays_away),
        cmocka_unit_test(classes_are_spread_over_workers),
        cmocka_unit_test(poisonous_endpoint_is_refused),
        cmocka_unit_test(worker_that_always_crashes_costs_nobody_the_class),
        cmocka_unit_test(crash_by_nobody_here_accuses_nobody),
        cmocka_unit_test(senseless_hello_condemns_the_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
