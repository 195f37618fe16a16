/* Ingress: one source of an endpoint. Takes packets in any order, puts each once into the ring, and
 * knows what to ask the sender for: lost packets (RFC 4585 6.2.1), key frames (6.3.1), and what to
 * report to it (RFC 3550 6.4).
 *
 * A stream is what comes on one SSRC. A layer is a size of picture that a receiver can be given:
 * each stream one, or, where one stream carries spatial layers (VP9, AV1), each of those. Codec and
 * layers may change with any key frame. */
#ifndef BRIDGE_SOURCE_H
#define BRIDGE_SOURCE_H

#include "bridge/conference.h"
#include "bridge/meter.h"
#include "bridge/policer.h"
#include "bridge/rewrite.h"
#include "bridge/target.h"
#include "bridge/voices.h"
#include "proto/rtcp.h"
#include "proto/rtp.h"

#define SOURCE_MISSING_MAX 192 /* sequence numbers asked for at a time, by stream */
#define SOURCE_WINDOW 1024     /* sequence numbers remembered as seen, by stream */
#define SOURCE_TIDS CODEC_TEMPORAL
#define SOURCE_KEY_INTERVAL (200 * USEC_PER_MSEC) /* between two key-frame requests of a source */
/* A layer that was silent for so long is switched off (screens may be still). */
#define SOURCE_QUIET_CAMERA (1500 * USEC_PER_MSEC)
#define SOURCE_QUIET_DESKTOP (4 * USEC_PER_SEC)
#define SOURCE_LAG_DESKTOP (1500 * USEC_PER_MSEC) /* behind a layer below, of a screen */
#define SOURCE_LAG (600 * USEC_PER_MSEC)          /* behind the other layers of a camera */

struct source_missing {
    int64_t sequence;
    usec_t found;
    usec_t asked; /* 0: not yet */
    uint8_t tries;
};

/* Receiver report state of one SSRC (RFC 3550 A.3, A.8). */
struct source_statistics {
    int64_t base;
    uint32_t received;
    uint32_t expected_before;
    uint32_t received_before;
    uint32_t jitter; /* sixteenths of a tick */
    uint32_t transit;
};

struct source_stream {
    uint32_t ssrc;
    uint32_t rtx;
    bool started;
    uint8_t strange; /* packets in a row that fit no window */
    int64_t highest;
    struct codec_stream *codec; /* video */
    int64_t structure_at;       /* number of the packet that told the layers in force */
    uint64_t seen[SOURCE_WINDOW / 64];
    struct source_missing *missing; /* video: room for SOURCE_MISSING_MAX */
    size_t missing_count;
    struct source_statistics statistics;
    uint64_t sr_ntp;
    uint32_t sr_rtp;
    usec_t sr_arrival; /* 0: none yet */
    usec_t key_at;     /* when the last key frame came */
    uint32_t key_timestamp;
    int64_t hole; /* newest number lost for good since then; 0: none */
    usec_t last_packet;
    usec_t key_wanted_until;
    usec_t key_asked;
    uint8_t key_tries;
};

/* A camera is measured over a second. A screen moves now and then, and its key frames, large beside
 * everything else and seldom, count apart from the rest and over a longer time. */
#define SOURCE_SPAN_DESKTOP 4
#define SOURCE_SPAN_KEYS 20

struct source_layer {
    uint16_t height; /* of the last key frame; 0: none yet */
    usec_t last_packet;
    usec_t on_since; /* by the refreshes */
    struct meter bytes[SOURCE_TIDS];
    struct meter frames[SOURCE_TIDS];
    struct meter keys; /* bytes of a screen's key frames */
};

/* The newest packet of sound that was decrypted. */
struct source_proved {
    usec_t at; /* 0: none yet */
    uint16_t sequence;
    uint32_t timestamp;
};

