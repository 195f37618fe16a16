#include "school/events.h"

#include <stdio.h>

#include "school/attendance.h"
#include "school/audit.h"
#include "school/classes.h"
#include "school/recordings.h"

#define DETAIL_SIZE 160
#define STATE_SIZE 128
/* Signal keeps events in memory until they are acknowledged: weeks at the very most. */
#define SEEN_FOR (30 * MSEC_PER_DAY)

struct kind {
    const char *type;
    const char *action; /* in the audit log; NULL: none */
    int (*apply)(struct sql *sql, const struct event *event, const char *class);
};

static int apply_join(struct sql *sql, const struct event *event, const char *class)
{
    struct join join = {.class = class,
                        .person = event->user,
                        .name = event->name,
                        .guest = event->guest,
                        .session = event->session,
                        .at = event->at,
                        .clock = event->clock};
    return attendance_join(sql, &join);
}

static int apply_leave(struct sql *sql, const struct event *event, const char *class)
{
    (void)class;
    return attendance_leave(sql, event->session, event->at, event->present);
}

static int apply_emptied(struct sql *sql, const struct event *event, const char *class)
{
    return attendance_close(sql, class, event->at);
}

static int apply_recording_start(struct sql *sql, const struct event *event, const char *class)
{
    return recording_started(sql, event->recording, class, event->by, event->at);
}

static int apply_recording_stop(struct sql *sql, const struct event *event, const char *class)
{
    (void)class;
    return recording_stopped(sql, event->recording, event->duration);
}

static const struct kind kinds[] = {
    {"join", "join", apply_join},
    {"leave", "leave", apply_leave},
    {"opened", NULL, NULL},
    {"emptied", NULL, apply_emptied},
    {"recording-start", "recording-start", apply_recording_start},
    {"recording-stop", "recording-stop", apply_recording_stop},
    {"kicked", "kick", NULL},
    {"muted", "mute", NULL},
};

static int note(struct sql *sql, const struct event *event, const char *action, const char *class)
{
    char detail[DETAIL_SIZE] = "";
    const char *actor = event->by[0] ? event->by : event->user[0] ? event->user : "system";
    /* Only ids and words of ours stand in the detail; what does not look like one is left out. */
    const char *about = event->recording[0] ? event->recording : event->by[0] ? event->user : "";
    if (id_valid(slice_str(about)))
        (void)snprintf(detail, sizeof detail, "{\"%s\":\"%s\"%s%s%s}",
                       event->recording[0] ? "recording" : "user", about,
                       id_valid(slice_str(event->media)) ? ",\"media\":\"" : "",
                       id_valid(slice_str(event->media)) ? event->media : "",
                       id_valid(slice_str(event->media)) ? "\"" : "");
    struct audit_entry entry = {
        .at = event->at, .actor = actor, .action = action, .subject = class, .detail = detail};
    return audit_add(sql, &entry);
}

static int find_class(struct sql *sql, const struct event *event, char ret_class[ID_SIZE])
{
    struct class class;
    int err = class_find(sql, event->class, &class);
    if (err == ERR_NOT_FOUND)
        err = class_by_room(sql, event->room, &class);
    if (!err)
        memcpy(ret_class, class.id, ID_SIZE);
    return err;
}

static void event_hash(const struct event *event, char ret_hash[SECRET_HASH_TEXT])
{
    char payload[SECRET_HASH_TEXT], text[SECRET_HASH_TEXT + 24];
    secret_hash_text(event->payload, payload);
    (void)snprintf(text, sizeof text, "%llu %s", (unsigned long long)event->number, payload);
    secret_hash_text(slice_str(text), ret_hash);
}

static int apply(struct sql *sql, const struct event *event, bool *ret_known)
{
    const struct kind *kind = NULL;
    char class[ID_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].type, event->type) == 0)
            kind = &kinds[i];
    int err = kind ? find_class(sql, event, class) : ERR_NOT_FOUND;
    if (err == ERR_NOT_FOUND) {
        *ret_known = false;
        return 0;
    }
    *ret_known = true;
    if (!err && kind->apply)
        err = kind->apply(sql, event, class);
    return !err && kind->action ? note(sql, event, kind->action, class) : err;
}

int event_apply(struct sql *sql, const struct event *event, msec_t now, bool *ret_known)
{
    int64_t seen = 0;
    char hash[SECRET_HASH_TEXT];
    int err = sql_begin(sql);
    if (err)
        return err;
    *ret_known = true;
    event_hash(event, hash);
    err = sql_one_num(sql, "SELECT COUNT(*) FROM event_seen WHERE hash=?1",
                      SQL_VALUES(sql_str(hash)), &seen);
    if (err || seen > 0)
        return sql_finish(sql, err);
    err = sql_exec(sql, "INSERT INTO event_seen(hash, seen_at) VALUES(?1, ?2)",
                   SQL_VALUES(sql_str(hash), sql_num(now)));
    if (!err)
        err = apply(sql, event, ret_known);
    if (!err)
        err = events_alive(sql, now);
    return sql_finish(sql, err);
}

static int set_state(struct sql *sql, const char *key, const char *value)
{
    return sql_exec(sql,
                    "INSERT INTO state(key, value) VALUES(?1, ?2)"
                    " ON CONFLICT(key) DO UPDATE SET value=?2",
                    SQL_VALUES(sql_str(key), sql_str(value)));
}

/* "" when it was never set. */
static int get_state(struct sql *sql, const char *key, char *value, size_t size)
{
    struct sql_rows *rows = NULL;
    int err =
        sql_query(sql, "SELECT value FROM state WHERE key=?1", SQL_VALUES(sql_str(key)), &rows);
    value[0] = '\0';
    if (!err)
        err = sql_next(rows);
    if (err == 1)
        sql_get_str(rows, 0, value, size);
    sql_end(&rows);
    return err < 0 ? err : 0;
}

int events_start(struct sql *sql, const char *run)
{
    char before[STATE_SIZE], alive[STATE_SIZE];
    uint64_t at = 0;
    int err = get_state(sql, "run", before, sizeof before);
    if (err || !run[0] || strcmp(run, before) == 0)
        return err;
    err = get_state(sql, "alive", alive, sizeof alive);
    if (err)
        return err;
    if (slice_to_u64(slice_str(alive), INT64_MAX, &at))
        at = 0; /* never alive with anybody in class */
    err = sql_begin(sql);
    if (err)
        return err;
    err = attendance_close(sql, NULL, (msec_t)at);
    if (!err)
        err = set_state(sql, "run", run);
    return sql_finish(sql, err);
}

int events_alive(struct sql *sql, msec_t now)
{
    char text[STATE_SIZE];
    int64_t open = 0;
    int err =
        sql_one_num(sql, "SELECT COUNT(*) FROM attendance WHERE left_at IS NULL", SQL_NONE, &open);
    if (err || open == 0)
        return err;
    (void)snprintf(text, sizeof text, "%lld", (long long)now);
    return set_state(sql, "alive", text);
}

int events_purge(struct sql *sql, msec_t now)
{
    return sql_exec(sql, "DELETE FROM event_seen WHERE seen_at<?1",
                    SQL_VALUES(sql_num(now - SEEN_FOR)));
}
