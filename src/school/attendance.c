#include "school/attendance.h"

#include "school/people.h"

/* Who it was: guests of other issuers may come without an id, then the name has to do. */
#define WHO "CASE WHEN a.person='' THEN 'guest ' || a.name ELSE a.person END"
/* The length of a stay `a` seen at ?2 by the wall clock and ?3 by the monotonic one. */
#define LENGTH "COALESCE(a.present_ms, MAX(0, COALESCE(?3 - a.joined_clock, ?2 - a.joined_at)))"

int attendance_join(struct sql *sql, const struct join *join)
{
    char id[ID_SIZE];
    id_new('a', id);
    return sql_exec(sql,
                    "INSERT INTO attendance(id, class, person, name, guest, session, joined_at,"
                    " joined_clock) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE NOT EXISTS"
                    " (SELECT 1 FROM attendance WHERE session=?6 AND class=?2 AND left_at IS NULL)",
                    SQL_VALUES(sql_str(id), sql_str(join->class), sql_str(join->person),
                               sql_str(join->name), sql_num(join->guest), sql_str(join->session),
                               sql_num(join->at), sql_time(join->clock)));
}

int attendance_leave(struct sql *sql, const char *session, msec_t at, msec_t present)
{
    return sql_exec(sql,
                    "UPDATE attendance SET left_at=?2, present_ms="
                    "CASE WHEN ?3>=0 THEN ?3 ELSE MAX(0, ?2 - joined_at) END"
                    " WHERE session=?1 AND left_at IS NULL",
                    SQL_VALUES(sql_str(session), sql_num(at), sql_num(present)));
}

int attendance_close(struct sql *sql, const char *class, msec_t at)
{
    return sql_exec(
        sql,
        "UPDATE attendance SET left_at=MAX(?2, joined_at),"
        " present_ms=MAX(0, ?2 - joined_at) WHERE left_at IS NULL AND (?1 IS NULL OR class=?1)",
        SQL_VALUES(sql_str(class), sql_num(at)));
}

int attendance_present(struct sql *sql, const char *class, int64_t *ret_count)
{
    return sql_one_num(sql,
                       "SELECT COUNT(DISTINCT " WHO ") FROM attendance a"
                       " WHERE a.class=?1 AND a.left_at IS NULL",
                       SQL_VALUES(sql_str(class)), ret_count);
}

static const char *text_at(struct sql_rows *rows, int column)
{
    struct slice text = sql_get_text(rows, column);
    return text.len ? (const char *)text.data : "";
}

static const char *role_at(struct sql_rows *rows, int column, bool guest)
{
    if (guest)
        return "guest";
    if (sql_get_null(rows, column))
        return "";
    int64_t role = sql_get_num(rows, column);
    return role >= ROLE_PUPIL && role <= ROLE_ADMIN ? role_name((enum role)role) : "";
}

int attendance_each(struct sql *sql, const char *class, struct attendance_now now, stay_visit visit,
                    void *arg)
{
    struct sql_rows *rows = NULL;
    int err = sql_query(sql,
                        "SELECT " WHO ", a.name, p.role, a.guest, a.left_at IS NULL, a.joined_at,"
                        " " LENGTH " FROM attendance a LEFT JOIN person p ON p.id=a.person"
                        " WHERE a.class=?1 ORDER BY a.joined_at, a.id",
                        SQL_VALUES(sql_str(class), sql_num(now.wall), sql_num(now.clock)), &rows);
    while (!err && (err = sql_next(rows)) == 1) {
        bool guest = sql_get_num(rows, 3) != 0;
        struct stay stay = {
            .person = text_at(rows, 0),
            .name = text_at(rows, 1),
            .role = role_at(rows, 2, guest),
            .guest = guest,
            .open = sql_get_num(rows, 4) != 0,
            .from = sql_get_num(rows, 5),
            .length = sql_get_num(rows, 6),
        };
        err = visit(arg, &stay);
    }
    sql_end(&rows);
    return err;
}

struct total {
    char person[TEXT_SIZE + ID_SIZE];
    char name[TEXT_SIZE];
    msec_t length;
    msec_t end; /* of what is counted so far */
};

static void add_stay(struct total *total, msec_t from, msec_t length)
{
    msec_t to = from + length;
    if (from < total->end)
        from = total->end;
    if (to > from)
        total->length += to - from;
    if (to > total->end)
        total->end = to;
}

static int tell(const struct total *total, presence_visit visit, void *arg)
{
    struct presence presence = {total->person, total->name, total->length};
    return total->person[0] ? visit(arg, &presence) : 0;
}

int attendance_totals(struct sql *sql, const char *class, struct attendance_now now,
                      presence_visit visit, void *arg)
{
    struct sql_rows *rows = NULL;
    struct total total = {0};
    int err = sql_query(sql,
                        "SELECT " WHO " AS who, a.name, a.joined_at, " LENGTH " FROM attendance a"
                        " WHERE a.class=?1 ORDER BY who, a.joined_at, a.id",
                        SQL_VALUES(sql_str(class), sql_num(now.wall), sql_num(now.clock)), &rows);
    while (!err && (err = sql_next(rows)) == 1) {
        err = 0;
        if (!slice_eq_str(sql_get_text(rows, 0), total.person)) {
            err = tell(&total, visit, arg);
            total = (struct total){0};
            sql_get_str(rows, 0, total.person, sizeof total.person);
        }
        sql_get_str(rows, 1, total.name, TEXT_SIZE);
        add_stay(&total, sql_get_num(rows, 2), sql_get_num(rows, 3));
    }
    sql_end(&rows);
    return err ? err : tell(&total, visit, arg);
}

static void add_cell(struct buf *out, const char *text)
{
    buf_add_byte(out, '"');
    if (text[0] && strchr("=+-@\t\r", text[0]))
        buf_add_byte(out, '\'');
    for (const char *at = text; *at; at++) {
        if (*at == '"')
            buf_add_byte(out, '"');
        buf_add_byte(out, (uint8_t)*at);
    }
    buf_add_byte(out, '"');
}

static int add_row(void *arg, const struct stay *stay)
{
    struct buf *out = arg;
    char from[WHEN_SIZE], to[WHEN_SIZE];
    when_format(stay->from, from);
    when_format(stay->open ? 0 : stay->from + stay->length, to);
    add_cell(out, stay->name);
    buf_printf(out, ",%s,%s,%s,%lld\r\n", stay->role, from, to,
               (long long)(stay->length / MSEC_PER_SEC));
    return 0;
}

int attendance_csv(struct sql *sql, const char *class, struct attendance_now now, struct buf *out)
{
    buf_add_str(out, "\xef\xbb\xbfname,role,from,to,seconds\r\n");
    int err = attendance_each(sql, class, now, add_row, out);
    return err ? err : out->failed ? ERR_MEMORY : 0;
}
