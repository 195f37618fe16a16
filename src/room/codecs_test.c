/* Which codecs are offered, and what members' lists become on their way to others. */
#include "base/check.h"

#include "room/testing.h"

static void the_offer_holds_what_is_allowed(void **state)
{
    (void)state;
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "boot");
    struct client *a = client_login(w, NULL);
    client_join(a, "maths");
    const char *offer = client_expect(a, "session-initiate", NULL);
    static const char *const in_order[] = {
        "name='VP8'",  "apt' value='100'",   "name='AV1'",      "apt' value='41'",
        "name='H264'", "packetization-mode", "apt' value='107'"};
    const char *at = strstr(offer, "media='video'");
    for (size_t i = 0; i < sizeof in_order / sizeof in_order[0]; i++) {
        assert_non_null(at);
        at = strstr(at, in_order[i]);
    }
    assert_non_null(at);
    assert_non_null(strstr(offer, "#dependency-descriptor-rtp-header-extension"));
    assert_null(strstr(offer, "VP9"));
    world_free(&w);
}

static const char *listed_as(struct client *from, struct client *to, const char *children)
{
    client_send(
        from, "<presence xmlns='jabber:client' to='maths@conference.meet.example/%s'>%s</presence>",
        from->nick, children);
    return client_expect(to, "<presence", "jitsi_participant_codec", NULL);
}

static void lists_hold_nothing_else(void **state)
{
    (void)state;
    struct world *w = world_new(false);
    world_bridge_up(w, 0, "boot");
    struct client *a = client_enter(w, "maths", NULL, true);
    struct client *b = client_enter(w, "maths", NULL, true);
    static const char *const lists[][2] = {
        {"<jitsi_participant_codecList>av1, VP9,h264,vp8,av1,theora</jitsi_participant_codecList>",
         "codecList>av1,h264,vp8<"},
        {"<jitsi_participant_codecList>h264</jitsi_participant_codecList>", "codecList>h264<"},
        {"<jitsi_participant_codecList>vp9</jitsi_participant_codecList>", "codecList>vp8<"},
        {"<jitsi_participant_codecType>h264</jitsi_participant_codecType>", "codecType>h264<"},
        /* Who says nothing can be counted on for VP8 only. */
        {"<x-other/>", "codecList>vp8<"},
    };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        client_forget(b);
        assert_non_null(strstr(listed_as(a, b, lists[i][0]), lists[i][1]));
    }
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_offer_holds_what_is_allowed),
        cmocka_unit_test(lists_hold_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
