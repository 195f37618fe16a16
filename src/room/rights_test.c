/* Who may do what: tokens, policy, moderation, and clients that ignore their own interface. */
#include "room/testing.h"

#include <stdio.h>
#include <stdlib.h>

#include "room/inner.h"

#define R "r@conference.meet.example"

static void rights_are_the_stricter_of_both(void **state)
{
    struct policy all = {true, true, true, true, true, true};
    struct policy none = {0};
    struct token pupil = {.present = true, .role = "pupil"};
    struct token teacher = {.present = true, .role = "teacher"};
    struct rights r = rights_of(&pupil, false, &all);
    assert_true(r.microphone && r.camera && r.screen && r.chat && r.private_chat);
    assert_false(r.moderate || r.record);
    r = rights_of(&pupil, false, &none);
    assert_false(r.microphone || r.camera || r.screen || r.chat || r.private_chat);
    r = rights_of(&teacher, false, &none);
    assert_true(r.microphone && r.camera && r.screen && r.chat && r.private_chat && r.moderate);
    assert_false(r.record);
    r = rights_of(&teacher, false, &all);
    assert_true(r.record);
    teacher.has_features = true;
    r = rights_of(&teacher, false, &all);
    assert_false(r.record || r.screen || r.chat || r.private_chat);
    r = rights_of(&pupil, true, &all);
    assert_true(r.moderate && r.record);
    pupil.has_features = true;
    pupil.features[TOKEN_SEND_GROUPCHAT] = true;
    r = rights_of(&pupil, false, &all);
    assert_true(r.chat);
    assert_false(r.screen || r.private_chat);
    r = rights_of(&(struct token){0}, false, &all);
    assert_false(r.moderate || r.record);
}

struct class
{
    struct world *w;
    struct client *teacher;
    struct client *pupil;
};

#define POLICY(mic, cam, screen, chat, priv)                                                       \
    "{\"room\":\"r\",\"class\":\"c1\",\"title\":\"T\",\"open\":true,\"guests\":true,\"policy\":{"  \
    "\"pupils\":{\"microphone\":" mic ",\"camera\":" cam ",\"screen\":" screen ",\"chat\":" chat   \
    ",\"private\":" priv "},\"record\":true}}"

static struct class class_new(const char *policy)
{
    struct class k = {.w = world_new(true)};
    world_bridge_up(k.w, 0, "b1");
    realm_web_up(k.w->realm);
    world_web(k.w, WEB_ROOM, 0, policy);
    char *teacher = world_token(k.w, "t1", "Ms T", "teacher", NULL, "r");
    char *pupil = world_token(k.w, "p1", "Pupil", "pupil", NULL, "r");
    k.teacher = client_enter(k.w, "r", teacher, true);
    k.pupil = client_enter(k.w, "r", pupil, true);
    client_forget(k.teacher);
    free(teacher);
    free(pupil);
    return k;
}

static void focus_iq_from(struct client *c, const char *id, const char *body)
{
    client_send(c, "<iq xmlns='jabber:client' type='set' id='%s' to='" R "/focus'>%s</iq>", id,
                body);
}

static json_t *source_of(struct world *w, const char *nick, size_t index)
{
    struct seen *s = world_last(w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, nick);
    assert_non_null(s);
    return json_array_get(json_object_get(s->body, "sources"), index);
}

static bool blocked(struct world *w, const char *nick, size_t index)
{
    return json_is_true(json_object_get(source_of(w, nick, index), "blocked"));
}

static void roles_come_from_the_token(void **state)
{
    struct class k = class_new(POLICY("true", "true", "true", "true", "true"));
    char *token = world_token(k.w, "p2", "P Two", "pupil", NULL, "r");
    struct client *c = client_login(k.w, token);
    client_join(c, "r");
    client_expect(c, k.teacher->nick, "affiliation='owner' role='moderator'", NULL);
    client_expect(c, "code='110'", "affiliation='none' role='participant'",
                  "<permissions xmlns='http://jitsi.org/jitmeet'>", "name='recording' val='false'",
                  NULL);
    const char *seen = client_expect(k.teacher, c->nick, "<identity>", NULL);
    assert_non_null(strstr(seen, "<id>p2</id>"));
    assert_non_null(strstr(seen, ">P Two</nick>"));
    assert_null(strstr(seen, "<permissions"));
    free(token);
    world_free(&k.w);
}

