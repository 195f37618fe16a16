/* Streams: opening, authentication, binding, what the domain answers, bad input, resuming. */
#include "room/testing.h"

#include <stdio.h>
#include <stdlib.h>

#include "crypto/hash.h"
#include "room/inner.h"

#define R "r@conference.meet.example"
#define OPEN "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='meet.example' version='1.0'/>"
#define AUTH "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>"

static struct client *opened(struct world *w, const char *query)
{
    struct client *c = client_open(w, "/xmpp-websocket", query, true);
    client_send(c, OPEN);
    client_forget(c);
    return c;
}

static void sockets_are_sorted(void **state)
{
    struct world *w = world_new(false);
    assert_true(client_open(w, "/xmpp-websocket", "", true)->open);
    assert_true(client_open(w, "/tenant/xmpp-websocket", "", true)->open);
    assert_true(client_open(w, "/xmpp-websocket", "", false)->refused);
    assert_true(client_open(w, "/other", "", true)->refused);
    assert_true(client_open(w, "/colibri-ws/0/nothing/12345678", "pwd=x", false)->refused);
    world_free(&w);
}

static void failure_has_the_form_the_client_reads(void **state)
{
    struct world *w = world_new(true);
    struct client *c = opened(w, "room=r&token=abc");
    client_send(c, AUTH);
    assert_string_equal(client_expect(c, "<failure", NULL),
                        "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-allowed/><text>"
                        "token is malformed</text></failure>");
    struct client *none = opened(w, "");
    client_send(none, AUTH);
    client_expect(none, "<not-allowed/><text>token missing</text>", NULL);
    client_send(none, AUTH);
    client_send(none, AUTH);
    client_expect(none, "policy-violation", NULL);
    assert_false(none->open);
    world_free(&w);
}

