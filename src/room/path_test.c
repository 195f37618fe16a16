/* Other ways for the same session: ICE restarts asked for by a client or by the bridge. */
#include "room/testing.h"

#include <stdio.h>

#include "room/inner.h"

#define R "r@conference.meet.example"

static void jingle(struct client *c, const char *id, const char *action, const char *inside)
{
    client_send(c,
                "<iq xmlns='jabber:client' type='set' id='%s' to='" R "/focus'><jingle "
                "xmlns='" NS_JINGLE "' action='%s' sid='%s'>%s</jingle></iq>",
                id, action, c->sid, inside);
}

static void ask(struct client *c, const char *id, const char *session)
{
    char inside[160];
    (void)snprintf(inside, sizeof inside,
                   "<bridge-session xmlns='" NS_FOCUS "' ice-restart='true' id='%s'/>", session);
    jingle(c, id, "session-info", inside);
}

static void answer(struct client *c, const char *id, const char *generation, const char *ufrag,
                   const char *pwd)
{
    char inside[256];
    (void)snprintf(inside, sizeof inside,
                   "<content name='audio'><transport xmlns='" NS_JINGLE_ICE
                   "' ufrag='%s' pwd='%s' ice-generation='%s'/></content>",
                   ufrag, pwd, generation);
    jingle(c, id, "transport-info", inside);
}

static const char *ice_of(struct seen *s, const char *key)
{
    return json_string_value(json_object_get(json_object_get(s->body, "ice"), key));
}

/* What the focus pushes: its credentials; the id of its IQ in `id`. */
static void take_push(struct client *c, const char *generation, char ufrag[32], char id[32])
{
    const char *push = client_expect(c, "transport-info", generation, "<candidate", NULL);
    cut_after(push, " id='", id, 32);
    cut_after(push, "ufrag='", ufrag, 32);
    assert_null(strstr(push, "session-initiate"));
}

static void bridge_says(struct world *w, const struct client *c, const char *state)
{
    char text[160];
    struct seen *s = world_last(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, c->nick);
    (void)snprintf(text, sizeof text,
                   "{\"conference\":\"%s\",\"endpoint\":\"%s\",\"state\":\"%s\"}",
                   json_string_value(json_object_get(s->body, "conference")), c->nick, state);
    world_bridge(w, 0, BRIDGE_ENDPOINT_STATE, text);
}

static void acknowledge(struct client *c, const char *id)
{
    client_send(c, "<iq xmlns='jabber:client' type='result' id='%s' to='" R "/focus'/>", id);
}

static void a_client_that_asks_gets_other_credentials(void **state)
{
    struct world *w = world_new(false);
    char first[32], second[32], session[32], id[32];
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, true);
    struct seen *s = world_last(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, a->nick);
    (void)snprintf(first, sizeof first, "%s", ice_of(s, "ufrag"));
    (void)snprintf(session, sizeof session, "%s", ice_of(s, "session"));
    ask(a, "wrong", "0123");
    client_expect(a, "id='wrong'", "item-not-found", NULL);
    ask(a, "ask", a->bridge_session);
    client_expect(a, "id='ask'", "type='result'", NULL);
    take_push(a, "ice-generation='1'", second, id);
    assert_string_not_equal(first, second);
    s = world_last(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, a->nick);
    assert_string_equal(ice_of(s, "ufrag"), second);
    assert_string_equal(ice_of(s, "session"), session); /* the same to the bridge */
    assert_null(ice_of(s, "remote_ufrag"));
    assert_non_null(json_string_value(
        json_object_get(json_object_get(s->body, "fingerprint"), "value"))); /* DTLS stays */

    answer(a, "old", "7", "cccc", "0123456789012345678901");
    client_expect(a, "id='old'", "type='result'", NULL);
    answer(a, "short", "1", "ccc", "0123456789012345678901");
    client_expect(a, "id='short'", "bad-request", NULL);
    assert_null(ice_of(world_last(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, a->nick), "remote_ufrag"));
    answer(a, "ok", "1", "cccc", "0123456789012345678901");
    client_expect(a, "id='ok'", "type='result'", NULL);
    s = world_last(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, a->nick);
    assert_string_equal(ice_of(s, "remote_ufrag"), "cccc");
    assert_string_equal(ice_of(s, "ufrag"), second);

    ask(a, "soon", a->bridge_session);
    client_expect(a, "id='soon'", "resource-constraint", NULL);
    world_run(w, 6 * USEC_PER_SEC);
    ask(a, "again", a->bridge_session);
    take_push(a, "ice-generation='2'", first, id);
    world_free(&w);
}

static void a_silent_client_is_told_to_restart(void **state)
{
    struct world *w = world_new(false);
    char ufrag[32], id[32];
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, true);
    bridge_says(w, a, "quiet");
    take_push(a, "ice-generation='1'", ufrag, id);
    acknowledge(a, id);
    answer(a, "ok", "1", "cccc", "0123456789012345678901");
    client_expect(a, "id='ok'", "type='result'", NULL);
    bridge_says(w, a, "failed"); /* one is enough */
    world_run(w, 5 * USEC_PER_SEC);
    client_never(a, "session-terminate", NULL);
    client_never(a, "transport-info", NULL);
    bridge_says(w, a, "connected");
    world_run(w, 10 * USEC_PER_SEC);
    bridge_says(w, a, "quiet");
    take_push(a, "ice-generation='2'", ufrag, id);
    world_free(&w);
}

