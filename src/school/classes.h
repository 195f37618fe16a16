/* Classes: when they are, who is in them, what holds there. People of a class are those of its
 * course and those enrolled in it, without those taken out. */
#ifndef SCHOOL_CLASSES_H
#define SCHOOL_CLASSES_H

#include "school/people.h"

#define ROOM_SIZE 32

enum class_state { CLASS_PLANNED, CLASS_OPEN, CLASS_ENDED };

/* What pupils and guests may do, and whether staff may record. */
enum policy {
    POLICY_MICROPHONE = 1 << 0,
    POLICY_CAMERA = 1 << 1,
    POLICY_SCREEN = 1 << 2,
    POLICY_CHAT = 1 << 3,
    POLICY_PRIVATE = 1 << 4, /* messages to one person */
    POLICY_RECORD = 1 << 5,
};
/* The careful choice for minors: no screen, no private messages. */
#define POLICY_DEFAULT (POLICY_MICROPHONE | POLICY_CAMERA | POLICY_CHAT | POLICY_RECORD)

struct class
{
    char id[ID_SIZE];
    char course[ID_SIZE]; /* "": none */
    char course_title[TEXT_SIZE];
    char room[ROOM_SIZE]; /* the name on the wire: random, says nothing */
    char title[TEXT_SIZE];
    enum class_state state;
    msec_t starts_at; /* 0: not said */
    msec_t ends_at;
    bool guests;
    uint32_t policy;
    bool own_profile;         /* else it follows the organisation */
    enum profile profile;     /* that holds */
    bool own_codecs;          /* likewise */
    struct codec_list codecs; /* that hold; none: as the server is set up */
};

typedef int (*class_visit)(void *arg, const struct class *class);

/* Stores course, title, times, guests, policy and an own profile and codecs; fills id and room. */
int class_create(struct sql *sql, struct class *class, msec_t now) MUST_USE;
/* ERR_NOT_FOUND. */
int class_find(struct sql *sql, const char *id, struct class *ret_class) MUST_USE;
int class_by_room(struct sql *sql, const char *room, struct class *ret_class) MUST_USE;
/* Stores title, times, guests, policy, state and an own profile and codecs or that there
 * are none. */
int class_update(struct sql *sql, const struct class *class) MUST_USE;
int class_delete(struct sql *sql, const char *id) MUST_USE;
/* Open ones first, then the latest. `viewer` NULL or an administrator: all; else those the person
 * is in. At most 1000. */
int class_each(struct sql *sql, const struct person *viewer, class_visit visit, void *arg) MUST_USE;
/* All that are open, whatever their number. */
int class_each_open(struct sql *sql, class_visit visit, void *arg) MUST_USE;
int class_people_each(struct sql *sql, const char *id, person_visit visit, void *arg) MUST_USE;
int class_has(struct sql *sql, const char *id, const char *person, bool *ret_has) MUST_USE;
int class_enrol(struct sql *sql, const char *id, const char *person) MUST_USE;
int class_take_out(struct sql *sql, const char *id, const char *person) MUST_USE;
/* Administrators everywhere, teachers in their classes. */
int class_may_manage(struct sql *sql, const char *id, const struct person *person,
                     bool *ret_may) MUST_USE;

#endif
