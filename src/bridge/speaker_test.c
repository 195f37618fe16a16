#include "base/check.h"

#include "bridge/speaker.h"

static void begin(struct speaker *s, uint32_t voices)
{
    speaker_init(s);
    assert_int_equal(speaker_reserve(s, voices), 0);
}

/* Speech: loud, with a pause now and then. */
static uint8_t speech(usec_t now)
{
    return (uint8_t)(now / 20000 % 40 < 34 ? 20 + now / 20000 % 7 : 90);
}

static usec_t speak(struct speaker *s, usec_t now, usec_t time, uint32_t who, uint32_t voices,
                    unsigned steps)
{
    for (usec_t end = now + time; now < end; now += 20000) {
        for (uint32_t v = 0; v < voices; v++)
            if (now / 20000 % steps == 0)
                speaker_level(s, now, v, v == who ? speech(now) : 95, steps);
        (void)speaker_tick(s, now);
    }
    return now;
}

static void the_one_who_speaks_wins_and_the_others_are_remembered(void **state)
{
    (void)state;
    struct speaker s;
    begin(&s, 3);
    assert_int_equal(s.dominant, SPEAKER_NONE);
    usec_t now = speak(&s, 1000000, 2000000, 1, 3, 1);
    assert_int_equal(s.dominant, 1);
    now = speak(&s, now, 3000000, 2, 3, 1);
    assert_int_equal(s.dominant, 2);
    assert_int_equal(s.previous[0], 1);
    now = speak(&s, now, 3000000, 0, 3, 3);
    assert_int_equal(s.dominant, 0);
    assert_int_equal(s.previous[0], 2);
    assert_int_equal(s.previous[1], 1);
    assert_int_equal(s.previous_count, 2);
    assert_false(s.silence);
    now = speak(&s, now, 6000000, 99, 3, 1);
    assert_true(s.silence);
    assert_int_equal(s.dominant, 0);
    speaker_leave(&s, 2);
    assert_int_equal(s.previous_count, 1);
    speaker_leave(&s, 0);
    assert_int_equal(s.dominant, SPEAKER_NONE);
    speaker_done(&s);
}

static void a_cough_does_not_win(void **state)
{
    (void)state;
    struct speaker s;
    begin(&s, 2);
    usec_t now = speak(&s, 1000000, 3000000, 0, 2, 1);
    for (int i = 0; i < 20; i++) {
        now = speak(&s, now, 60000, 1, 2, 1);
        now = speak(&s, now, 1500000, 0, 2, 1);
        assert_int_equal(s.dominant, 0);
    }
    speaker_done(&s);
}

static void a_voice_that_stops_sending_falls_silent(void **state)
{
    (void)state;
    struct speaker s;
    begin(&s, 2);
    usec_t now = speak(&s, 1000000, 3000000, 0, 2, 1);
    for (usec_t end = now + 3000000; now < end; now += 20000) {
        speaker_level(&s, now, 1, speech(now), 1);
        (void)speaker_tick(&s, now);
    }
    assert_int_equal(s.dominant, 1);
    speaker_done(&s);
}

static void strangers_are_ignored(void **state)
{
    (void)state;
    struct speaker s;
    begin(&s, 1);
    speaker_level(&s, 0, 7, 0, 1);
    speaker_leave(&s, 7);
    assert_int_equal(speaker_reserve(&s, SPEAKER_MAX + 1), ERR_LIMIT);
    speaker_done(&s);
    speaker_done(&s);
}

static void levels_that_cannot_be_speech_are_known(void **state)
{
    (void)state;
    struct speaker s;
    begin(&s, 3);
    assert_true(speaker_minds(&s, 1, 90)); /* nothing is known of it */
    assert_true(speaker_minds(&s, 9, 90));
    usec_t now = speak(&s, 1000000, 3000000, 0, 2, 1);
    assert_true(speaker_minds(&s, 0, 127)); /* dominant */
    assert_true(speaker_minds(&s, 1, 20));
    assert_false(speaker_minds(&s, 1, 60));
    assert_false(speaker_minds(&s, 1, 127));
    /* In a noisy room nothing within 10 dB of the noise is. */
    for (int i = 0; i < 2000; i++, now += 20000)
        speaker_level(&s, now, 2, 44, 1);
    assert_false(speaker_minds(&s, 2, 40));
    assert_true(speaker_minds(&s, 2, 30));
    speaker_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_one_who_speaks_wins_and_the_others_are_remembered),
        cmocka_unit_test(a_cough_does_not_win),
        cmocka_unit_test(a_voice_that_stops_sending_falls_silent),
        cmocka_unit_test(strangers_are_ignored),
        cmocka_unit_test(levels_that_cannot_be_speech_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
