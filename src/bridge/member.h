/* What a conference is made of, for the files that make it up: conference.c (who is in, what comes
 * in), pass.c (what of it is not even decrypted), receive.c (one receiver's packets out), sound.c
 * (whose voice goes to whom), reports.c (RTCP both ways), share.c (who gets what), notices.c (what
 * signal is told), capture.c (the feed). */
#ifndef BRIDGE_MEMBER_H
#define BRIDGE_MEMBER_H

#include "base/map.h"
#include "bridge/allocate.h"
#include "bridge/ceiling.h"
#include "bridge/egress.h"
#include "bridge/estimate.h"
#include "bridge/feed.h"
#include "bridge/feedback.h"
#include "bridge/pacer.h"
#include "bridge/protect.h"
#include "bridge/source.h"
#include "bridge/speaker.h"
#include "bridge/uplink.h"
#include "bridge/voices.h"

#define MEMBER_SLOTS 50 /* of each kind, for a rewriting receiver */
#define MEMBER_SPARES 4 /* of these, told before they are needed */
#define MEMBER_NO_EGRESS UINT16_MAX
#define MEMBER_SSRCS (CONFERENCE_SOURCES_MAX * CONFERENCE_LAYERS_MAX * 2)
#define MEMBER_RESENDS 256
#define MEMBER_NAMES_MAX 1000 /* of each list of wishes */
#define CONFERENCE_SOURCES_ALL (CONFERENCE_ENDPOINTS_MAX * CONFERENCE_SOURCES_MAX)
#define CONFERENCE_PENDING 2048
#define CONFERENCE_SCRATCH (16 * 1024) /* RTCP of one poll */
#define CONFERENCE_RTCP_MAX 1100       /* bytes of one compound packet */
/* A packet's cost beside header and payload: IPv4, UDP, SRTP tag. */
#define CONFERENCE_OVERHEAD 44
#define CONFERENCE_TICK (10 * USEC_PER_MSEC)
#define CONFERENCE_PACE (5 * USEC_PER_MSEC) /* what waits for its turn leaves in such bursts */
#define CONFERENCE_TICK_IDLE (100 * USEC_PER_MSEC)
#define CONFERENCE_RTT_UNKNOWN (100 * USEC_PER_MSEC)

struct member_ssrc {
    uint32_t ssrc;
    uint8_t source;
    uint8_t stream;
    bool rtx;
};

/* What one receiver wishes of one source; by the source's index. */
struct member_wish {
    int16_t height;     /* -1: any, 0: none; after last-N */
    int16_t frame_rate; /* -1: any */
    bool on_stage;
    bool placed;    /* in the member's order */
    int8_t granted; /* layer; -1: none */
    uint8_t granted_tid;
};

struct member_resend {
    uint16_t egress;
    bool rtx;
    uint16_t sequence; /* RTX: what was asked for */
    uint32_t number;   /* else: the ring's packet */
};

