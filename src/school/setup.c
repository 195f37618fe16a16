#include "school/setup.h"

#include <stdio.h>

#include "school/classes.h"

#define PATH_SIZE 128
#define ADMIN_LINK_LIFE (7 * MSEC_PER_DAY)
#define DEMO_LINK_LIFE (7 * MSEC_PER_DAY)
#define DEMO_CLASS_TITLE "Welcome to Darasa"

static const struct {
    const char *account;
    const char *name;
    enum role role;
} cast[] = {
    {"demo-teacher", "Tamara Okello", ROLE_TEACHER}, {"demo-pupil-1", "Amina Yusuf", ROLE_PUPIL},
    {"demo-pupil-2", "Brian Mwangi", ROLE_PUPIL},    {"demo-pupil-3", "Chiara Rossi", ROLE_PUPIL},
    {"demo-pupil-4", "Dawit Bekele", ROLE_PUPIL},
};

int setup_organisation(struct sql *sql, bool demo, msec_t now)
{
    struct organisation organisation;
    int err = organisation_find(sql, &organisation);
    if (err == ERR_NOT_FOUND)
        err = organisation_create(sql, demo ? "Demo School" : "My School", now, &organisation);
    return err;
}

static int hand_out(struct sql *sql, const struct person *person, const char *next, msec_t life,
                    msec_t now, char ret_path[PATH_SIZE])
{
    char code[TOKEN_SIZE];
    int err = code_issue(sql, person->id, "setup", next, life, now, code);
    if (!err)
        (void)snprintf(ret_path, PATH_SIZE, "/enter#%s", code);
    return err;
}

static int first_admin(void *arg, const struct person *person)
{
    struct person *found = arg;
    if (!found->id[0] && person->role == ROLE_ADMIN && !person->disabled)
        *found = *person;
    return 0;
}

int setup_admin(struct sql *sql, msec_t now, link_visit visit, void *arg)
{
    int64_t count = 0;
    struct person admin = {0};
    char path[PATH_SIZE];
    int err = person_count_admins(sql, &count);
    if (err || count > 0)
        return err;
    err = person_each(sql, first_admin, &admin);
    if (!err && !admin.id[0]) {
        admin = (struct person){
            .name = "Administrator", .account = "admin", .role = ROLE_ADMIN, .must_change = true};
        err = person_create(sql, &admin, NULL, now);
    }
    if (!err)
        err = hand_out(sql, &admin, "/admin", ADMIN_LINK_LIFE, now, path);
    return err ? err : visit(arg, "Administrator", path);
}

static int ensure_person(struct sql *sql, size_t index, msec_t now, struct person *ret_person)
{
    char hash[PASSWORD_HASH_MAX];
    int err = person_by_account(sql, cast[index].account, ret_person, hash);
    if (err != ERR_NOT_FOUND)
        return err;
    struct person person = {.role = cast[index].role};
    (void)slice_copy(slice_str(cast[index].name), person.name, sizeof person.name);
    (void)slice_copy(slice_str(cast[index].account), person.account, sizeof person.account);
    err = person_create(sql, &person, NULL, now);
    if (!err)
        *ret_person = person;
    return err;
}

static int find_class(void *arg, const struct class *class)
{
    struct class *found = arg;
    if (!found->id[0] && strcmp(class->title, DEMO_CLASS_TITLE) == 0)
        *found = *class;
    return 0;
}

/* Guests may come in, so that a stock client without an account can. */
static int ensure_class(struct sql *sql, const struct person *teacher, msec_t now,
                        struct class *ret_class)
{
    struct class class = {0};
    int err = class_each(sql, teacher, find_class, &class);
    if (!err && !class.id[0]) {
        class = (struct class){
            .title = DEMO_CLASS_TITLE, .guests = true, .policy = POLICY_DEFAULT, .starts_at = now};
        err = class_create(sql, &class, now);
    }
    class.state = CLASS_OPEN;
    if (!err)
        err = class_update(sql, &class);
    if (!err)
        *ret_class = class;
    return err;
}

static int make_all(struct sql *sql, msec_t now, struct person people[ARRAY_LEN(cast)],
                    struct class *ret_class)
{
    int err = 0;
    for (size_t i = 0; i < ARRAY_LEN(cast) && !err; i++)
        err = ensure_person(sql, i, now, &people[i]);
    if (!err)
        err = ensure_class(sql, &people[0], now, ret_class);
    for (size_t i = 0; i < ARRAY_LEN(cast) && !err; i++)
        err = class_enrol(sql, ret_class->id, people[i].id);
    return err;
}

int setup_demo(struct sql *sql, msec_t now, link_visit visit, void *arg)
{
    struct person people[ARRAY_LEN(cast)];
    struct class class;
    char next[NEXT_SIZE], path[PATH_SIZE], label[TEXT_SIZE + 32];
    int err = sql_begin(sql);
    if (err)
        return err;
    err = sql_finish(sql, make_all(sql, now, people, &class));
    if (err)
        return err;
    (void)snprintf(next, sizeof next, "/class/%s", class.id);
    for (size_t i = 0; i < ARRAY_LEN(cast) && !err; i++) {
        err = hand_out(sql, &people[i], next, DEMO_LINK_LIFE, now, path);
        (void)snprintf(label, sizeof label, "%s (%s)", people[i].name, role_name(people[i].role));
        if (!err)
            err = visit(arg, label, path);
    }
    if (!err && class.guests) {
        (void)snprintf(path, sizeof path, "/guest/%s", class.room);
        err = visit(arg, "Guests", path);
    }
    return err;
}
