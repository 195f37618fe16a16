#include "base/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/testing.h"
#include "crypto/jwt.h"
#include "school/audit.h"
#include "school/sessions.h"

static const struct api_settings settings = {
    .url = "",
    .domain = "meet.example",
    .token_secret = {(const uint8_t *)"0123456789abcdef0123456789abcdef", 32},
};
#define PASSWORD "a long enough phrase"

struct school {
    struct bench bench;
    struct browser admin, teacher, pupil, other;
    char teacher_id[ID_SIZE], pupil_id[ID_SIZE], other_id[ID_SIZE];
};

static char *text(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* A text that lives for the next 63 calls. */
static char *text(const char *fmt, ...)
{
    static char texts[64][2048];
    static size_t at;
    char *out = texts[at++ % 64];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(out, sizeof texts[0], fmt, args);
    va_end(args);
    return out;
}

static const char *code_of(const char *link)
{
    const char *mark = strchr(link, '#');
    return mark ? mark + 1 : "";
}

static void enter(struct bench *bench, struct browser *browser, const char *link)
{
    const char *code = text("%s", code_of(link));
    browser->bench = bench;
    assert_int_equal(bench_ask(bench, browser, "GET", "/api/me", NULL), 401);
    assert_int_equal(strlen(browser->device), TOKEN_LENGTH);
    assert_int_equal(
        bench_ask(bench, browser, "POST", "/api/enter", text("{\"code\":\"%s\"}", code)), 200);
    assert_int_equal(strlen(browser->session), TOKEN_LENGTH);
}

static void add_person(struct school *s, struct browser *browser, const char *account,
                       const char *role, char id[ID_SIZE])
{
    struct bench *b = &s->bench;
    assert_int_equal(bench_ask(b, &s->admin, "POST", "/api/people",
                               text("{\"name\":\"%s \\u00e9\",\"account\":\"%s\",\"role\":\"%s\"}",
                                    account, account, role)),
                     201);
    (void)snprintf(id, ID_SIZE, "%s", bench_text(b->json, "id"));
    enter(b, browser, bench_text(b->json, "invite"));
    assert_string_equal(bench_text(b->json, "next"), "/");
}

static int open_school(void **state)
{
    struct school *s = calloc(1, sizeof *s);
    bench_init(&s->bench, &settings);
    const char *link = bench_text(s->bench.controls, "0.links.0.path");
    assert_memory_equal(link, "/enter#", 7);
    enter(&s->bench, &s->admin, link);
    assert_string_equal(bench_text(s->bench.json, "next"), "/admin");
    add_person(s, &s->teacher, "teacher", "teacher", s->teacher_id);
    add_person(s, &s->pupil, "pupil", "pupil", s->pupil_id);
    add_person(s, &s->other, "other", "pupil", s->other_id);
    bench_clear(&s->bench);
    *state = s;
    return 0;
}

static int close_school(void **state)
{
    struct school *s = *state;
    bench_done(&s->bench);
    free(s);
    return 0;
}

static int ask(struct browser *browser, const char *method, const char *path, const char *body)
{
    return bench_ask(browser->bench, browser, method, path, body);
}

/* Makes a class of the teacher with the pupil in it; its path. */
static const char *make_class(struct school *s)
{
    assert_int_equal(ask(&s->teacher, "POST", "/api/classes", "{\"title\":\"  Algebra  \"}"), 201);
    assert_string_equal(bench_text(s->bench.json, "title"), "Algebra");
    char *path = text("/api/classes/%s", bench_text(s->bench.json, "id"));
    assert_int_equal(
        ask(&s->teacher, "PUT", text("%s/people", path), text("{\"add\":[\"%s\"]}", s->pupil_id)),
        200);
    return path;
}

static void signs_in_with_a_password(void **state)
{
    struct school *s = *state;
    struct bench *b = &s->bench;
    struct browser fresh = {.bench = b};
    assert_int_equal(ask(&s->pupil, "POST", "/api/password", "{\"new\":\"" PASSWORD "\"}"), 204);
    assert_int_equal(ask(&s->pupil, "GET", "/api/me", NULL), 200);
    assert_false(json_is_true(bench_at(b->json, "user.mustChangePassword")));
    assert_string_equal(bench_text(b->json, "user.role"), "pupil");
    assert_int_equal(ask(&fresh, "GET", "/api/me", NULL), 401);
    assert_int_equal(ask(&fresh, "POST", "/api/signin",
                         "{\"account\":\" PUPIL \",\"password\":\"" PASSWORD "\"}"),
                     200);
    assert_string_equal(bench_text(b->json, "user.id"), s->pupil_id);
    const char *cookie = bench_text(b->head, "headers.set-cookie");
    assert_non_null(strstr(cookie, "HttpOnly; SameSite=Lax"));
    assert_null(strstr(cookie, "Secure"));
    assert_int_equal(ask(&fresh, "PATCH", "/api/me", "{\"language\":\"ar\"}"), 200);
    assert_string_equal(bench_text(b->json, "user.language"), "ar");
    /* A new password ends the other sessions and needs the old one. */
    assert_int_equal(ask(&fresh, "POST", "/api/password", "{\"new\":\"another fine phrase\"}"),
                     422);
    assert_int_equal(ask(&fresh, "POST", "/api/password",
                         "{\"new\":\"another fine phrase\",\"current\":\"not the right one\"}"),
                     403);
    assert_int_equal(ask(&s->pupil, "GET", "/api/me", NULL), 200);
    assert_int_equal(ask(&fresh, "POST", "/api/password",
                         "{\"new\":\"another fine phrase\",\"current\":\"" PASSWORD "\"}"),
                     204);
    assert_int_equal(ask(&fresh, "GET", "/api/me", NULL), 200);
    assert_int_equal(ask(&s->pupil, "GET", "/api/me", NULL), 401);
    assert_int_equal(ask(&fresh, "POST", "/api/signout", NULL), 204);
    assert_int_equal(ask(&fresh, "GET", "/api/me", NULL), 401);
}

static void refuses_weak_passwords(void **state)
{
    struct school *s = *state;
    static const char *const weak[] = {"short", "password123", "1234567890123", "pupil12345",
                                       "aaaaaaaaaaaa"};
    for (size_t i = 0; i < ARRAY_LEN(weak); i++) {
        assert_int_equal(ask(&s->pupil, "POST", "/api/password", text("{\"new\":\"%s\"}", weak[i])),
                         422);
        assert_string_equal(bench_text(s->bench.json, "error"), "weak");
    }
    assert_int_equal(ask(&s->admin, "POST", "/api/people",
                         "{\"name\":\"N\",\"account\":\"nn\",\"password\":\"password12\"}"),
                     422);
}

static void links_work_once_and_expire(void **state)
{
    struct school *s = *state;
    struct bench *b = &s->bench;
    struct browser one = {.bench = b}, two = {.bench = b};
    assert_int_equal(
        ask(&s->admin, "PATCH", text("/api/people/%s", s->pupil_id), "{\"resetPassword\":true}"),
        200);
    char *code = text("{\"code\":\"%s\"}", code_of(bench_text(b->json, "invite")));
    assert_int_equal(ask(&s->pupil, "GET", "/api/me", NULL), 401);
    assert_int_equal(ask(&one, "POST", "/api/enter", code), 200);
    assert_true(json_is_true(bench_at(b->json, "user.mustChangePassword")));
    assert_int_equal(ask(&two, "POST", "/api/enter", code), 404);
    assert_int_equal(ask(&two, "POST", "/api/enter", "{\"code\":\"x\"}"), 404);
    assert_int_equal(ask(&two, "POST", "/api/enter", "{}"), 404);
    assert_int_equal(
        ask(&s->admin, "PATCH", text("/api/people/%s", s->pupil_id), "{\"resetPassword\":true}"),
        200);
    code = text("{\"code\":\"%s\"}", code_of(bench_text(b->json, "invite")));
    b->now.wall += 3 * MSEC_PER_DAY;
    assert_int_equal(ask(&two, "POST", "/api/enter", code), 404);
    assert_string_equal(bench_text(b->json, "error"), "unknown-code");
}

static void sessions_expire_unless_used(void **state)
{
    struct school *s = *state;
    for (int i = 0; i < 4; i++) {
        s->bench.now.wall += 10 * MSEC_PER_DAY;
        assert_int_equal(ask(&s->teacher, "GET", "/api/me", NULL), 200);
    }
    assert_int_equal(ask(&s->pupil, "GET", "/api/me", NULL), 401);
    s->bench.now.wall += 15 * MSEC_PER_DAY;
    assert_int_equal(ask(&s->teacher, "GET", "/api/me", NULL), 401);
}

static void limits_guesses(void **state)
{
    struct school *s = *state;
    struct bench *b = &s->bench;
    struct browser stranger = {.bench = b};
    static const char wrong[] = "{\"account\":\"pupil\",\"password\":\"wrong wrong wrong\"}";
    static const char right[] = "{\"account\":\"pupil\",\"password\":\"" PASSWORD "\"}";
    assert_int_equal(ask(&s->pupil, "POST", "/api/password", "{\"new\":\"" PASSWORD "\"}"), 204);
    for (int i = 0; i < 10; i++)
        assert_int_equal(ask(&stranger, "POST", "/api/signin", wrong), 401);
    assert_int_equal(ask(&stranger, "POST", "/api/signin", right), 429);
    assert_true(json_integer_value(bench_at(b->json, "retryAfter")) > 0);
    assert_string_not_equal(bench_text(b->head, "headers.retry-after"), "");
    /* The pupil's own browser is known and stays free. */
    assert_int_equal(ask(&s->pupil, "POST", "/api/signin", right), 200);
    /* Another account at the same address is not touched. */
    assert_int_equal(ask(&stranger, "POST", "/api/signin",
                         "{\"account\":\"teacher\",\"password\":\"wrong wrong wrong\"}"),
                     401);
    b->now.mono += 15 * 60 * USEC_PER_SEC;
    assert_int_equal(ask(&stranger, "POST", "/api/signin", right), 200);
    /* The failures are on record. */
    int64_t count = 0;
    assert_int_equal(api_tick(b->api, b->now), 0);
    assert_int_equal(sql_one_num(b->sql, "SELECT COUNT(*) FROM audit WHERE action='sign-in-failed'",
                                 SQL_NONE, &count),
                     0);
    assert_int_equal(count, 11); /* ten of these, one of the teacher */
    /* Signing in again ends the session before. */
    struct browser old = stranger;
    assert_int_equal(ask(&stranger, "POST", "/api/signin", right), 200);
    assert_int_equal(ask(&old, "GET", "/api/me", NULL), 401);
}

static void limits_unknown_accounts_by_address(void **state)
{
    struct school *s = *state;
    struct bench *b = &s->bench;
    struct browser stranger = {.bench = b};
    int status = 401, tries = 0;
    b->hold_hashes = true; /* the time they take is another test's */
    while (tries < 200 && status != 429) {
        status = bench_ask(b, &stranger, "POST", "/api/signin",
                           text("{\"account\":\"nobody-%d\",\"password\":\"x\"}", tries++));
        b->job_count = 0;
    }
    assert_int_equal(status, 429);
    assert_int_equal(tries, 61);
    b->address = "192.0.2.2";
    assert_int_equal(bench_ask(b, &stranger, "POST", "/api/signin",
                               "{\"account\":\"nobody\",\"password\":\"x\"}"),
                     0);
}

static void busy_helpers_answer_503(void **state)
{
    struct school *s = *state;
    struct bench *b = &s->bench;
    struct browser browser = {.bench = b};
    static const char body[] = "{\"account\":\"pupil\",\"password\":\"" PASSWORD "\"}";
    b->hash_full = true;
    for (int i = 0; i < 20; i++)
        assert_int_equal(ask(&browser, "POST", "/api/signin", body), 503);
    assert_string_not_equal(bench_text(b->head, "headers.retry-after"), "");
    b->hash_full = false;
    assert_int_equal(ask(&browser, "POST", "/api/signin", body), 401);
    /* Nobody waits any more: no answer, and no session. */
    b->hold_hashes = true;
    assert_int_equal(ask(&browser, "POST", "/api/signin", body), 0);
    api_gone_all(b->api);
    size_t before = b->answers;
    bench_hash(b);
    assert_int_equal(b->answers, before);
}

static void checks_csrf_and_origin(void **state)
{
    struct school *s = *state;
    struct bench *b = &s->bench;
    struct browser forged = s->teacher;
    forged.csrf[0] = '\0';
    assert_int_equal(ask(&forged, "POST", "/api/classes", "{\"title\":\"X\"}"), 403);
    assert_string_equal(bench_text(b->json, "error"), "csrf");
    memcpy(forged.csrf, s->admin.csrf, sizeof forged.csrf);
    assert_int_equal(ask(&forged, "POST", "/api/classes", "{\"title\":\"X\"}"), 403);
    static const char *const origins[] = {"http://evil.example", "null", "http://localhost:8081",
                                          "https://localhost:8080"};
    for (size_t i = 0; i < ARRAY_LEN(origins); i++) {
        b->origin = origins[i];
        assert_int_equal(ask(&s->teacher, "POST", "/api/classes", "{\"title\":\"X\"}"), 403);
        assert_int_equal(ask(&s->teacher, "POST", "/api/signin", "{}"), 403);
        assert_string_equal(bench_text(b->json, "error"), "origin");
    }
    b->origin = NULL;
    b->host = "evil.example";
    assert_int_equal(ask(&s->teacher, "GET", "/api/me", NULL), 421);
    b->host = "127.0.0.1:8080";
    assert_int_equal(ask(&s->teacher, "GET", "/api/me", NULL), 200);
    b->host = "[::1]:8080";
    assert_int_equal(ask(&s->teacher, "GET", "/api/me", NULL), 200);
    b->no_type = true;
    assert_int_equal(ask(&s->teacher, "POST", "/api/classes", "{\"title\":\"X\"}"), 415);
}

static void refuses_bad_bodies(void **state)
{
    struct school *s = *state;
    static const char *const broken[] = {"",           "{",
                                         "[]",         "1",
                                         "{\"a\":1}x", "{\"title\":\"a\",\"title\":\"b\"}",
                                         "\xff",       "{\"title\":\"\\u0000\"}"};
    for (size_t i = 0; i < ARRAY_LEN(broken); i++)
        assert_int_equal(ask(&s->teacher, "POST", "/api/classes", broken[i]), 400);
    static const char *const invalid[] = {
        "{}",
        "{\"title\":5}",
        "{\"title\":\"  \"}",
        "{\"title\":\"a\\u202eb\"}",
        "{\"title\":\"a\\nb\"}",
        "{\"title\":\"a\",\"startsAt\":\"tomorrow\"}",
        "{\"title\":\"a\",\"startsAt\":\"2026-02-29T00:00:00Z\"}",
        "{\"title\":\"a\",\"startsAt\":\"2026-03-01T10:00Z\",\"endsAt\":\"2026-03-01T09:00Z\"}",
        "{\"title\":\"a\",\"guests\":1}",
        "{\"title\":\"a\",\"courseId\":\"nope\"}",
        "{\"title\":\"a\",\"policy\":{\"pupils\":[]}}",
        "{\"title\":\"a\",\"policy\":{\"record\":\"yes\"}}",
    };
    for (size_t i = 0; i < ARRAY_LEN(invalid); i++) {
        assert_int_equal(ask(&s->teacher, "POST", "/api/classes", invalid[i]), 422);
        assert_string_not_equal(bench_text(s->bench.json, "field"), "");
    }
    assert_int_equal(
        ask(&s->teacher, "POST", "/api/classes", "{\"title\":\"a\",\"unknown\":[1,2]}"), 201);
    static char huge[70 * 1024];
    memset(huge, ' ', sizeof huge - 1);
    assert_int_equal(ask(&s->teacher, "POST", "/api/classes", huge), 413);
    assert_int_equal(ask(&s->teacher, "PUT", "/api/classes", "{}"), 405);
    assert_int_equal(ask(&s->teacher, "GET", "/api/nothing", NULL), 404);
    assert_int_equal(ask(&s->teacher, "GET", "/api/classes/", NULL), 404);
}

static void heads_must_follow_the_contract(void **state)
{
    struct school *s = *state;
    static const char *const heads[] = {"", "{}", "[]", "{\"method\":1,\"path\":\"/\"}",
                                        "{\"method\":\"GET\"}"};
    size_t before = s->bench.answers;
    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        assert_int_equal(api_request(s->bench.api, 1, slice_str(heads[i]), SLICE(""), s->bench.now),
                         ERR_FORMAT);
    assert_int_equal(s->bench.answers, before);
}

static void rights_follow_role_and_enrolment(void **state)
{
    struct school *s = *state;
    struct bench *b = &s->bench;
    const char *class = text("%s", make_class(s));
    struct browser nobody = {.bench = b};
    assert_int_equal(ask(&nobody, "GET", "/api/classes", NULL), 401);
    assert_int_equal(ask(&s->pupil, "POST", "/api/classes", "{\"title\":\"X\"}"), 403);
    assert_int_equal(ask(&s->pupil, "GET", class, NULL), 200);
    assert_null(bench_at(b->json, "people"));
    assert_false(json_is_true(bench_at(b->json, "mayManage")));
    assert_int_equal(ask(&s->teacher, "GET", class, NULL), 200);
    assert_int_equal(json_array_size(bench_at(b->json, "people")), 2);
    assert_string_equal(bench_text(b->json, "teachers.0.id"), s->teacher_id);
    assert_int_equal(ask(&s->other, "GET", class, NULL), 404);
    static const struct {
        const char *method, *tail, *body;
    } acts[] = {{"PATCH", "", "{}"},
                {"DELETE", "", NULL},
                {"POST", "/open", NULL},
                {"POST", "/close", NULL},
                {"PUT", "/people", "{}"},
                {"GET", "/attendance", NULL},
                {"GET", "/attendance.csv", NULL}};
    for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
        const char *path = text("%s%s", class, acts[i].tail);
        assert_int_equal(ask(&s->pupil, acts[i].method, path, acts[i].body), 403);
        assert_int_equal(ask(&s->other, acts[i].method, path, acts[i].body), 404);
    }
    static const struct {
        const char *method, *path, *body;
    } admin[] = {{"POST", "/api/people", "{}"},
                 {"PATCH", "/api/people/x", "{}"},
                 {"DELETE", "/api/people/x", NULL},
                 {"PATCH", "/api/organisation", "{}"},
                 {"GET", "/api/audit", NULL}};
    for (size_t i = 0; i < ARRAY_LEN(admin); i++) {
        assert_int_equal(ask(&s->pupil, admin[i].method, admin[i].path, admin[i].body), 403);
        assert_int_equal(ask(&s->teacher, admin[i].method, admin[i].path, admin[i].body), 403);
    }
    assert_int_equal(ask(&s->pupil, "GET", "/api/people", NULL), 403);
    assert_int_equal(ask(&s->pupil, "GET", "/api/courses", NULL), 403);
    /* Teachers see names, not accounts. */
    assert_int_equal(ask(&s->teacher, "GET", "/api/people", NULL), 200);
    assert_null(bench_at(b->json, "people.0.account"));
    assert_int_equal(ask(&s->admin, "GET", "/api/people", NULL), 200);
    assert_int_equal(json_array_size(bench_at(b->json, "people")), 4);
    assert_non_null(bench_at(b->json, "people.0.account"));
}

