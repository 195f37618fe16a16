#include "bridge/ice.h"

#include "base/check.h"
#include "crypto/hash.h"
#include "proto/stun.h"

static const char PWD_A[] = "password-of-a-24-letters", PWD_B[] = "password-of-b-24-letters";

static struct ice *agent(const char *ufrag, const char *pwd, bool controlling, uint64_t tie)
{
    struct ice *ice = NULL;
    const struct ice_config config = {
        .ufrag = slice_str(ufrag),
        .pwd = slice_str(pwd),
        .controlling = controlling,
        .tie_breaker = tie,
        .seed = 1,
    };
    assert_int_equal(ice_new(&config, &ice), 0);
    return ice;
}

static struct path path_from(uint8_t host)
{
    return (struct path){.local = address_v4(192, 0, 2, 1, 10000),
                         .remote = address_v4(198, 51, 100, host, 4000)};
}

/* Carries everything between two agents until nothing moves; a's path is b's turned round. */
static void exchange(struct ice *a, struct ice *b, usec_t now)
{
    struct path path;
    struct slice bytes;
    for (bool moved = true; moved;) {
        moved = false;
        while (ice_poll(a, &path, &bytes)) {
            struct path back = {.local = path.remote, .remote = path.local};
            (void)!ice_input(b, now, &back, bytes); /* refusals are part of the exchange */
            moved = true;
        }
        while (ice_poll(b, &path, &bytes)) {
            struct path back = {.local = path.remote, .remote = path.local};
            (void)!ice_input(a, now, &back, bytes);
            moved = true;
        }
    }
}

static void roles_conflict(bool both_controlling, uint64_t tie_a, uint64_t tie_b)
{
    struct ice *a = agent("aaaa", PWD_A, both_controlling, tie_a);
    struct ice *b = agent("bbbb", PWD_B, both_controlling, tie_b);
    struct path path = path_from(7), selected;
    assert_int_equal(ice_set_remote(a, 1000, SLICE("bbbb"), slice_str(PWD_B)), 0);
    assert_int_equal(ice_set_remote(b, 1000, SLICE("aaaa"), slice_str(PWD_A)), 0);
    assert_int_equal(ice_add_remote(a, 1000, &path), 0);
    for (usec_t now = 1000; now < 5 * USEC_PER_SEC; now += 50 * USEC_PER_MSEC) {
        ice_tick(a, now);
        ice_tick(b, now);
        exchange(a, b, now);
    }
    /* RFC 8445, section 7.3.1.1: the larger tie-breaker ends up controlling. */
    assert_int_equal(ice_is_controlling(a), tie_a >= tie_b);
    assert_int_equal(ice_is_controlling(b), tie_a < tie_b);
    assert_true(ice_selected(a, &selected));
    assert_true(ice_selected(b, &selected));
    ice_free(&a);
    ice_free(&b);
}

static void role_conflicts_end_with_one_of_each(void **state)
{
    roles_conflict(true, 10, 20);
    roles_conflict(true, 20, 10);
    roles_conflict(false, 10, 20);
    roles_conflict(false, 20, 10);
}

/* A check as the client bbbb would send it. */
static struct slice check(uint8_t *out, const char *username, const char *pwd, uint8_t id)
{
    const struct stun_message message = {
        .class = STUN_REQUEST,
        .method = STUN_BINDING,
        .id = {id},
        .username = slice_str(username),
        .role = STUN_CONTROLLED,
        .tie_breaker = 5,
    };
    size_t len = 0;
    assert_int_equal(
        stun_build(&message, slice_str(pwd), hash_hmac_sha1_parts, out, STUN_MESSAGE_MAX, &len), 0);
    return slice_of(out, len);
}

