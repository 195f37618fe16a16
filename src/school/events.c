#include "school/events.h"

#include <stdio.h>

#include "school/attendance.h"
#include "school/audit.h"
#include "school/classes.h"
#include "school/recordings.h"

#define DETAIL_SIZE 160

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
                        .at = event->at};
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

/* The cursor of that boot moves to the event's number; ERR_EXISTS: it was there already. */
static int advance(struct sql *sql, const struct event *event)
{
    int64_t number = (int64_t)(event->number & INT64_MAX);
    int err = sql_exec(sql,
                       "INSERT INTO event_cursor(boot, number, seen_at) VALUES(?1, ?2, ?3)"
                       " ON CONFLICT(boot) DO UPDATE SET number=?2, seen_at=?3"
                       " WHERE event_cursor.number<?2",
                       SQL_VALUES(sql_str(event->boot), sql_num(number), sql_num(event->at)));
    return !err && sql_changes(sql) == 0 ? ERR_EXISTS : err;
}

/* Signal that starts from nothing has nobody in any class: what it did not hear end is over. */
static int close_other_boots(struct sql *sql, const struct event *event)
{
    int64_t known = 0;
    int err = sql_one_num(sql, "SELECT COUNT(*) FROM event_cursor WHERE boot=?1",
                          SQL_VALUES(sql_str(event->boot)), &known);
    return err || known > 0 ? err : attendance_close(sql, NULL, event->at);
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

int event_apply(struct sql *sql, const struct event *event, bool *ret_known)
{
    int err = sql_begin(sql);
    if (err)
        return err;
    *ret_known = true;
    err = close_other_boots(sql, event);
    if (!err)
        err = advance(sql, event);
    if (err == ERR_EXISTS)
        return sql_finish(sql, 0);
    if (!err)
        err = apply(sql, event, ret_known);
    return sql_finish(sql, err);
}