static void only_anonymous_is_known(void **state)
{
    struct world *w = world_new(false);
    struct client *c = opened(w, "");
    client_send(c, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AAA</auth>");
    client_expect(c, "invalid-mechanism", NULL);
    world_free(&w);
}

static void wrong_order_is_refused(void **state)
{
    static const char *const early[] = {AUTH,
                                        "<iq xmlns='jabber:client' type='get' id='1'><a/></iq>",
                                        "<enable xmlns='urn:xmpp:sm:3'/>",
                                        "<a",
                                        "<a/><b/>",
                                        ""};
    for (size_t i = 0; i < ARRAY_LEN(early); i++) {
        struct world *w = world_new(false);
        struct client *c = client_open(w, "/xmpp-websocket", "", true);
        client_send(c, "%s", early[i]);
        client_expect(c, "<error xmlns='http://etherx.jabber.org/streams'", NULL);
        client_expect(c, "<close xmlns=\"urn:ietf:params:xml:ns:xmpp-framing\" />", NULL);
        assert_false(c->open);
        world_free(&w);
    }
}

static void another_host_is_unknown(void **state)
{
    struct world *w = world_new(false);
    struct client *c = client_open(w, "/xmpp-websocket", "", true);
    client_send(c, "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='x.example'/>");
    assert_memory_equal(c->inbox[0], "<open ", 6);
    client_expect(c, "host-unknown", NULL);
    world_free(&w);
}

static void slow_openings_end(void **state)
{
    struct world *w = world_new(false);
    struct client *c = opened(w, "");
    world_run(w, 29 * USEC_PER_SEC);
    assert_true(c->open);
    world_run(w, 3 * USEC_PER_SEC);
    assert_false(c->open);
    world_free(&w);
}

/* The relay checks: what stands before the colon is in the future, and the password is the HMAC. */
static void relays_are_told_with_credentials_for_a_while(void **state)
{
    struct world *w = world_new(false);
    json_t *services =
        json_pack("[{s:s,s:s,s:i,s:s,s:s,s:i}]", "type", "turns", "host", "school.example", "port",
                  443, "transport", "tcp", "secret", "north", "lifetime", 3600);
    w->config.services = services;
    world_restart(w);
    struct client *c = client_login(w, NULL);
    client_send(c, "<iq xmlns='jabber:client' type='get' id='q' to='meet.example'><services "
                   "xmlns='urn:xmpp:extdisco:2'/></iq>");
    const char *answer =
        client_expect(c, "type='turns' host='school.example' transport='tcp' port='443' ",
                      "restricted='1'", NULL);
    char username[64], password[64], expected[HASH_SHA1_BASE64_SIZE];
    uint8_t hash[HASH_SHA1_SIZE];
    cut_after(answer, "username='", username, sizeof username);
    cut_after(answer, "password='", password, sizeof password);
    assert_int_equal(strtoll(username, NULL, 10), w->wall_ms / 1000 + 3600);
    assert_string_equal(strchr(username, ':') + 1, c->nick);
    hash_hmac_sha1(SLICE("north"), slice_str(username), hash);
    hash_sha1_base64(hash, expected);
    assert_string_equal(password, expected);
    assert_null(strstr(answer, "north"));
    world_free(&w);
    json_decref(services);
}

static void domain_answers(void **state)
{
    struct world *w = world_new(false);
    w->config.services = NULL;
    struct client *c = client_login(w, NULL);
#define ASK(type, to, body)                                                                        \
    client_send(c, "<iq xmlns='jabber:client' type='" type "' id='q' to='" to "'>" body "</iq>")
    ASK("get", "meet.example", "<ping xmlns='urn:xmpp:ping'/>");
    assert_non_null(
        strstr(client_expect(c, "id='q'", "type='result'", NULL), "from='meet.example'"));
    ASK("get", "meet.example", "<query xmlns='http://jabber.org/protocol/disco#info'/>");
    client_expect(c, "var='urn:xmpp:ping'",
                  "category='component' type='room_metadata' name='metadata.meet.example'", NULL);
    ASK("get", "meet.example", "<services xmlns='urn:xmpp:extdisco:2'/>");
    client_expect(c, "<services xmlns='urn:xmpp:extdisco:2'/>", NULL);
    ASK("get", "meet.example", "<services xmlns='urn:xmpp:extdisco:1'/>");
    client_expect(c, "<services xmlns='urn:xmpp:extdisco:1'/>", NULL);
    ASK("get", "meet.example", "<vcard xmlns='vcard-temp'/>");
    client_expect(c, "type='error'", "id='q'", "service-unavailable xmlns='" NS_STANZAS "'", NULL);
    ASK("set", "nobody.example", "<x xmlns='y'/>");
    client_expect(c, "type='error'", "from='nobody.example'", NULL);
    ASK("set", "meet.example", "");
    client_expect(c, "type='error'", "bad-request", NULL);
    ASK("strange", "meet.example", "<x xmlns='y'/>");
    client_expect(c, "type='error'", "bad-request", NULL);
    ASK("get", "focus.meet.example", "<ping xmlns='urn:xmpp:ping'/>");
    client_expect(c, "type='result'", NULL);
    ASK("get", "conference.meet.example", "<query xmlns='http://jabber.org/protocol/disco#info'/>");
    client_expect(c, "category='conference'", NULL);
    ASK("set", "focus.meet.example", "<logout xmlns='http://jitsi.org/protocol/focus'/>");
    client_expect(c, "service-unavailable", NULL);
    ASK("result", "meet.example", "");
    assert_int_equal(client_unread(c, "<iq"), 0);
    world_free(&w);
}

static void nodes_have_unique_prefixes(void **state)
{
    struct world *w = world_new(false);
    struct client *a = client_login(w, NULL);
    struct client *b = client_login(w, NULL);
    assert_string_not_equal(a->nick, b->nick);
    assert_int_equal(strspn(a->nick, "0123456789abcdef"), 8);
    assert_int_equal(a->jid[8], '-');
    assert_int_equal(a->jid[14], '4');
    world_free(&w);
}

static void counters_begin_at_enable(void **state)
{
    struct world *w = world_new(false);
    struct client *c = client_login(w, NULL);
    client_send(c, "<r xmlns='urn:xmpp:sm:3'/>");
    client_expect(c, "<a xmlns='urn:xmpp:sm:3' h='0'/>", NULL);
    client_send(c,
                "<iq xmlns='jabber:client' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>");
    client_send(c, "<r xmlns='urn:xmpp:sm:3'/>");
    client_expect(c, "<a xmlns='urn:xmpp:sm:3' h='1'/>", NULL);
    client_send(c, "<a xmlns='urn:xmpp:sm:3' h='1'/>");
    assert_true(c->open);
    client_send(c, "<enable xmlns='urn:xmpp:sm:3'/>");
    client_expect(c, "<failed", "unexpected-request", NULL);
    client_send(c, "<a xmlns='urn:xmpp:sm:3' h='2'/>");
    assert_false(c->open);
    world_free(&w);
}

static void server_asks_for_acknowledgement(void **state)
{
    struct world *w = world_new(false);
    struct client *c = client_login(w, NULL);
    for (int i = 0; i < 8; i++)
        client_send(c,
                    "<iq xmlns='jabber:client' type='get' id='%d'><ping xmlns='urn:xmpp:ping'/>"
                    "</iq>",
                    i);
    assert_int_equal(client_unread(c, "<r xmlns='urn:xmpp:sm:3'/>"), 1);
    client_send(c, "<a xmlns='urn:xmpp:sm:3' h='8'/>");
    client_forget(c);
    client_send(c,
                "<iq xmlns='jabber:client' type='get' id='x'><ping xmlns='urn:xmpp:ping'/></iq>");
    client_never(c, "<r ", NULL);
    world_run(w, 8 * USEC_PER_SEC);
    assert_int_equal(client_unread(c, "<r "), 1);
    world_free(&w);
}

/* A new socket that tries to take over; `expect` is what the answer begins with. */
static struct client *resume_with(struct world *w, const char *query, const char *sm, uint32_t h)
{
    struct client *c = opened(w, query);
    client_send(c, AUTH);
    client_send(c, OPEN);
    client_forget(c);
    client_send(c, "<resume xmlns='urn:xmpp:sm:3' h='%u' previd='%s'/>", h, sm);
    return c;
}

static void lost_sockets_resume(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, false);
    struct client *b = client_enter(w, "r", NULL, false);
    client_forget(a);
    uint32_t got = a->handled;
    client_vanish(a);
    world_run(w, 3 * USEC_PER_SEC);
    client_send(b, "<message xmlns='jabber:client' to='" R "' type='groupchat'><body>hello</body>"
                   "</message>");
    client_never(b, "unavailable", NULL);
    struct client *again = resume_with(w, "previd=x", a->sm, got);
    const char *resumed = client_expect(again, "<resumed xmlns='urn:xmpp:sm:3'", NULL);
    char h[16];
    cut_after(resumed, " h='", h, sizeof h);
    assert_string_equal(h, "4"); /* conference, presence, caps, accept */
    client_expect(again, "hello", NULL);
    client_never(again, "<presence", NULL);
    client_send(again, "<message xmlns='jabber:client' to='" R "' type='groupchat'><body>me too"
                       "</body></message>");
    client_expect(b, "me too", a->nick, NULL);
    world_free(&w);
}

