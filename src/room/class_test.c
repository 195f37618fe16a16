/* A class as web sees it: rooms, events, recording, chat, metadata, the conference request. */
#include "room/testing.h"

#include <stdio.h>
#include <stdlib.h>

#include "room/inner.h"

#define R "r@conference.meet.example"
#define ROOM                                                                                       \
    "{\"room\":\"r\",\"class\":\"c1\",\"title\":\"T\",\"open\":true,\"guests\":true,\"policy\":{"  \
    "\"pupils\":{},\"record\":true}}"

struct class
{
    struct world *w;
    struct client *teacher;
    struct client *pupil;
};

static struct client *enter_as(struct world *w, const char *id, const char *role)
{
    char *token = world_token(w, id, id, role, NULL, "r");
    struct client *c = client_enter(w, "r", token, true);
    free(token);
    return c;
}

static struct class class_new(void)
{
    struct class k = {.w = world_new(true)};
    world_bridge_up(k.w, 0, "b1");
    realm_web_up(k.w->realm);
    world_web(k.w, WEB_ROOM, 0, ROOM);
    k.teacher = enter_as(k.w, "t1", "teacher");
    k.pupil = enter_as(k.w, "p1", "pupil");
    client_forget(k.teacher);
    return k;
}

static struct seen *event(struct world *w, const char *name)
{
    char part[64];
    (void)snprintf(part, sizeof part, "\"event\":\"%s\"", name);
    return world_take(w, OUTBOX_WEB, WEB_EVENT, part);
}

static const char *text_of(struct seen *s, const char *key)
{
    return json_string_value(json_object_get(s->body, key));
}

static void web_hears_who_comes_and_goes(void **state)
{
    struct class k = class_new();
    assert_non_null(event(k.w, "opened"));
    struct seen *join = event(k.w, "join");
    assert_string_equal(text_of(join, "user"), "t1");
    assert_string_equal(text_of(join, "endpoint"), k.teacher->nick);
    assert_string_equal(text_of(join, "room"), "r");
    assert_int_equal(json_integer_value(json_object_get(join->body, "at_ms")),
                     INT64_C(1800000000000));
    assert_true(json_integer_value(json_object_get(join->body, "clock_ms")) > 0);
    char stay[40];
    (void)snprintf(stay, sizeof stay, "%s", text_of(join, "session"));
    world_run(k.w, 5 * USEC_PER_SEC);
    k.w->wall_ms -= 3600000; /* the wall clock jumps: the length of a stay does not */
    world_run(k.w, 5 * USEC_PER_SEC);
    client_send(k.teacher, "<presence xmlns='jabber:client' type='unavailable'/>");
    struct seen *leave = event(k.w, "leave");
    assert_string_equal(text_of(leave, "session"), stay);
    assert_int_equal(json_integer_value(json_object_get(leave->body, "present_ms")), 10000);
    assert_null(event(k.w, "emptied"));
    client_send(k.pupil, "<presence xmlns='jabber:client' type='unavailable'/>");
    assert_non_null(event(k.w, "emptied"));
    world_free(&k.w);
}

static void events_wait_for_web(void **state)
{
    struct class k = class_new();
    struct seen *first = world_take(k.w, OUTBOX_WEB, WEB_EVENT, NULL);
    uint64_t id = first->id;
    realm_web_lost(k.w->realm);
    world_forget(k.w);
    client_send(k.pupil, "<presence xmlns='jabber:client' type='unavailable'/>");
    assert_null(world_take(k.w, OUTBOX_WEB, WEB_EVENT, NULL));
    world_restart(k.w);
    realm_web_up(k.w->realm);
    world_pump(k.w);
    assert_int_equal(world_take(k.w, OUTBOX_WEB, WEB_EVENT, NULL)->id, id);
    struct seen *leave = event(k.w, "leave");
    assert_non_null(leave);
    id = leave->id;
    world_web(k.w, WEB_ACK, id, "{}");
    assert_int_equal(realm_gauges(k.w->realm).events_waiting, 0);
    realm_web_up(k.w->realm);
    world_forget(k.w);
    world_pump(k.w);
    assert_null(world_take(k.w, OUTBOX_WEB, WEB_EVENT, NULL));
    /* Numbers go on where they were, though nothing waits. */
    world_restart(k.w);
    realm_web_up(k.w->realm);
    world_run(k.w, 75 * USEC_PER_SEC);
    assert_true(event(k.w, "leave")->id > id);
    world_free(&k.w);
}

