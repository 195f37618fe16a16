/* A browser's receiving half that checks what it is given: streams only on announced SSRCs,
 * continuous numbers, frames shown only by what VP8's descriptor promises, and never one whose
 * references were not shown. Asks for repairs and key frames like a browser. */
#ifndef TESTS_MEDIA_VIEWER_H
#define TESTS_MEDIA_VIEWER_H

#include "bridge/conference.h"
#include "bridge/feedback.h"
#include "media_playout.h"
#include "media_sender.h"
#include "proto/vp8.h"

#define VIEWER_STREAMS 128
#define VIEWER_WINDOW 4096 /* packets of a stream */
#define VIEWER_SHOWN 4096
#define VIEWER_SWITCHES 64

struct viewer_packet {
    int64_t sequence; /* -1: none */
    uint32_t timestamp;
    bool marker;
    bool empty;
    struct vp8_descriptor vp8;
    struct sender_frame frame; /* of a frame's first packet */
    usec_t missing_since;      /* while it is missing */
    usec_t asked;
    unsigned tries;
    uint64_t digest;
};

struct viewer_switch {
    usec_t at;
    unsigned layer;
};

struct viewer_stream {
    uint32_t ssrc;
    uint32_t rtx;
    bool video;
    char source[CONFERENCE_NAME_MAX];
    char owner[CONFERENCE_NAME_MAX];
    unsigned pair;
    usec_t spare_at; /* told as a spare; 0: never */
    usec_t mapped_at;
    int64_t after; /* later timestamps are the owner's; -1: all are */
    bool started;
    bool remapped;                /* another source comes next */
    struct viewer_packet *window; /* video */
    int64_t highest;
    int64_t next; /* first packet not yet consumed */
    /* What the descriptor promised so far. */
    bool have_key;
    bool shown_tl0[256];
    uint16_t last_picture;
    uint16_t base_picture; /* of the newest T0 */
    bool whole;            /* everything since the newest T0 was shown */
    /* What is true. */
    uint32_t shown[VIEWER_SHOWN]; /* by number, plus one */
    unsigned layer;
    uint32_t last_timestamp;
    usec_t last_packet;
    usec_t last_shown;
    usec_t pli_at;
    unsigned frames;
    unsigned dropped_frames;
    unsigned picture_gaps; /* between frames that followed each other without loss */
    usec_t longest_freeze;
    usec_t freeze_at;
    struct viewer_switch switches[VIEWER_SWITCHES];
    size_t switch_count;
    uint64_t packets;
    uint64_t repaired;
    /* Audio. */
    uint64_t audio_packets;
    usec_t last_audio;
    usec_t longest_silence;
    uint16_t audio_sequence; /* of the last packet */
    uint64_t audio_holes;    /* packets that did not follow the one before */
    uint64_t sounds;         /* different ones, also by redundancy */
    uint64_t sound_newest;   /* in steps of 20 ms */
    uint64_t sound_window;   /* which of the last ones came */
    usec_t onset;            /* when the first sound after a pause was made */
    struct playout playout;
    /* Sender reports. */
    uint64_t sr_ntp;
    uint32_t sr_rtp;
    usec_t sr_at;
    usec_t first_sr_after_switch;
    double offset_ms; /* NTP by report minus the sender's time, of the last frame */
    bool has_offset;
};

struct viewer {
    struct pipe *up;
    bool classic;
    struct viewer_stream streams[VIEWER_STREAMS];
    size_t stream_count;
    struct feedback feedback;
    usec_t nack_at;
    bool mute_feedback;
    unsigned plis;
    usec_t patience; /* without a picture, before it asks for a key picture; 0: little */
    bool repairs;    /* sends NACK */
    bool red;        /* takes redundant audio */
    uint64_t red_packets;
    uint64_t red_bytes; /* of what is repeated */
    uint64_t padding;
    uint64_t padding_bytes; /* and of resends nobody asked for */
    uint64_t unknown;       /* packets on SSRCs nobody announced */
    char forwarded[64][CONFERENCE_NAME_MAX];
    size_t forwarded_count;
    unsigned forwarded_notices;
    uint64_t downlink_bps;
    enum conference_shortage shortage;
};

void viewer_init(struct viewer *viewer, struct pipe *up);
void viewer_done(struct viewer *viewer);
void viewer_map(struct viewer *viewer, usec_t now, const struct conference_slot *slots,
                size_t count);
/* Takes pairs in that carry nothing yet. */
void viewer_spares(struct viewer *viewer, usec_t now, const struct conference_spare *spares,
                   size_t count);
void viewer_input(struct viewer *viewer, usec_t now, struct slice bytes, bool rtcp);
void viewer_step(struct viewer *viewer, usec_t now);
/* The stream that carries the source; NULL: none. */
struct viewer_stream *viewer_find(struct viewer *viewer, const char *source);
/* Freezes are counted from here. */
void viewer_forget_freezes(struct viewer *viewer, usec_t now);
bool viewer_is_forwarded(const struct viewer *viewer, const char *source);

#endif
