/* Signing in and out, and who I am. */
#include <stdio.h>

#include "api/join.h"
#include "api/live.h"
#include "api/pending.h"
#include "api/routes.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "school/passwords.h"

/* Browsers keep no cookie longer. */
#define DEVICE_COOKIE_AGE (400L * 24 * 3600)
#define SESSION_COOKIE_AGE ((long)(SESSION_LIFE / MSEC_PER_SEC))
/* A password may be set without the old one for that long after a one-time code was used. */
#define ENTERED_FOR (30 * MSEC_PER_MINUTE)
#define CODE_BYTES_MAX 128
#define LIMIT_WINDOW (15 * 60 * USEC_PER_SEC)

/* Ten guesses in a quarter of an hour at one account by strangers, ten more by each browser that
 * knows it; a browser that goes through many accounts gets thirty. A school sits behind one
 * address: that counts only names that do not exist. */
static const struct limit_rule per_account = {'a', 10, LIMIT_WINDOW};
static const struct limit_rule per_known_device = {'k', 10, LIMIT_WINDOW};
static const struct limit_rule per_device = {'d', 30, LIMIT_WINDOW};
static const struct limit_rule per_address = {'i', 60, LIMIT_WINDOW};

static json_t *me_json(struct call *call, const char *csrf, const char *next)
{
    const struct person *me = &call->session.person;
    struct organisation organisation;
    if (organisation_find(call->api->sql, &organisation))
        return NULL;
    return json_pack("{s:{s:s,s:s,s:s,s:s,s:s,s:b},s:{s:s,s:s,s:s,s:o,s:o},s:s,s:s*}", "user", "id",
                     me->id, "name", me->name, "account", me->account, "role", role_name(me->role),
                     "language", me->language, "mustChangePassword", (int)me->must_change,
                     "organisation", "id", organisation.id, "name", organisation.name, "profile",
                     profile_name(organisation.profile), "codecs",
                     codec_list_json(&organisation.codecs), "policy", policy_json(POLICY_DEFAULT),
                     "csrf", csrf, "next", next);
}

/* A link that leads into a class that is open brings the ticket along: a round trip less on the way
 * in. */
static int add_join(struct call *call, const char *next, json_t *me)
{
    static const char CLASS[] = "/class/";
    struct class class;
    struct join_person person;
    if (strncmp(next, CLASS, sizeof CLASS - 1) != 0)
        return 0;
    int err = join_find(call, next + sizeof CLASS - 1, &class, &person);
    if (err == ERR_NOT_FOUND || err == ERR_DENIED || (!err && class.state != CLASS_OPEN))
        return 0; /* the page asks itself and is told why */
    return !err && json_object_set_new(me, "join", join_json(call, &class, &person)) < 0
               ? ERR_MEMORY
               : err;
}

static void set_session_cookie(struct call *call, const char *token)
{
    call_set_cookie(call, "darasa_session", token, SESSION_COOKIE_AGE);
}

int api_me(struct call *call)
{
    char text[TOKEN_SIZE], csrf[SECRET_HASH_TEXT];
    if (!call->signed_in) {
        /* A browser gets its name here, before it signs in anywhere. */
        if (call->device.len == 0) {
            random_alnum(text, TOKEN_LENGTH);
            call_set_cookie(call, "darasa_device", text, DEVICE_COOKIE_AGE);
        }
        return call_fail(call, 401, "signed-out", "Nobody is signed in.");
    }
    (void)slice_copy(call->token, text, sizeof text); /* its length was checked */
    set_session_cookie(call, text);
    session_csrf(call->token, csrf);
    return call_json(call, 200, me_json(call, csrf, NULL));
}

int api_me_change(struct call *call)
{
    const char *language = NULL;
    char csrf[SECRET_HASH_TEXT];
    struct person *me = &call->session.person;
    int err = field_string(call, "language", LANGUAGE_SIZE - 1, &language);
    if (err)
        return err;
    if (language && language_clean(slice_str(language), me->language))
        return call_fail_field(call, "language", "This is a language code, as in \"en\".");
    err = person_update(call->api->sql, me);
    if (err)
        return err;
    session_csrf(call->token, csrf);
    return call_json(call, 200, me_json(call, csrf, NULL));
}

/* Begins a session for call->session.person and answers. */
static int welcome(struct call *call, bool entered, const char *action, const char *next)
{
    struct sql *sql = call->api->sql;
    char token[TOKEN_SIZE], csrf[SECRET_HASH_TEXT];
    const char *id = call->session.person.id;
    int err = sql_begin(sql);
    if (err)
        return err;
    err = session_create(sql, id, entered, call->now.wall, token);
    if (!err && call->device.len > 0)
        err = device_remember(sql, call->device, id, call->now.wall);
    call->signed_in = true;
    if (!err)
        err = call_audit(call, action, id, "");
    err = sql_finish(sql, err);
    if (!err) {
        set_session_cookie(call, token);
        session_csrf(slice_str(token), csrf);
        json_t *me = me_json(call, csrf, next);
        if (me && next)
            err = add_join(call, next, me);
        if (err)
            json_decref(me);
        else
            err = call_json(call, 200, me);
    }
    hash_wipe(token, sizeof token);
    return err;
}