static const json_t *frame(const struct bench *b, size_t back)
{
    return json_array_get(b->frames, json_array_size(b->frames) - 1 - back);
}

static void opens_joins_and_closes(void **state)
{
    struct school *s = *state;
    struct bench *b = &s->bench;
    const char *class = text("%s", make_class(s));
    const char *join = text("%s/join", class);
    assert_int_equal(ask(&s->pupil, "POST", join, NULL), 409);
    assert_string_equal(bench_text(b->json, "error"), "not-open");
    assert_int_equal(ask(&s->other, "POST", join, NULL), 403);
    assert_string_equal(bench_text(b->json, "error"), "not-enrolled");
    assert_int_equal(ask(&s->teacher, "POST", text("%s/open", class), NULL), 200);
    assert_string_equal(bench_text(b->json, "state"), "open");
    assert_int_equal(json_integer_value(bench_at(frame(b, 0), "type")), API_ROOM);
    assert_true(json_is_false(bench_at(frame(b, 0), "payload.policy.pupils.screen")));
    assert_true(json_is_true(bench_at(frame(b, 0), "payload.policy.record")));

    assert_int_equal(ask(&s->pupil, "POST", join, NULL), 200);
    assert_string_equal(bench_text(b->json, "websocket"), "ws://localhost:8080/xmpp-websocket");
    assert_string_equal(bench_text(b->json, "muc"), "conference.meet.example");
    assert_string_equal(bench_text(b->json, "me.role"), "pupil");
    struct jwt_key key = {JWT_HS256, settings.token_secret};
    json_t *claims = NULL;
    assert_int_equal(jwt_verify(slice_str(bench_text(b->json, "token")), &key, &claims), 0);
    assert_string_equal(bench_text(claims, "room"), bench_text(b->json, "room"));
    assert_string_equal(bench_text(claims, "context.user.id"), s->pupil_id);
    assert_string_equal(bench_text(claims, "context.user.moderator"), "false");
    assert_string_equal(bench_text(claims, "context.features.recording"), "false");
    assert_string_equal(bench_text(claims, "context.features.send-groupchat"), "true");
    assert_int_equal(json_integer_value(bench_at(claims, "exp")), 1800000000 + 12 * 3600);
    json_decref(claims);
    assert_int_equal(ask(&s->teacher, "POST", join, NULL), 200);
    assert_int_equal(jwt_verify(slice_str(bench_text(b->json, "token")), &key, &claims), 0);
    assert_string_equal(bench_text(claims, "context.user.moderator"), "true");
    assert_string_equal(bench_text(claims, "context.features.recording"), "true");
    json_decref(claims);

    assert_int_equal(ask(&s->teacher, "PATCH", class,
                         "{\"policy\":{\"pupils\":{\"screen\":true},\"record\":false}}"),
                     200);
    assert_true(json_is_true(bench_at(frame(b, 0), "payload.policy.pupils.screen")));
    assert_true(json_is_false(bench_at(frame(b, 0), "payload.policy.record")));
    bench_clear(b);
    assert_int_equal(api_signal_up(b->api), 0);
    assert_int_equal(json_array_size(b->frames), 2);
    assert_int_equal(json_integer_value(bench_at(frame(b, 0), "type")), API_SYNC_DONE);
    /* Taken out of the class means out of the room. */
    assert_int_equal(ask(&s->teacher, "PUT", text("%s/people", class),
                         text("{\"remove\":[\"%s\"]}", s->pupil_id)),
                     200);
    assert_int_equal(json_integer_value(bench_at(frame(b, 0), "type")), API_REMOVE);
    assert_string_equal(bench_text(frame(b, 0), "payload.user"), s->pupil_id);
    assert_int_equal(ask(&s->pupil, "POST", join, NULL), 403);
    assert_int_equal(ask(&s->teacher, "POST", text("%s/close", class), NULL), 200);
    assert_int_equal(json_integer_value(bench_at(frame(b, 0), "type")), API_ROOM_GONE);
    assert_int_equal(ask(&s->teacher, "DELETE", class, NULL), 204);
    assert_int_equal(ask(&s->teacher, "GET", class, NULL), 404);
}

