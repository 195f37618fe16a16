#include "school/sessions.h"

#include "crypto/hash.h"
#include "crypto/random.h"

/* A session is written anew only after that long, so that reading does not write. */
#define SESSION_TOUCH MSEC_PER_HOUR
#define CODES_KEPT 20
/* A device not seen for that long is a stranger again. */
#define DEVICE_LIFE (400 * MSEC_PER_DAY)

int session_create(struct sql *sql, const char *person, bool entered, msec_t now,
                   char ret_token[TOKEN_SIZE])
{
    char token[TOKEN_SIZE];
    char hash[SECRET_HASH_TEXT];
    random_alnum(token, TOKEN_LENGTH);
    secret_hash_text(slice_str(token), hash);
    int err = sql_exec(sql,
                       "INSERT INTO session(hash, person, entered_at, created_at, expires_at)"
                       " VALUES(?1, ?2, ?3, ?4, ?5)",
                       SQL_VALUES(sql_str(hash), sql_str(person), sql_time(entered ? now : 0),
                                  sql_num(now), sql_num(now + SESSION_LIFE)));
    if (!err)
        memcpy(ret_token, token, sizeof token);
    hash_wipe(token, sizeof token);
    return err;
}

int session_find(struct sql *sql, struct slice token, msec_t now, struct session *ret_session)
{
    struct session found = {0};
    struct sql_rows *rows = NULL;
    msec_t expires = 0;
    if (token.len != TOKEN_LENGTH)
        return ERR_NOT_FOUND;
    secret_hash_text(token, found.hash);
    int err = sql_query(sql,
                        "SELECT " PERSON_COLUMNS ", s.entered_at, s.expires_at FROM session s"
                        " JOIN person p ON p.id=s.person WHERE s.hash=?1 AND s.expires_at>?2"
                        " AND p.deleted=0 AND p.disabled=0",
                        SQL_VALUES(sql_str(found.hash), sql_num(now)), &rows);
    if (!err)
        err = sql_next(rows);
    if (err == 1) {
        person_read(rows, &found.person);
        found.entered_at = sql_get_num(rows, PERSON_COLUMN_COUNT);
        expires = sql_get_num(rows, PERSON_COLUMN_COUNT + 1);
    }
    sql_end(&rows);
    if (err != 1)
        return err ? err : ERR_NOT_FOUND;
    /* A full disk keeps nobody from reading: the session is prolonged another time. */
    if (expires < now + SESSION_LIFE - SESSION_TOUCH &&
        sql_exec(sql, "UPDATE session SET expires_at=?2 WHERE hash=?1",
                 SQL_VALUES(sql_str(found.hash), sql_num(now + SESSION_LIFE))) == ERR_FORMAT)
        return ERR_FORMAT;
    *ret_session = found;
    return 0;
}

int session_end(struct sql *sql, const char *hash)
{
    return sql_exec(sql, "DELETE FROM session WHERE hash=?1", SQL_VALUES(sql_str(hash)));
}

void session_csrf(struct slice token, char ret_csrf[SECRET_HASH_TEXT])
{
    uint8_t mac[HASH_SHA256_SIZE];
    hash_hmac_sha256(token, SLICE("darasa csrf"), mac);
    hash_hex(slice_of(mac, sizeof mac), ret_csrf);
}

int code_issue(struct sql *sql, const char *person, const char *purpose, const char *next,
               msec_t life, msec_t now, char ret_code[TOKEN_SIZE])
{
    char code[TOKEN_SIZE];
    char hash[SECRET_HASH_TEXT];
    random_alnum(code, TOKEN_LENGTH);
    secret_hash_text(slice_str(code), hash);
    int err = sql_begin(sql);
    if (err)
        return err;
    err = sql_exec(sql,
                   "INSERT INTO code(hash, person, purpose, next, created_at, expires_at)"
                   " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
                   SQL_VALUES(sql_str(hash), sql_str(person), sql_str(purpose), sql_str(next),
                              sql_num(now), sql_num(now + life)));
    if (!err)
        err = sql_exec(sql,
                       "DELETE FROM code WHERE person=?1 AND purpose=?2 AND hash NOT IN"
                       " (SELECT hash FROM code WHERE person=?1 AND purpose=?2"
                       " ORDER BY created_at DESC, hash LIMIT ?3)",
                       SQL_VALUES(sql_str(person), sql_str(purpose), sql_num(CODES_KEPT)));
    err = sql_finish(sql, err);
    if (!err)
        memcpy(ret_code, code, sizeof code);
    hash_wipe(code, sizeof code);
    return err;
}

int code_use(struct sql *sql, struct slice code, msec_t now, char ret_person[ID_SIZE],
             char ret_next[NEXT_SIZE])
{
    char hash[SECRET_HASH_TEXT];
    struct sql_rows *rows = NULL;
    if (code.len != TOKEN_LENGTH)
        return ERR_NOT_FOUND;
    secret_hash_text(code, hash);
    int err = sql_begin(sql);
    if (err)
        return err;
    err = sql_query(sql,
                    "SELECT c.person, c.next FROM code c JOIN person p ON p.id=c.person"
                    " WHERE c.hash=?1 AND c.expires_at>?2 AND p.deleted=0 AND p.disabled=0",
                    SQL_VALUES(sql_str(hash), sql_num(now)), &rows);
    if (!err)
        err = sql_next(rows);
    if (err == 1) {
        sql_get_str(rows, 0, ret_person, ID_SIZE);
        sql_get_str(rows, 1, ret_next, NEXT_SIZE);
    }
    sql_end(&rows);
    if (err == 1)
        err = sql_exec(sql, "DELETE FROM code WHERE hash=?1", SQL_VALUES(sql_str(hash)));
    else if (!err)
        err = ERR_NOT_FOUND;
    return sql_finish(sql, err);
}

int device_remember(struct sql *sql, struct slice token, const char *person, msec_t now)
{
    char hash[SECRET_HASH_TEXT];
    secret_hash_text(token, hash);
    return sql_exec(sql,
                    "INSERT INTO device(hash, person, seen_at) VALUES(?1, ?2, ?3)"
                    " ON CONFLICT(hash, person) DO UPDATE SET seen_at=?3",
                    SQL_VALUES(sql_str(hash), sql_str(person), sql_num(now)));
}

int device_known(struct sql *sql, struct slice token, const char *person, bool *ret_known)
{
    char hash[SECRET_HASH_TEXT];
    int64_t count = 0;
    secret_hash_text(token, hash);
    int err = sql_one_num(sql, "SELECT COUNT(*) FROM device WHERE hash=?1 AND person=?2",
                          SQL_VALUES(sql_str(hash), sql_str(person)), &count);
    if (!err)
        *ret_known = count > 0;
    return err;
}

int sessions_purge(struct sql *sql, msec_t now)
{
    int err = sql_begin(sql);
    if (err)
        return err;
    err = sql_exec(sql, "DELETE FROM session WHERE expires_at<=?1", SQL_VALUES(sql_num(now)));
    if (!err)
        err = sql_exec(sql, "DELETE FROM code WHERE expires_at<=?1", SQL_VALUES(sql_num(now)));
    if (!err)
        err = sql_exec(sql, "DELETE FROM device WHERE seen_at<=?1",
                       SQL_VALUES(sql_num(now - DEVICE_LIFE)));
    return sql_finish(sql, err);
}