static usec_t longer(usec_t a, usec_t b)
{
    return usec_max(a, b);
}

struct tries {
    struct api *api;
    usec_t now;
    struct slice account, device, address;
    bool known, trusted;
    char pair[ACCOUNT_SIZE + TOKEN_SIZE];
};

static struct tries tries_of(struct api *api, usec_t now, const struct pending *pending,
                             struct slice device, struct slice address)
{
    struct tries tries = {.api = api,
                          .now = now,
                          .account = slice_str(pending->account),
                          .device = device,
                          .address = address,
                          .known = pending->person.id[0] != '\0',
                          .trusted = pending->trusted};
    (void)snprintf(tries.pair, sizeof tries.pair, "%s %.*s", pending->account, SLICE_ARG(device));
    return tries;
}

static usec_t tries_wait(const struct tries *t)
{
    struct limits *limits = t->api->limits;
    usec_t wait = t->trusted ? limits_wait(limits, &per_known_device, slice_str(t->pair), t->now)
                             : limits_wait(limits, &per_account, t->account, t->now);
    if (t->device.len > 0)
        wait = longer(wait, limits_wait(limits, &per_device, t->device, t->now));
    if (!t->known)
        wait = longer(wait, limits_wait(limits, &per_address, t->address, t->now));
    return wait;
}

static void tries_count(const struct tries *t)
{
    struct limits *limits = t->api->limits;
    if (t->trusted)
        limits_count(limits, &per_known_device, slice_str(t->pair), t->now);
    else
        limits_count(limits, &per_account, t->account, t->now);
    if (t->device.len > 0)
        limits_count(limits, &per_device, t->device, t->now);
    if (!t->known)
        limits_count(limits, &per_address, t->address, t->now);
}

/* The try was none: the helpers were busy, or the password was right. */
static void tries_return(const struct tries *t, bool right)
{
    struct limits *limits = t->api->limits;
    const struct limit_rule *rule = t->trusted ? &per_known_device : &per_account;
    struct slice key = t->trusted ? slice_str(t->pair) : t->account;
    if (right)
        limits_forget(limits, rule, key);
    else
        limits_return(limits, rule, key);
    if (t->device.len > 0)
        limits_return(limits, &per_device, t->device);
    if (!t->known)
        limits_return(limits, &per_address, t->address);
}

static int wrong(struct call *call)
{
    ++*call->api->metrics.signin_failures;
    return call_fail(call, 401, "wrong", "Account or password is wrong.");
}

/* When the table is full the rest is only counted: the limits make that rare. */
static void note_failure(struct api *api, const char *person, msec_t now)
{
    if (api->failure_count == CALL_FAILURES_MAX)
        return;
    struct signin_failure *failure = &api->failures[api->failure_count++];
    (void)slice_copy(slice_str(person), failure->person, sizeof failure->person);
    failure->at = now;
}

int session_store_failures(struct api *api)
{
    int err = api->failure_count > 0 ? sql_begin(api->sql) : 0;
    if (err || api->failure_count == 0)
        return err;
    for (size_t i = 0; i < api->failure_count && !err; i++) {
        struct audit_entry entry = {.at = api->failures[i].at,
                                    .actor = "unknown",
                                    .action = "sign-in-failed",
                                    .subject = api->failures[i].person,
                                    .detail = ""};
        err = audit_add(api->sql, &entry);
    }
    err = sql_finish(api->sql, err);
    if (!err)
        api->failure_count = 0;
    return err;
}

static int signin_done(struct call *call, struct pending *pending, const struct hash_result *result)
{
    struct tries tries = tries_of(call->api, call->now.mono, pending, call->device, call->address);
    int err = result->err;
    if (err == ERR_MEMORY || err == ERR_FORMAT) {
        tries_return(&tries, false);
        return err;
    }
    struct person person;
    if (!err)
        err = person_find(call->api->sql, pending->person.id, &person);
    if (!err && person.disabled)
        err = ERR_AUTH;
    if (err == ERR_AUTH && tries.known)
        note_failure(call->api, pending->person.id, call->now.wall);
    if (err == ERR_AUTH || err == ERR_NOT_FOUND)
        return wrong(call);
    if (err)
        return err;
    tries_return(&tries, true);
    /* Whoever was signed in here before is not any more. */
    if (call->signed_in)
        err = session_end(call->api->sql, call->session.hash);
    if (err)
        return err;
    ++*call->api->metrics.signins;
    call->session = (struct session){.person = person};
    return welcome(call, false, "sign-in", NULL);
}