static void tokens_end_with_the_class(void **state)
{
    struct school *s = *state;
    struct bench *b = &s->bench;
    const char *class = text("%s", make_class(s));
    struct jwt_key key = {JWT_HS256, settings.token_secret};
    json_t *claims = NULL;
    char ends[WHEN_SIZE];
    when_format(b->now.wall + MSEC_PER_HOUR, ends);
    assert_int_equal(ask(&s->teacher, "PATCH", class, text("{\"endsAt\":\"%s\"}", ends)), 200);
    assert_int_equal(ask(&s->teacher, "POST", text("%s/open", class), NULL), 200);
    assert_int_equal(ask(&s->pupil, "POST", text("%s/join", class), NULL), 200);
    assert_int_equal(jwt_verify(slice_str(bench_text(b->json, "token")), &key, &claims), 0);
    assert_int_equal(json_integer_value(bench_at(claims, "exp")), 1800000000 + 3600 + 900);
    json_decref(claims);
    b->now.wall += 2 * MSEC_PER_HOUR; /* it runs over */
    assert_int_equal(ask(&s->pupil, "POST", text("%s/join", class), NULL), 200);
    assert_int_equal(jwt_verify(slice_str(bench_text(b->json, "token")), &key, &claims), 0);
    assert_int_equal(json_integer_value(bench_at(claims, "exp")), 1800000000 + 7200 + 900);
    json_decref(claims);
}