static void one_that_does_not_know_restarts_gets_a_session(void **state)
{
    struct world *w = world_new(false);
    char ufrag[32], id[32], old[17];
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, true);
    memcpy(old, a->sid, sizeof old);
    bridge_says(w, a, "quiet");
    take_push(a, "ice-generation='1'", ufrag, id);
    world_run(w, 10 * USEC_PER_SEC); /* nobody knows whether it hears us */
    client_never(a, "session-terminate", NULL);
    acknowledge(a, id);
    world_run(w, USEC_PER_SEC);
    client_never(a, "session-terminate", NULL);
    world_run(w, 2 * USEC_PER_SEC);
    client_expect(a, "session-terminate", old, NULL);
    a->ssrc += 500;
    client_accept(a, "r");
    assert_string_not_equal(old, a->sid);
    bridge_says(w, a, "connected");
    world_run(w, 20 * USEC_PER_SEC);
    client_never(a, "session-terminate", NULL);
    world_free(&w);
}

static void one_that_comes_back_keeps_its_session(void **state)
{
    struct world *w = world_new(false);
    char ufrag[32], id[32];
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, true);
    bridge_says(w, a, "quiet");
    take_push(a, "ice-generation='1'", ufrag, id);
    acknowledge(a, id);
    bridge_says(w, a, "connected");
    world_run(w, 20 * USEC_PER_SEC);
    client_never(a, "session-terminate", NULL);
    world_free(&w);
}

static void the_generation_outlives_signal(void **state)
{
    struct world *w = world_new(false);
    char ufrag[32], id[32];
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, true);
    ask(a, "ask", a->bridge_session);
    take_push(a, "ice-generation='1'", ufrag, id);
    world_forget(w);
    world_restart(w);
    world_bridge_up(w, 0, "b1");
    struct seen *s = world_last(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, NULL);
    assert_non_null(s);
    assert_string_equal(ice_of(s, "ufrag"), ufrag);
    world_free(&w);
}

/* What the bridge says when it hears from signal's successor. */
static struct client *signal_dies(struct world *w, struct client *c)
{
    world_restart(w);
    world_bridge_up(w, 0, "b1");
    bridge_says(w, c, "quiet");
    return client_back(w, c);
}

static void signal_dies_before_the_answer(void **state)
{
    struct world *w = world_new(false);
    char ufrag[32], id[32];
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, true);
    bridge_says(w, a, "quiet");
    take_push(a, "ice-generation='1'", ufrag, id);
    a = signal_dies(w, a);
    world_run(w, 6 * USEC_PER_SEC); /* long enough for another restart to be allowed */
    bridge_says(w, a, "failed");
    acknowledge(a, id);
    answer(a, "ok", "1", "cccc", "0123456789012345678901");
    client_expect(a, "id='ok'", "type='result'", NULL);
    struct seen *s = world_last(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, a->nick);
    assert_string_equal(ice_of(s, "ufrag"), ufrag);
    assert_string_equal(ice_of(s, "remote_ufrag"), "cccc");
    a = signal_dies(w, a); /* that it took part is known, too */
    world_run(w, 10 * USEC_PER_SEC);
    client_never(a, "session-terminate", NULL);
    client_never(a, "transport-info", NULL);
    world_free(&w);
}

static void signal_dies_before_a_new_session(void **state)
{
    struct world *w = world_new(false);
    char ufrag[32], id[32];
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, true);
    bridge_says(w, a, "quiet");
    take_push(a, "ice-generation='1'", ufrag, id);
    acknowledge(a, id);
    a = signal_dies(w, a);
    world_run(w, USEC_PER_SEC);
    client_never(a, "session-terminate", NULL);
    world_run(w, 2 * USEC_PER_SEC);
    client_never(a, "transport-info", NULL);
    client_expect(a, "session-terminate", a->sid, NULL);
    world_free(&w);
}

static void one_that_came_back_is_known_to_signals_successor(void **state)
{
    struct world *w = world_new(false);
    char ufrag[32], id[32];
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, true);
    bridge_says(w, a, "quiet");
    take_push(a, "ice-generation='1'", ufrag, id);
    acknowledge(a, id);
    bridge_says(w, a, "connected");
    world_run(w, 6 * USEC_PER_SEC);
    a = signal_dies(w, a); /* and is silent anew */
    take_push(a, "ice-generation='2'", ufrag, id);
    world_run(w, 10 * USEC_PER_SEC);
    client_never(a, "session-terminate", NULL);
    world_free(&w);
}

static void the_rate_of_restarts_outlives_signal(void **state)
{
    struct world *w = world_new(false);
    char ufrag[32], id[32];
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, true);
    ask(a, "ask", a->bridge_session);
    take_push(a, "ice-generation='1'", ufrag, id);
    world_restart(w);
    world_bridge_up(w, 0, "b1");
    a = client_back(w, a);
    ask(a, "soon", a->bridge_session);
    client_expect(a, "id='soon'", "resource-constraint", NULL);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_that_asks_gets_other_credentials),
        cmocka_unit_test(a_silent_client_is_told_to_restart),
        cmocka_unit_test(one_that_does_not_know_restarts_gets_a_session),
        cmocka_unit_test(one_that_comes_back_keeps_its_session),
        cmocka_unit_test(the_generation_outlives_signal),
        cmocka_unit_test(signal_dies_before_the_answer),
        cmocka_unit_test(signal_dies_before_a_new_session),
        cmocka_unit_test(one_that_came_back_is_known_to_signals_successor),
        cmocka_unit_test(the_rate_of_restarts_outlives_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
