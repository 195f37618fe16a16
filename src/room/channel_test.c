/* The bridge channel: who may open it, what is merged, relayed and repeated. */
#include "room/testing.h"

#include <stdio.h>

#include "room/inner.h"

#define R "r@conference.meet.example"

struct pair_of {
    struct world *w;
    struct client *a, *b;
    struct client *ca, *cb;
    char conference[32];
};

static struct pair_of pair_new(bool rewriting)
{
    struct pair_of p = {.w = world_new(false)};
    world_bridge_up(p.w, 0, "b1");
    p.a = client_enter(p.w, "r", NULL, rewriting);
    p.b = client_enter(p.w, "r", NULL, rewriting);
    p.ca = client_channel(p.a);
    p.cb = client_channel(p.b);
    assert_true(p.ca->open && p.cb->open);
    struct seen *s = world_last(p.w, OUTBOX_BRIDGE, BRIDGE_CONFERENCE, NULL);
    (void)snprintf(p.conference, sizeof p.conference, "%s",
                   json_string_value(json_object_get(s->body, "conference")));
    client_expect(p.ca, "\"colibriClass\":\"ServerHello\"", NULL);
    client_expect(p.cb, "\"colibriClass\":\"ServerHello\"", NULL);
    world_forget(p.w);
    return p;
}

static void notice(struct pair_of *p, uint16_t type, const char *nick, const char *more)
{
    char text[1024];
    (void)snprintf(text, sizeof text, "{\"conference\":\"%s\",\"endpoint\":\"%s\"%s}",
                   p->conference, nick, more);
    world_bridge(p->w, 0, type, text);
}

static void only_the_right_secret_opens(void **state)
{
    struct pair_of p = pair_new(false);
    struct client bad = *p.a;
    char *pwd = strstr(bad.channel_url, "pwd=") + 4;
    pwd[0] = pwd[0] == 'x' ? 'y' : 'x';
    assert_true(client_channel(&bad)->refused);
    pwd[0] = 0;
    assert_true(client_channel(&bad)->refused);
    struct client *newer = client_channel(p.a);
    assert_true(newer->open);
    assert_false(p.ca->open);
    assert_int_equal(p.ca->close_code, 1000);
    world_free(&p.w);
}

static json_t *wishes(struct pair_of *p)
{
    return json_object_get(world_last(p->w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, p->a->nick)->body,
                           "constraints");
}

static void constraints_are_merged(void **state)
{
    struct pair_of p = pair_new(false);
    client_send(p.ca, "{\"colibriClass\":\"ReceiverVideoConstraints\",\"assumedBandwidthBps\":-1,"
                      "\"lastN\":-1}");
    json_t *w = wishes(&p);
    assert_int_equal(json_integer_value(json_object_get(w, "defaultMaxHeight")), 180);
    client_send(p.ca,
                "{\"colibriClass\":\"ReceiverVideoConstraints\",\"lastN\":5,\"onStageSources\":"
                "[\"%s-v0\"],\"defaultConstraints\":{\"maxHeight\":0},\"constraints\":{\"%s-v0\":{"
                "\"maxHeight\":720,\"maxFrameRate\":15}}}",
                p.b->nick, p.b->nick);
    client_send(p.ca, "{\"colibriClass\":\"ReceiverVideoConstraints\",\"lastN\":2}");
    w = wishes(&p);
    assert_int_equal(json_integer_value(json_object_get(w, "lastN")), 2);
    assert_int_equal(json_integer_value(json_object_get(w, "defaultMaxHeight")), 0);
    assert_int_equal(json_array_size(json_object_get(w, "onStageSources")), 1);
    char name[16];
    (void)snprintf(name, sizeof name, "%s-v0", p.b->nick);
    json_t *one = json_object_get(json_object_get(w, "constraints"), name);
    assert_int_equal(json_integer_value(json_object_get(one, "maxHeight")), 720);
    assert_int_equal(json_integer_value(json_object_get(one, "maxFrameRate")), 15);
    world_forget(p.w);
    client_send(p.ca, "{\"colibriClass\":\"ReceiverVideoConstraints\",\"lastN\":2}");
    assert_null(world_take(p.w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, NULL));
    client_send(p.ca, "{\"colibriClass\":\"LastNChangedEvent\",\"lastN\":7}");
    assert_int_equal(json_integer_value(json_object_get(wishes(&p), "lastN")), 7);
    world_free(&p.w);
}