struct source {
    struct conference_source state; /* as signalled */
    uint32_t index;                 /* in the conference */
    uint32_t owner;                 /* seat */
    uint32_t feed_number;
    struct voice voice;   /* audio */
    struct policer sound; /* audio: so many packets a second and no more */
    struct source_proved proved;
    unsigned passed; /* packets since then that were not */
    usec_t minded;   /* audio: when a level last came that may matter; 0: never */
    struct ring ring;
    struct source_stream *streams; /* as many as the state has layers */
    struct source_layer layers[CONFERENCE_LAYERS_MAX];
    unsigned layer_count;
    int layered;      /* the stream that carries all layers; -1: each stream is one */
    usec_t key_asked; /* any layer */
    unsigned clock;
    uint64_t bps[CONFERENCE_LAYERS_MAX]; /* as of the last refresh; 0: the layer is off */
    /* Recording: which layer is captured now (-1: none) and which is wanted. */
    int recorded;
    int record_target;
    usec_t record_key_at;
    const struct codec *record_codec; /* of what is captured now */
    struct target record_at;          /* of a stream with all layers: which of them */
    struct rewrite record;            /* and how its packets are numbered without the others */
    bool record_top;                  /* capture the top layer */
    int wanted_height;                /* max over receivers: -1 any, 0 none */
    int told_height;                  /* as last told to the sender; INT_MIN: not yet */
    usec_t lower_at;                  /* when a lower wish may be told */
};

/* NULL when memory is short. */
struct source *source_new(const struct conference_source *state);
void source_free(struct source **source);
/* Whether the other state is the same stream: name, kind and SSRCs. */
bool source_same(const struct source *source, const struct conference_source *state);

/* A media packet of the stream, RTX already unwrapped (`repaired`). ERR_EXISTS: seen before, or too
 * old to tell. ERR_FORMAT: a codec or descriptor that we cannot read, or longer than a packet may
 * be. */
int source_input(struct source *source, usec_t now, unsigned stream,
                 const struct rtp_packet *packet, bool repaired, uint32_t *ret_number) MUST_USE;
/* Whether a packet of sound that was not decrypted is the next or one of the next, by number, clock
 * and time, after one that was lately: who has seen none cannot make one. */
bool source_expects(const struct source *source, usec_t now,
                    const struct rtp_packet *packet) MUST_USE;
/* Such a packet came and goes nowhere: counted for the sender's reports, kept out of the ring. */
void source_pass(struct source *source, usec_t now, const struct rtp_packet *packet);
/* Whether a packet of that number, lately sent, has not come. */
bool source_lacks(const struct source *source, unsigned stream, uint16_t sequence);
void source_report_in(struct source *source, usec_t now, unsigned stream,
                      const struct rtcp_sender_info *info);

/* Sequence numbers to ask for now, ascending; their try is counted. */
size_t source_nacks(struct source *source, usec_t now, unsigned stream, usec_t rtt, uint16_t *out,
                    size_t max);
/* Whether there are any. */
bool source_nack_due(const struct source *source, usec_t now, usec_t rtt);
/* Somebody waits for a key frame of the layer; to be repeated while that holds. */
void source_want_key(struct source *source, usec_t now, unsigned layer);
/* Whether to send a key-frame request for the stream now; counts it as sent. */
bool source_key_due(struct source *source, usec_t now, unsigned stream, usec_t rtt);
/* Whether any of the stream's packets came, or should have, since the last report. */
bool source_report_news(const struct source *source, unsigned stream);
/* The report block for the stream; false before its first packet. */
bool source_report_out(struct source *source, usec_t now, unsigned stream,
                       struct rtcp_report *ret_report);

/* Which stream has the layer; `ret_spatial`: up to which spatial layer of that it goes. */
unsigned source_stream_of(const struct source *source, unsigned layer, unsigned *ret_spatial);
/* Whether packets of that layer came lately. */
bool source_layer_active(const struct source *source, usec_t now, unsigned layer);
/* Height in pixels: decoded, else guessed from the other layers or the index. */
int source_layer_height(const struct source *source, unsigned layer);
/* Bits per second of temporal layers up to `tid`; of a screen without its key frames. */
uint64_t source_layer_rate(struct source *source, usec_t now, unsigned layer, unsigned tid);
/* Those of a screen; 0 of a camera. */
uint64_t source_key_rate(struct source *source, usec_t now, unsigned layer);
/* Whether it was on long enough to be measured. */
bool source_layer_known(const struct source *source, usec_t now, unsigned layer);
/* The highest temporal layer whose frame rate stays within `max` (-1: any). */
unsigned source_layer_tid(struct source *source, usec_t now, unsigned layer, int max_frame_rate);
/* Measures the layers anew; true when one went on or off. */
bool source_refresh(struct source *source, usec_t now);
bool source_is_screen(const struct source *source);
/* Whether it may be heard or seen by anybody. */
bool source_live(const struct source *source);
/* Housekeeping outside the packet path: more room where it was too short. ERR_MEMORY. */
int source_tick(struct source *source) MUST_USE;

#endif
