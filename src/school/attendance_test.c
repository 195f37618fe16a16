#include "school/attendance.h"
#include "school/audit.h"
#include "school/classes.h"
#include "school/events.h"
#include "school/testing.h"

static struct class a_class(struct sql *sql)
{
    struct class class = {.title = "Algebra"};
    assert_int_equal(class_create(sql, &class, NOW), 0);
    return class;
}

static void stay(struct sql *sql, const char *class, const char *person, const char *session,
                 msec_t from, msec_t length)
{
    struct join join = {
        .class = class, .person = person, .name = "N", .session = session, .at = from};
    assert_int_equal(attendance_join(sql, &join), 0);
    if (length >= 0)
        assert_int_equal(attendance_leave(sql, session, from + length, length), 0);
}

static struct attendance_now at(msec_t wall, msec_t clock)
{
    return (struct attendance_now){wall, clock};
}

static int add_total(void *arg, const struct presence *presence)
{
    char *out = arg;
    (void)snprintf(out + strlen(out), 200 - strlen(out), "%s=%lld ", presence->person,
                   (long long)presence->length);
    return 0;
}

static void two_devices_count_once(void **state)
{
    struct sql *sql = *state;
    struct class class = a_class(sql);
    char totals[200] = "";
    int64_t present = 0;
    stay(sql, class.id, "a", "s1", NOW, 100);
    stay(sql, class.id, "a", "s2", NOW + 50, 100);
    stay(sql, class.id, "a", "s3", NOW + 500, 10);
    stay(sql, class.id, "b", "s4", NOW + 20, -1);
    stay(sql, class.id, "b", "s5", NOW + 30, -1);
    stay(sql, class.id, "", "s6", NOW + 40, 7);
    assert_int_equal(attendance_totals(sql, class.id, at(NOW + 1000, 0), add_total, totals), 0);
    assert_string_equal(totals, "a=160 b=980 guest N=7 ");
    assert_int_equal(attendance_present(sql, class.id, &present), 0);
    assert_int_equal(present, 1);
    assert_int_equal(attendance_close(sql, class.id, NOW + 100), 0);
    assert_int_equal(attendance_present(sql, class.id, &present), 0);
    assert_int_equal(present, 0);
}

static void lengths_come_from_the_monotonic_clock(void **state)
{
    struct sql *sql = *state;
    struct class class = a_class(sql);
    char totals[200] = "";
    struct join join = {.class = class.id, .person = "a", .name = "N", .session = "s", .at = NOW};
    assert_int_equal(attendance_join(sql, &join), 0);
    /* The wall clock went back an hour. */
    assert_int_equal(attendance_leave(sql, "s", NOW - MSEC_PER_HOUR, 60000), 0);
    assert_int_equal(attendance_leave(sql, "s", NOW, 1), 0);
    assert_int_equal(attendance_leave(sql, "unknown", NOW, 1), 0);
    assert_int_equal(attendance_totals(sql, class.id, at(NOW, 0), add_total, totals), 0);
    assert_string_equal(totals, "a=60000 ");
}

static void so_do_lengths_of_open_stays(void **state)
{
    struct sql *sql = *state;
    struct class class = a_class(sql);
    char totals[200] = "";
    struct join join = {
        .class = class.id, .person = "a", .name = "N", .session = "s", .at = NOW, .clock = 5000};
    assert_int_equal(attendance_join(sql, &join), 0);
    assert_int_equal(
        attendance_totals(sql, class.id, at(NOW - MSEC_PER_HOUR, 65000), add_total, totals), 0);
    assert_int_equal(
        attendance_totals(sql, class.id, at(NOW + MSEC_PER_HOUR, 66000), add_total, totals), 0);
    assert_string_equal(totals, "a=60000 a=61000 ");
}

static struct event event_of(uint64_t number, const char *type, const char *class)
{
    return (struct event){.number = number,
                          .payload = slice_str(type),
                          .type = type,
                          .room = "",
                          .class = class,
                          .at = NOW,
                          .user = "u1",
                          .name = "N",
                          .session = "s",
                          .present = -1,
                          .recording = "",
                          .by = "",
                          .media = ""};
}