static void endpoints_of_old_clients_mean_their_camera(void **state)
{
    struct pair_of p = pair_new(false);
    client_send(p.ca,
                "{\"colibriClass\":\"ReceiverVideoConstraints\",\"selectedEndpoints\":[\"%s\"],"
                "\"onStageEndpoints\":[\"%s\"],\"constraints\":{\"%s\":{\"maxHeight\":360}}}",
                p.b->nick, p.b->nick, p.b->nick);
    json_t *w = wishes(&p);
    char name[16];
    (void)snprintf(name, sizeof name, "%s-v0", p.b->nick);
    assert_string_equal(json_string_value(json_array_get(json_object_get(w, "selectedSources"), 0)),
                        name);
    assert_string_equal(json_string_value(json_array_get(json_object_get(w, "onStageSources"), 0)),
                        name);
    assert_non_null(json_object_get(json_object_get(w, "constraints"), name));
    client_send(p.ca, "{\"colibriClass\":\"VideoTypeMessage\",\"videoType\":\"none\"}");
    json_t *e = world_last(p.w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, p.a->nick)->body;
    json_t *video = json_array_get(json_object_get(e, "sources"), 1);
    assert_string_equal(json_string_value(json_object_get(video, "videoType")), "none");
    world_free(&p.w);
}

static void video_types_are_the_owners(void **state)
{
    struct pair_of p = pair_new(false);
    client_send(p.ca,
                "{\"colibriClass\":\"SourceVideoTypeMessage\",\"sourceName\":\"%s-v0\","
                "\"videoType\":\"none\"}",
                p.b->nick);
    assert_null(world_take(p.w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, NULL));
    client_send(p.ca,
                "{\"colibriClass\":\"SourceVideoTypeMessage\",\"sourceName\":\"%s-v0\","
                "\"videoType\":\"desktop_high_fps\"}",
                p.a->nick);
    assert_non_null(world_take(p.w, OUTBOX_BRIDGE, BRIDGE_ENDPOINT, "\"desktop\""));
    world_free(&p.w);
}

static void messages_are_fanned_out(void **state)
{
    struct pair_of p = pair_new(false);
    struct client *c = client_enter(p.w, "r", NULL, false);
    struct client *cc = client_channel(c);
    client_forget(cc);
    client_send(p.ca, "{\"colibriClass\":\"EndpointMessage\",\"to\":\"\",\"from\":\"forged\","
                      "\"msgPayload\":{\"name\":\"endpoint-reaction\"}}");
    const char *got = client_expect(p.cb, "\"colibriClass\":\"EndpointMessage\"", p.a->nick,
                                    "\"msgPayload\":{\"name\":\"endpoint-reaction\"}", NULL);
    assert_null(strstr(got, "forged"));
    client_expect(cc, "endpoint-reaction", NULL);
    assert_int_equal(p.ca->count, 0);
    client_send(p.ca,
                "{\"colibriClass\":\"EndpointMessage\",\"to\":\"%s\",\"msgPayload\":{\"x\":1}}",
                p.b->nick);
    client_expect(p.cb, "\"x\":1", NULL);
    assert_int_equal(cc->count, 0);
    client_send(p.ca, "{\"colibriClass\":\"EndpointMessage\",\"to\":\"\",\"msgPayload\":\"text\"}");
    assert_int_equal(p.cb->count, 0);
    assert_true(p.ca->open);
    world_free(&p.w);
}

static void stats_go_to_those_who_watch(void **state)
{
    struct pair_of p = pair_new(true);
    struct client *c = client_enter(p.w, "r", NULL, true);
    struct client *cc = client_channel(c);
    client_forget(cc);
    char more[64];
    (void)snprintf(more, sizeof more, ",\"sources\":[\"%s-v0\"]", p.a->nick);
    notice(&p, BRIDGE_FORWARDED, p.b->nick, more);
    client_expect(p.cb, "\"colibriClass\":\"ForwardedSources\"", "\"forwardedSources\":[", NULL);
    client_send(p.ca, "{\"colibriClass\":\"EndpointStats\",\"connectionQuality\":100}");
    client_expect(p.cb, "EndpointStats", "\"connectionQuality\":100", p.a->nick, NULL);
    assert_int_equal(cc->count, 0);
    client_send(cc,
                "{\"colibriClass\":\"ReceiverVideoConstraints\",\"selectedSources\":[\"%s-v0\"]}",
                p.a->nick);
    client_send(p.ca, "{\"colibriClass\":\"EndpointStats\",\"connectionQuality\":90}");
    client_expect(cc, "\"connectionQuality\":90", NULL);
    world_free(&p.w);
}