static void forged_elements_are_cut_out(void **state)
{
    struct class k = class_new(POLICY("true", "true", "true", "true", "true"));
    client_send(k.pupil,
                "<presence xmlns='jabber:client' to='" R "/%s'><identity><user><id>t1</id></user>"
                "</identity><x xmlns='http://jabber.org/protocol/muc#user'><item "
                "affiliation='owner'/></x><permissions xmlns='http://jitsi.org/jitmeet'/>"
                "<avatar-url>https://evil.example/x</avatar-url><nick xmlns='" NS_NICK "'>Ms T"
                "</nick><jibri-recording-status xmlns='http://jitsi.org/protocol/jibri'/>"
                "<own xmlns='urn:x' a='1'>kept &lt;</own></presence>",
                k.pupil->nick);
    const char *seen = client_expect(k.teacher, k.pupil->nick, "<own", NULL);
    assert_null(strstr(seen, "owner"));
    assert_null(strstr(seen, "t1"));
    assert_null(strstr(seen, "evil"));
    assert_null(strstr(seen, "Ms T"));
    assert_null(strstr(seen, "jibri"));
    assert_non_null(strstr(seen, "<own xmlns='urn:x' a='1'>kept &lt;</own>"));
    world_free(&k.w);
}

static void who_may_not_send_is_blocked_at_the_bridge(void **state)
{
    struct class k = class_new(POLICY("false", "true", "true", "true", "true"));
    assert_true(blocked(k.w, k.pupil->nick, 0));
    struct class open = class_new(POLICY("true", "true", "true", "true", "true"));
    assert_false(blocked(open.w, open.pupil->nick, 0));
    /* Whatever it claims, others see it muted. */
    client_send(k.pupil,
                "<presence xmlns='jabber:client' to='" R "/%s'><SourceInfo>{\"%s-a0\":{\"muted\":"
                "false},\"%s-v0\":{\"muted\":false}}</SourceInfo></presence>",
                k.pupil->nick, k.pupil->nick, k.pupil->nick);
    char audio[64], video[64];
    (void)snprintf(audio, sizeof audio, "\"%s-a0\":{\"muted\":true}", k.pupil->nick);
    (void)snprintf(video, sizeof video, "\"%s-v0\":{\"muted\":false}", k.pupil->nick);
    client_expect(k.teacher, audio, video, NULL);
    world_free(&k.w);
    world_free(&open.w);
}

static void forbidden_sources_are_refused(void **state)
{
    struct class k = class_new(POLICY("true", "true", "false", "true", "true"));
    char body[1024];
    (void)snprintf(body, sizeof body,
                   "<jingle xmlns='" NS_JINGLE "' action='source-add' sid='%s'><content "
                   "name='video'><description xmlns='" NS_JINGLE_RTP "' media='video'><source "
                   "xmlns='" NS_JINGLE_SOURCES "' ssrc='77' name='%s-v1' videoType='desktop'/>"
                   "</description></content></jingle>",
                   k.pupil->sid, k.pupil->nick);
    focus_iq_from(k.pupil, "add", body);
    client_expect(k.pupil, "id='add'", "type='error'", "forbidden", NULL);
    world_free(&k.w);
}

static void screens_in_disguise_are_blocked(void **state)
{
    struct class k = class_new(POLICY("true", "true", "false", "true", "true"));
    struct client *ch = client_channel(k.pupil);
    assert_false(blocked(k.w, k.pupil->nick, 1));
    client_send(ch,
                "{\"colibriClass\":\"SourceVideoTypeMessage\",\"sourceName\":\"%s-v0\","
                "\"videoType\":\"desktop\"}",
                k.pupil->nick);
    assert_true(blocked(k.w, k.pupil->nick, 1));
    world_free(&k.w);
}

