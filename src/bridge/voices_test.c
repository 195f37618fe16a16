#include "base/check.h"

#include "bridge/voices.h"

enum { PEOPLE = 8 };

#define STEP (20 * USEC_PER_MSEC)

struct hall {
    struct voices voices;
    struct voice voice[PEOPLE];
    unsigned level[PEOPLE]; /* VOICES_SILENT: sends nothing */
    usec_t now;
    uint32_t random;
    unsigned most_in;
};

static void begin(struct hall *h, unsigned most)
{
    *h = (struct hall){.now = 1000 * USEC_PER_SEC};
    voices_init(&h->voices, most);
    for (unsigned i = 0; i < PEOPLE; i++)
        h->level[i] = VOICES_SILENT;
}

/* Speech sways by nine decibels and pauses. */
static unsigned swayed(struct hall *h, unsigned who)
{
    h->random = h->random * 1664525 + 1013904223;
    bool pause = h->now / STEP % 40 >= 34;
    return h->level[who] + (pause ? 70 : h->random >> 16 & 7);
}

static void speak(struct hall *h, usec_t time)
{
    for (usec_t end = h->now + time; h->now < end; h->now += STEP) {
        for (unsigned i = 0; i < PEOPLE; i++)
            if (h->level[i] < VOICES_SILENT)
                (void)voices_hear(&h->voices, h->now, &h->voice[i], swayed(h, i), 1);
        voices_tick(&h->voices, h->now);
        unsigned in = 0;
        for (unsigned i = 0; i < PEOPLE; i++)
            in += h->voice[i].place == VOICE_IN;
        h->most_in = in > h->most_in ? in : h->most_in;
    }
}

static bool heard(const struct hall *h, unsigned who)
{
    return h->voice[who].place != VOICE_OUT;
}

static void the_loudest_are_heard(void **state)
{
    (void)state;
    struct hall h;
    begin(&h, 3);
    for (unsigned i = 0; i < 5; i++)
        h.level[i] = 50 - i * 8; /* the last is the loudest */
    speak(&h, 3 * USEC_PER_SEC);
    for (unsigned i = 0; i < PEOPLE; i++)
        assert_int_equal(heard(&h, i), i >= 2 && i < 5);
    assert_ptr_equal(h.voices.first, &h.voice[4]);
    assert_int_equal(h.most_in, 3);
}

static void who_is_louder_enters_with_the_first_packet(void **state)
{
    (void)state;
    struct hall h;
    begin(&h, 2);
    h.level[0] = h.level[1] = 40;
    speak(&h, 2 * USEC_PER_SEC);
    assert_true(voices_hear(&h.voices, h.now, &h.voice[2], 20, 1));
    assert_int_equal(h.voice[2].spell, 1);
    /* The one it beat ends its syllable. */
    assert_int_equal(h.voices.count, 3);
    speak(&h, 280 * USEC_PER_MSEC);
    assert_int_equal(h.voices.count, 3);
    speak(&h, 60 * USEC_PER_MSEC);
    assert_int_equal(h.voices.count, 2);
    assert_true(heard(&h, 2));
}

static void equal_voices_do_not_change_places(void **state)
{
    (void)state;
    struct hall h;
    begin(&h, 3);
    for (unsigned i = 0; i < 5; i++)
        h.level[i] = 30;
    speak(&h, 120 * USEC_PER_SEC);
    uint32_t spells = 0;
    for (unsigned i = 0; i < 5; i++)
        spells += h.voice[i].spell;
    assert_in_range(spells, 3, 6);
}

static void a_lasting_difference_decides(void **state)
{
    (void)state;
    struct hall h;
    begin(&h, 1);
    h.level[0] = 30;
    speak(&h, 2 * USEC_PER_SEC);
    h.level[1] = 25; /* too little for at once */
    speak(&h, 10 * USEC_PER_SEC);
    assert_true(heard(&h, 1) && !heard(&h, 0));
}

static void silence_leaves_and_returns_at_once(void **state)
{
    (void)state;
    struct hall h;
    begin(&h, 3);
    h.level[0] = 30;
    speak(&h, 2 * USEC_PER_SEC);
    assert_true(heard(&h, 0));
    h.level[0] = 100;
    speak(&h, 900 * USEC_PER_MSEC);
    assert_true(heard(&h, 0));
    speak(&h, 300 * USEC_PER_MSEC);
    assert_false(heard(&h, 0));
    assert_null(h.voices.first);
    assert_true(voices_hear(&h.voices, h.now, &h.voice[0], 40, 1));
    assert_int_equal(h.voice[0].spell, 2);
    /* DTX: no packets at all. */
    h.level[0] = VOICES_SILENT;
    speak(&h, 1100 * USEC_PER_MSEC);
    assert_false(heard(&h, 0));
}