#define MAPS                                                                                       \
    ",\"audio\":[{\"source\":\"x-a0\",\"owner\":\"x\",\"ssrc\":11,\"pair\":0}],"                   \
    "\"video\":[{\"source\":\"x-v0\",\"owner\":\"x\",\"ssrc\":21,\"rtx\":22,"                      \
    "\"videoType\":\"desktop\",\"pair\":1,\"after\":9}],"                                          \
    "\"spare\":[{\"pair\":2,\"audio\":31,\"video\":32,\"rtx\":33}]"

static void notices_have_the_types_the_client_wants(void **state)
{
    struct pair_of p = pair_new(true);
    notice(&p, BRIDGE_SOURCE_MAPS, p.a->nick, MAPS);
    client_expect(
        p.ca,
        "{\"colibriClass\":\"AudioSourcesMap\",\"mappedSources\":[{\"source\":\"x-a0\","
        "\"owner\":\"x\",\"ssrc\":11,\"pair\":0}],\"spareSlots\":[{\"pair\":2,\"ssrc\":31,"
        "\"rtx\":0}]}",
        NULL);
    client_expect(
        p.ca,
        "{\"colibriClass\":\"VideoSourcesMap\",\"mappedSources\":[{\"source\":\"x-v0\","
        "\"owner\":\"x\",\"ssrc\":21,\"rtx\":22,\"videoType\":\"DESKTOP\",\"pair\":1,\"after\":9}],"
        "\"spareSlots\":[{\"pair\":2,\"ssrc\":32,\"rtx\":33}]}",
        NULL);
    notice(&p, BRIDGE_SENDER_CONSTRAINTS, p.a->nick, ",\"source\":\"x-v0\",\"maxHeight\":360");
    client_expect(p.ca,
                  "{\"colibriClass\":\"SenderSourceConstraints\",\"sourceName\":\"x-v0\","
                  "\"maxHeight\":360}",
                  NULL);
    notice(&p, BRIDGE_CONNECTION_STATS, p.a->nick,
           ",\"downlink_bps\":2500000,\"shortage\":\"pictures\"");
    client_expect(p.ca,
                  "{\"colibriClass\":\"ConnectionStats\",\"estimatedDownlinkBandwidth\":2500000,"
                  "\"shortage\":\"pictures\"}",
                  NULL);
    notice(&p, BRIDGE_SPEAKER, p.b->nick, ",\"previous\":[\"y\"],\"silence\":false");
    client_expect(p.ca, "DominantSpeakerEndpointChangeEvent", "\"silence\":false",
                  "\"previousSpeakers\":[\"y\"]", p.b->nick, NULL);
    notice(&p, BRIDGE_ENDPOINT_STATE, p.b->nick, ",\"state\":\"quiet\",\"rtt_us\":1");
    client_expect(p.ca, "EndpointConnectivityStatusChangeEvent", "\"active\":\"false\"", NULL);
    notice(&p, BRIDGE_ENDPOINT_STATE, p.b->nick, ",\"state\":\"connected\",\"rtt_us\":1");
    client_expect(p.ca, "\"active\":\"true\"", NULL);
    world_free(&p.w);
}

static void state_is_repeated_to_a_new_socket(void **state)
{
    struct pair_of p = pair_new(true);
    char more[64];
    notice(&p, BRIDGE_SOURCE_MAPS, p.a->nick, MAPS);
    notice(&p, BRIDGE_SENDER_CONSTRAINTS, p.a->nick, ",\"source\":\"x-v0\",\"maxHeight\":360");
    (void)snprintf(more, sizeof more, ",\"sources\":[\"x-v0\"]");
    notice(&p, BRIDGE_FORWARDED, p.a->nick, more);
    notice(&p, BRIDGE_SPEAKER, p.b->nick, ",\"previous\":[],\"silence\":false");
    notice(&p, BRIDGE_ENDPOINT_STATE, p.b->nick, ",\"state\":\"quiet\",\"rtt_us\":1");
    struct client *again = client_channel(p.a);
    static const char *const parts[] = {
        "ServerHello",      "SenderSourceConstraints", "AudioSourcesMap", "VideoSourcesMap",
        "ForwardedSources", "DominantSpeaker",         "Connectivity"};
    assert_int_equal(again->count, ARRAY_LEN(parts));
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        client_expect(again, parts[i], NULL);
    world_free(&p.w);
}