static void dead_web_stops_no_class(void **state)
{
    struct class k = class_new();
    realm_web_lost(k.w->realm);
    struct client *late = enter_as(k.w, "p2", "pupil");
    client_expect(k.teacher, late->nick, NULL);
    world_free(&k.w);
}

static void closed_rooms_send_everybody_out(void **state)
{
    static const char *const ends[] = {
        "{\"room\":\"r\",\"class\":\"c1\",\"open\":false,\"policy\":{}}", "{\"room\":\"r\"}", "{}"};
    static const uint16_t types[] = {WEB_ROOM, WEB_ROOM_GONE, WEB_SYNC_DONE};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct class k = class_new();
        if (types[i] == WEB_SYNC_DONE)
            realm_web_up(k.w->realm);
        world_web(k.w, types[i], 0, ends[i]);
        client_expect(k.teacher, "unavailable", k.teacher->nick, "<destroy",
                      ">The meeting has been terminated<", NULL);
        client_expect(k.pupil, "<destroy", NULL);
        client_never(k.teacher, k.pupil->nick, "unavailable", NULL);
        assert_non_null(world_take(k.w, OUTBOX_BRIDGE, BRIDGE_CONFERENCE_GONE, NULL));
        char *token = world_token(k.w, "x", "X", "pupil", NULL, "r");
        struct client *c = client_login(k.w, token);
        free(token);
        client_send(
            c, "<presence xmlns='jabber:client' to='" R "/%s'><x xmlns='" NS_MUC "'/></presence>",
            c->nick);
        client_expect(c, "type='error'", "not-allowed", NULL);
        world_free(&k.w);
    }
}

static void web_removes_a_person(void **state)
{
    struct class k = class_new();
    world_web(k.w, WEB_REMOVE, 0, "{\"room\":\"r\",\"user\":\"p1\"}");
    client_expect(k.pupil, "code='307'", NULL);
    client_never(k.teacher, "code='110'", "307", NULL);
    /* The old token does not let it in again; a newer one does. */
    for (int i = 0; i < 2; i++) {
        char *token = world_token(k.w, "p1", "P", "pupil", NULL, "r");
        struct client *c = client_login(k.w, token);
        client_send(
            c, "<iq xmlns='jabber:client' type='set' id='c' to='focus.meet.example'><conference "
               "xmlns='" NS_FOCUS "' room='" R "'/></iq>");
        client_expect(c, "id='c'", i == 0 ? "not-allowed" : "ready='true'", NULL);
        free(token);
        world_run(k.w, 2 * USEC_PER_SEC);
    }
    world_web(k.w, WEB_REMOVE, 0, "{\"room\":\"nowhere\",\"user\":\"p1\"}");
    world_free(&k.w);
}

static void senseless_messages_condemn_web(void **state)
{
    struct world *w = world_new(true);
    assert_int_equal(realm_input_web(w->realm, WEB_ROOM, 0, SLICE("x")), ERR_FORMAT);
    assert_int_equal(realm_input_web(w->realm, WEB_ROOM, 0, SLICE("{}")), ERR_FORMAT);
    assert_int_equal(realm_input_web(w->realm, WEB_ROOM, 0, SLICE("{\"room\":\"a b\"}")),
                     ERR_FORMAT);
    assert_int_equal(realm_input_web(w->realm, 999, 0, SLICE("{}")), 0);
    assert_int_equal(realm_input_edge(w->realm, EDGE_WS_OPEN, 1, SLICE("[]")), ERR_FORMAT);
    world_free(&w);
}

static void jibri(struct client *c, const char *id, const char *action)
{
    client_send(c,
                "<iq xmlns='jabber:client' type='set' id='%s' to='" R "/focus'><jibri "
                "xmlns='http://jitsi.org/protocol/jibri' action='%s'%s/></iq>",
                id, action, strcmp(action, "start") == 0 ? " recording_mode='file'" : "");
}

static void recorder(struct world *w, const char *id, const char *state)
{
    json_t *m = json_pack("{ss ss ss}", "type", "recorder", "recording", id, "state", state);
    realm_input_recorder(w->realm, m);
    json_decref(m);
    world_pump(w);
}