static void guests_come_only_where_allowed(void **state)
{
    struct school *s = *state;
    struct bench *b = &s->bench;
    struct browser guest = {.bench = b};
    const char *class = text("%s", make_class(s));
    assert_int_equal(ask(&s->teacher, "GET", class, NULL), 200);
    const char *room = text("/api/guest/%s", bench_text(b->json, "room"));
    assert_true(json_is_null(bench_at(b->json, "guestLink")));
    assert_int_equal(ask(&guest, "GET", room, NULL), 200);
    assert_string_equal(bench_text(b->json, "title"), "");
    assert_int_equal(ask(&guest, "POST", room, "{\"name\":\"Zoe\"}"), 403);
    assert_int_equal(ask(&s->teacher, "PATCH", class, "{\"guests\":true}"), 200);
    assert_non_null(strstr(bench_text(b->json, "guestLink"), "http://localhost:8080/guest/"));
    assert_int_equal(ask(&guest, "POST", room, "{\"name\":\"Zoe\"}"), 409);
    assert_int_equal(ask(&s->teacher, "POST", text("%s/open", class), NULL), 200);
    assert_int_equal(ask(&guest, "POST", room, "{}"), 422);
    assert_int_equal(ask(&guest, "POST", room, "{\"name\":\"Zoe\"}"), 200);
    assert_string_equal(bench_text(b->json, "me.role"), "guest");
    assert_true(json_is_false(bench_at(b->json, "me.moderator")));
    assert_int_equal(ask(&guest, "GET", "/api/guest/none", NULL), 404);
    int status = 200;
    for (int i = 0; i < 130 && status == 200; i++)
        status = ask(&guest, "POST", room, "{\"name\":\"Zoe\"}");
    assert_int_equal(status, 429);
}

static void lines_are_measured_by_those_who_may_join(void **state)
{
    struct school *s = *state;
    struct bench *b = &s->bench;
    struct browser guest = {.bench = b};
    const char *class = text("%s", make_class(s));
    assert_int_equal(ask(&s->teacher, "GET", class, NULL), 200);
    const char *guests = text("/api/guest/%s/check", bench_text(b->json, "room"));
    const char *check = text("%s/check", class);
    assert_int_equal(ask(&guest, "POST", check, NULL), 401);
    assert_int_equal(ask(&guest, "POST", guests, "{}"), 403);
    assert_int_equal(ask(&s->teacher, "PATCH", class, "{\"guests\":true}"), 200);
    assert_int_equal(ask(&guest, "POST", guests, "{}"), 200);
    assert_string_equal(bench_text(b->json, "me.role"), "check");
    assert_int_equal(ask(&s->teacher, "POST", check, NULL), 200); /* not open yet */
    const char *first = text("%s", bench_text(b->json, "room"));
    assert_memory_equal(first, "check-", 6);
    assert_string_equal(bench_text(b->json, "class"), "");
    assert_true(json_is_false(bench_at(b->json, "me.moderator")));
    assert_int_equal(ask(&s->teacher, "POST", check, NULL), 200);
    assert_string_not_equal(bench_text(b->json, "room"), first);
    int status = 200;
    for (int i = 0; i < 4; i++)
        status = ask(&s->teacher, "POST", check, NULL);
    assert_int_equal(status, 200);
    assert_int_equal(ask(&s->teacher, "POST", check, NULL), 429);
    for (int i = 0; i < 40 && status == 200; i++)
        status = ask(&guest, "POST", guests, "{}");
    assert_int_equal(status, 429);
    b->address = "192.0.2.77";
    assert_int_equal(ask(&guest, "POST", guests, "{}"), 200);
    assert_int_equal(ask(&s->teacher, "POST", text("%s/open", class), NULL), 200);
    assert_int_equal(ask(&s->teacher, "POST", text("%s/close", class), NULL), 200);
    assert_int_equal(ask(&guest, "POST", guests, "{}"), 409);
}

static void event(struct bench *b, uint64_t number, const char *json)
{
    assert_int_equal(api_event(b->api, number, slice_str(json)), 0);
}

