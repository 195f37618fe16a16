/* Who was there, and how long. */
#include "school/attendance.h"

#include "api/routes.h"

#define CSV_MAX ((size_t)(3 * 1024 * 1024))

static int add_stay(void *arg, const struct stay *stay)
{
    json_t *json = json_pack("{s:s,s:s,s:s,s:o,s:o,s:I}", "user", stay->person, "name", stay->name,
                             "role", stay->role, "from", when_json(stay->from), "to",
                             when_json(stay->open ? 0 : stay->from + stay->length), "seconds",
                             (json_int_t)(stay->length / MSEC_PER_SEC));
    return json_array_append_new(arg, json) ? ERR_MEMORY : 0;
}

static int add_total(void *arg, const struct presence *presence)
{
    json_t *json = json_pack("{s:s,s:s,s:I}", "user", presence->person, "name", presence->name,
                             "seconds", (json_int_t)(presence->length / MSEC_PER_SEC));
    return json_array_append_new(arg, json) ? ERR_MEMORY : 0;
}

static struct attendance_now now_of(const struct call *call)
{
    return (struct attendance_now){call->now.wall, call->now.mono / USEC_PER_MSEC};
}

int api_attendance(struct call *call)
{
    struct sql *sql = call->api->sql;
    struct class class;
    int err = call_class(call, true, &class);
    if (err != 1)
        return err;
    json_t *intervals = json_array();
    json_t *totals = json_array();
    err = attendance_each(sql, class.id, now_of(call), add_stay, intervals);
    if (!err)
        err = attendance_totals(sql, class.id, now_of(call), add_total, totals);
    if (err) {
        json_decref(intervals);
        json_decref(totals);
        return err;
    }
    return call_json(call, 200, json_pack("{s:o,s:o}", "intervals", intervals, "totals", totals));
}

int api_attendance_csv(struct call *call)
{
    struct class class;
    struct buf buf;
    int err = call_class(call, true, &class);
    if (err != 1)
        return err;
    buf_init(&buf, CSV_MAX);
    err = attendance_csv(call->api->sql, class.id, now_of(call), &buf);
    if (!err)
        err = call_audit(call, "export", class.id, "{\"what\":\"attendance\"}");
    if (!err) {
        call_set_header(call, "content-disposition", "attachment; filename=\"attendance.csv\"");
        call_set_header(call, "cache-control", "no-store");
        err = call_text(call, "text/csv; charset=utf-8", buf_slice(&buf));
    }
    buf_done(&buf);
    return err;
}
