/* The media plane of one class, without sockets, keys or clocks: plaintext RTP and RTCP come in
 * with `now`, plaintext packets and events come out. Drain with conference_poll_* after every input
 * and tick. Reference: house.md "a packet"; wire facts of Jitsi in docs/bus.md and proto/offer.h.
 */
#ifndef BRIDGE_CONFERENCE_H
#define BRIDGE_CONFERENCE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/profile.h"
#include "base/slice.h"
#include "base/units.h"

#define CONFERENCE_NAME_MAX 48   /* a source's or endpoint's name with its NUL */
#define CONFERENCE_SOURCES_MAX 4 /* sources of one endpoint */
#define CONFERENCE_LAYERS_MAX 3  /* of one source: as many SSRCs, or spatial layers of one */
#define CONFERENCE_ENDPOINTS_MAX 1000
#define CONFERENCE_VOICES_MAX 50 /* passed on at a time */
#define CONFERENCE_UNTOLD (-2)   /* no wish was told yet */
/* RTP header, extensions with a dependency descriptor of 255 bytes, number of a resent packet, head
 * of the payload; or, of sound, what it repeats. */
#define CONFERENCE_HEADER_MAX 440

struct conference;
struct feed; /* bridge/feed.h: where recorded packets go */

enum conference_kind { CONFERENCE_AUDIO, CONFERENCE_VIDEO };
enum conference_video_type { CONFERENCE_CAMERA, CONFERENCE_DESKTOP, CONFERENCE_NONE };

struct conference_source {
    char name[CONFERENCE_NAME_MAX]; /* "1a2b3c4d-v0" */
    enum conference_kind kind;
    enum conference_video_type video_type;
    bool muted;
    bool blocked; /* the server's will: not forwarded, not recorded, no level counted */
    uint32_t ssrcs[CONFERENCE_LAYERS_MAX]; /* low to high; layers may all come on the first */
    uint32_t rtx[CONFERENCE_LAYERS_MAX];   /* 0: none */
    unsigned layer_count;
};

struct conference_constraint {
    char source[CONFERENCE_NAME_MAX];
    int max_height;     /* -1: any, 0: none */
    int max_frame_rate; /* -1: any */
};

/* ReceiverVideoConstraints as they stand (partial updates were merged by signal). */
struct conference_wishes {
    int last_n;             /* -1: any */
    int default_max_height; /* -1: any; CONFERENCE_UNTOLD: nothing when rewriting, else 180 */
    const char (*selected)[CONFERENCE_NAME_MAX];
    size_t selected_count;
    const char (*on_stage)[CONFERENCE_NAME_MAX];
    size_t on_stage_count;
    const struct conference_constraint *constraints;
    size_t constraint_count;
    int64_t assumed_bandwidth_bps; /* -1: none */
};

struct conference_endpoint {
    char id[CONFERENCE_NAME_MAX];
    char person[64]; /* for the recording; may be empty */
    /* SSRC rewriting with maps; else classic: on the source's first SSRC and RTX. Never changes. */
    bool rewriting;
    bool staff;     /* if it speaks, everybody hears it */
    bool red;       /* takes redundant audio (RFC 2198) */
    bool encrypted; /* what it sends, end to end: it can only be passed on as it is */
    const struct conference_source *sources;
    size_t source_count;
    struct conference_wishes wishes;
};

/* Where an endpoint sits: an index, good from conference_put until conference_del. */
struct conference_seat {
    uint32_t index;
};