static void keeps_attendance(void **state)
{
    struct school *s = *state;
    struct bench *b = &s->bench;
    const char *path = text("%s", make_class(s));
    const char *id = strrchr(path, '/') + 1;
    assert_int_equal(api_signal_up(b->api), 0);
    bench_clear(b);
    char *join = text("{\"event\":\"join\",\"class\":\"%s\",\"room\":\"r\",\"at_ms\":"
                      "1800000000000,\"user\":\"%s\",\"name\":\"=cmd()\",\"guest\":false,"
                      "\"session\":\"s1\"}",
                      id, s->pupil_id);
    event(b, 1, join);
    assert_int_equal(api_flush(b->api, b->now), 0);
    assert_int_equal(json_integer_value(bench_at(frame(b, 0), "type")), API_ACK);
    assert_int_equal(json_integer_value(bench_at(frame(b, 0), "id")), 1);
    event(b, 1, join); /* again, after a restart */
    assert_int_equal(api_flush(b->api, b->now), 0);
    assert_int_equal(ask(&s->teacher, "GET", path, NULL), 200);
    assert_int_equal(json_integer_value(bench_at(b->json, "present")), 1);
    b->now.wall += 90 * MSEC_PER_SEC;
    const char *attendance = text("%s/attendance", path);
    assert_int_equal(ask(&s->teacher, "GET", attendance, NULL), 200);
    assert_int_equal(json_integer_value(bench_at(b->json, "intervals.0.seconds")), 90);
    assert_true(json_is_null(bench_at(b->json, "intervals.0.to")));
    /* The wall clock jumps an hour; the stay was two minutes. */
    event(b, 2, "{\"event\":\"leave\",\"room\":\"r\",\"class\":\"none\",\"at_ms\":1}");
    event(b, 3,
          text("{\"event\":\"leave\",\"class\":\"%s\",\"at_ms\":1800003720000,"
               "\"session\":\"s1\",\"user\":\"%s\",\"present_ms\":120000}",
               id, s->pupil_id));
    assert_int_equal(api_flush(b->api, b->now), 0);
    assert_int_equal(ask(&s->teacher, "GET", attendance, NULL), 200);
    assert_int_equal(json_array_size(bench_at(b->json, "intervals")), 1);
    assert_string_equal(bench_text(b->json, "intervals.0.to"), "2027-01-15T08:02:00Z");
    assert_int_equal(json_integer_value(bench_at(b->json, "totals.0.seconds")), 120);
    assert_int_equal(ask(&s->teacher, "GET", text("%s.csv", attendance), NULL), 200);
    assert_string_equal(b->body, "\xef\xbb\xbfname,role,from,to,seconds\r\n"
                                 "\"'=cmd()\",pupil,2027-01-15T08:00:00Z,2027-01-15T08:02:00Z,"
                                 "120\r\n");
    assert_int_equal(api_event(b->api, 4, SLICE("no json")), ERR_FORMAT);
}

static void power_cuts_end_stays(void **state)
{
    struct school *s = *state;
    struct bench *b = &s->bench;
    const char *path = text("%s", make_class(s));
    event(b, 1,
          text("{\"event\":\"join\",\"class\":\"%s\",\"at_ms\":%lld,\"user\":\"u\",\"name\":"
               "\"n\",\"session\":\"s1\"}",
               strrchr(path, '/') + 1, (long long)b->now.wall));
    assert_int_equal(api_flush(b->api, b->now), 0);
    b->now.wall += 10 * MSEC_PER_MINUTE;
    assert_int_equal(api_tick(b->api, b->now), 0);
    /* Web alone began anew: they are still there. */
    assert_int_equal(api_start(b->api, "run 1", b->now), 0);
    b->now.wall += MSEC_PER_MINUTE;
    assert_int_equal(ask(&s->teacher, "GET", path, NULL), 200);
    assert_int_equal(json_integer_value(bench_at(b->json, "present")), 1);
    /* The whole house did, a day later, and signal counts from one again. */
    b->now.wall += MSEC_PER_DAY;
    assert_int_equal(api_start(b->api, "run 2", b->now), 0);
    event(b, 1,
          text("{\"event\":\"join\",\"class\":\"%s\",\"at_ms\":%lld,\"user\":\"u\",\"name\":"
               "\"n\",\"session\":\"s2\"}",
               strrchr(path, '/') + 1, (long long)b->now.wall));
    assert_int_equal(api_flush(b->api, b->now), 0);
    assert_int_equal(ask(&s->teacher, "GET", text("%s/attendance", path), NULL), 200);
    assert_int_equal(json_array_size(bench_at(b->json, "intervals")), 2);
    assert_int_equal(json_integer_value(bench_at(b->json, "intervals.0.seconds")), 600);
    assert_true(json_is_null(bench_at(b->json, "intervals.1.to")));
}

static void full_disk_loses_nothing(void **state)
{
    struct school *s = *state;
    struct bench *b = &s->bench;
    const char *path = text("%s", make_class(s));
    const char *id = strrchr(path, '/') + 1;
    int64_t pages = 0;
    assert_int_equal(api_signal_up(b->api), 0);
    assert_int_equal(sql_one_num(b->sql, "PRAGMA page_count", SQL_NONE, &pages), 0);
    assert_int_equal(sql_script(b->sql, text("PRAGMA max_page_count=%lld", (long long)pages)), 0);
    int status = 201;
    for (int i = 0; i < 200 && status == 201; i++)
        status = ask(&s->teacher, "POST", "/api/classes",
                     "{\"title\":\"A title of some length to fill the pages of the database\"}");
    assert_int_equal(status, 507);
    assert_string_equal(bench_text(b->json, "error"), "disk-full");
    assert_int_equal(ask(&s->teacher, "GET", "/api/classes", NULL), 200);
    bench_clear(b);
    uint64_t number = 0;
    int err = 0;
    while (!err && number < 300) {
        number++;
        event(b, number,
              text("{\"event\":\"join\",\"class\":\"%s\",\"at_ms\":1,\"user\":\"u\",\"name\":\"n\","
                   "\"session\":\"s%d\"}",
                   id, (int)number));
        err = api_flush(b->api, b->now);
    }
    assert_int_equal(err, ERR_LIMIT);
    size_t acknowledged = json_array_size(b->frames);
    assert_int_equal(acknowledged, number - 1);
    assert_int_equal(sql_script(b->sql, "PRAGMA max_page_count=100000"), 0);
    assert_int_equal(api_flush(b->api, b->now), 0);
    assert_int_equal(json_integer_value(bench_at(frame(b, 0), "id")), number);
    assert_int_equal(ask(&s->teacher, "GET", text("%s/attendance", path), NULL), 200);
    assert_int_equal(json_array_size(bench_at(b->json, "intervals")), number);
    assert_int_equal(sql_check(b->sql), 0);
}

#define RECORDING "5e2d7a34-93a1-4a55-8b46-0a3e6a7f1234"

static void control(struct bench *b, const char *json)
{
    json_t *message = json_loads(json, 0, NULL);
    assert_int_equal(api_control(b->api, bench_text(message, "type"), message), 0);
    assert_int_equal(api_flush(b->api, b->now), 0);
    json_decref(message);
}

static const char *last_job(const struct bench *b)
{
    return bench_text(json_array_get(b->controls, json_array_size(b->controls) - 1), "job");
}

