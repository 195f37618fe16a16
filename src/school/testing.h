/* For tests: a school in memory. */
#ifndef SCHOOL_TESTING_H
#define SCHOOL_TESTING_H

#include "base/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "school/people.h"
#include "store/schema.h"

#define NOW ((msec_t)1800000000000)

static inline int open_school(void **state)
{
    struct sql *sql = NULL;
    struct organisation organisation;
    if (sql_open(":memory:", &sql) || schema_migrate(sql) ||
        organisation_create(sql, "School", NOW, &organisation))
        return -1;
    *state = sql;
    return 0;
}

static inline int close_school(void **state)
{
    struct sql *sql = *state;
    sql_close(&sql);
    return 0;
}

static inline struct person add_person(struct sql *sql, const char *account, enum role role)
{
    struct person person = {.role = role};
    (void)snprintf(person.name, sizeof person.name, "Name of %s", account);
    (void)snprintf(person.account, sizeof person.account, "%s", account);
    assert_int_equal(person_create(sql, &person, NULL, NOW), 0);
    return person;
}

static inline int64_t count_rows(struct sql *sql, const char *text)
{
    int64_t count = -1;
    assert_int_equal(sql_one_num(sql, text, SQL_NONE, &count), 0);
    return count;
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_school, close_school)

#endif