static void only_the_right_credentials_are_answered(void **state)
{
    struct ice *a = agent("aaaa", PWD_A, true, 1);
    uint8_t bytes[STUN_MESSAGE_MAX];
    struct path path = path_from(7), to;
    struct slice out;
    assert_int_equal(ice_input(a, 1, &path, check(bytes, "aaaa:bbbb", PWD_B, 1)), ERR_AUTH);
    assert_int_equal(ice_input(a, 1, &path, check(bytes, "aaab:bbbb", PWD_A, 1)), ERR_AUTH);
    assert_int_equal(ice_input(a, 1, &path, check(bytes, "aaaa:bbbb", "", 1)), ERR_AUTH);
    assert_false(ice_poll(a, &to, &out));
    assert_false(ice_knows(a, &path));

    /* Before session-accept: answered, from the very address asked, but no check of ours. */
    assert_int_equal(ice_input(a, 1, &path, check(bytes, "aaaa:bbbb", PWD_A, 1)), 0);
    assert_true(ice_poll(a, &to, &out));
    assert_true(path_eq(&to, &path));
    struct stun_message answer;
    assert_int_equal(stun_parse(out, &answer), 0);
    assert_int_equal(answer.class, STUN_SUCCESS);
    assert_true(address_eq(&answer.mapped, &path.remote));
    assert_true(stun_check_integrity(&answer, slice_str(PWD_A), hash_hmac_sha1_parts));
    assert_false(ice_poll(a, &to, &out));

    /* With it the check goes out at once and nominates. */
    assert_int_equal(ice_set_remote(a, 2, SLICE("bbbb"), slice_str(PWD_B)), 0);
    assert_true(ice_poll(a, &to, &out));
    assert_int_equal(stun_parse(out, &answer), 0);
    assert_int_equal(answer.class, STUN_REQUEST);
    assert_true(answer.use_candidate);
    assert_int_equal(answer.role, STUN_CONTROLLING);
    assert_true(slice_eq_str(answer.username, "bbbb:aaaa"));
    assert_true(stun_check_integrity(&answer, slice_str(PWD_B), hash_hmac_sha1_parts));
    /* From now on another peer's fragment is refused. */
    assert_int_equal(ice_input(a, 3, &path, check(bytes, "aaaa:cccc", PWD_A, 2)), ERR_AUTH);
    ice_free(&a);
}

/* What the agent says to a check: its answer's class, or an error. */
static int said_to(struct ice *ice, usec_t now, const struct path *path, struct slice datagram,
                   const char *pwd)
{
    struct path to;
    struct slice out;
    struct stun_message answer;
    int err = ice_input(ice, now, path, datagram);
    if (err)
        return err;
    assert_true(ice_poll(ice, &to, &out));
    assert_int_equal(stun_parse(out, &answer), 0);
    assert_true(stun_check_integrity(&answer, slice_str(pwd), hash_hmac_sha1_parts));
    while (ice_poll(ice, &to, &out))
        ;
    return answer.class;
}

static void a_restart_answers_to_both_for_a_while(void **state)
{
    static const char PWD_A2[] = "other-password-of-a-24-l";
    struct ice *a = agent("aaaa", PWD_A, true, 1);
    uint8_t bytes[STUN_MESSAGE_MAX];
    struct path path = path_from(7), other = path_from(8);
    assert_int_equal(ice_set_remote(a, 1, SLICE("bbbb"), slice_str(PWD_B)), 0);
    assert_int_equal(ice_restart(a, SLICE("aaa"), slice_str(PWD_A2)), ERR_FORMAT);
    assert_int_equal(ice_restart(a, SLICE("aaaA"), slice_str(PWD_A2)), 0);
    assert_int_equal(said_to(a, 2, &path, check(bytes, "aaaa:bbbb", PWD_A, 1), PWD_A),
                     STUN_SUCCESS);
    assert_int_equal(said_to(a, 2, &other, check(bytes, "aaaA:cccc", PWD_A2, 2), PWD_A2),
                     STUN_SUCCESS);
    /* Names and passwords of the two do not mix. */
    assert_int_equal(ice_set_remote(a, 3, SLICE("cccc"), slice_str(PWD_B)), 0);
    const char *wrong[][2] = {
        {"aaaa:bbbb", PWD_A2}, {"aaaA:cccc", PWD_A}, {"aaaa:cccc", PWD_A}, {"aaaA:bbbb", PWD_A2}};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_int_equal(
            ice_input(a, 4, &path, check(bytes, wrong[i][0], wrong[i][1], (uint8_t)(10 + i))),
            ERR_AUTH);
    /* A second restart before the first led to anything: the very first still holds. */
    assert_int_equal(ice_restart(a, SLICE("aaab"), slice_str(PWD_A2)), 0);
    assert_true(ice_answers_to(a, SLICE("aaaa")));
    assert_false(ice_answers_to(a, SLICE("aaaA")));
    assert_true(ice_answers_to(a, SLICE("aaab")));
    ice_free(&a);
}