static void unacknowledged_stanzas_come_again(void **state)
{
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    struct client *a = client_enter(w, "r", NULL, false);
    uint32_t before = a->handled;
    client_send(a, "<message xmlns='jabber:client' to='" R "' type='groupchat'><body>one</body>"
                   "</message>");
    client_vanish(a);
    struct client *again = resume_with(w, "", a->sm, before);
    client_expect(again, "<resumed", NULL);
    client_expect(again, ">one<", NULL);
    client_vanish(again);
    struct client *third = resume_with(w, "", a->sm, before + 1);
    client_expect(third, "<resumed", NULL);
    client_never(third, ">one<", NULL);
    world_free(&w);
}

static void a_new_socket_takes_over_from_a_living_one(void **state)
{
    struct world *w = world_new(false);
    struct client *a = client_login(w, NULL);
    struct client *again = resume_with(w, "", a->sm, 0);
    client_expect(again, "<resumed", NULL);
    assert_false(a->open);
    client_vanish(a);
    world_run(w, 80 * USEC_PER_SEC / 4);
    client_send(again,
                "<iq xmlns='jabber:client' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
    client_expect(again, "id='p'", NULL);
    world_free(&w);
}

static void resumes_are_refused(void **state)
{
    struct world *w = world_new(false);
    struct client *a = client_login(w, NULL);
    client_expect(resume_with(w, "", "00000000", 0), "<failed xmlns='urn:xmpp:sm:3'>", NULL);
    struct client *c = resume_with(w, "", a->sm, 99);
    client_expect(c, "<failed", "item-not-found", NULL);
    /* It may begin anew on the same stream. */
    client_send(c, "<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='" NS_BIND "'/></iq>");
    client_expect(c, "<jid", NULL);
    client_vanish(a);
    world_run(w, 61 * USEC_PER_SEC);
    client_expect(resume_with(w, "", a->sm, 0), "<resumed", NULL);
    client_vanish(&w->clients[w->client_count - 1]);
    world_run(w, 72 * USEC_PER_SEC);
    client_expect(resume_with(w, "", a->sm, 0), "<failed", NULL);
    world_free(&w);
}

static void another_person_cannot_resume(void **state)
{
    struct world *w = world_new(true);
    char *mine = world_token(w, "u1", "A", "pupil", NULL, "r");
    char *other = world_token(w, "u2", "B", "pupil", NULL, "r");
    char query[2048];
    struct client *a = client_login(w, mine);
    client_vanish(a);
    (void)snprintf(query, sizeof query, "token=%s", other);
    client_expect(resume_with(w, query, a->sm, 0), "<failed", NULL);
    (void)snprintf(query, sizeof query, "token=%s&previd=%s", mine, a->sm);
    client_expect(resume_with(w, query, a->sm, 0), "<resumed", NULL);
    free(mine);
    free(other);
    world_free(&w);
}

/* Hours forwards: who is inside comes back with the old token, nobody comes in with it. */
static void clocks_that_jump_keep_nobody_out(void **state)
{
    struct world *w = world_new(true);
    char *mine = world_token(w, "u1", "A", "pupil", NULL, "r");
    char *other = world_token(w, "u2", "B", "pupil", NULL, "r");
    char query[2048];
    struct client *a = client_login(w, mine);
    client_vanish(a);
    w->wall_ms += (int64_t)2 * 3600 * 1000;
    world_run(w, USEC_PER_SEC);
    (void)snprintf(query, sizeof query, "token=%s&previd=%s", mine, a->sm);
    struct client *again = resume_with(w, query, a->sm, 0);
    client_expect(again, "<resumed", NULL);
    client_vanish(again);
    struct client *bound = resume_with(w, query, "00000000", 0);
    client_expect(bound, "<failed", NULL);
    client_send(bound,
                "<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='" NS_BIND "'/></iq>");
    client_expect(bound, "not-authorized", NULL);
    (void)snprintf(query, sizeof query, "token=%s&previd=%s", other, a->sm);
    client_expect(resume_with(w, query, a->sm, 0), "<failed", NULL);
    (void)snprintf(query, sizeof query, "token=%s&previd=x", mine);
    struct client *newcomer = opened(w, query);
    client_send(newcomer, AUTH);
    client_expect(newcomer, "<failure", "token expired", NULL);
    free(mine);
    free(other);
    world_free(&w);
}

static void malformed_stanzas_hurt_only_their_sender(void **state)
{
    static const char *const bad[] = {"<iq",
                                      "<presence xmlns='jabber:client'><x></presence>",
                                      "<!DOCTYPE a><a/>",
                                      "\xFF",
                                      "<nothing xmlns='x'/>",
                                      "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct world *w = world_new(false);
        world_bridge_up(w, 0, "b1");
        struct client *a = client_enter(w, "r", NULL, false);
        struct client *b = client_enter(w, "r", NULL, false);
        client_send(b, "%s", bad[i]);
        client_expect(b, "<error xmlns='http://etherx.jabber.org/streams'", NULL);
        assert_false(b->open);
        client_expect(a, "unavailable", b->nick, NULL);
        assert_true(a->open);
        world_free(&w);
    }
}

static void oversize_stanzas_violate_policy(void **state)
{
    struct world *w = world_new(false);
    struct client *a = client_login(w, NULL);
    char *big = malloc(XML_SIZE_MAX + 2);
    memset(big, ' ', XML_SIZE_MAX + 1);
    big[XML_SIZE_MAX + 1] = 0;
    client_send(a, "<iq>%s", big);
    client_expect(a, "policy-violation", NULL);
    assert_false(a->open);
    free(big);
    world_free(&w);
}

static void floods_violate_policy(void **state)
{
    struct world *w = world_new(false);
    struct client *a = client_login(w, NULL);
    for (int i = 0; i < 2100 && a->open; i++)
        client_send(a, "<iq xmlns='jabber:client' type='result' id='%d' to='x'/>", i);
    client_expect(a, "policy-violation", NULL);
    assert_false(a->open);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_are_sorted),
        cmocka_unit_test(failure_has_the_form_the_client_reads),
        cmocka_unit_test(only_anonymous_is_known),
        cmocka_unit_test(wrong_order_is_refused),
        cmocka_unit_test(another_host_is_unknown),
        cmocka_unit_test(slow_openings_end),
        cmocka_unit_test(domain_answers),
        cmocka_unit_test(relays_are_told_with_credentials_for_a_while),
        cmocka_unit_test(nodes_have_unique_prefixes),
        cmocka_unit_test(counters_begin_at_enable),
        cmocka_unit_test(server_asks_for_acknowledgement),
        cmocka_unit_test(lost_sockets_resume),
        cmocka_unit_test(unacknowledged_stanzas_come_again),
        cmocka_unit_test(a_new_socket_takes_over_from_a_living_one),
        cmocka_unit_test(resumes_are_refused),
        cmocka_unit_test(another_person_cannot_resume),
        cmocka_unit_test(clocks_that_jump_keep_nobody_out),
        cmocka_unit_test(malformed_stanzas_hurt_only_their_sender),
        cmocka_unit_test(oversize_stanzas_violate_policy),
        cmocka_unit_test(floods_violate_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