/* What was refused or given up; only ever grows. */
struct conference_counters {
    uint64_t rtp_in;
    uint64_t rtp_out;
    uint64_t malformed;        /* packets that do not parse */
    uint64_t unknown_ssrc;     /* no source with that SSRC */
    uint64_t duplicates;       /* seen before */
    uint64_t repaired;         /* came by RTX or RED */
    uint64_t over_rate;        /* sound that came faster than sound is */
    uint64_t withheld;         /* muted, blocked or switched off */
    uint64_t uplinks_narrowed; /* senders whose way carries no picture besides the voice */
    uint64_t unheard;          /* sound not passed on: silence, or others were louder */
    uint64_t undecrypted;      /* of rtp_in: conference_pass_rtp */
    uint64_t nacks_sent;       /* sequence numbers asked for */
    uint64_t nacks_served;     /* sequence numbers resent */
    uint64_t nacks_refused;    /* no longer there, too soon, too often, over the share of resends */
    uint64_t plis_sent;
    uint64_t plis_throttled; /* held back by a receiver's bucket */
    uint64_t pending_full;   /* packets not forwarded: the batch was too long */
    uint64_t resends_full;   /* resends dropped: queue full */
    uint64_t slots_full;     /* sources without a slot of a rewriting receiver */
    uint64_t paced_full;     /* pictures given up: too many packets waited */
    uint64_t paced_late;     /* pictures given up: they waited too long */
    uint64_t memory;         /* allocations refused */
    uint64_t probes;         /* packets sent only to learn the bandwidth */
};

struct conference *conference_new(uint64_t seed);
/* Slots of each kind for a rewriting receiver that comes from now on: 1 to 50, which is what it is
 * at first. */
void conference_set_slots(struct conference *conference, unsigned slots);
/* Voices passed on at a time, from now on: 1 to CONFERENCE_VOICES_MAX; 3 at first. */
void conference_set_voices(struct conference *conference, unsigned voices);
/* What the class may take from now on; PROFILE_RICH at first: all that the ways carry. */
void conference_set_profile(struct conference *conference, enum profile profile);
void conference_free(struct conference **conference);

/* Adds the endpoint or brings it to this state; everything is copied. `user` comes back in packets.
 * The seat stays the same for the endpoint's life. ERR_LIMIT, ERR_MEMORY; ERR_FORMAT: an empty
 * name, no layer, or an SSRC twice. */
int conference_put(struct conference *conference, usec_t now,
                   const struct conference_endpoint *endpoint, void *user,
                   struct conference_seat *ret_seat) MUST_USE;
void conference_del(struct conference *conference, usec_t now, struct conference_seat seat);
/* Whether its transport can carry media now; the round trip time once known (0: not yet). */
void conference_set_connected(struct conference *conference, usec_t now,
                              struct conference_seat seat, bool connected);
void conference_set_rtt(struct conference *conference, struct conference_seat seat, usec_t rtt);
/* NULL: not recorded. Paused: the feed is kept, nothing is captured. The feed belongs to the
 * caller, who ends it (feed_end) after taking it away from here. */
void conference_set_feed(struct conference *conference, usec_t now, struct feed *feed, bool paused);
/* An event for the feed, JSON; dropped when nothing is captured. */
void conference_event(struct conference *conference, usec_t now, struct slice json);

/* One decrypted packet; the bytes are copied where they are kept. ERR_FORMAT and ERR_NOT_FOUND (no
 * source with that SSRC) are for counting. Feed at most CONFERENCE_BATCH packets between drains. */
#define CONFERENCE_BATCH 256
int conference_input_rtp(struct conference *conference, usec_t now, struct conference_seat seat,
                         struct slice packet) MUST_USE;
/* Whether a datagram may be a packet of sound whose end can be told without its key. */
bool conference_is_sound(struct slice datagram);
/* Whether a packet that is still encrypted but for its header, its tag cut off, may stay so: sound
 * that nobody is to hear or records, of a level (RFC 6464) that changes nothing. True: it counts as
 * come, and that was all of it. It must come on the path that its sender's ICE has validated.
 *
 * Nothing but reports and transport feedback follows from such a packet, and only what fits between
 * packets that were genuine is one: by number (RTP and transport) and clock, which nobody can guess
 * who does not see them. All that decides who is heard, and who speaks, is decrypted first; so is a
 * packet of each sender every 0.9 s. */
bool conference_pass_rtp(struct conference *conference, usec_t now, struct conference_seat seat,
                         struct slice packet) MUST_USE;
int conference_input_rtcp(struct conference *conference, usec_t now, struct conference_seat seat,
                          struct slice packet) MUST_USE;