static void policy_changes_reach_those_inside(void **state)
{
    struct class k = class_new(POLICY("true", "true", "true", "true", "true"));
    client_send(k.pupil,
                "<presence xmlns='jabber:client' to='" R "/%s'><SourceInfo>{\"%s-a0\":{\"muted\":"
                "false}}</SourceInfo></presence>",
                k.pupil->nick, k.pupil->nick);
    world_forget(k.w);
    client_forget(k.pupil);
    client_forget(k.teacher);
    world_web(k.w, WEB_ROOM, 0, POLICY("false", "true", "true", "false", "true"));
    assert_true(blocked(k.w, k.pupil->nick, 0));
    client_expect(k.pupil, "<mute xmlns='http://jitsi.org/jitmeet/audio'", ">true<", NULL);
    client_expect(k.pupil, "name='send-groupchat' val='false'", NULL);
    client_expect(k.teacher, k.pupil->nick, "\"muted\":true", NULL);
    client_send(k.pupil, "<message xmlns='jabber:client' to='" R "' type='groupchat' id='m'><body>x"
                         "</body></message>");
    client_expect(k.pupil, "type='error'", "forbidden", "id='m'", NULL);
    client_never(k.teacher, "<body", NULL);
    assert_null(world_take(k.w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, k.teacher->nick));
    world_free(&k.w);
}

static void mute_holds_until_the_person_unmutes(void **state)
{
    struct class k = class_new(POLICY("true", "true", "true", "true", "true"));
    const char *nick = k.pupil->nick;
    char body[256];
#define SHOW(value)                                                                                \
    client_send(k.pupil,                                                                           \
                "<presence xmlns='jabber:client' to='" R                                           \
                "/%s'><SourceInfo>{\"%s-a0\":{\"muted\":" value "}}</SourceInfo></presence>",      \
                nick, nick)
    SHOW("false");
    (void)snprintf(body, sizeof body,
                   "<mute xmlns='http://jitsi.org/jitmeet/audio' jid='" R "/%s'>true</mute>", nick);
    focus_iq_from(k.teacher, "m1", body);
    client_expect(k.teacher, "id='m1'", "type='result'", NULL);
    const char *mute = client_expect(k.pupil, "<mute", "from='" R "/focus'", NULL);
    char actor[128];
    cut_after(mute, "actor='", actor, sizeof actor);
    assert_memory_equal(actor, R "/", strlen(R "/"));
    assert_string_equal(actor + strlen(R "/"), k.teacher->nick);
    assert_true(blocked(k.w, nick, 0));
    /* Saying again what it said before changes nothing. */
    SHOW("false");
    assert_true(blocked(k.w, nick, 0));
    SHOW("true");
    assert_true(blocked(k.w, nick, 0));
    SHOW("false");
    assert_false(blocked(k.w, nick, 0));
    assert_non_null(world_take(k.w, OUTBOX_WEB, WEB_EVENT, "\"event\":\"muted\""));
    /* The other way: by asking the focus. */
    focus_iq_from(k.teacher, "m2", body);
    assert_true(blocked(k.w, nick, 0));
    (void)snprintf(body, sizeof body,
                   "<mute xmlns='http://jitsi.org/jitmeet/audio' jid='" R "/%s'>false</mute>",
                   nick);
    focus_iq_from(k.pupil, "u1", body);
    client_expect(k.pupil, "id='u1'", "type='result'", NULL);
    assert_false(blocked(k.w, nick, 0));
    /* Nobody unmutes somebody else. */
    focus_iq_from(k.teacher, "u2", body);
    client_expect(k.teacher, "id='u2'", "type='error'", "not-allowed", NULL);
    world_free(&k.w);
}

