#include "school/sessions.h"
#include "school/testing.h"

static void accounts_are_unique_and_clean(void **state)
{
    struct sql *sql = *state;
    char account[ACCOUNT_SIZE];
    assert_int_equal(account_clean(SLICE(" Amina.Y+1@School.Example "), account), 0);
    assert_string_equal(account, "amina.y+1@school.example");
    assert_int_equal(account_clean(SLICE("a"), account), ERR_FORMAT);
    assert_int_equal(account_clean(SLICE("a b"), account), ERR_FORMAT);
    assert_int_equal(account_clean(SLICE("a\0b"), account), ERR_FORMAT);
    struct person one = add_person(sql, "amina", ROLE_PUPIL), two = one;
    assert_int_equal(person_create(sql, &two, NULL, NOW), ERR_EXISTS);
    char hash[PASSWORD_HASH_MAX] = "x";
    assert_int_equal(person_by_account(sql, "amina", &two, hash), 0);
    assert_string_equal(two.id, one.id);
    assert_string_equal(hash, "");
    assert_int_equal(person_by_account(sql, "nobody", &two, hash), ERR_NOT_FOUND);
}

static void an_administrator_remains(void **state)
{
    struct sql *sql = *state;
    struct person one = add_person(sql, "one", ROLE_ADMIN),
                  two = add_person(sql, "two", ROLE_ADMIN);
    one.disabled = true;
    assert_int_equal(person_update(sql, &one), 0);
    two.role = ROLE_TEACHER;
    assert_int_equal(person_update(sql, &two), ERR_STATE);
    assert_int_equal(person_delete(sql, two.id), ERR_STATE);
    assert_int_equal(person_find(sql, two.id, &two), 0);
    assert_int_equal(two.role, ROLE_ADMIN);
    /* What concerns nobody's administration is free. */
    assert_int_equal(person_delete(sql, one.id), 0);
}

static void deletion_forgets_the_person(void **state)
{
    struct sql *sql = *state;
    struct person gone = add_person(sql, "gone", ROLE_PUPIL);
    char token[TOKEN_SIZE], code[TOKEN_SIZE];
    assert_int_equal(session_create(sql, gone.id, false, NOW, token), 0);
    assert_int_equal(code_issue(sql, gone.id, "x", "/", 1000, NOW, code), 0);
    assert_int_equal(person_delete(sql, gone.id), 0);
    assert_int_equal(count_rows(sql, "SELECT COUNT(*) FROM session"), 0);
    assert_int_equal(count_rows(sql, "SELECT COUNT(*) FROM code"), 0);
    assert_int_equal(
        count_rows(sql, "SELECT COUNT(*) FROM person WHERE name<>'' OR account IS NOT NULL"), 0);
    (void)add_person(sql, "gone", ROLE_PUPIL);
}

static void sessions_live_two_weeks_from_use(void **state)
{
    struct sql *sql = *state;
    struct person person = add_person(sql, "amina", ROLE_PUPIL);
    struct session session;
    char token[TOKEN_SIZE];
    assert_int_equal(session_create(sql, person.id, false, NOW, token), 0);
    assert_int_equal(
        count_rows(sql,
                   "SELECT COUNT(*) FROM session WHERE length(hash)=64 AND hash NOT LIKE '%Z%'"),
        1);
    struct slice key = slice_str(token);
    assert_int_equal(session_find(sql, key, NOW + SESSION_LIFE - 1, &session), 0);
    assert_string_equal(session.person.id, person.id);
    assert_int_equal(session_find(sql, key, NOW + 2 * SESSION_LIFE - 2, &session), 0);
    assert_int_equal(session_find(sql, key, NOW + 4 * SESSION_LIFE, &session), ERR_NOT_FOUND);
    assert_int_equal(session_find(sql, SLICE("short"), NOW, &session), ERR_NOT_FOUND);
    person.disabled = true;
    assert_int_equal(session_create(sql, person.id, false, NOW, token), 0);
    assert_int_equal(person_update(sql, &person), 0);
    assert_int_equal(session_find(sql, slice_str(token), NOW, &session), ERR_NOT_FOUND);
}

static void passwords_end_other_sessions(void **state)
{
    struct sql *sql = *state;
    struct person person = add_person(sql, "amina", ROLE_PUPIL);
    struct session mine, other;
    char one[TOKEN_SIZE], two[TOKEN_SIZE];
    assert_int_equal(session_create(sql, person.id, true, NOW, one), 0);
    assert_int_equal(session_create(sql, person.id, false, NOW, two), 0);
    assert_int_equal(session_find(sql, slice_str(one), NOW, &mine), 0);
    assert_true(mine.entered_at == NOW);
    assert_int_equal(person_set_password(sql, person.id, "hash", mine.hash), 0);
    assert_int_equal(session_find(sql, slice_str(two), NOW, &other), ERR_NOT_FOUND);
    assert_int_equal(session_find(sql, slice_str(one), NOW, &mine), 0);
    assert_true(mine.entered_at == 0);
    assert_true(mine.person.has_password);
    assert_int_equal(person_reset(sql, person.id), 0);
    assert_int_equal(session_find(sql, slice_str(one), NOW, &mine), ERR_NOT_FOUND);
}

static void codes_work_once(void **state)
{
    struct sql *sql = *state;
    struct person person = add_person(sql, "amina", ROLE_PUPIL);
    char code[TOKEN_SIZE], first[TOKEN_SIZE] = "", id[ID_SIZE], next[NEXT_SIZE];
    assert_int_equal(code_issue(sql, person.id, "invite", "/class/1", 1000, NOW, code), 0);
    assert_int_equal(code_use(sql, slice_str(code), NOW + 1000, id, next), ERR_NOT_FOUND);
    assert_int_equal(code_use(sql, slice_str(code), NOW + 999, id, next), 0);
    assert_string_equal(id, person.id);
    assert_string_equal(next, "/class/1");
    assert_int_equal(code_use(sql, slice_str(code), NOW, id, next), ERR_NOT_FOUND);
    for (int i = 0; i < 30; i++)
        assert_int_equal(code_issue(sql, person.id, "invite", "/", 1000, NOW + i, i ? code : first),
                         0);
    assert_int_equal(count_rows(sql, "SELECT COUNT(*) FROM code"), 20);
    assert_int_equal(code_use(sql, slice_str(first), NOW, id, next), ERR_NOT_FOUND);
    assert_int_equal(sessions_purge(sql, NOW + 5000), 0);
    assert_int_equal(count_rows(sql, "SELECT COUNT(*) FROM code"), 0);
}

static void devices_belong_to_accounts(void **state)
{
    struct sql *sql = *state;
    struct person one = add_person(sql, "one", ROLE_PUPIL),
                  two = add_person(sql, "two", ROLE_PUPIL);
    bool known = true;
    assert_int_equal(device_remember(sql, SLICE("device"), one.id, NOW), 0);
    assert_int_equal(device_remember(sql, SLICE("device"), one.id, NOW + 1), 0);
    assert_int_equal(device_known(sql, SLICE("device"), two.id, &known), 0);
    assert_false(known);
    assert_int_equal(device_known(sql, SLICE("device"), one.id, &known), 0);
    assert_true(known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(accounts_are_unique_and_clean), T(an_administrator_remains),
        T(deletion_forgets_the_person),   T(sessions_live_two_weeks_from_use),
        T(passwords_end_other_sessions),  T(codes_work_once),
        T(devices_belong_to_accounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