/* When it wants to be called next: at once after input too. USEC_NEVER: nothing to do. */
usec_t conference_tick(struct conference *conference, usec_t now);

/* As of the last poll: when it wants to be ticked and polled again though nothing comes in, because
 * packets wait for their turn. */
usec_t conference_due(const struct conference *conference);

/* One packet to protect and send: `header` then `payload`, contiguous on the wire. For RTP the
 * first `rtp_header_len` bytes stay in clear, the rest of `header` and all of `payload` are
 * encrypted; `payload` lies in the source's ring, shared by all receivers. RTCP is all in payload.
 */
struct conference_packet {
    void *user;
    struct slice payload; /* valid until the next call of any function but the getters */
    uint16_t header_len;  /* bytes of `header` */
    uint16_t rtp_header_len;
    bool rtcp;
    bool audio;
    uint8_t header[CONFERENCE_HEADER_MAX];
};

/* Video waits so long, or for so many packets, to leave with more of its kind: what is sent to one
 * receiver at a time costs little more than one packet. Sound never waits, and takes along what is
 * there. */
#define CONFERENCE_GATHER (2 * USEC_PER_MSEC)
#define CONFERENCE_GATHER_PACKETS 128

/* Fills up to `max`, all packets of one receiver next to each other; 0: none that may leave now. A
 * receiver may go on in the next call. */
size_t conference_poll_packets(struct conference *conference, usec_t now,
                               struct conference_packet *out, size_t max);

enum conference_event_type {
    CONFERENCE_MAPS,               /* all slots of a rewriting receiver */
    CONFERENCE_FORWARDED,          /* names forwarded to this endpoint */
    CONFERENCE_SPEAKER,            /* to the whole conference; endpoint is empty */
    CONFERENCE_SENDER_CONSTRAINTS, /* source, max_height */
    CONFERENCE_STATS,              /* downlink_bps, shortage */
};

/* What a receiver lacks of what it wishes. */
enum conference_shortage {
    CONFERENCE_WHOLE,
    CONFERENCE_PROVING,  /* pictures that the way may carry, once it has shown it */
    CONFERENCE_PICTURES, /* lines, frames or whole pictures, for the way does not carry them */
    CONFERENCE_VOICES,   /* voices as well: it hears the loudest, and staff */
};

struct conference_slot {
    char source[CONFERENCE_NAME_MAX];
    char owner[CONFERENCE_NAME_MAX];
    enum conference_kind kind;
    enum conference_video_type video_type;
    uint32_t ssrc;
    uint32_t rtx;  /* video only */
    unsigned pair; /* sound and camera of a person are in one pair */
    int64_t after; /* what has a later RTP timestamp is of this source; -1: all that comes */
};

/* A pair of slots that carry nothing yet. */
struct conference_spare {
    unsigned pair;
    uint32_t audio;
    uint32_t video;
    uint32_t rtx;
};

struct conference_notice {
    enum conference_event_type type;
    char endpoint[CONFERENCE_NAME_MAX];
    const struct conference_slot *slots; /* MAPS; arrays valid until the next call */
    size_t slot_count;
    const struct conference_spare *spares;
    size_t spare_count;
    const char (*names)[CONFERENCE_NAME_MAX]; /* FORWARDED; SPEAKER: previous speakers */
    size_t name_count;
    char subject[CONFERENCE_NAME_MAX]; /* SPEAKER: who; SENDER_CONSTRAINTS: source */
    bool silence;
    int max_height;
    uint64_t downlink_bps;
    enum conference_shortage shortage;
};

/* RTP on an SSRC starts at least max(RTT, 100 ms) after its MAPS notice was taken here. */
bool conference_poll_notice(struct conference *conference, usec_t now,
                            struct conference_notice *ret_notice);
/* Makes the conference give all its notices again: signal is new or came back. */
void conference_renotify(struct conference *conference);
void conference_get_counters(const struct conference *conference,
                             struct conference_counters *ret_counters);

#endif