static void pupils_cannot_moderate(void **state)
{
    struct class k = class_new(POLICY("true", "true", "true", "true", "true"));
    char body[256];
    (void)snprintf(body, sizeof body,
                   "<mute xmlns='http://jitsi.org/jitmeet/video' jid='" R "/%s'>true</mute>",
                   k.teacher->nick);
    focus_iq_from(k.pupil, "m", body);
    client_expect(k.pupil, "id='m'", "not-allowed", NULL);
    client_never(k.teacher, "<mute", NULL);
    focus_iq_from(k.pupil, "r",
                  "<jibri xmlns='http://jitsi.org/protocol/jibri' action='start' "
                  "recording_mode='file'/>");
    client_expect(k.pupil, "id='r'", "forbidden", NULL);
    assert_null(world_take(k.w, OUTBOX_SUPERVISOR, 0, NULL));
    static const char *const asks[] = {
        "<query xmlns='http://jabber.org/protocol/muc#admin'><item nick='%s' role='none'/></query>",
        "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='owner' jid='%s'/>"
        "</query>",
        "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' "
        "type='submit'><field var='muc#roomconfig_roomsecret'><value>%s</value></field></x>"
        "</query>",
    };
    for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
        (void)snprintf(body, sizeof body, asks[i], i == 1 ? k.pupil->jid : k.teacher->nick);
        client_send(k.pupil, "<iq xmlns='jabber:client' type='set' id='a%zu' to='" R "'>%s</iq>", i,
                    body);
        client_expect(k.pupil, "type='error'", "forbidden", NULL);
    }
    client_send(k.pupil, "<message xmlns='jabber:client' to='" R "' type='groupchat'><subject>mine"
                         "</subject></message>");
    client_expect(k.pupil, "type='error'", "forbidden", NULL);
    client_send(k.pupil,
                "<message xmlns='jabber:client' to='metadata.meet.example'><room_metadata "
                "xmlns='http://jitsi.org/jitmeet' room='" R "'>{\"key\":\"startMuted\",\"data\":1}"
                "</room_metadata></message>");
    client_expect(k.pupil, "type='error'", "forbidden", NULL);
    world_free(&k.w);
}

static void moderators_kick_pupils(void **state)
{
    struct class k = class_new(POLICY("true", "true", "true", "true", "true"));
    client_send(k.teacher,
                "<iq xmlns='jabber:client' type='set' id='k' to='" R "'><query "
                "xmlns='http://jabber.org/protocol/muc#admin'><item nick='%s' role='none'><reason>"
                "bye</reason></item></query></iq>",
                k.pupil->nick);
    client_expect(k.teacher, "id='k'", "type='result'", NULL);
    client_expect(k.teacher, "unavailable", "code='307'", k.pupil->nick, NULL);
    char actor[32];
    const char *out =
        client_expect(k.pupil, "unavailable", "code='307'", "code='110'", ">bye<", NULL);
    cut_after(strstr(out, "<actor"), "nick='", actor, sizeof actor);
    assert_string_equal(actor, k.teacher->nick);
    struct seen *event = world_take(k.w, OUTBOX_WEB, WEB_EVENT, "\"event\":\"kicked\"");
    assert_string_equal(json_string_value(json_object_get(event->body, "by")), "t1");
    assert_string_equal(json_string_value(json_object_get(event->body, "class")), "c1");
    assert_non_null(world_take(k.w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT_GONE, k.pupil->nick));
    world_free(&k.w);
}

static void outcasts_stay_outside(void **state)
{
    struct class k = class_new(POLICY("true", "true", "true", "true", "true"));
    char bare[128];
    (void)snprintf(bare, sizeof bare, "%.*s", (int)strcspn(k.pupil->jid, "/"), k.pupil->jid);
    client_send(k.teacher,
                "<iq xmlns='jabber:client' type='set' id='o' to='" R "'><query "
                "xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='outcast' "
                "jid='%s'/></query></iq>",
                bare);
    client_expect(k.teacher, "id='o'", "type='result'", NULL);
    client_expect(k.pupil, "unavailable", "affiliation='outcast'", "code='301'", NULL);
    /* Not with a newer token either; somebody else comes in. */
    k.w->wall_ms += 60000;
    char *again = world_token(k.w, "p1", "P", "pupil", NULL, "r");
    struct client *c = client_login(k.w, again);
    client_send(c,
                "<presence xmlns='jabber:client' to='" R "/%s'><x xmlns='" NS_MUC "'/></presence>",
                c->nick);
    client_expect(c, "<presence", "type='error'", "not-allowed", NULL);
    char *other = world_token(k.w, "p2", "P", "pupil", NULL, "r");
    assert_non_null(client_enter(k.w, "r", other, true));
    free(again);
    free(other);
    world_free(&k.w);
}