static void recording_is_shown_before_it_begins(void **state)
{
    struct class k = class_new();
    char id[40], part[80];
    world_forget(k.w);
    jibri(k.teacher, "j1", "start");
    cut_after(client_expect(k.teacher, "id='j1'", "status='pending'", NULL), "session_id='", id,
              sizeof id);
    struct seen *ask = world_take(k.w, OUTBOX_SUPERVISOR, 0, "\"type\":\"record\"");
    assert_string_equal(text_of(ask, "recording"), id);
    assert_int_equal(json_integer_value(json_object_get(ask->body, "worker")), 0);
    assert_null(world_take(k.w, OUTBOX_BRIDGE, BRIDGE_CONFERENCE, NULL));
    jibri(k.teacher, "j2", "start");
    client_expect(k.teacher, "id='j2'", "unexpected-request", NULL);
    recorder(k.w, id, "running");
    (void)snprintf(part, sizeof part, "session_id='%s' status='on' recording_mode='file'", id);
    client_expect(k.pupil, "<presence", "/focus'", part, k.teacher->nick, NULL);
    assert_non_null(world_take(k.w, OUTBOX_BRIDGE, BRIDGE_CONFERENCE, id));
    assert_non_null(world_take(k.w, OUTBOX_BRIDGE, BRIDGE_EVENT, "\"role\":\"teacher\""));
    assert_non_null(world_take(k.w, OUTBOX_BRIDGE, BRIDGE_EVENT, "\"role\":\"pupil\""));
    assert_non_null(event(k.w, "recording-start"));
    recorder(k.w, id, "running");
    assert_null(event(k.w, "recording-start"));
    char *token = world_token(k.w, "p2", "P2", "pupil", NULL, "r");
    struct client *late = client_login(k.w, token);
    client_join(late, "r");
    assert_non_null(strstr(late->inbox[0], "status='on'"));
    free(token);
    world_run(k.w, 7 * USEC_PER_SEC);
    jibri(k.teacher, "j3", "stop");
    client_expect(k.teacher, "id='j3'", "type='result'", NULL);
    client_expect(k.pupil, "/focus'", "status='off'", NULL);
    assert_non_null(world_take(k.w, OUTBOX_BRIDGE, BRIDGE_CONFERENCE, "\"record\":null"));
    assert_non_null(world_take(k.w, OUTBOX_SUPERVISOR, 0, "record-stop"));
    assert_int_equal(
        json_integer_value(json_object_get(event(k.w, "recording-stop")->body, "duration_ms")),
        7000);
    jibri(k.teacher, "j4", "stop");
    client_expect(k.teacher, "id='j4'", "item-not-found", NULL);
    world_free(&k.w);
}

static void encrypt(struct client *c, bool on)
{
    client_send(c,
                "<presence xmlns='jabber:client' to='" R "/%s'><jitsi_participant_e2ee.enabled>%s"
                "</jitsi_participant_e2ee.enabled></presence>",
                c->nick, on ? "true" : "false");
}

static void nothing_encrypted_is_recorded(void **state)
{
    struct class k = class_new();
    char id[40];
    encrypt(k.pupil, true);
    jibri(k.teacher, "j1", "start");
    client_expect(k.teacher, "id='j1'", "not-allowed", NULL);
    encrypt(k.pupil, false);
    jibri(k.teacher, "j2", "start");
    cut_after(client_expect(k.teacher, "id='j2'", NULL), "session_id='", id, sizeof id);
    recorder(k.w, id, "running");
    world_forget(k.w);
    encrypt(k.pupil, true);
    client_expect(k.teacher, "/focus'", "status='off'", NULL);
    assert_non_null(world_take(k.w, OUTBOX_BRIDGE, BRIDGE_CONFERENCE, "\"record\":null"));
    world_free(&k.w);
}

static void a_recording_changes_no_codec(void **state)
{
    struct class k = class_new();
    char id[40];
    jibri(k.teacher, "j", "start");
    cut_after(client_expect(k.teacher, "id='j'", NULL), "session_id='", id, sizeof id);
    recorder(k.w, id, "running");
    client_expect(k.pupil, "/focus'", "key='visitor-codecs' value='vp8,av1,h264'", "status='on'",
                  NULL);
    world_free(&k.w);
}