static void guessing_is_limited_and_does_not_lock_the_peer_out(void **state)
{
    struct ice *a = agent("aaaa", PWD_A, true, 1);
    uint8_t bytes[STUN_MESSAGE_MAX];
    struct path good = path_from(7), bad = path_from(8);
    assert_int_equal(ice_input(a, 1, &good, check(bytes, "aaaa:bbbb", PWD_A, 1)), 0);
    int limited = 0;
    for (int i = 0; i < 500; i++)
        limited += ice_input(a, 1000, &bad, check(bytes, "aaaa:bbbb", PWD_B, 1)) == ERR_LIMIT;
    assert_int_equal(limited, 400);
    assert_int_equal(ice_input(a, 1000, &good, check(bytes, "aaaa:bbbb", PWD_A, 2)), 0);
    assert_int_equal(ice_input(a, 1000, &bad, check(bytes, "aaaa:bbbb", PWD_A, 2)), ERR_LIMIT);
    usec_t later = 1000 + USEC_PER_SEC;
    assert_int_equal(ice_input(a, later, &bad, check(bytes, "aaaa:bbbb", PWD_A, 2)), 0);
    ice_free(&a);
}

static void addresses_are_bounded_and_the_oldest_go_first(void **state)
{
    struct ice *a = agent("aaaa", PWD_A, true, 1);
    uint8_t bytes[STUN_MESSAGE_MAX];
    struct path to;
    struct slice out;
    for (uint8_t host = 1; host <= 3 * ICE_PATHS_MAX; host++) {
        struct path path = path_from(host);
        assert_int_equal(ice_input(a, host, &path, check(bytes, "aaaa:bbbb", PWD_A, 1)), 0);
        while (ice_poll(a, &to, &out))
            continue;
    }
    struct path first = path_from(1), last = path_from(3 * ICE_PATHS_MAX);
    assert_false(ice_knows(a, &first));
    assert_true(ice_knows(a, &last));
    ice_free(&a);
}

static void an_answer_counts_only_on_its_own_path_and_once(void **state)
{
    struct ice *a = agent("aaaa", PWD_A, true, 1);
    struct path path = path_from(7), other = path_from(8), to;
    struct slice out;
    assert_int_equal(ice_set_remote(a, 1, SLICE("bbbb"), slice_str(PWD_B)), 0);
    assert_int_equal(ice_add_remote(a, 1, &path), 0);
    assert_true(ice_poll(a, &to, &out));
    struct stun_message message;
    assert_int_equal(stun_parse(out, &message), 0);
    message = (struct stun_message){.class = STUN_SUCCESS,
                                    .method = STUN_BINDING,
                                    .id = {0},
                                    .has_mapped = true,
                                    .mapped = path.local};
    memcpy(message.id, out.data + 8, STUN_ID_SIZE);
    uint8_t bytes[STUN_MESSAGE_MAX];
    size_t len = 0;
    assert_int_equal(
        stun_build(&message, SLICE("wrong"), hash_hmac_sha1_parts, bytes, sizeof bytes, &len), 0);
    assert_int_equal(ice_input(a, 2, &path, slice_of(bytes, len)), ERR_AUTH);
    assert_int_equal(
        stun_build(&message, slice_str(PWD_B), hash_hmac_sha1_parts, bytes, sizeof bytes, &len), 0);
    assert_int_equal(ice_input(a, 2, &other, slice_of(bytes, len)), ERR_NOT_FOUND);
    assert_false(ice_selected(a, &to));
    assert_int_equal(ice_input(a, 2, &path, slice_of(bytes, len)), 0);
    assert_true(ice_selected(a, &to));
    assert_int_equal(ice_input(a, 2, &path, slice_of(bytes, len)), ERR_NOT_FOUND);
    ice_free(&a);
}

static void weak_credentials_are_refused(void **state)
{
    struct ice *ice = NULL;
    struct ice_config config = {.ufrag = SLICE("abc"), .pwd = slice_str(PWD_A)};
    assert_int_equal(ice_new(&config, &ice), ERR_FORMAT);
    config = (struct ice_config){.ufrag = SLICE("abcd"), .pwd = SLICE("short")};
    assert_int_equal(ice_new(&config, &ice), ERR_FORMAT);
    assert_null(ice);
}