static void recordings_become_ready(void **state)
{
    struct school *s = *state;
    struct bench *b = &s->bench;
    const char *id = strrchr(text("%s", make_class(s)), '/') + 1;
    event(b, 1,
          text("{\"event\":\"recording-start\",\"class\":\"%s\",\"at_ms\":1800000000000,"
               "\"recording\":\"" RECORDING "\",\"by\":\"%s\"}",
               id, s->teacher_id));
    assert_int_equal(api_flush(b->api, b->now), 0);
    static const char path[] = "/api/recordings/" RECORDING;
    assert_int_equal(ask(&s->pupil, "GET", path, NULL), 200);
    assert_string_equal(bench_text(b->json, "state"), "recording");
    assert_int_equal(ask(&s->other, "GET", path, NULL), 404);
    assert_int_equal(ask(&s->teacher, "DELETE", path, NULL), 409);
    control(b, "{\"type\":\"recordings\",\"list\":[{\"recording\":\"" RECORDING
               "\",\"finished\":false,\"bytes\":5}]}");
    assert_int_equal(json_array_size(b->controls), 0);
    event(
        b, 2,
        text("{\"event\":\"recording-stop\",\"class\":\"%s\",\"at_ms\":1,\"recording\":\"" RECORDING
             "\",\"duration_ms\":61500}",
             id));
    assert_int_equal(api_flush(b->api, b->now), 0);
    control(b, "{\"type\":\"recordings\",\"list\":[{\"recording\":\"" RECORDING
               "\",\"finished\":true,\"bytes\":5}]}");
    assert_int_equal(json_array_size(b->controls), 1);
    assert_string_equal(last_job(b), "tracks");
    control(b, "{\"type\":\"render\",\"recording\":\"" RECORDING
               "\",\"job\":\"tracks\",\"state\":\"running\",\"progress\":0.5}");
    assert_int_equal(ask(&s->pupil, "GET", path, NULL), 200);
    assert_string_equal(bench_text(b->json, "state"), "processing");
    assert_true(json_real_value(bench_at(b->json, "progress.tracks")) == 0.5);
    assert_true(json_real_value(bench_at(b->json, "duration")) == 61.5);
    assert_true(json_is_null(bench_at(b->json, "manifest")));
    control(b, "{\"type\":\"render\",\"recording\":\"" RECORDING
               "\",\"job\":\"tracks\",\"state\":\"done\"}");
    assert_int_equal(ask(&s->pupil, "GET", path, NULL), 200);
    assert_string_equal(bench_text(b->json, "state"), "ready");
    assert_string_equal(bench_text(b->json, "manifest"),
                        "http://localhost:8080/recordings/" RECORDING "/manifest.json");
    assert_string_equal(last_job(b), "audio");
    assert_int_equal(json_array_size(b->controls), 2);
    control(b, "{\"type\":\"render\",\"recording\":\"" RECORDING
               "\",\"job\":\"audio\",\"state\":\"done\"}");
    assert_string_equal(last_job(b), "mp4");
    for (int i = 0; i < 2; i++) {
        size_t before = json_array_size(b->controls);
        control(b, "{\"type\":\"render\",\"recording\":\"" RECORDING
                   "\",\"job\":\"mp4\",\"state\":\"failed\",\"reason\":\"crash\"}");
        assert_int_equal(json_array_size(b->controls),
                         before + (i == 0)); /* once more, then left */
    }
    assert_int_equal(ask(&s->pupil, "GET", "/api/recordings", NULL), 200);
    assert_string_equal(bench_text(b->json, "recordings.0.state"), "ready");
    assert_non_null(bench_text(b->json, "recordings.0.files.audio"));
    assert_true(json_is_null(bench_at(b->json, "recordings.0.files.mp4")));
    assert_int_equal(ask(&s->other, "GET", "/api/recordings", NULL), 200);
    assert_int_equal(json_array_size(bench_at(b->json, "recordings")), 0);
}

