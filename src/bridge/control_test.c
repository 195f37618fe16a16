#include "bridge/control.h"

#include <stdlib.h>

#include "base/check.h"
#include "bridge/handover.h"

static const char ENDPOINT[] =
    "{\"conference\":\"c1\",\"endpoint\":\"1a2b3c4d\",\"ice\":{\"ufrag\":\"0abcd\",\"pwd\":"
    "\"0123456789012345678901\",\"remote_ufrag\":null,\"remote_pwd\":null},\"fingerprint\":null,"
    "\"rewriting\":true,\"red\":true,\"staff\":false,\"person\":null,\"sources\":[{\"name\":"
    "\"1a2b3c4d-v0\","
    "\"kind\":\"video\",\"videoType\":\"desktop\",\"muted\":true,\"blocked\":false,"
    "\"ssrcs\":[11,12,4294967295],\"rtx\":[21,22,0]},{\"name\":\"1a2b3c4d-a0\",\"kind\":\"audio\","
    "\"ssrcs\":[31]}],\"constraints\":{\"lastN\":5,\"selectedSources\":[\"x-v0\",7,\"\"],"
    "\"defaultMaxHeight\":90,\"constraints\":{\"x-v0\":{\"maxHeight\":720,\"maxFrameRate\":15},"
    "\"y-v0\":{}}},\"news\":[1,2]}";

struct fixture {
    struct arena *arena;
    struct control_message message;
};

static int parse(struct fixture *f, uint16_t type, const char *text)
{
    arena_reset(f->arena);
    return control_parse(type, slice_str(text), f->arena, &f->message);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture.arena = arena_new(CONTROL_ARENA_MAX);
    *state = &fixture;
    return fixture.arena ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    arena_free(&f->arena);
    return 0;
}

static void an_endpoint_is_read_whole(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(parse(f, CONTROL_ENDPOINT, ENDPOINT), 0);
    const struct conference_endpoint *e = &f->message.endpoint_state;
    assert_string_equal(f->message.conference, "c1");
    assert_string_equal(e->id, "1a2b3c4d");
    assert_true(e->rewriting);
    assert_true(e->red && !e->encrypted);
    assert_int_equal(e->source_count, 2);
    assert_int_equal(e->sources[0].kind, CONFERENCE_VIDEO);
    assert_int_equal(e->sources[0].video_type, CONFERENCE_DESKTOP);
    assert_true(e->sources[0].muted);
    assert_int_equal(e->sources[0].layer_count, 3);
    assert_int_equal(e->sources[0].ssrcs[2], UINT32_MAX);
    assert_int_equal(e->sources[0].rtx[1], 22);
    assert_int_equal(e->sources[1].kind, CONFERENCE_AUDIO);
    assert_int_equal(e->wishes.last_n, 5);
    assert_int_equal(e->wishes.default_max_height, 90);
    assert_int_equal(e->wishes.selected_count, 1);
    assert_string_equal(e->wishes.selected[0], "x-v0");
    assert_int_equal(e->wishes.constraint_count, 2);
    assert_int_equal(e->wishes.constraints[0].max_height, 720);
    assert_int_equal(e->wishes.constraints[1].max_height, -1);
    assert_int_equal(e->wishes.assumed_bandwidth_bps, -1);
    assert_true(slice_eq_str(f->message.ice.ufrag, "0abcd"));
    assert_int_equal(f->message.ice.remote_ufrag.len, 0);
}

static void wishes_may_be_missing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(parse(f, CONTROL_ENDPOINT,
                           "{\"conference\":\"c\",\"endpoint\":\"e\",\"ice\":{\"ufrag\":\"u\","
                           "\"pwd\":\"p\"}}"),
                     0);
    assert_int_equal(f->message.endpoint_state.wishes.last_n, -1);
    assert_int_equal(f->message.endpoint_state.wishes.default_max_height, CONFERENCE_UNTOLD);
    assert_int_equal(f->message.endpoint_state.source_count, 0);
}

static void what_makes_no_sense_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"conference\":7}",
        "{\"conference\":\"\"}",
        "{\"conference\":\"c\\u0000d\",\"endpoint\":\"e\"}",
        "{\"conference\":\"c\",\"conference\":\"d\",\"endpoint\":\"e\"}",
        "{\"conference\":\"0123456789012345678901234567890123456789012345678901234567890123\"}",
        "{\"conference\":\"c\",\"endpoint\":\"e\"}",
        "{\"conference\":\"c\",\"endpoint\":\"e\",\"ice\":{\"ufrag\":\"u\",\"pwd\":8}}",
        "{\"conference\":\"c\",\"endpoint\":\"e\",\"ice\":{\"ufrag\":\"u\",\"pwd\":\"p\","
        "\"remote_ufrag\":\"r\"}}",
        "{\"conference\":\"c\",\"endpoint\":\"e\",\"ice\":{\"ufrag\":\"u\",\"pwd\":\"p\"},"
        "\"sources\":7}",
        "{\"conference\":\"c\",\"endpoint\":\"e\",\"ice\":{\"ufrag\":\"u\",\"pwd\":\"p\"},"
        "\"sources\":[{\"name\":\"n\",\"kind\":\"smell\",\"ssrcs\":[1]}]}",
        "{\"conference\":\"c\",\"endpoint\":\"e\",\"ice\":{\"ufrag\":\"u\",\"pwd\":\"p\"},"
        "\"sources\":[{\"name\":\"n\",\"kind\":\"audio\",\"ssrcs\":[]}]}",
        "{\"conference\":\"c\",\"endpoint\":\"e\",\"ice\":{\"ufrag\":\"u\",\"pwd\":\"p\"},"
        "\"sources\":[{\"name\":\"n\",\"kind\":\"audio\",\"ssrcs\":[-1]}]}",
        "{\"conference\":\"c\",\"endpoint\":\"e\",\"ice\":{\"ufrag\":\"u\",\"pwd\":\"p\"},"
        "\"sources\":[{\"name\":\"n\",\"kind\":\"audio\",\"ssrcs\":[1,2,3,4]}]}",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (parse(f, CONTROL_ENDPOINT, bad[i]) != ERR_FORMAT)
            fail_msg("taken: %s", bad[i]);
    assert_int_equal(parse(f, CONTROL_HELLO, "{}"), ERR_UNSUPPORTED);
    assert_int_equal(parse(f, 99, "{}"), ERR_UNSUPPORTED);
    assert_int_equal(parse(f, CONTROL_SYNC_DONE, "{}"), 0);
}