struct member {
    uint32_t seat;
    char id[CONFERENCE_NAME_MAX];
    char person[64];
    void *user;
    bool rewriting;
    bool staff;
    bool red; /* takes redundant audio */
    bool encrypted;
    bool connected;
    usec_t rtt; /* 0: unknown */
    /* As a sender. */
    struct source *sources[CONFERENCE_SOURCES_MAX];
    size_t source_count;
    struct member_ssrc ssrcs[MEMBER_SSRCS];
    size_t ssrc_count;
    size_t last_ssrc; /* where the last packet's was found */
    struct feedback feedback;
    struct uplink uplink;
    uint64_t clock_offset; /* our NTP time minus the sender's; 0: unknown */
    usec_t report_at;
    unsigned silent_reports; /* in a row that had no news of what this one sends */
    bool sender_reports;     /* some are due, as of the last tick */
    /* As a receiver. */
    struct conference_wishes wishes; /* names belong to the member */
    struct member_wish *wish;        /* by source index */
    uint32_t *order;                 /* video sources, most wanted first */
    size_t order_count;
    uint16_t *by_source; /* egress by source index */
    struct egress *egress;
    size_t egress_count;
    size_t egress_cap;
    struct estimate estimate;
    struct pacer pacer;
    struct meter audio_bytes;
    struct protect protect;
    struct meter resend_bytes;
    struct member_resend resends[MEMBER_RESENDS];
    uint32_t resend_head, resend_tail;
    bool replaying; /* among them is what follows a late packet: it goes before newer pictures */
    /* Sharing the bandwidth. */
    bool share_dirty;
    bool any_limited;
    bool low;       /* nothing but small pictures that jerk */
    bool can_probe; /* as of the last tick */
    /* The last stage: of the voices only the loudest, and staff. */
    bool narrow;
    uint64_t narrow_need; /* bit/s that were too much */
    usec_t narrow_at;     /* when that changed */
    usec_t tight_since;   /* the way carries less than all voices; 0: all */
    usec_t trial_until;   /* all are sent to see whether it carries them; 0: no trial */
    usec_t try_after;
    uint64_t used_bps;   /* of what was granted, sound and resends */
    uint64_t shared_bps; /* the estimate when it was shared last */
    usec_t share_at;
    usec_t headroom_since; /* 0: none */
    usec_t upgrade_wait;
    usec_t upgraded_at;
    usec_t downgraded_at;
    int64_t probe_budget; /* bytes */
    struct ceiling ceiling;
    /* Notices not yet taken. */
    bool maps_dirty;
    bool forwarded_dirty;
    bool forwarded_told; /* ever */
    char (*told)[CONFERENCE_NAME_MAX];
    size_t told_count;
    usec_t stats_at;
    enum conference_shortage shortage; /* as of the last sharing */
    enum conference_shortage shortage_told;
};

struct conference_pending {
    uint32_t source;
    uint32_t number;
};

struct conference {
    uint64_t random;
    uint32_t own_ssrc; /* of our RTCP */
    char cname[20];
    usec_t now;
    struct conference_counters counters;
    struct member *members[CONFERENCE_ENDPOINTS_MAX];
    uint32_t member_end; /* one past the last seat used */
    struct map *by_name; /* endpoints */
    struct source **sources;
    uint32_t source_end;
    uint32_t source_cap; /* of the arrays by source index, the members' too */
    struct map *source_by_name;
    uint32_t *video_order; /* video sources by speech, latest first */
    size_t video_count;
    struct allocate_source *share; /* scratch of one allocation */
    uint32_t *share_index;
    enum profile profile;
    bool limited; /* senders were told of a ceiling */
    struct speaker speaker;
    struct voices voices;
    uint8_t sound_loss; /* on receivers' ways, of 256, as senders are told; 0: little */
    usec_t loss_at;
    usec_t loss_until;
    /* Packets put into rings and not yet given to all receivers. */
    struct conference_pending pending[CONFERENCE_PENDING];
    size_t pending_count;
    usec_t pending_since; /* when the first of them came */
    bool pending_urgent;  /* one of them does not wait */
    bool work;            /* somebody may have something else to send */
    usec_t tick_at;       /* when all members are looked at again */
    bool idle;            /* nothing came lately */
    bool waiting;         /* something waits for its turn to leave, as of the last round */
    usec_t paced_at;      /* when that is looked at again */
    bool in_round;
    bool round_reports; /* in this round reports are due, too */
    size_t round_end;   /* of pending */
    /* Each round begins with another seat: behind a line that they share, the last one's packets
     * are those that find a queue full. */
    uint32_t round_first;
    uint32_t round_seats; /* there when it began */
    uint32_t round_done;  /* of these */
    int round_stage;
    size_t round_at;
    uint8_t scratch[CONFERENCE_SCRATCH];
    size_t scratch_used;
    bool order_dirty;
    bool wishes_dirty;
    bool layers_dirty;
    usec_t refresh_at;
    usec_t last_input;
    /* Recording. */
    struct feed *feed;
    bool capturing;
    uint32_t feed_numbers;
    /* Notices. */
    bool notice_dirty;
    uint32_t notice_seat;
    bool speaker_dirty;
    bool speaker_told;
    struct conference_slot *notice_slots;
    struct conference_spare notice_spares[MEMBER_SPARES];
    unsigned slots; /* of each kind; at most MEMBER_SLOTS */
    char (*notice_names)[CONFERENCE_NAME_MAX];
    size_t notice_names_cap;
};

