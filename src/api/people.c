/* People, the organisation's name and the audit log: the administrator's pages. */
#include "school/people.h"

#include <stdio.h>

#include "api/live.h"
#include "api/pending.h"
#include "api/routes.h"
#include "crypto/hash.h"
#include "school/passwords.h"

#define INVITE_LIFE (14 * MSEC_PER_DAY)
#define RESET_LIFE (2 * MSEC_PER_DAY)
#define AUDIT_PAGE 200

static json_t *person_json(const struct person *person, const char *invite)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:b,s:b,s:s*}", "id", person->id, "name", person->name,
                     "account", person->account, "role", role_name(person->role), "language",
                     person->language, "disabled", (int)person->disabled, "hasPassword",
                     (int)person->has_password, "invite", invite);
}

static int add_person(void *arg, const struct person *person)
{
    return json_array_append_new(arg, person_json(person, NULL)) ? ERR_MEMORY : 0;
}

/* Teachers find whom to enrol, nothing more. */
static int add_name(void *arg, const struct person *person)
{
    json_t *json = json_pack("{s:s,s:s,s:s}", "id", person->id, "name", person->name, "role",
                             role_name(person->role));
    return json_array_append_new(arg, json) ? ERR_MEMORY : 0;
}

int api_people(struct call *call)
{
    json_t *list = json_array();
    bool admin = call->session.person.role == ROLE_ADMIN;
    int err = person_each(call->api->sql, admin ? add_person : add_name, list);
    if (err) {
        json_decref(list);
        return err;
    }
    return call_json(call, 200, json_pack("{s:o}", "people", list));
}

static int invite_link(struct call *call, const char *person, const char *purpose, msec_t life,
                       char ret_url[CALL_URL_SIZE + TOKEN_SIZE + 16])
{
    char code[TOKEN_SIZE];
    int err = code_issue(call->api->sql, person, purpose, "/", life, call->now.wall, code);
    if (!err)
        (void)snprintf(ret_url, CALL_URL_SIZE + TOKEN_SIZE + 16, "%s/enter#%s", call->base, code);
    hash_wipe(code, sizeof code);
    return err;
}

static int store_person(struct call *call, struct person *person, const char *hash)
{
    struct sql *sql = call->api->sql;
    char url[CALL_URL_SIZE + TOKEN_SIZE + 16] = "";
    int err = sql_begin(sql);
    if (err)
        return err;
    err = person_create(sql, person, hash, call->now.wall);
    if (!err && !hash)
        err = invite_link(call, person->id, "invite", INVITE_LIFE, url);
    if (!err)
        err = call_audit(call, "person-create", person->id, "");
    err = sql_finish(sql, err);
    if (err == ERR_EXISTS)
        return call_json(call, 409,
                         json_pack("{s:s,s:s,s:s}", "error", "taken", "message",
                                   "Somebody has this account name.", "field", "account"));
    return err ? err : call_json(call, 201, person_json(person, hash ? NULL : url));
}

static int created(struct call *call, struct pending *pending, const struct hash_result *result)
{
    return result->err ? result->err : store_person(call, &pending->person, result->hash);
}

static int read_role(struct call *call, enum role *role)
{
    const char *text = NULL;
    int err = field_string(call, "role", 16, &text);
    if (err || !text)
        return err;
    if (role_parse(text, role)) {
        err = call_fail_field(call, "role", "A role is pupil, teacher or admin.");
        return err ? err : ERR_FORMAT;
    }
    return 0;
}

static int read_account(struct call *call, char ret_account[ACCOUNT_SIZE])
{
    const char *text = NULL;
    int err = field_string(call, "account", 256, &text);
    if (err)
        return err;
    if (!text || account_clean(slice_str(text), ret_account)) {
        err = call_fail_field(call, "account",
                              "An account has 2 to 64 of the letters a-z, digits and . _ - + @.");
        return err ? err : ERR_FORMAT;
    }
    return 0;
}

int api_person_create(struct call *call)
{
    const char *password = NULL;
    struct pending pending = {.done = created, .person = {.role = ROLE_PUPIL, .must_change = true}};
    struct person *person = &pending.person;
    int err = field_text(call, "name", person->name, NULL);
    if (!err)
        err = read_account(call, person->account);
    if (!err)
        err = read_role(call, &person->role);
    if (!err)
        err = field_string(call, "password", 4 * PASSWORD_BYTES_MAX, &password);
    if (err)
        return err;
    if (!person->name[0])
        return call_fail_field(call, "name", "A person has a name.");
    if (!password)
        return store_person(call, person, NULL);
    enum password_fault fault = password_judge(slice_str(password), slice_str(person->account));
    if (fault != PASSWORD_GOOD)
        return call_json(call, 422,
                         json_pack("{s:s,s:s,s:s}", "error", "weak", "message",
                                   password_fault_text(fault), "field", "password"));
    struct hash_job job = {.make = true};
    (void)slice_copy(slice_str(password), job.fresh, sizeof job.fresh);
    err = pending_start(call, &pending, &job);
    hash_wipe(&job, sizeof job);
    return err == ERR_LIMIT ? pending_busy(call) : err;
}