/* A stream that answered first gives way to datagrams, and serves when these get lost. */
static void datagrams_are_preferred_to_a_stream(void **state)
{
    struct ice *a = agent("aaaa", PWD_A, true, 1), *b = agent("bbbb", PWD_B, false, 2);
    struct address remote = address_v4(198, 51, 100, 7, 4000);
    struct path stream = path_of_stream(1, &remote), datagrams = path_from(7), selected;
    usec_t now = 1000;
    assert_int_equal(ice_set_remote(a, now, SLICE("bbbb"), slice_str(PWD_B)), 0);
    assert_int_equal(ice_set_remote(b, now, SLICE("aaaa"), slice_str(PWD_A)), 0);
    assert_int_equal(ice_add_remote(a, now, &stream), 0);
    exchange(a, b, now);
    assert_true(ice_selected(a, &selected) && path_is_stream(&selected));
    assert_int_equal(ice_add_remote(a, now, &datagrams), 0);
    exchange(a, b, now);
    assert_true(ice_selected(a, &selected) && path_eq(&selected, &datagrams));
    ice_heard(a, now += USEC_PER_MSEC, &stream); /* what was still on its way */
    assert_true(ice_selected(a, &selected) && path_eq(&selected, &datagrams));

    struct slice bytes;
    struct path path, back;
    for (usec_t end = now + 5 * USEC_PER_SEC; now < end; now += 20 * USEC_PER_MSEC) {
        ice_tick(a, now);
        while (ice_poll(a, &path, &bytes)) {
            back = (struct path){.local = path.remote, .remote = path.local};
            if (path_is_stream(&path))
                assert_int_equal(ice_input(b, now, &back, bytes), 0);
        }
        while (ice_poll(b, &path, &bytes)) {
            back = (struct path){.local = path.remote, .remote = path.local};
            if (path_is_stream(&back))
                assert_int_equal(ice_input(a, now, &back, bytes), 0);
        }
        ice_heard(a, now, &stream); /* the peer knows already */
    }
    assert_true(ice_selected(a, &selected) && path_is_stream(&selected));
    ice_path_gone(a, now, &stream);
    assert_false(ice_knows(a, &stream));
    assert_true(!ice_selected(a, &selected) || !path_is_stream(&selected));
    ice_free(&a);
    ice_free(&b);
}

static void a_stream_is_preferred_to_the_relay_beside_us(void **state)
{
    struct ice *a = agent("aaaa", PWD_A, true, 1), *b = agent("bbbb", PWD_B, false, 2);
    struct address remote = address_v4(198, 51, 100, 7, 4000);
    struct path stream = path_of_stream(1, &remote), selected;
    struct path relayed = {.local = address_v4(192, 0, 2, 1, 10000),
                           .remote = address_v4(192, 0, 2, 1, 50000)};
    assert_int_equal(ice_set_remote(a, 1000, SLICE("bbbb"), slice_str(PWD_B)), 0);
    assert_int_equal(ice_set_remote(b, 1000, SLICE("aaaa"), slice_str(PWD_A)), 0);
    assert_int_equal(ice_add_remote(a, 1000, &stream), 0);
    assert_int_equal(ice_add_remote(a, 1000, &relayed), 0);
    exchange(a, b, 1000);
    assert_true(ice_selected(a, &selected) && path_is_stream(&selected));
    ice_heard(a, 2000, &relayed);
    assert_true(ice_selected(a, &selected) && path_is_stream(&selected));
    ice_path_gone(a, 3000, &stream);
    assert_true(ice_selected(a, &selected) && path_eq(&selected, &relayed));
    ice_free(&a);
    ice_free(&b);
}

static void the_relay_beside_us_waits_for_better_paths(void **state)
{
    struct ice *a = agent("aaaa", PWD_A, true, 1), *b = agent("bbbb", PWD_B, false, 2);
    struct path relayed = {.local = address_v4(192, 0, 2, 1, 10000),
                           .remote = address_v4(192, 0, 2, 1, 50000)};
    struct path selected;
    assert_int_equal(ice_set_remote(a, 1000, SLICE("bbbb"), slice_str(PWD_B)), 0);
    assert_int_equal(ice_set_remote(b, 1000, SLICE("aaaa"), slice_str(PWD_A)), 0);
    assert_int_equal(ice_add_remote(a, 1000, &relayed), 0);
    exchange(a, b, 1000);
    assert_false(ice_selected(a, &selected));
    usec_t now = 1000;
    for (usec_t next = now; !ice_selected(a, &selected) && next < USEC_PER_SEC;) {
        now = next;
        next = ice_tick(a, now);
    }
    assert_true(ice_selected(a, &selected) && path_eq(&selected, &relayed));
    assert_int_equal(now, 1000 + 500 * USEC_PER_MSEC);
    ice_free(&a);
    ice_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(role_conflicts_end_with_one_of_each),
        cmocka_unit_test(only_the_right_credentials_are_answered),
        cmocka_unit_test(a_restart_answers_to_both_for_a_while),
        cmocka_unit_test(guessing_is_limited_and_does_not_lock_the_peer_out),
        cmocka_unit_test(addresses_are_bounded_and_the_oldest_go_first),
        cmocka_unit_test(an_answer_counts_only_on_its_own_path_and_once),
        cmocka_unit_test(weak_credentials_are_refused),
        cmocka_unit_test(datagrams_are_preferred_to_a_stream),
        cmocka_unit_test(a_stream_is_preferred_to_the_relay_beside_us),
        cmocka_unit_test(the_relay_beside_us_waits_for_better_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
