/* Attendance: one interval per stay, written as it happens. Lengths come from the machine's
 * monotonic clock (`clock_ms` of the join event, `present_ms` of the leave event), so that a jump
 * of the wall clock neither adds nor takes. */
#ifndef SCHOOL_ATTENDANCE_H
#define SCHOOL_ATTENDANCE_H

#include "base/buf.h"
#include "school/school.h"

struct stay {
    const char *person; /* an id of ours or a guest's */
    const char *name;   /* as shown in class */
    const char *role;   /* "pupil", ..., "guest"; "" for people gone since */
    bool guest;
    bool open;     /* still there */
    msec_t from;   /* wall time */
    msec_t length; /* milliseconds; of an open stay: until now */
};

struct presence {
    const char *person;
    const char *name;
    msec_t length; /* milliseconds; overlapping stays (two devices) count once */
};

struct join {
    const char *class;
    const char *person;
    const char *name;
    bool guest;
    const char *session; /* signal's name for this stay */
    msec_t at;
    msec_t clock; /* monotonic; 0: unknown, the wall clock has to do */
};

/* When somebody looks: open stays last until now. */
struct attendance_now {
    msec_t wall;
    msec_t clock; /* monotonic */
};

typedef int (*stay_visit)(void *arg, const struct stay *stay);
typedef int (*presence_visit)(void *arg, const struct presence *presence);

/* A second join of an open session changes nothing. */
int attendance_join(struct sql *sql, const struct join *join) MUST_USE;
/* present < 0: unknown, taken from the wall clock. An unknown session changes nothing. */
int attendance_leave(struct sql *sql, const char *session, msec_t at, msec_t present) MUST_USE;
/* Closes what is still open in a class (or everywhere: NULL): signal says that nobody is there. */
int attendance_close(struct sql *sql, const char *class, msec_t at) MUST_USE;
/* How many are in the class. */
int attendance_present(struct sql *sql, const char *class, int64_t *ret_count) MUST_USE;
/* By time of joining; texts are valid during the visit. */
int attendance_each(struct sql *sql, const char *class, struct attendance_now now, stay_visit visit,
                    void *arg) MUST_USE;
int attendance_totals(struct sql *sql, const char *class, struct attendance_now now,
                      presence_visit visit, void *arg) MUST_USE;
/* A table for spreadsheets (RFC 4180, UTF-8 with a byte order mark): cells that a spreadsheet would
 * run as formulas are made text. */
int attendance_csv(struct sql *sql, const char *class, struct attendance_now now,
                   struct buf *out) MUST_USE;

#endif