/* conference.c */
struct member *conference_member(const struct conference *conference, struct conference_seat seat);
uint32_t conference_random(struct conference *conference);
struct source *conference_source_of(const struct conference *conference, const struct egress *e);
const struct member_ssrc *conference_find_ssrc(struct member *member, uint32_t ssrc);
/* Whether sound may come that fast; if so, this packet is counted. */
bool conference_admits(struct conference *conference, usec_t now, struct source *source);
void conference_add_pending(struct conference *conference, const struct source *source,
                            uint32_t number);

/* slots.c: a rewriting receiver's streams are pairs of slots, one of each kind. */
/* The slot of a source, given to it now if it has none; MEMBER_NO_EGRESS: all are taken. */
uint16_t slots_give(struct conference *conference, struct member *member,
                    const struct source *source);
/* Makes pairs ahead of need. */
void slots_prepare(struct conference *conference, struct member *member);
/* Moves granted pictures to the slots beside their voices. What moves begins anew. */
void slots_pair_up(struct conference *conference, struct member *member);
/* With more voices than slots, those that are heard get one. */
void slots_tick(struct conference *conference, struct member *member);
unsigned slots_pair(uint16_t index);
/* Whether nothing was ever sent on the pair. */
bool slots_spare(const struct member *member, unsigned pair);

/* receive.c */
/* Room for so many more streams; then add. */
int receive_reserve(struct member *member, size_t count) MUST_USE;
void receive_add(struct conference *conference, struct member *member, enum conference_kind kind,
                 uint32_t ssrc, uint32_t rtx);
/* The stream carries this source from now on, or nothing. */
int receive_bind(struct conference *conference, struct member *member, uint16_t index,
                 const struct source *source) MUST_USE;
void receive_unbind(struct member *member, uint16_t index);
/* Makes room for streams to this receiver after sources changed, and lets go of those gone. */
int receive_sources_changed(struct conference *conference, struct member *member) MUST_USE;
void receive_source_gone(struct member *member, const struct source *source);
/* A slot for a video source that is to be forwarded: MEMBER_NO_EGRESS when there is none. */
uint16_t receive_video_egress(struct conference *conference, struct member *member,
                              const struct source *source);
size_t receive_poll(struct conference *conference, struct member *member, usec_t now,
                    struct conference_packet *out, size_t max, bool *ret_done);
void receive_tick(struct conference *conference, struct member *member, usec_t now);
/* Whether something waits for its turn to leave. */
bool receive_waits(const struct member *member);
void receive_resend(struct conference *conference, struct member *member,
                    const struct member_resend *resend);
void receive_done(struct member *member);

/* sound.c */
struct sound_share {
    uint64_t least;   /* bit/s that go out in any case */
    uint64_t lacking; /* that would, if the way carried them */
};
void sound_join(struct member *member, usec_t now);
/* A packet of sound was put into the ring. */
void sound_take(struct conference *conference, usec_t now, struct source *source, uint32_t number);
bool sound_goes(const struct conference *conference, const struct member *member,
                const struct source *source);
/* What of the sound the way of that rate gets. */
void sound_share(struct conference *conference, struct member *member, usec_t now, uint64_t bps,
                 struct sound_share *ret_share);
void sound_tick(struct conference *conference, usec_t now);

/* reports.c */
int reports_input(struct conference *conference, struct member *member, usec_t now,
                  struct slice packet) MUST_USE;
/* One compound packet for the member, if something is due; its bytes go to the scratch. */
bool reports_build(struct conference *conference, struct member *member, usec_t now,
                   struct slice *ret_packet);
/* Whether something is due. */
bool reports_due(const struct member *member, usec_t now);

/* share.c */
int share_set_wishes(struct member *member, const struct conference_wishes *wishes) MUST_USE;
void share_done(struct member *member);
/* Everything that follows from who is in, who speaks and what is wished. */
void share_update(struct conference *conference, usec_t now);
void share_tick(struct conference *conference, struct member *member, usec_t now);

/* capture.c */
void capture_start(struct conference *conference, usec_t now);
void capture_packet(struct conference *conference, usec_t now, struct source *source,
                    uint32_t number);
void capture_report(struct conference *conference, usec_t now, struct source *source,
                    const struct rtcp_sender_info *info);
void capture_speaker(struct conference *conference, usec_t now);
void capture_tick(struct conference *conference, usec_t now);
void capture_source_changed(struct conference *conference, usec_t now, struct source *source);

#endif