static void events_apply_once(void **state)
{
    struct sql *sql = *state;
    struct class class = a_class(sql);
    bool known = false;
    struct event join = event_of(1, "join", class.id), leave = event_of(2, "leave", class.id);
    leave.present = 1000;
    for (int round = 0; round < 3; round++) {
        assert_int_equal(event_apply(sql, &join, NOW, &known), 0);
        assert_int_equal(event_apply(sql, &leave, NOW, &known), 0);
        assert_true(known);
    }
    assert_int_equal(count_rows(sql, "SELECT COUNT(*) FROM attendance"), 1);
    assert_int_equal(count_rows(sql, "SELECT COUNT(*) FROM audit"), 2);
    /* Another journal counts anew: the same number, other bytes. */
    join.payload = SLICE("another day");
    assert_int_equal(event_apply(sql, &join, NOW, &known), 0);
    assert_int_equal(count_rows(sql, "SELECT COUNT(*) FROM attendance"), 2);
    struct event odd = event_of(9, "dance", class.id);
    assert_int_equal(event_apply(sql, &odd, NOW, &known), 0);
    assert_false(known);
    odd = event_of(10, "join", "no such class");
    assert_int_equal(event_apply(sql, &odd, NOW, &known), 0);
    assert_false(known);
    odd.room = class.room;
    odd.number = 11;
    assert_int_equal(event_apply(sql, &odd, NOW, &known), 0);
    assert_true(known);
    assert_int_equal(events_purge(sql, NOW + 31 * MSEC_PER_DAY), 0);
    assert_int_equal(count_rows(sql, "SELECT COUNT(*) FROM event_seen"), 0);
}

static void moderation_is_on_record(void **state)
{
    struct sql *sql = *state;
    struct class class = a_class(sql);
    bool known = false;
    struct event muted = event_of(1, "muted", class.id);
    muted.by = "teacher1";
    muted.media = "audio";
    assert_int_equal(event_apply(sql, &muted, NOW, &known), 0);
    struct event kicked = event_of(2, "kicked", class.id);
    kicked.by = "teacher1";
    kicked.user = "bad\"id";
    assert_int_equal(event_apply(sql, &kicked, NOW, &known), 0);
    assert_int_equal(count_rows(sql, "SELECT COUNT(*) FROM audit WHERE action='mute'"
                                     " AND actor='teacher1'"
                                     " AND detail='{\"user\":\"u1\",\"media\":\"audio\"}'"),
                     1);
    assert_int_equal(
        count_rows(sql, "SELECT COUNT(*) FROM audit WHERE action='kick' AND detail=''"), 1);
}

static void the_audit_chain_shows_changes(void **state)
{
    struct sql *sql = *state;
    int64_t number = 0;
    for (int i = 0; i < 10; i++) {
        struct audit_entry entry = {0, NOW + i, "actor", "action", "subject", "{}"};
        assert_int_equal(audit_add(sql, &entry), 0);
    }
    assert_int_equal(audit_verify(sql, &number), 0);
    assert_int_equal(sql_script(sql, "DROP TRIGGER audit_keep; DROP TRIGGER audit_stay;"
                                     "UPDATE audit SET actor='other' WHERE number=4"),
                     0);
    assert_int_equal(audit_verify(sql, &number), ERR_AUTH);
    assert_int_equal(number, 4);
    assert_int_equal(sql_script(sql, "UPDATE audit SET actor='actor' WHERE number=4"), 0);
    assert_int_equal(audit_verify(sql, &number), 0);
    assert_int_equal(sql_script(sql, "DELETE FROM audit WHERE number=7"), 0);
    assert_int_equal(audit_verify(sql, &number), ERR_AUTH);
    assert_int_equal(number, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(two_devices_count_once),      T(lengths_come_from_the_monotonic_clock),
        T(so_do_lengths_of_open_stays), T(events_apply_once),
        T(moderation_is_on_record),     T(the_audit_chain_shows_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