static void staff_who_speak_are_heard(void **state)
{
    (void)state;
    struct hall h;
    begin(&h, 3);
    h.voice[0].staff = true;
    h.level[0] = 60;
    for (unsigned i = 1; i < 6; i++)
        h.level[i] = 20;
    speak(&h, 5 * USEC_PER_SEC);
    assert_true(heard(&h, 0));
    assert_int_equal(h.most_in, 3); /* staff takes one of the places */
    /* However many they are, one place is for others. */
    for (unsigned i = 0; i < 5; i++) {
        h.voice[i].staff = true;
        h.level[i] = 60;
    }
    speak(&h, 5 * USEC_PER_SEC);
    for (unsigned i = 0; i < 6; i++)
        assert_true(heard(&h, i));
}

static void the_dominant_speaker_is_not_beaten(void **state)
{
    (void)state;
    struct hall h;
    begin(&h, 2);
    h.voice[3].dominant = true;
    h.level[3] = 60;
    for (unsigned i = 0; i < 3; i++)
        h.level[i] = 20;
    speak(&h, 5 * USEC_PER_SEC);
    assert_true(heard(&h, 3));
    assert_int_equal(h.most_in, 2);
}

static void who_is_gone_is_forgotten(void **state)
{
    (void)state;
    struct hall h;
    begin(&h, 3);
    h.level[0] = 20;
    h.level[1] = 40;
    speak(&h, USEC_PER_SEC);
    assert_ptr_equal(h.voices.first, &h.voice[0]);
    voices_drop(&h.voices, h.now, &h.voice[0]);
    assert_false(heard(&h, 0));
    assert_ptr_equal(h.voices.first, &h.voice[1]);
    assert_int_equal(h.voices.count, 1);
}

static void there_is_a_bound(void **state)
{
    (void)state;
    static struct voices v;
    static struct voice many[VOICES_MAX + 10];
    voices_init(&v, 3);
    for (unsigned i = 0; i < VOICES_MAX + 10; i++) {
        many[i].staff = true;
        (void)voices_hear(&v, 1000000, &many[i], 20, 1);
        assert_in_range(v.count, 1, VOICES_MAX);
    }
    assert_int_equal(many[VOICES_MAX].place, VOICE_OUT);
}

/* Who stays below what lets him in may go unmeasured. */
static void levels_that_change_nothing_are_known(void **state)
{
    (void)state;
    struct hall h;
    begin(&h, 3);
    assert_true(voices_mind(&h.voices, h.now, &h.voice[5], 70)); /* there is room */
    assert_false(voices_mind(&h.voices, h.now, &h.voice[5], 90));
    for (unsigned i = 0; i < 3; i++)
        h.level[i] = 30;
    speak(&h, 3 * USEC_PER_SEC);
    assert_true(voices_mind(&h.voices, h.now, &h.voice[5], 20));
    assert_false(voices_mind(&h.voices, h.now, &h.voice[5], 45));
    assert_false(voices_mind(&h.voices, h.now, &h.voice[5], 127));
    assert_true(voices_mind(&h.voices, h.now, &h.voice[0], 127)); /* heard now */
    h.voice[5].staff = true;
    assert_true(voices_mind(&h.voices, h.now, &h.voice[5], 45));
    assert_false(voices_mind(&h.voices, h.now, &h.voice[5], 90));
    h.voice[5] = (struct voice){.dominant = true};
    assert_true(voices_mind(&h.voices, h.now, &h.voice[5], 90));
    h.voice[5].dominant = false;
    h.now += 1100 * USEC_PER_MSEC; /* the others have stopped */
    assert_true(voices_mind(&h.voices, h.now, &h.voice[5], 45));
    /* A whole talk at levels of which it is said so changes nothing. */
    h.now -= 1100 * USEC_PER_MSEC;
    h.level[5] = 38;
    speak(&h, 5 * USEC_PER_SEC);
    assert_false(heard(&h, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loudest_are_heard),
        cmocka_unit_test(who_is_louder_enters_with_the_first_packet),
        cmocka_unit_test(equal_voices_do_not_change_places),
        cmocka_unit_test(a_lasting_difference_decides),
        cmocka_unit_test(silence_leaves_and_returns_at_once),
        cmocka_unit_test(staff_who_speak_are_heard),
        cmocka_unit_test(the_dominant_speaker_is_not_beaten),
        cmocka_unit_test(who_is_gone_is_forgotten),
        cmocka_unit_test(there_is_a_bound),
        cmocka_unit_test(levels_that_change_nothing_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