int api_signin(struct call *call)
{
    struct api *api = call->api;
    const char *account = NULL, *password = NULL;
    struct pending pending = {.done = signin_done};
    struct hash_job job = {.verify = true};
    int err = field_string(call, "account", 256, &account);
    if (!err)
        err = field_string(call, "password", PASSWORD_BYTES_MAX, &password);
    if (err)
        return err;
    if (!account || !password)
        return call_fail_field(call, account ? "password" : "account", "This is missing.");
    err = ERR_NOT_FOUND;
    if (account_clean(slice_str(account), pending.account) == 0)
        err = person_by_account(api->sql, pending.account, &pending.person, job.hash);
    else
        (void)slice_copy(slice_str(account), pending.account, sizeof pending.account);
    if (err && err != ERR_NOT_FOUND)
        return err;
    if (!err && call->device.len > 0)
        err = device_known(api->sql, call->device, pending.person.id, &pending.trusted);
    if (err && err != ERR_NOT_FOUND)
        return err;
    struct tries tries = tries_of(api, call->now.mono, &pending, call->device, call->address);
    usec_t wait = tries_wait(&tries);
    if (wait > 0) {
        ++*api->metrics.limited;
        return call_wait(call, 429, "wait", "Too many tries: wait a little.", wait);
    }
    tries_count(&tries);
    (void)slice_copy(slice_str(password), job.old, sizeof job.old);
    err = pending_start(call, &pending, &job);
    hash_wipe(&job, sizeof job);
    if (err)
        tries_return(&tries, false);
    return err == ERR_LIMIT ? pending_busy(call) : err;
}

int api_signout(struct call *call)
{
    int err = session_end(call->api->sql, call->session.hash);
    if (err)
        return err;
    call_set_cookie(call, "darasa_session", "", 0);
    return call_empty(call);
}

int api_enter(struct call *call)
{
    const char *code = NULL;
    char person[ID_SIZE], next[NEXT_SIZE];
    struct sql *sql = call->api->sql;
    int err = field_string(call, "code", CODE_BYTES_MAX, &code);
    if (err)
        return err;
    err = sql_begin(sql);
    if (err)
        return err;
    err = code_use(sql, slice_str(code), call->now.wall, person, next);
    if (!err)
        err = person_find(sql, person, &call->session.person);
    /* Whoever was signed in here before is not any more. */
    if (!err && call->signed_in)
        err = session_end(sql, call->session.hash);
    err = sql_finish(sql, err);
    if (err == ERR_NOT_FOUND)
        return call_fail(call, 404, "unknown-code",
                         "This link was used already, or it is too old. Ask for a new one.");
    return err ? err : welcome(call, true, "enter", next);
}

static int password_done(struct call *call, struct pending *pending,
                         const struct hash_result *result)
{
    struct tries tries = tries_of(call->api, call->now.mono, pending, call->device, call->address);
    if (result->err == ERR_AUTH)
        return call_fail(call, 403, "wrong", "The current password is wrong.");
    tries_return(&tries, result->err == 0);
    struct sql *sql = call->api->sql;
    int err = result->err ? result->err : sql_begin(sql);
    if (err)
        return err;
    err = person_set_password(sql, call->session.person.id, result->hash, call->session.hash);
    if (!err)
        err = call_audit(call, "password", call->session.person.id, "");
    err = sql_finish(sql, err);
    return err ? err : call_empty(call);
}

int api_password(struct call *call)
{
    struct api *api = call->api;
    const char *current = NULL, *fresh = NULL;
    const struct person *me = &call->session.person;
    struct pending pending = {.done = password_done, .person = *me};
    struct hash_job job = {.make = true};
    int err = field_string(call, "current", PASSWORD_BYTES_MAX, &current);
    if (!err)
        err = field_string(call, "new", 4 * PASSWORD_BYTES_MAX, &fresh);
    if (err)
        return err;
    if (!fresh)
        return call_fail_field(call, "new", "This is missing.");
    enum password_fault fault = password_judge(slice_str(fresh), slice_str(me->account));
    if (fault != PASSWORD_GOOD)
        return call_json(call, 422,
                         json_pack("{s:s,s:s,s:s}", "error", "weak", "message",
                                   password_fault_text(fault), "field", "new"));
    bool entered = call->session.entered_at > call->now.wall - ENTERED_FOR;
    if (!entered || current) {
        if (!current)
            return call_fail_field(call, "current", "This is missing.");
        job.verify = true;
        err = person_hash(api->sql, me->id, job.hash);
        if (err)
            return err;
        (void)slice_copy(slice_str(current), job.old, sizeof job.old);
    }
    (void)slice_copy(slice_str(fresh), job.fresh, sizeof job.fresh);
    (void)slice_copy(slice_str(me->account), pending.account, sizeof pending.account);
    if (call->device.len > 0)
        err = device_known(api->sql, call->device, me->id, &pending.trusted);
    if (err)
        return err;
    /* A stolen session guesses no faster than a stranger. */
    struct tries tries = tries_of(api, call->now.mono, &pending, call->device, call->address);
    usec_t wait = job.verify ? tries_wait(&tries) : 0;
    if (wait > 0) {
        ++*api->metrics.limited;
        hash_wipe(&job, sizeof job);
        return call_wait(call, 429, "wait", "Too many tries: wait a little.", wait);
    }
    tries_count(&tries);
    err = pending_start(call, &pending, &job);
    hash_wipe(&job, sizeof job);
    if (err)
        tries_return(&tries, false);
    return err == ERR_LIMIT ? pending_busy(call) : err;
}