static void conferences_and_events_are_read(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        parse(f, CONTROL_CONFERENCE,
              "{\"conference\":\"c\",\"record\":{\"recording\":\"r1\",\"paused\":true}}"),
        0);
    assert_string_equal(f->message.recording, "r1");
    assert_true(f->message.paused);
    assert_int_equal(parse(f, CONTROL_CONFERENCE, "{\"conference\":\"c\",\"record\":null}"), 0);
    assert_int_equal(f->message.profile, PROFILE_RICH);
    assert_int_equal(parse(f, CONTROL_CONFERENCE, "{\"conference\":\"c\",\"profile\":\"light\"}"),
                     0);
    assert_int_equal(f->message.profile, PROFILE_LIGHT);
    assert_int_equal(parse(f, CONTROL_CONFERENCE, "{\"conference\":\"c\",\"profile\":\"x\"}"),
                     ERR_FORMAT);
    assert_string_equal(f->message.recording, "");
    assert_int_equal(
        parse(f, CONTROL_EVENT, "{\"conference\":\"c\",\"event\":{ \"type\" : \"hand\" }}"), 0);
    assert_true(slice_eq_str(f->message.event, "{\"type\":\"hand\"}"));
}

static void notices_become_json(void **state)
{
    const struct conference_slot slots[] = {
        {"a-a0", "a", CONFERENCE_AUDIO, CONFERENCE_CAMERA, 5, 0, 0, -1},
        {"a-v0", "a", CONFERENCE_VIDEO, CONFERENCE_DESKTOP, 4000000000u, 7, 1, 4100000000},
    };
    const struct conference_spare spare = {2, 11, 12, 13};
    const char names[][CONFERENCE_NAME_MAX] = {"p", "q"};
    struct conference_notice notice = {.type = CONFERENCE_MAPS,
                                       .endpoint = "e",
                                       .slots = slots,
                                       .slot_count = 2,
                                       .spares = &spare,
                                       .spare_count = 1};
    enum control_type type;
    json_t *body = control_notice("c", &notice, &type);
    char *text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);
    assert_int_equal(type, CONTROL_SOURCE_MAPS);
    assert_string_equal(
        text, "{\"audio\":[{\"owner\":\"a\",\"pair\":0,\"source\":\"a-a0\",\"ssrc\":5}],"
              "\"conference\":\"c\",\"endpoint\":\"e\",\"spare\":[{\"audio\":11,\"pair\":2,"
              "\"rtx\":13,\"video\":12}],\"video\":[{\"after\":4100000000,\"owner\":\"a\","
              "\"pair\":1,\"rtx\":7,\"source\":\"a-v0\",\"ssrc\":4000000000,\"videoType\":"
              "\"desktop\"}]}");
    free(text);
    json_decref(body);

    notice = (struct conference_notice){
        .type = CONFERENCE_SPEAKER, .subject = "s", .names = names, .name_count = 2};
    body = control_notice("c", &notice, &type);
    text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);
    assert_int_equal(type, CONTROL_SPEAKER);
    assert_string_equal(text, "{\"conference\":\"c\",\"endpoint\":\"s\",\"previous\":[\"p\",\"q\"],"
                              "\"silence\":false}");
    free(text);
    json_decref(body);
}

static void handed_over_datagrams_come_back(void **state)
{
    struct buf buf;
    buf_init(&buf, 200);
    struct path path = {address_v4(1, 2, 3, 4, 5), address_v4(6, 7, 8, 9, 10)}, back;
    struct slice datagram;
    handover_add_datagram(&buf, &path, SLICE("hello"));
    handover_add_datagram(&buf, &path, SLICE(""));
    struct reader reader = reader_of(buf_slice(&buf));
    assert_true(handover_next_datagram(&reader, &back, &datagram));
    assert_true(path_eq(&path, &back));
    assert_true(slice_eq_str(datagram, "hello"));
    assert_true(handover_next_datagram(&reader, &back, &datagram));
    assert_int_equal(datagram.len, 0);
    assert_false(handover_next_datagram(&reader, &back, &datagram));
    assert_false(reader.failed);
    reader = reader_of(slice_of(buf.data, buf.len - 39));
    assert_false(handover_next_datagram(&reader, &back, &datagram));
    assert_true(reader.failed);
    buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_endpoint_is_read_whole),
        cmocka_unit_test(wishes_may_be_missing),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(conferences_and_events_are_read),
        cmocka_unit_test(notices_become_json),
        cmocka_unit_test(handed_over_datagrams_come_back),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