static void feed_hears_what_happens(void **state)
{
    struct class k = class_new();
    char id[40];
    jibri(k.teacher, "j", "start");
    cut_after(client_expect(k.teacher, "id='j'", NULL), "session_id='", id, sizeof id);
    client_send(k.pupil, "<message xmlns='jabber:client' to='" R "' type='groupchat'><body>before"
                         "</body></message>");
    recorder(k.w, id, "running");
    client_send(k.pupil, "<message xmlns='jabber:client' to='" R "' type='groupchat'><body>during"
                         "</body></message>");
    client_send(k.pupil,
                "<message xmlns='jabber:client' to='" R "/%s' type='chat'><body>secret"
                "</body></message>",
                k.teacher->nick);
    client_send(k.pupil,
                "<presence xmlns='jabber:client' to='" R "/%s'><jitsi_participant_raisedHand>1"
                "</jitsi_participant_raisedHand><SourceInfo>{\"%s-a0\":{\"muted\":false},\"%s-v1\":"
                "{\"muted\":false,\"videoType\":\"desktop\"}}</SourceInfo></presence>",
                k.pupil->nick, k.pupil->nick, k.pupil->nick);
    static const char *const parts[] = {"during", "\"hand\"", "-v1\",\"on\":true",
                                        "-a0\",\"muted\":false"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (!world_take(k.w, OUTBOX_BRIDGE, BRIDGE_EVENT, parts[i]))
            fail_msg("the feed did not hear of %s", parts[i]);
    assert_null(world_take(k.w, OUTBOX_BRIDGE, BRIDGE_EVENT, "before"));
    assert_null(world_take(k.w, OUTBOX_BRIDGE, BRIDGE_EVENT, "secret"));
    world_free(&k.w);
}

static void recordings_fail_and_end_by_themselves(void **state)
{
    struct class k = class_new();
    char id[40];
    jibri(k.teacher, "j", "start");
    client_forget(k.teacher);
    world_run(k.w, 16 * USEC_PER_SEC);
    client_expect(k.teacher, "/focus'", "status='off'", "failure_reason='error'", NULL);
    assert_non_null(world_take(k.w, OUTBOX_SUPERVISOR, 0, "record-stop"));
    jibri(k.teacher, "j", "start");
    cut_after(client_expect(k.teacher, "id='j'", NULL), "session_id='", id, sizeof id);
    recorder(k.w, id, "running");
    recorder(k.w, id, "failed");
    client_expect(k.pupil, "failure_reason='error'", NULL);
    jibri(k.teacher, "j", "start");
    cut_after(client_expect(k.teacher, "id='j'", NULL), "session_id='", id, sizeof id);
    recorder(k.w, id, "running");
    world_restart(k.w);
    world_forget(k.w);
    world_bridge_up(k.w, 0, "b1");
    assert_non_null(world_take(k.w, OUTBOX_BRIDGE, BRIDGE_CONFERENCE, id));
    recorder(k.w, "00000000-0000-4000-8000-000000000000", "running");
    assert_non_null(world_take(k.w, OUTBOX_SUPERVISOR, 0, "record-stop"));
    /* Another bridge process: the supervisor is asked to join the recorder to it. */
    realm_bridge_lost(k.w->realm, 0);
    world_bridge_up(k.w, 0, "b2");
    assert_non_null(world_take(k.w, OUTBOX_SUPERVISOR, 0, "\"type\":\"record\""));
    world_run(k.w, 80 * USEC_PER_SEC);
    assert_non_null(world_take(k.w, OUTBOX_SUPERVISOR, 0, "record-stop"));
    world_free(&k.w);
}

static void chat_reaches_all_and_echoes(void **state)
{
    struct class k = class_new();
    client_send(k.pupil,
                "<message xmlns='jabber:client' to='" R
                "' type='groupchat' id='m1'><body>hi &amp; bye"
                "</body><reactions xmlns='urn:xmpp:reactions:0' id='x'><reaction>+</reaction>"
                "</reactions><delay xmlns='urn:xmpp:delay' stamp='x'/></message>");
    const char *got = client_expect(k.pupil, "id='m1'", "hi &amp; bye", NULL);
    assert_null(strstr(got, "delay"));
    client_expect(k.teacher, "id='m1'", k.pupil->nick, ">+</reaction>", NULL);
    client_send(k.pupil, "<message xmlns='jabber:client' to='" R "' type='groupchat'><body>y</body>"
                         "</message>");
    char id[64];
    cut_after(client_expect(k.pupil, ">y<", NULL), " id='", id, sizeof id);
    assert_int_equal(strlen(id), 36);
    client_send(k.teacher,
                "<message xmlns='jabber:client' to='" R "/%s' type='chat' id='p'><body>psst"
                "</body></message>",
                k.pupil->nick);
    client_expect(k.pupil, "psst", "type='chat'", k.teacher->nick, NULL);
    client_send(k.teacher, "<message xmlns='jabber:client' to='" R "/00000000' type='chat'><body>x"
                           "</body></message>");
    client_expect(k.teacher, "item-not-found", NULL);
    client_send(k.teacher, "<message xmlns='jabber:client' to='x@conference.meet.example' "
                           "type='groupchat'><body>x</body></message>");
    client_expect(k.teacher, "type='error'", NULL);
    for (int i = 0; i < 40; i++)
        client_send(k.pupil,
                    "<message xmlns='jabber:client' to='" R "' type='groupchat' id='f%d'>"
                    "<body>flood</body></message>",
                    i);
    client_expect(k.pupil, "type='error'", "resource-constraint", NULL);
    assert_true(k.pupil->open);
    char *token = world_token(k.w, "p2", "P2", "pupil", NULL, "r");
    struct client *late = client_login(k.w, token);
    client_join(late, "r");
    assert_int_equal(client_unread(late, "<delay"), HISTORY_MAX);
    free(token);
    world_free(&k.w);
}

static void metadata_is_merged_and_spread(void **state)
{
    struct class k = class_new();
#define SET(json)                                                                                  \
    client_send(k.teacher,                                                                         \
                "<message xmlns='jabber:client' to='metadata.meet.example'><room_metadata "        \
                "xmlns='http://jitsi.org/jitmeet' room='" R "'>%s</room_metadata></message>",      \
                json)
    SET("{\"key\":\"startMuted\",\"data\":{\"audio\":true}}");
    client_expect(k.pupil, "from='metadata.meet.example'", "<json-message", "room='" R "'",
                  "\"startMuted\":{\"audio\":true}", NULL);
    SET("{\"key\":\"services\",\"data\":[]}");
    client_expect(k.teacher, "type='error'", "bad-request", NULL);
    SET("nonsense");
    client_expect(k.teacher, "type='error'", NULL);
    SET("{\"key\":\"startMuted\",\"data\":null}");
    client_expect(k.pupil, "\"metadata\":{}", NULL);
    world_free(&k.w);
}

#define ROOM_WITH(profile)                                                                         \
    "{\"room\":\"r\",\"class\":\"c1\",\"title\":\"T\",\"open\":true,\"guests\":true,\"profile\":"  \
    "\"" profile "\",\"policy\":{}}"

static void profile_reaches_people_and_bridge(void **state)
{
    struct class k = class_new();
    struct seen *told = world_last(k.w, OUTBOX_BRIDGE, BRIDGE_CONFERENCE, NULL);
    assert_string_equal(json_string_value(json_object_get(told->body, "profile")), "rich");
    world_web(k.w, WEB_ROOM, 0, ROOM_WITH("voice"));
    client_expect(k.pupil, "from='metadata.meet.example'", "\"profile\":\"voice\"", NULL);
    told = world_last(k.w, OUTBOX_BRIDGE, BRIDGE_CONFERENCE, NULL);
    assert_string_equal(json_string_value(json_object_get(told->body, "profile")), "voice");
    /* The same again is no news, and nobody in class may change it. */
    client_forget(k.pupil);
    world_web(k.w, WEB_ROOM, 0, ROOM_WITH("voice"));
    client_never(k.pupil, "from='metadata.meet.example'", NULL);
    SET("{\"key\":\"profile\",\"data\":\"rich\"}");
    client_expect(k.teacher, "type='error'", "bad-request", NULL);
    /* Who comes now is told how to speak, by an offer and by metadata; after a restart too. */
    world_restart(k.w);
    world_bridge_up(k.w, 0, "b1");
    char *token = world_token(k.w, "late", "L", "pupil", NULL, "r");
    struct client *c = client_login(k.w, token);
    client_join(c, "r");
    client_expect(c, "from='metadata.meet.example'", "\"profile\":\"voice\"", NULL);
    client_expect(c, "session-initiate", "name='ptime' value='60'",
                  "name='maxaveragebitrate' value='20000'", "name='stereo' value='0'",
                  "name='usedtx' value='1'", NULL);
    world_web(k.w, WEB_ROOM, 0, ROOM_WITH("something new"));
    client_expect(c, "from='metadata.meet.example'", "\"metadata\":{}", NULL);
    free(token);
    world_free(&k.w);
}

static void http(struct world *w, uint64_t id, const char *head, const char *body)
{
    char frame[4096];
    size_t len = strlen(head);
    frame[0] = (char)(len & 255);
    frame[1] = (char)(len >> 8);
    frame[2] = frame[3] = 0;
    (void)snprintf(frame + 4, sizeof frame - 4, "%s%s", head, body);
    assert_int_equal(
        realm_input_edge(w->realm, EDGE_HTTP_REQUEST, id, slice_of(frame, 4 + len + strlen(body))),
        0);
    world_pump(w);
}

static long status(struct world *w, uint64_t id)
{
    struct seen *s = world_last(w, OUTBOX_EDGE, EDGE_HTTP_RESPONSE, NULL);
    assert_int_equal(s->id, id);
    return (long)json_integer_value(json_object_get(s->body, "status"));
}

#define ROOM_CODECS(words)                                                                         \
    "{\"room\":\"r\",\"class\":\"c1\",\"title\":\"T\",\"open\":true,\"guests\":true,\"codecs\":"   \
    "\"" words "\",\"policy\":{}}"
/* What the server allows is "vp8 av1 h264"; all say that they have these and VP9. */
static void expect_codecs(struct client *c, const char *allowed, const char *list)
{
    char property[64], element[64];
    (void)snprintf(property, sizeof property, "key='visitor-codecs' value='%s'", allowed);
    (void)snprintf(element, sizeof element, "codecList>%s<", list);
    client_expect(c, "<presence", element, NULL);
    client_expect(c, "<presence", property, NULL);
    client_forget(c);
}

static void codecs_of_a_class_reach_everybody(void **state)
{
    struct class k = class_new();
    client_forget(k.pupil);
    world_web(k.w, WEB_ROOM, 0, ROOM_CODECS("vp9 h264 vp8"));
    expect_codecs(k.pupil, "h264,vp8", "vp8,h264");
    expect_codecs(k.teacher, "h264,vp8", "vp8,h264");
    /* The same again, or what comes to the same, is no news. */
    world_web(k.w, WEB_ROOM, 0, ROOM_CODECS("h264 vp9 vp8"));
    client_never(k.pupil, "<presence", NULL);
    world_web(k.w, WEB_ROOM, 0, ROOM_CODECS("vp9")); /* none that is allowed: all */
    expect_codecs(k.pupil, "vp8,av1,h264", "av1,vp8,h264");
    world_web(k.w, WEB_ROOM, 0, ROOM_CODECS("vp8"));
    expect_codecs(k.pupil, "vp8", "vp8");
    world_web(k.w, WEB_ROOM, 0, ROOM);
    expect_codecs(k.pupil, "vp8,av1,h264", "av1,vp8,h264");
    world_web(k.w, WEB_ROOM, 0, ROOM_CODECS("h264 vp8"));
    /* Who comes later hears the class's of everybody, after a restart too; the offer holds these
     * first, and the others, should the class choose anew. */
    world_restart(k.w);
    world_bridge_up(k.w, 0, "b1");
    char *token = world_token(k.w, "late", "L", "pupil", NULL, "r");
    struct client *late = client_login(k.w, token);
    client_join(late, "r");
    const char *offer = client_expect(late, "session-initiate", NULL);
    const char *first = strstr(offer, "name='H264'"), *then = strstr(offer, "name='VP8'");
    assert_true(first && then && first < then && then < strstr(offer, "name='AV1'"));
    for (int i = 0; i < 3; i++) /* the two before it, and itself */
        client_expect(late, "<presence", "codecList>vp8,h264<", NULL);
    client_expect(late, "<presence", "key='visitor-codecs' value='h264,vp8'", NULL);
    free(token);
    world_free(&k.w);
}

static void conferences_are_asked_for_by_http(void **state)
{
    struct class k = class_new();
    char head[2048];
    char *token = world_token(k.w, "p1", "P", "pupil", NULL, "r");
    (void)snprintf(head, sizeof head,
                   "{\"method\":\"POST\",\"path\":\"/conference-request/v1\",\"query\":\"room=r\","
                   "\"headers\":{\"authorization\":\"Bearer %s\"}}",
                   token);
    http(k.w, 1, head, "{\"room\":\"" R "\",\"properties\":{}}");
    assert_int_equal(status(k.w, 1), 200);
    const char *answer = world_last(k.w, OUTBOX_EDGE, EDGE_HTTP_RESPONSE, NULL)->text;
    assert_non_null(strstr(answer, "\"ready\":true"));
    assert_non_null(strstr(answer, "\"focusJid\":\"focus@auth.meet.example\""));
    http(k.w, 2, head, "{\"room\":\"other@conference.meet.example\"}");
    assert_int_equal(status(k.w, 2), 403);
    http(k.w, 3, head, "nonsense");
    assert_int_equal(status(k.w, 3), 400);
    http(k.w, 4, "{\"method\":\"POST\",\"path\":\"/conference-request/v1\",\"headers\":{}}",
         "{\"room\":\"" R "\"}");
    assert_int_equal(status(k.w, 4), 403);
    http(k.w, 5, "{\"method\":\"GET\",\"path\":\"/xmpp-websocket\",\"headers\":{}}", "");
    assert_int_equal(status(k.w, 5), 200);
    http(k.w, 6, "{\"method\":\"GET\",\"path\":\"/x\",\"headers\":{}}", "");
    assert_int_equal(status(k.w, 6), 404);
    http(k.w, 7, "{\"method\":\"GET\",\"path\":\"/conference-request/v1\",\"headers\":{}}", "");
    assert_int_equal(status(k.w, 7), 405);
    http(k.w, 8, "{\"method\":\"OPTIONS\",\"path\":\"/conference-request/v1\",\"headers\":{}}", "");
    assert_int_equal(status(k.w, 8), 204);
    http(k.w, 9, "[]", "");
    assert_int_equal(status(k.w, 9), 400);
    free(token);
    world_free(&k.w);
}

static void two_hundred_join(void **state)
{
    enum { MANY = 200 };
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "b1");
    w->quiet = true;
    struct client *all[MANY];
    for (size_t i = 0; i < MANY; i++) {
        all[i] = client_login(w, NULL);
        all[i]->rewriting = true;
        client_join(all[i], "r");
        client_accept(all[i], "r");
        assert_int_equal(client_unread(all[i], "<presence"), i + 2);
        client_forget(all[i]);
        client_send(all[i], "<a xmlns='urn:xmpp:sm:3' h='%u'/>", all[i]->handled);
        for (size_t j = 0; i % 50 == 49 && j < i; j++) {
            client_send(all[j], "<a xmlns='urn:xmpp:sm:3' h='%u'/>", all[j]->handled);
            client_forget(all[j]);
        }
    }
    assert_int_equal(realm_gauges(w->realm).occupants, MANY);
    client_send(all[7], "<message xmlns='jabber:client' to='" R "' type='groupchat'><body>all"
                        "</body></message>");
    for (size_t i = 0; i < MANY; i++) {
        client_expect(all[i], ">all<", NULL);
        assert_true(all[i]->open);
    }
    for (size_t i = 1; i < MANY; i++)
        client_send(all[i], "<presence xmlns='jabber:client' type='unavailable'/>");
    assert_int_equal(client_unread(all[0], "unavailable"), MANY - 1);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(web_hears_who_comes_and_goes),
        cmocka_unit_test(events_wait_for_web),
        cmocka_unit_test(dead_web_stops_no_class),
        cmocka_unit_test(closed_rooms_send_everybody_out),
        cmocka_unit_test(web_removes_a_person),
        cmocka_unit_test(senseless_messages_condemn_web),
        cmocka_unit_test(recording_is_shown_before_it_begins),
        cmocka_unit_test(feed_hears_what_happens),
        cmocka_unit_test(nothing_encrypted_is_recorded),
        cmocka_unit_test(a_recording_changes_no_codec),
        cmocka_unit_test(recordings_fail_and_end_by_themselves),
        cmocka_unit_test(chat_reaches_all_and_echoes),
        cmocka_unit_test(metadata_is_merged_and_spread),
        cmocka_unit_test(profile_reaches_people_and_bridge),
        cmocka_unit_test(codecs_of_a_class_reach_everybody),
        cmocka_unit_test(conferences_are_asked_for_by_http),
        cmocka_unit_test(two_hundred_join),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