static void files_go_to_members_only(void **state)
{
    struct school *s = *state;
    struct bench *b = &s->bench;
    struct browser nobody = {.bench = b};
    recordings_become_ready(state);
    static const char file[] = "/recordings/" RECORDING "/manifest.json";
    assert_int_equal(ask(&s->pupil, "GET", file, NULL), 200);
    assert_string_equal(bench_text(b->head, "file"), RECORDING "/out/manifest.json");
    assert_string_equal(bench_text(b->head, "headers.content-type"), "application/json");
    assert_int_equal(ask(&s->other, "GET", file, NULL), 404);
    assert_string_equal(bench_text(b->head, "file"), "");
    assert_int_equal(ask(&nobody, "GET", file, NULL), 401);
    static const char *const bad[] = {
        "/recordings/" RECORDING "/..",           "/recordings/" RECORDING "/%2e%2e",
        "/recordings/" RECORDING "/.hidden.json", "/recordings/" RECORDING "/video.mp4.tmp",
        "/recordings/" RECORDING "/../x.mp4",     "/recordings/../manifest.json",
        "/recordings/none/manifest.json"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(ask(&s->pupil, "GET", bad[i], NULL), 404);
    b->range = "bytes=1000-";
    assert_int_equal(ask(&s->pupil, "GET", "/recordings/" RECORDING "/video.mp4", NULL), 200);
    b->range = NULL;
    bench_clear(b);
    assert_int_equal(ask(&s->pupil, "DELETE", "/api/recordings/" RECORDING, NULL), 403);
    assert_int_equal(ask(&s->teacher, "DELETE", "/api/recordings/" RECORDING, NULL), 204);
    assert_string_equal(bench_text(b->controls, "0.type"), "remove");
    assert_int_equal(ask(&s->teacher, "GET", file, NULL), 404);
    /* It comes back from the disk: it is removed again. */
    control(b, "{\"type\":\"recordings\",\"list\":[{\"recording\":\"" RECORDING
               "\",\"finished\":true,\"bytes\":5}]}");
    assert_int_equal(json_array_size(b->controls), 2);
    assert_string_equal(bench_text(b->controls, "1.type"), "remove");
}

static void takes_in_unknown_recordings(void **state)
{
    struct school *s = *state;
    struct bench *b = &s->bench;
    control(b, "{\"type\":\"recordings\",\"list\":[{\"recording\":\"" RECORDING
               "\",\"finished\":true,\"bytes\":5},{\"recording\":\"../etc\"}]}");
    assert_string_equal(last_job(b), "tracks");
    assert_int_equal(ask(&s->admin, "GET", "/api/recordings/" RECORDING, NULL), 200);
    assert_string_equal(bench_text(b->json, "class.id"), "");
    assert_int_equal(ask(&s->teacher, "GET", "/api/recordings/" RECORDING, NULL), 404);
    json_t *bad = json_pack("{s:s}", "job", "dance");
    assert_int_equal(api_control(b->api, "render", bad), ERR_FORMAT);
    assert_int_equal(api_control(b->api, "recordings", bad), ERR_FORMAT);
    assert_int_equal(api_control(b->api, "weather", bad), 0);
    json_decref(bad);
}

static void administers_people(void **state)
{
    struct school *s = *state;
    struct bench *b = &s->bench;
    struct browser made = {.bench = b};
    assert_int_equal(ask(&s->admin, "POST", "/api/people",
                         "{\"name\":\"New\",\"account\":\"new\",\"role\":\"teacher\","
                         "\"password\":\"" PASSWORD "\"}"),
                     201);
    assert_null(bench_at(b->json, "invite"));
    const char *path = text("/api/people/%s", bench_text(b->json, "id"));
    assert_int_equal(ask(&s->admin, "POST", "/api/people",
                         "{\"name\":\"New\",\"account\":\"NEW\",\"role\":\"teacher\"}"),
                     409);
    assert_int_equal(ask(&s->admin, "POST", "/api/people",
                         "{\"name\":\"New\",\"account\":\"a b\",\"role\":\"teacher\"}"),
                     422);
    assert_int_equal(ask(&s->admin, "POST", "/api/people",
                         "{\"name\":\"New\",\"account\":\"ab\",\"role\":\"king\"}"),
                     422);
    assert_int_equal(
        ask(&made, "POST", "/api/signin", "{\"account\":\"new\",\"password\":\"" PASSWORD "\"}"),
        200);
    assert_true(json_is_true(bench_at(b->json, "user.mustChangePassword")));
    assert_int_equal(ask(&s->admin, "PATCH", path, "{\"disabled\":true,\"name\":\"Old\"}"), 200);
    assert_string_equal(bench_text(b->json, "name"), "Old");
    assert_int_equal(ask(&made, "GET", "/api/me", NULL), 401);
    assert_int_equal(
        ask(&made, "POST", "/api/signin", "{\"account\":\"new\",\"password\":\"" PASSWORD "\"}"),
        401);
    assert_int_equal(ask(&s->admin, "DELETE", path, NULL), 204);
    assert_int_equal(ask(&s->admin, "DELETE", path, NULL), 404);
    /* The account is free again, the last administrator stays. */
    assert_int_equal(
        ask(&s->admin, "POST", "/api/people", "{\"name\":\"New\",\"account\":\"new\"}"), 201);
    assert_int_equal(ask(&s->admin, "GET", "/api/me", NULL), 200);
    const char *me = text("/api/people/%s", bench_text(b->json, "user.id"));
    assert_int_equal(ask(&s->admin, "PATCH", me, "{\"role\":\"teacher\"}"), 409);
    assert_int_equal(ask(&s->admin, "PATCH", me, "{\"disabled\":true}"), 409);
    assert_int_equal(ask(&s->admin, "DELETE", me, NULL), 409);
    assert_int_equal(ask(&s->admin, "GET", "/api/me", NULL), 200);
    assert_int_equal(ask(&s->admin, "PATCH", "/api/organisation", "{\"name\":\"Hill School\"}"),
                     200);
    assert_int_equal(ask(&s->admin, "GET", "/api/audit", NULL), 200);
    assert_string_equal(bench_text(b->json, "entries.0.action"), "organisation-change");
    int64_t number = 0;
    assert_int_equal(audit_verify(b->sql, &number), 0);
    assert_int_equal(ask(&s->admin, "GET", "/api/me", NULL), 200);
    assert_string_equal(bench_text(b->json, "organisation.name"), "Hill School");
    assert_true(json_is_true(bench_at(b->json, "organisation.policy.pupils.microphone")));
    assert_true(json_is_false(bench_at(b->json, "organisation.policy.pupils.screen")));
}

/* What signal was told of the class, last. */
static const char *told(struct bench *b, const char *key)
{
    const char *found = "nothing";
    size_t i;
    json_t *frame;
    json_array_foreach(b->frames, i, frame)
    {
        json_t *value = json_object_get(bench_at(frame, "payload"), key);
        found = value ? json_string_value(value) : found;
    }
    return found;
}

static void classes_follow_the_organisations_profile(void **state)
{
    struct school *s = *state;
    struct bench *b = &s->bench;
    assert_int_equal(ask(&s->admin, "GET", "/api/me", NULL), 200);
    assert_string_equal(bench_text(b->json, "organisation.profile"), "rich");
    assert_int_equal(ask(&s->teacher, "POST", "/api/classes", "{\"title\":\"Sums\"}"), 201);
    assert_true(json_is_null(bench_at(b->json, "profile")));
    const char *class = text("/api/classes/%s", bench_text(b->json, "id"));
    const char *open = text("%s/open", class);
    assert_int_equal(ask(&s->teacher, "POST", open, NULL), 200);
    assert_string_equal(told(b, "profile"), "rich");
    assert_int_equal(ask(&s->admin, "PATCH", "/api/organisation", "{\"profile\":\"light\"}"), 200);
    assert_string_equal(bench_text(b->json, "profile"), "light");
    assert_string_equal(told(b, "profile"), "light");
    /* An own one holds whatever the organisation says, until it is given up. */
    assert_int_equal(ask(&s->teacher, "PATCH", class, "{\"profile\":\"voice\"}"), 200);
    assert_string_equal(bench_text(b->json, "profile"), "voice");
    assert_string_equal(told(b, "profile"), "voice");
    assert_int_equal(ask(&s->admin, "PATCH", "/api/organisation", "{\"profile\":\"normal\"}"), 200);
    assert_string_equal(told(b, "profile"), "voice");
    assert_int_equal(ask(&s->teacher, "PATCH", class, "{\"title\":\"Sums 2\"}"), 200);
    assert_string_equal(bench_text(b->json, "profile"), "voice");
    assert_int_equal(ask(&s->teacher, "PATCH", class, "{\"profile\":null}"), 200);
    assert_true(json_is_null(bench_at(b->json, "profile")));
    assert_string_equal(told(b, "profile"), "normal");
    assert_int_equal(ask(&s->teacher, "PATCH", class, "{\"profile\":\"cinema\"}"), 422);
    assert_int_equal(ask(&s->teacher, "PATCH", class, "{\"profile\":3}"), 422);
    assert_int_equal(ask(&s->teacher, "PATCH", "/api/organisation", "{\"profile\":\"rich\"}"), 403);
    assert_int_equal(
        ask(&s->teacher, "POST", "/api/classes", "{\"title\":\"Words\",\"profile\":\"light\"}"),
        201);
    assert_string_equal(bench_text(b->json, "profile"), "light");
    assert_int_equal(ask(&s->admin, "GET", "/api/audit", NULL), 200);
    assert_string_equal(bench_text(b->json, "entries.0.action"), "class-create");
    assert_string_equal(bench_text(b->json, "entries.1.action"), "class-change");
}

static void classes_follow_the_organisations_codecs(void **state)
{
    struct school *s = *state;
    struct bench *b = &s->bench;
    assert_int_equal(ask(&s->admin, "GET", "/api/me", NULL), 200);
    assert_true(json_is_null(bench_at(b->json, "organisation.codecs")));
    assert_int_equal(ask(&s->teacher, "POST", "/api/classes", "{\"title\":\"Sums\"}"), 201);
    assert_true(json_is_null(bench_at(b->json, "codecs")));
    const char *class = text("/api/classes/%s", bench_text(b->json, "id"));
    assert_int_equal(ask(&s->teacher, "POST", text("%s/open", class), NULL), 200);
    assert_string_equal(told(b, "codecs"), "");
    const char *org = "/api/organisation";
    assert_int_equal(ask(&s->admin, "PATCH", org, "{\"codecs\":\"h264 vp8\"}"), 200);
    assert_string_equal(bench_text(b->json, "codecs"), "h264 vp8");
    assert_string_equal(told(b, "codecs"), "h264 vp8");
    assert_int_equal(ask(&s->admin, "PATCH", org, "{\"profile\":\"light\"}"), 200);
    assert_string_equal(bench_text(b->json, "codecs"), "h264 vp8");
    /* Own ones hold whatever the organisation says, until they are given up. */
    assert_int_equal(ask(&s->teacher, "PATCH", class, "{\"codecs\":\"av1 vp9 vp8\"}"), 200);
    assert_string_equal(bench_text(b->json, "codecs"), "av1 vp9 vp8");
    assert_int_equal(ask(&s->admin, "PATCH", org, "{\"codecs\":null}"), 200);
    assert_true(json_is_null(bench_at(b->json, "codecs")));
    assert_string_equal(told(b, "codecs"), "av1 vp9 vp8");
    assert_int_equal(ask(&s->teacher, "PATCH", class, "{\"title\":\"Sums 2\"}"), 200);
    assert_string_equal(bench_text(b->json, "codecs"), "av1 vp9 vp8");
    assert_int_equal(ask(&s->teacher, "PATCH", class, "{\"codecs\":null}"), 200);
    assert_true(json_is_null(bench_at(b->json, "codecs")));
    assert_string_equal(told(b, "codecs"), "");
    static const char *const wrong[] = {"\"h264\"", "\"\"", "\"vp8 theora\"", "[\"vp8\"]", "3"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(ask(&s->teacher, "PATCH", class, text("{\"codecs\":%s}", wrong[i])), 422);
    assert_int_equal(ask(&s->teacher, "PATCH", org, "{\"codecs\":\"vp8\"}"), 403);
    assert_int_equal(
        ask(&s->teacher, "POST", "/api/classes", "{\"title\":\"Words\",\"codecs\":\"vp8\"}"), 201);
    assert_string_equal(bench_text(b->json, "codecs"), "vp8");
}

static void courses_bring_their_people(void **state)
{
    struct school *s = *state;
    struct bench *b = &s->bench;
    assert_int_equal(ask(&s->admin, "POST", "/api/courses",
                         text("{\"title\":\"Maths\",\"teacherIds\":[\"%s\"],\"pupilIds\":[\"%s\"]}",
                              s->teacher_id, s->pupil_id)),
                     201);
    const char *course = text("%s", bench_text(b->json, "id"));
    assert_string_equal(bench_text(b->json, "pupils.0.id"), s->pupil_id);
    assert_int_equal(ask(&s->admin, "POST", "/api/courses",
                         text("{\"title\":\"X\",\"teacherIds\":[\"%s\"]}", s->pupil_id)),
                     422);
    assert_int_equal(ask(&s->teacher, "POST", "/api/classes",
                         text("{\"title\":\"Sums\",\"courseId\":\"%s\"}", course)),
                     201);
    assert_string_equal(bench_text(b->json, "course.title"), "Maths");
    const char *class = text("/api/classes/%s", bench_text(b->json, "id"));
    assert_int_equal(ask(&s->pupil, "GET", class, NULL), 200);
    assert_int_equal(ask(&s->teacher, "POST", text("%s/open", class), NULL), 200);
    bench_clear(b);
    const char *path = text("/api/courses/%s", course);
    assert_int_equal(ask(&s->teacher, "PATCH", path, text("{\"pupilIds\":[\"%s\"]}", s->other_id)),
                     200);
    assert_int_equal(json_integer_value(bench_at(frame(b, 0), "type")), API_REMOVE);
    assert_int_equal(ask(&s->pupil, "GET", class, NULL), 404);
    assert_int_equal(ask(&s->other, "GET", class, NULL), 200);
    assert_int_equal(ask(&s->teacher, "DELETE", path, NULL), 204);
    assert_int_equal(ask(&s->other, "GET", class, NULL), 200);
    assert_int_equal(ask(&s->teacher, "GET", "/api/courses", NULL), 200);
    assert_int_equal(json_array_size(bench_at(b->json, "courses")), 0);
}

static void demo_is_ready_and_stays(void **state)
{
    (void)state;
    struct bench b;
    struct browser pupil = {.bench = &b};
    struct api_settings demo = settings;
    demo.demo = true;
    bench_init(&b, &demo);
    const json_t *links = bench_at(b.controls, "0.links");
    assert_int_equal(json_array_size(links), 7); /* administrator, teacher, 4 pupils, guests */
    enter(&b, &pupil, bench_text(links, "2.path"));
    const char *next = bench_text(b.json, "next");
    assert_memory_equal(next, "/class/", 7);
    assert_false(json_is_true(bench_at(b.json, "user.mustChangePassword")));
    const char *room = text("%s", bench_text(b.json, "join.room"));
    assert_string_equal(bench_text(b.json, "join.me.role"), "pupil");
    assert_int_equal(ask(&pupil, "POST", text("/api/classes/%s/join", next + 7), NULL), 200);
    assert_string_equal(bench_text(b.json, "room"), room);
    /* A second start: the same people and class, new links, and the old ones still work. */
    assert_int_equal(api_start(b.api, "run 1", b.now), 0);
    assert_int_equal(json_array_size(bench_at(b.controls, "1.links")), 7);
    int64_t people = 0, classes = 0;
    assert_int_equal(sql_one_num(b.sql, "SELECT COUNT(*) FROM person", SQL_NONE, &people), 0);
    assert_int_equal(sql_one_num(b.sql, "SELECT COUNT(*) FROM class", SQL_NONE, &classes), 0);
    assert_int_equal(people, 6);
    assert_int_equal(classes, 1);
    struct browser other = {.bench = &b};
    enter(&b, &other, bench_text(b.controls, "0.links.3.path"));
    bench_done(&b);
}

static void a_configured_name_wins(void **state)
{
    (void)state;
    struct bench b;
    struct browser browser = {.bench = &b};
    struct api_settings named = settings;
    named.url = "https://school.example";
    bench_init(&b, &named);
    b.host = "attacker.example";
    b.origin = "http://attacker.example";
    assert_int_equal(ask(&browser, "POST", "/api/enter", "{\"code\":\"x\"}"), 403);
    b.origin = "https://school.example";
    const char *code = code_of(bench_text(b.controls, "0.links.0.path"));
    assert_int_equal(ask(&browser, "POST", "/api/enter", text("{\"code\":\"%s\"}", code)), 200);
    assert_non_null(strstr(bench_text(b.head, "headers.set-cookie"), "; Secure"));
    assert_int_equal(ask(&browser, "POST", "/api/people", "{\"name\":\"P\",\"account\":\"pp\"}"),
                     201);
    assert_memory_equal(bench_text(b.json, "invite"), "https://school.example/enter#", 29);
    assert_int_equal(ask(&browser, "GET", "/config.js", NULL), 200);
    assert_non_null(strstr(b.body, "\"wss://school.example/xmpp-websocket\""));
    bench_done(&b);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_school, close_school)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(signs_in_with_a_password),
        T(refuses_weak_passwords),
        T(links_work_once_and_expire),
        T(sessions_expire_unless_used),
        T(limits_guesses),
        T(limits_unknown_accounts_by_address),
        T(busy_helpers_answer_503),
        T(checks_csrf_and_origin),
        T(refuses_bad_bodies),
        T(heads_must_follow_the_contract),
        T(rights_follow_role_and_enrolment),
        T(opens_joins_and_closes),
        T(tokens_end_with_the_class),
        T(guests_come_only_where_allowed),
        T(lines_are_measured_by_those_who_may_join),
        T(keeps_attendance),
        T(power_cuts_end_stays),
        T(full_disk_loses_nothing),
        T(recordings_become_ready),
        T(files_go_to_members_only),
        T(takes_in_unknown_recordings),
        T(administers_people),
        T(classes_follow_the_organisations_profile),
        T(classes_follow_the_organisations_codecs),
        T(courses_bring_their_people),
        cmocka_unit_test(demo_is_ready_and_stays),
        cmocka_unit_test(a_configured_name_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
