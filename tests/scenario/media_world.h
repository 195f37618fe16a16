/* A class in virtual time: people with senders and viewers around one conference, each behind a
 * pipe up and a pipe down. */
#ifndef TESTS_MEDIA_WORLD_H
#define TESTS_MEDIA_WORLD_H

#include "bridge/conference.h"
#include "media_sender.h"
#include "media_viewer.h"

#define WORLD_PEOPLE 50
#define WORLD_STEP USEC_PER_MSEC

struct world;

struct person {
    struct world *world;
    char id[CONFERENCE_NAME_MAX];
    bool present;
    bool rewriting;
    bool staff;
    bool sends;
    bool desktop;
    bool muted_audio;
    bool muted_video;
    bool blocked;
    bool hostile; /* what it sends may be refused */
    struct conference_seat seat;
    struct pipe up;
    struct pipe down;
    struct sender sender;
    struct viewer viewer;
    /* Wishes. */
    int last_n;
    int default_height;
    char on_stage[CONFERENCE_NAME_MAX];
    int stage_height;
    int frame_rate;
    usec_t map_taken; /* when the last map was taken */
    int told_height;  /* by SENDER_CONSTRAINTS; -2: nothing yet */
    uint64_t rtp_bytes;
    uint64_t late_maps; /* packets sent sooner after a map than allowed */
};

struct world {
    uint64_t seed;
    usec_t now;
    usec_t tick_at;
    usec_t signal_delay;
    struct conference *conference;
    struct person *people; /* room for WORLD_PEOPLE */
    size_t count;
    char speaker[CONFERENCE_NAME_MAX];
    unsigned speaker_changes;
    bool silence;
    bool decrypts_all; /* asks of no packet whether it may stay encrypted */
    /* When each announced SSRC may be used first. */
    struct world_announced {
        uint32_t ssrc;
        char owner[CONFERENCE_NAME_MAX];
        size_t person;
        usec_t from;
    } announced[4096];
    size_t announced_count;
};

/* The seed is that of the environment variable DARASA_SEED, or `seed`; it is printed. */
void world_init(struct world *world, uint64_t seed);
void world_done(struct world *world);
/* Joins; sends what `sends` says; the pipes have this shape. Change fields, then world_put. */
struct person *world_join(struct world *world, bool rewriting, bool sends, struct pipe_shape shape);
void world_put(struct person *person);
void world_leave(struct person *person);
/* Joins again, with a new browser. */
void world_return(struct person *person);
void world_run(struct world *world, usec_t time);
/* What the person gets of that other person's camera; NULL: nothing yet. */
struct viewer_stream *world_video(struct person *viewer, const struct person *sender);
struct viewer_stream *world_audio(struct person *viewer, const struct person *sender);

#endif