/* Who enters, up to the session-accept. */
static struct client *enter_unheard(struct pair_of *p, bool early_maps)
{
    struct client *c = client_login(p->w, NULL);
    c->rewriting = true;
    c->early_maps = early_maps;
    client_join(c, "r");
    client_accept(c, "r");
    return c;
}

static void maps_come_by_jingle_before_the_channel_is_open(void **state)
{
    struct pair_of p = pair_new(true);
    struct client *c = enter_unheard(&p, true);
    notice(&p, BRIDGE_SOURCE_MAPS, c->nick, MAPS);
    client_expect(c, "action='session-info'", "json-message", "AudioSourcesMap", c->sid, NULL);
    client_forget(c);
    notice(&p, BRIDGE_SOURCE_MAPS, c->nick, MAPS);
    assert_int_equal(client_unread(c, "session-info"), 0);
    struct client *cc = client_channel(c);
    client_expect(cc, "AudioSourcesMap", NULL);
    notice(&p, BRIDGE_SOURCE_MAPS, c->nick, ",\"audio\":[],\"video\":[]");
    client_expect(cc, "\"mappedSources\":[]", NULL);
    assert_int_equal(client_unread(c, "session-info"), 0);
    world_free(&p.w);
}

static void clients_that_do_not_ask_get_maps_by_the_channel_only(void **state)
{
    struct pair_of p = pair_new(true);
    struct client *c = enter_unheard(&p, false);
    notice(&p, BRIDGE_SOURCE_MAPS, c->nick, MAPS);
    assert_int_equal(client_unread(c, "session-info"), 0);
    world_free(&p.w);
}

static void malformed_messages_close_the_channel(void **state)
{
    struct pair_of p = pair_new(false);
    client_send(p.ca, "not json");
    assert_false(p.ca->open);
    assert_int_equal(p.ca->close_code, 1007);
    assert_true(p.a->open && p.cb->open);
    struct client *again = client_channel(p.a);
    assert_true(again->open);
    client_send(again, "{\"colibriClass\":\"Unknown\"}");
    assert_true(again->open);
    client_send(again, "{\"colibriClass\":7}");
    assert_false(again->open);
    world_free(&p.w);
}

static void odd_wishes_do_no_harm(void **state)
{
    struct pair_of p = pair_new(false);
    static const char *const odd[] = {
        "{\"colibriClass\":\"ReceiverVideoConstraints\",\"lastN\":\"x\",\"selectedSources\":7,"
        "\"constraints\":[1],\"defaultConstraints\":3}",
        "{\"colibriClass\":\"ReceiverVideoConstraints\",\"selectedSources\":[1,null,\"\","
        "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"],\"constraints\":{"
        "\"\":{},\"a-v0\":5,\"b-v0\":{\"maxHeight\":1e99,\"maxFrameRate\":-7}}}",
        "{\"colibriClass\":\"SourceVideoTypeMessage\",\"sourceName\":\"\",\"videoType\":\"x\"}",
        "{\"colibriClass\":\"SourceVideoTypeMessage\"}",
        "{\"colibriClass\":\"LastNChangedEvent\",\"lastN\":null}",
        "{\"colibriClass\":\"EndpointMessage\"}",
        "{\"colibriClass\":\"EndpointStats\",\"from\":7}",
    };
    for (size_t i = 0; i < ARRAY_LEN(odd); i++)
        client_send(p.ca, "%s", odd[i]);
    assert_true(p.ca->open);
    world_free(&p.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_right_secret_opens),
        cmocka_unit_test(constraints_are_merged),
        cmocka_unit_test(endpoints_of_old_clients_mean_their_camera),
        cmocka_unit_test(video_types_are_the_owners),
        cmocka_unit_test(messages_are_fanned_out),
        cmocka_unit_test(stats_go_to_those_who_watch),
        cmocka_unit_test(notices_have_the_types_the_client_wants),
        cmocka_unit_test(state_is_repeated_to_a_new_socket),
        cmocka_unit_test(maps_come_by_jingle_before_the_channel_is_open),
        cmocka_unit_test(clients_that_do_not_ask_get_maps_by_the_channel_only),
        cmocka_unit_test(malformed_messages_close_the_channel),
        cmocka_unit_test(odd_wishes_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