static void staff_is_not_kicked(void **state)
{
    struct class k = class_new(POLICY("true", "true", "true", "true", "true"));
    char *token = world_token(k.w, "t2", "Mr U", "teacher", NULL, "r");
    struct client *other = client_enter(k.w, "r", token, true);
    client_send(k.teacher,
                "<iq xmlns='jabber:client' type='set' id='k' to='" R "'><query "
                "xmlns='http://jabber.org/protocol/muc#admin'><item nick='%s' role='none'/></query>"
                "</iq>",
                other->nick);
    client_expect(k.teacher, "id='k'", "not-allowed", NULL);
    free(token);
    world_free(&k.w);
}

static void moderation_can_be_granted(void **state)
{
    struct class k = class_new(POLICY("false", "true", "true", "true", "true"));
    char bare[128];
    (void)snprintf(bare, sizeof bare, "%.*s", (int)strcspn(k.pupil->jid, "/"), k.pupil->jid);
    client_send(k.teacher,
                "<iq xmlns='jabber:client' type='set' id='g' to='" R "'><query "
                "xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='owner' jid='%s'/>"
                "</query></iq>",
                bare);
    client_expect(k.teacher, "id='g'", "type='result'", NULL);
    client_expect(k.teacher, k.pupil->nick, "role='moderator'", NULL);
    client_expect(k.pupil, "code='110'", "role='moderator'", NULL);
    assert_false(blocked(k.w, k.pupil->nick, 0));
    world_free(&k.w);
}

static void rooms_can_be_locked(void **state)
{
    struct class k = class_new(POLICY("true", "true", "true", "true", "true"));
    client_send(k.teacher, "<iq xmlns='jabber:client' type='get' id='f' to='" R "'><query "
                           "xmlns='http://jabber.org/protocol/muc#owner'/></iq>");
    client_expect(k.teacher, "id='f'", "muc#roomconfig_roomsecret", NULL);
    client_send(k.teacher,
                "<iq xmlns='jabber:client' type='set' id='l' to='" R "'><query "
                "xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' "
                "type='submit'><field var='muc#roomconfig_roomsecret'><value>sesame</value></field>"
                "<field var='muc#roomconfig_whois'><value>anyone</value></field></x></query></iq>");
    client_expect(k.teacher, "id='l'", "type='result'", NULL);
    client_expect(k.pupil, "groupchat", "code='104'", NULL);
    char *token = world_token(k.w, "p2", "P", "pupil", NULL, "r");
    struct client *c = client_login(k.w, token);
    client_send(c,
                "<presence xmlns='jabber:client' to='" R "/%s'><x xmlns='" NS_MUC "'/></presence>",
                c->nick);
    client_expect(c, "<presence", "type='auth'", "not-authorized xmlns='" NS_STANZAS "'", NULL);
    client_send(c,
                "<presence xmlns='jabber:client' to='" R "/%s'><x xmlns='" NS_MUC "'><password>"
                "sesame</password></x></presence>",
                c->nick);
    client_expect(c, "code='110'", NULL);
    client_send(c, "<iq xmlns='jabber:client' type='get' id='d' to='" R
                   "'><query xmlns='" NS_DISCO_INFO "'/></iq>");
    client_expect(c, "muc_passwordprotected", "muc#roominfo_meetingId",
                  "muc#roominfo_created_timestamp", NULL);
    free(token);
    world_free(&k.w);
}

