/* What all of the school shares: ids, roles, texts, wall time. Nothing here reads a clock: `now`
 * comes in. */
#ifndef SCHOOL_SCHOOL_H
#define SCHOOL_SCHOOL_H

#include "base/codec_list.h"
#include "base/err.h"
#include "base/profile.h"
#include "base/slice.h"
#include "base/units.h"
#include "store/sql.h"

/* Wall time in milliseconds since 1970 UTC; 0: none. */
typedef int64_t msec_t;

#define MSEC_PER_SEC ((msec_t)1000)
#define MSEC_PER_MINUTE (60 * MSEC_PER_SEC)
#define MSEC_PER_HOUR (60 * MSEC_PER_MINUTE)
#define MSEC_PER_DAY (24 * MSEC_PER_HOUR)

/* A UUID and a NUL fit. */
#define ID_SIZE 40
/* Names and titles: at most TEXT_SIZE - 1 bytes of UTF-8. */
#define TEXT_SIZE 256
#define WHEN_SIZE 32

enum role { ROLE_PUPIL, ROLE_TEACHER, ROLE_ADMIN };

/* "pupil", "teacher", "admin". */
const char *role_name(enum role role);
/* ERR_FORMAT for any other word. */
int role_parse(const char *name, enum role *ret_role) MUST_USE;

/* Out of the database: what is none is the one without ceilings. */
enum profile profile_stored(int64_t number);
/* Likewise: names that are none are passed over. */
struct codec_list codecs_stored(struct sql_rows *rows, int column);

/* A new random id: the letter and 20 letters and digits. */
void id_new(char letter, char ret_id[ID_SIZE]);
/* Could be an id of ours (or a UUID): letters, digits, '-' and '_', not empty. */
bool id_valid(struct slice id);

/* A name or title as typed: blanks at the ends are cut off. ERR_FORMAT: empty, or with characters
 * that steer rather than show (controls, direction overrides); ERR_LIMIT: too long. The bytes are
 * UTF-8 already. */
int text_clean(struct slice typed, char ret_text[TEXT_SIZE]) MUST_USE;

/* ISO 8601 in UTC: "2026-01-31T09:30:00Z". Zero gives the empty text. */
void when_format(msec_t when, char ret_text[WHEN_SIZE]);
/* Accepts seconds with a fraction, too; years 1970 to 9999. ERR_FORMAT. */
int when_parse(struct slice text, msec_t *ret_when) MUST_USE;

#endif
