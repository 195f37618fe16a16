/* One outgoing stream of one receiver: an SSRC (and its RTX) through which a source, or one source
 * after another, is sent. */
#ifndef BRIDGE_EGRESS_H
#define BRIDGE_EGRESS_H

#include "bridge/pacer.h"
#include "bridge/rewrite.h"
#include "bridge/sent.h"
#include "bridge/source.h"
#include "bridge/target.h"

#define EGRESS_NO_SOURCE UINT32_MAX
/* Packets found for repair, powers of two: a second of a small picture, and of any. */
#define EGRESS_SENT_MIN 64
#define EGRESS_SENT_MAX 512
#define EGRESS_REPORT_INTERVAL (1 * USEC_PER_SEC)
#define EGRESS_REPORT_ALONE (5 * USEC_PER_SEC) /* of sound, while no picture goes out */
/* A receiver may cause so many key-frame requests for a source in this time. */
#define EGRESS_KEYS 3
#define EGRESS_KEYS_TIME (10 * USEC_PER_SEC)

/* What every tick looks at comes first, then what every packet needs, then what switches, reports
 * and housekeeping need. */
struct egress {
    uint32_t ssrc;
    uint32_t source;
    usec_t usable_at; /* USEC_NEVER: its map was not taken yet */
    int64_t before;   /* timestamp sent last for the source before; -1: nothing was ever sent */
    usec_t last_used;
    usec_t report_at; /* when the next sender report is due; USEC_NEVER: nothing sent */
    enum conference_kind kind;
    int target;        /* layer granted; -1: none */
    unsigned max_tid;  /* granted */
    bool resync;       /* begins anew: video with a key frame */
    bool squeeze;      /* base frames only, until the switch down is done */
    bool behind;       /* base frames only: what goes out now has waited */
    bool sent_short;   /* soon one would give way that could still be asked for */
    bool limited;      /* by bandwidth */
    uint8_t copies;    /* of earlier packets of sound, in each */
    uint32_t spell;    /* of its voice: sound is without gaps from `begun` on */
    uint32_t reported; /* highest number of the last receiver report */
    int64_t begun;     /* sequence number of the first packet; sound */
    uint16_t sent_slots;
    uint16_t last_sent;        /* outgoing sequence number sent last */
    struct target at;          /* spatial and temporal layers of the stream in force */
    const struct codec *codec; /* of that; NULL: none yet */
    uint32_t *sent; /* video, once it carried something: transport numbers (low bits) by sequence
                       number */
    uint16_t repair_from;   /* what went out before needs no repair */
    enum pacer_class paced; /* of the packets queued last */
    uint32_t key_queued;    /* number in the ring of the newest key frame that was queued */
    bool key_waits;         /* it is still there */
    uint32_t packets;
    uint32_t octets;
    struct rewrite rewrite;
    uint32_t rtx; /* 0: none */
    uint16_t rtx_sequence;
    int aligned_stream; /* whose timestamps `aligned_delta` turns into outgoing ones; -1: none */
    uint32_t aligned_delta;
    usec_t keys[EGRESS_KEYS];
    usec_t key_sent;                       /* when a key frame went out */
    bool key_wanted;                       /* by the receiver */
    bool key_held;                         /* its bucket is empty: counted */
    char source_name[CONFERENCE_NAME_MAX]; /* also after the source is gone */
};

/* `usable_at` is USEC_NEVER. */
void egress_init(struct egress *egress, enum conference_kind kind, uint32_t ssrc, uint32_t rtx,
                 uint32_t random);
void egress_done(struct egress *egress);
/* Housekeeping of a picture stream outside the packet path: remembers more before that is short.
 * `sent`: the receiver's. ERR_MEMORY. */
int egress_tick(struct egress *egress, const struct sent *sent) MUST_USE;
/* From now on it carries this source. ERR_MEMORY: it carries none. */
int egress_attach(struct egress *egress, const struct source *source) MUST_USE;
void egress_detach(struct egress *egress);
/* The layer granted; -1 suspends it. */
void egress_grant(struct egress *egress, int layer, unsigned max_tid);

/* Something was left out: it goes on with a key frame of the granted layer. */
void egress_lapse(struct egress *egress);

/* Decides on a packet of its source. `ret_late_start`: newer ones of its stream came before, which
 * go out only now that this one does. */
bool egress_forward(struct egress *egress, usec_t now, const struct source *source,
                    const struct ring_packet *packet, struct rewritten *ret_out,
                    bool *ret_late_start);
/* Whether it waits for a key frame to go over to the granted layer. */
bool egress_waits(const struct egress *egress, const struct source *source);
/* The layer in force; -1: none. */
int egress_layer(const struct egress *egress, const struct source *source);
/* The receiver asks for a key frame; true when its bucket allows one now: counts it. */
bool egress_take_key(struct egress *egress, usec_t now);

/* Writes header (with the transport sequence number) and rewritten descriptor; sets payload. */
void egress_write(struct egress *egress, usec_t now, const struct source *source, uint32_t number,
                  const struct rewritten *out, uint16_t transport,
                  struct conference_packet *packet);
/* The newest of `sent` is this packet of ours: it may be asked for. */
void egress_remember(struct egress *egress, struct sent *sent, uint32_t number,
                     const struct rewritten *out, uint8_t tries);
/* The packet sent last with that sequence number; NULL: it is not remembered. */
const struct sent_packet *egress_sent_at(const struct egress *egress, const struct sent *sent,
                                         uint16_t sequence);
/* Whether that packet may be sent again now, for the receiver asked for it. */
bool egress_may_resend(const struct egress *egress, usec_t now, const struct source *source,
                       const struct sent_packet *packet, usec_t rtt);
/* As RTX; false when the ring has it no more. */
bool egress_write_rtx(struct egress *egress, const struct source *source,
                      const struct sent_packet *sent, uint16_t transport,
                      struct conference_packet *packet);
/* Nothing but padding, on the RTX stream; `small` for slow ways. */
void egress_write_padding(struct egress *egress, uint16_t transport, bool small,
                          struct conference_packet *packet);
/* Sender report: `clock_offset` turns the sender's NTP time into ours (0: unknown). */
bool egress_report(const struct egress *egress, usec_t now, const struct source *source,
                   uint64_t clock_offset, struct rtcp_sender_info *ret_info);
/* Our own clock in NTP format; it counts from no particular day. */
uint64_t egress_ntp(usec_t now);

#endif