static void strangers_stay_outside(void **state)
{
    struct world *w = world_new(true);
    world_web(w, WEB_ROOM, 0,
              "{\"room\":\"r\",\"class\":\"c1\",\"title\":\"T\",\"open\":true,\"guests\":false,"
              "\"policy\":{}}");
    static const char *const rows[][3] = {
        {"pupil", "other", "r"}, {"guest", "r", "r"}, {"pupil", "*", "unknown"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *token = world_token(w, "x", "X", rows[i][0], NULL, rows[i][1]);
        struct client *c = client_login(w, token);
        client_send(
            c,
            "<iq xmlns='jabber:client' type='set' id='c' to='focus.meet.example'><conference "
            "xmlns='" NS_FOCUS "' room='%s@conference.meet.example'/></iq>",
            rows[i][2]);
        client_expect(c, "id='c'", "type='error'", "not-allowed", NULL);
        client_send(
            c,
            "<presence xmlns='jabber:client' to='%s@conference.meet.example/%s'><x xmlns='" NS_MUC
            "'/></presence>",
            rows[i][2], c->nick);
        client_expect(c, "<presence", "type='error'", "type='cancel'", "not-allowed", NULL);
        free(token);
    }
    world_free(&w);
}

static void nicknames_are_the_endpoints(void **state)
{
    struct world *w = world_new(false);
    struct client *a = client_login(w, NULL);
    client_join(a, "r");
    struct client *b = client_login(w, NULL);
    static const char *const nicks[] = {"focus", "zzzzzzzz", ""};
    for (size_t i = 0; i < ARRAY_LEN(nicks); i++) {
        client_send(
            b, "<presence xmlns='jabber:client' to='" R "/%s'><x xmlns='" NS_MUC "'/></presence>",
            nicks[i]);
        client_expect(b, "<presence", "type='error'", NULL);
    }
    client_send(b,
                "<presence xmlns='jabber:client' to='" R "/%s'><x xmlns='" NS_MUC "'/></presence>",
                a->nick);
    client_expect(b, "type='error'", "conflict", NULL);
    client_never(a, "conflict", NULL);
    world_free(&w);
}

static void full_rooms_say_so(void **state)
{
    struct world *w = world_new(false);
    realm_free(&w->realm);
    w->config.occupants_max = 1;
    w->realm = realm_new(&w->config);
    realm_clock(w->realm, w->now, w->wall_ms);
    struct client *a = client_login(w, NULL);
    client_join(a, "r");
    struct client *b = client_login(w, NULL);
    client_join(b, "r");
    client_expect(b, "type='cancel'", "service-unavailable", NULL);
    world_free(&w);
}

static struct client *try_check(struct world *w, char *token, const char *room)
{
    struct client *c = client_login(w, token);
    free(token);
    client_send(c,
                "<iq xmlns='jabber:client' type='set' id='c' to='focus.meet.example'><conference "
                "xmlns='" NS_FOCUS "' room='%s@conference.meet.example'/></iq>",
                room);
    return c;
}

static char *check_token(struct world *w, const char *room)
{
    return world_token(w, "p1", "", "check", NULL, room);
}

static void lines_are_measured_by_two_ends_for_a_while(void **state)
{
    struct class k = class_new(POLICY("true", "true", "true", "true", "true"));
    struct world *w = k.w;
    world_forget(w);
    char *token = check_token(w, "check-1");
    struct client *a = client_enter(w, "check-1", token, true);
    struct client *b = client_enter(w, "check-1", token, true);
    client_send(a, "<message xmlns='jabber:client' type='groupchat' id='m' to='check-1@conference."
                   "meet.example'><body>hello</body></message>");
    client_expect(a, "<message", "type='error'", "forbidden", NULL);
    struct client *c = client_login(w, token);
    client_join(c, "check-1");
    client_expect(c, "type='cancel'", "service-unavailable", NULL);
    world_restart(w);
    free(token);
    assert_null(world_take(w, OUTBOX_WEB, WEB_EVENT, "check-1"));
    world_run(w, 40 * USEC_PER_SEC);
    assert_non_null(room_find(w->realm, SLICE("check-1")));
    assert_int_equal(room_find(w->realm, SLICE("check-1"))->count, 2);
    world_run(w, 6 * USEC_PER_SEC);
    assert_int_equal(room_find(w->realm, SLICE("check-1"))->count, 0);
    client_forget(b);
    world_free(&w);
}

static void tokens_for_measuring_open_nothing_else(void **state)
{
    struct class k = class_new(POLICY("true", "true", "true", "true", "true"));
    struct world *w = k.w;
    client_expect(try_check(w, check_token(w, "r"), "r"), "id='c'", "not-allowed", NULL);
    client_expect(try_check(w, check_token(w, "check-2"), "check-3"), "id='c'", "not-allowed",
                  NULL);
    client_expect(try_check(w, check_token(w, "*"), "check-3"), "id='c'", "not-allowed", NULL);
    struct client *early = try_check(w, check_token(w, "check-4"), "check-4");
    client_expect(early, "id='c'", "ready='true'", NULL);
    char *pupil = world_token(w, "p2", "", "pupil", NULL, "check-4");
    client_expect(try_check(w, pupil, "check-4"), "id='c'", "not-allowed", NULL);
    /* Its stream outlives the token, and the room that is forgotten: it opens no second one. */
    world_run(w, 120 * USEC_PER_SEC);
    assert_null(room_find(w->realm, SLICE("check-4")));
    client_send(early,
                "<iq xmlns='jabber:client' type='set' id='d' to='focus.meet.example'>"
                "<conference xmlns='" NS_FOCUS "' room='check-4@conference.meet.example'/></iq>");
    client_expect(early, "id='d'", "not-allowed", NULL);
    world_free(&w);
}

static void direct_sessions_need_every_right(void **state)
{
    struct class k = class_new(POLICY("false", "true", "true", "true", "true"));
    client_send(k.pupil,
                "<iq xmlns='jabber:client' type='set' id='p' to='" R
                "/%s'><jingle xmlns='" NS_JINGLE "' action='session-initiate' sid='p2p'/></iq>",
                k.teacher->nick);
    client_expect(k.pupil, "id='p'", "forbidden", NULL);
    client_send(k.teacher,
                "<iq xmlns='jabber:client' type='set' id='q' to='" R
                "/%s'><jingle xmlns='" NS_JINGLE "' action='session-initiate' sid='p2p'/></iq>",
                k.pupil->nick);
    char from[64];
    const char *got = client_expect(k.pupil, "id='q'", "session-initiate", NULL);
    cut_after(got, " from='" R "/", from, sizeof from);
    assert_string_equal(from, k.teacher->nick);
    client_send(k.pupil, "<iq xmlns='jabber:client' type='result' id='q' to='" R "/%s'/>",
                k.teacher->nick);
    client_expect(k.teacher, "id='q'", "type='result'", k.pupil->nick, NULL);
    client_send(k.teacher, "<iq xmlns='jabber:client' type='get' id='z' to='" R "/00000000'><query "
                           "xmlns='" NS_DISCO_INFO "'/></iq>");
    client_expect(k.teacher, "id='z'", "item-not-found", NULL);
    world_free(&k.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rights_are_the_stricter_of_both),
        cmocka_unit_test(lines_are_measured_by_two_ends_for_a_while),
        cmocka_unit_test(tokens_for_measuring_open_nothing_else),
        cmocka_unit_test(roles_come_from_the_token),
        cmocka_unit_test(forged_elements_are_cut_out),
        cmocka_unit_test(who_may_not_send_is_blocked_at_the_bridge),
        cmocka_unit_test(forbidden_sources_are_refused),
        cmocka_unit_test(screens_in_disguise_are_blocked),
        cmocka_unit_test(policy_changes_reach_those_inside),
        cmocka_unit_test(mute_holds_until_the_person_unmutes),
        cmocka_unit_test(pupils_cannot_moderate),
        cmocka_unit_test(moderators_kick_pupils),
        cmocka_unit_test(outcasts_stay_outside),
        cmocka_unit_test(staff_is_not_kicked),
        cmocka_unit_test(moderation_can_be_granted),
        cmocka_unit_test(rooms_can_be_locked),
        cmocka_unit_test(strangers_stay_outside),
        cmocka_unit_test(nicknames_are_the_endpoints),
        cmocka_unit_test(full_rooms_say_so),
        cmocka_unit_test(direct_sessions_need_every_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
