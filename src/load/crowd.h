/* Many participants in one process: who comes when, and what all of them saw. One UDP socket serves
 * all: each has an address of its own, usually in 127/8, which the loopback device knows without
 * being told. */
#ifndef LOAD_CROWD_H
#define LOAD_CROWD_H

#include "base/address.h"
#include "load/entries.h"
#include "load/tally.h"
#include "os/loop.h"

#define CROWD_MAX 20000

struct crowd_config {
    struct address server; /* of the plain HTTP listener */
    const char *host;      /* as the Host header says it */
    const char *domain;    /* of XMPP */
    const char *room;      /* rooms are called this with a number behind */
    unsigned rooms;
    unsigned participants;         /* of each room */
    unsigned cameras;              /* how many of them send video, */
    unsigned voices;               /* and how many speak: the first ones */
    unsigned silent;               /* how many after those have a microphone on and say nothing */
    const struct entries *entries; /* into classes, one for each in turn; NULL: open rooms */
    bool record;                   /* the first one of each room has it recorded */
    int stage_height;              /* wished of the first camera; 0: nobody is on stage */
    unsigned tiles;                /* others seen by each */
    int tile_height;
    int64_t bandwidth; /* the bridge is told to assume; -1: it estimates */
    unsigned joining;  /* at most so many are on their way in at a time */
    uint64_t seed;
    bool counter_mode;  /* only AES-CM with HMAC-SHA1, as clients that know no GCM */
    size_t messages;    /* of the server's to remember; 0: none */
    bool by_lines;      /* another program signals: see load/lines.h */
    uint8_t video_type; /* payload type of VP8 */
    uint8_t network[2]; /* guests have addresses a.b.0.1 and on, which must be this machine's */
};

/* What came as one piece: one message of the server to its kernel. */
struct crowd_message {
    uint32_t at; /* microseconds since the last reset */
    uint32_t guest;
    uint16_t count; /* datagrams */
    uint16_t size;  /* of each but the last */
    uint16_t last;
    uint16_t zero;
};

struct crowd_state {
    unsigned wanted;
    unsigned connected; /* media flows */
    unsigned failed;
    const char *why;  /* the last one failed; NULL */
    usec_t joined_in; /* from the first step to the last one connected */
    usec_t join_median;
    usec_t join_max;
    uint64_t sent;        /* media packets up, since the last reset */
    uint64_t send_full;   /* dropped by ourselves */
    uint64_t drops;       /* by our socket, since it was opened */
    uint64_t asked_again; /* sequence numbers the bridge missed of what we sent */
    uint64_t sampled;     /* decrypted */
    uint64_t unreadable;  /* of these, not genuine */
};

struct crowd;

/* ERR_MEMORY, ERR_IO, ERR_LIMIT. */
int crowd_new(struct loop *loop, const struct crowd_config *config,
              struct crowd **ret_crowd) MUST_USE;
void crowd_free(struct crowd **crowd);
struct crowd_state crowd_state(const struct crowd *crowd);
/* Counts from now on. */
void crowd_reset(struct crowd *crowd);
/* The first of the messages that came since the last reset; valid until the next turn. */
const struct crowd_message *crowd_messages(const struct crowd *crowd, size_t *ret_count);
/* What was counted so far; valid until the next turn of the loop. */
const struct tally_sum *crowd_sum(struct crowd *crowd);

#endif