static int find_person(struct call *call, struct person *ret_person)
{
    int err = person_find(call->api->sql, call->parts[0], ret_person);
    if (err == ERR_NOT_FOUND)
        return call_fail(call, 404, "unknown-person", "There is no such person.");
    return err ? err : 1;
}

static int last_admin(struct call *call)
{
    return call_fail(call, 409, "last-admin", "Somebody must remain who may administer.");
}

static int change_person(struct call *call, struct person *person, enum role before, bool reset,
                         char *url)
{
    struct sql *sql = call->api->sql;
    int err = sql_begin(sql);
    if (err)
        return err;
    err = person_update(sql, person);
    if (!err && reset)
        err = person_reset(sql, person->id);
    if (!err && reset && !person->disabled)
        err = invite_link(call, person->id, "reset", RESET_LIFE, url);
    if (!err)
        err = call_audit(call, before != person->role ? "role-change" : "person-change", person->id,
                         reset ? "{\"reset\":true}" : "");
    return sql_finish(sql, err);
}

int api_person_change(struct call *call)
{
    struct person person;
    bool reset = false;
    char url[CALL_URL_SIZE + TOKEN_SIZE + 16] = "";
    int err = find_person(call, &person);
    if (err != 1)
        return err;
    enum role before = person.role;
    err = field_text(call, "name", person.name, NULL);
    if (!err)
        err = read_role(call, &person.role);
    if (!err)
        err = field_bool(call, "disabled", &person.disabled, NULL);
    if (!err)
        err = field_bool(call, "resetPassword", &reset, NULL);
    if (err)
        return err;
    err = change_person(call, &person, before, reset, url);
    if (err == ERR_STATE)
        return last_admin(call);
    if (!err && (person.disabled || before != person.role))
        err = live_remove_everywhere(call->api, person.id, true);
    if (!err)
        err = person_find(call->api->sql, person.id, &person);
    return err ? err : call_json(call, 200, person_json(&person, url[0] ? url : NULL));
}

int api_person_delete(struct call *call)
{
    struct sql *sql = call->api->sql;
    struct person person;
    int err = find_person(call, &person);
    if (err != 1)
        return err;
    err = sql_begin(sql);
    if (err)
        return err;
    err = person_delete(sql, person.id);
    if (!err)
        err = call_audit(call, "person-delete", person.id, "");
    err = sql_finish(sql, err);
    if (err == ERR_STATE)
        return last_admin(call);
    if (!err)
        err = live_remove_everywhere(call->api, person.id, true);
    return err ? err : call_empty(call);
}

int api_organisation_change(struct call *call)
{
    struct organisation organisation;
    bool named = false;
    int err = organisation_find(call->api->sql, &organisation);
    if (!err)
        err = field_text(call, "name", organisation.name, NULL);
    if (!err)
        err = field_profile(call, "profile", &named, &organisation.profile);
    named = organisation.codecs.count > 0;
    if (!err)
        err = field_codecs(call, "codecs", &named, &organisation.codecs);
    if (!named)
        organisation.codecs.count = 0;
    if (!err)
        err = organisation_update(call->api->sql, &organisation);
    if (!err)
        err = call_audit(call, "organisation-change", organisation.id, "");
    if (!err)
        err = live_classes(call->api);
    return err ? err
               : call_json(call, 200,
                           json_pack("{s:s,s:s,s:s,s:o}", "id", organisation.id, "name",
                                     organisation.name, "profile",
                                     profile_name(organisation.profile), "codecs",
                                     codec_list_json(&organisation.codecs)));
}

static int add_entry(void *arg, const struct audit_entry *entry, const char *hash)
{
    json_t *json =
        json_pack("{s:I,s:o,s:s,s:s,s:s,s:s,s:s}", "number", (json_int_t)entry->number, "at",
                  when_json(entry->at), "actor", entry->actor, "action", entry->action, "subject",
                  entry->subject, "detail", entry->detail, "hash", hash);
    return json_array_append_new(arg, json) ? ERR_MEMORY : 0;
}

int api_audit(struct call *call)
{
    uint64_t before = 0;
    struct slice query = call->query;
    struct slice key = slice_cut(&query, '=');
    if (call->query.len > 0 &&
        (!slice_eq_str(key, "before") || slice_to_u64(query, INT64_MAX, &before)))
        return call_fail(call, 422, "invalid", "The query is before=NUMBER, or none.");
    json_t *list = json_array();
    int err = audit_each(call->api->sql, (int64_t)before, AUDIT_PAGE, add_entry, list);
    if (!err)
        err = call_audit(call, "export", "audit", "");
    if (err) {
        json_decref(list);
        return err;
    }
    return call_json(call, 200, json_pack("{s:o}", "entries", list));
}
