/* Video codecs, as far as a bridge need know them: what a packet's descriptors say of layers and
 * key frames, and how they are written for one receiver. One struct codec each; nobody else asks
 * which codec it is. Payloads are not looked at beyond what stays clear with end-to-end
 * encryption.
 *
 * What a receiver may get of a stream is one of nine cells, a spatial and a temporal layer: all
 * pictures up to those. A stream with fewer layers has the same pictures in several cells. */
#ifndef BRIDGE_CODEC_H
#define BRIDGE_CODEC_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"
#include "proto/dependency.h"
#include "proto/rtp.h"
#include "proto/vp8.h"
#include "proto/vp9.h"

#define CODEC_SPATIAL 3  /* layers told apart; higher ones count as the last */
#define CODEC_TEMPORAL 3 /* likewise */
#define CODEC_CELLS (CODEC_SPATIAL * CODEC_TEMPORAL)
/* The longest dependency descriptor that is passed on. */
#define CODEC_EXTENSION_MAX (UINT8_MAX - DEPENDENCY_GROWTH)

struct ring_packet;
struct rewritten;

struct codec_facts {
    uint8_t spatial;
    uint8_t temporal;
    bool start;        /* first packet of a frame; a picture has one frame in each spatial layer */
    bool end;          /* last packet of it */
    bool key;          /* first packet of a picture that needs no other */
    bool sync;         /* the frame needs temporal layer 0 only */
    bool blind;        /* its structure did not come yet: nothing but this is known */
    uint16_t present;  /* cells that the frame belongs to */
    uint16_t switches; /* cells that may be gone over to with this frame */
};

/* What the start of a key picture tells. */
struct codec_key {
    uint8_t spatial_count;          /* 0: not told */
    uint16_t height[CODEC_SPATIAL]; /* of the picture, or its width if that is less; 0: not told */
};

/* What is remembered of one incoming stream. */
struct codec_stream {
    int64_t picture;        /* newest of the descriptor's numbers, unwrapped */
    int64_t frame;          /* newest of the dependency descriptor's */
    uint32_t timestamp;     /* H.264: newest; begins another picture when it changes */
    uint32_t key_timestamp; /* H.264: of the newest key frame */
    bool started;
    uint8_t cell_target[CODEC_CELLS]; /* decode target of each cell */
    uint32_t cell_mask[CODEC_CELLS];  /* decode targets within each cell */
    struct dependency_structure structure;
};

struct codec {
    const char *name; /* as in SDP */
    uint8_t payload_type;
    uint8_t rtx_type;
    /* Numbers in the descriptor count what is sent: frames left out on purpose leave no gap. */
    bool gapless;
    /* What the payload tells: facts, picture, tl0, keyidx, head of the packet. ERR_FORMAT. */
    int (*read)(struct codec_stream *stream, const struct rtp_packet *packet,
                struct ring_packet *entry, struct codec_key *key);
    /* The first `head_size` bytes of the payload as this receiver should see them; NULL: as they
     * are. */
    void (*put_head)(struct writer *w, const struct ring_packet *entry,
                     const struct rewritten *out);
};

#define CODEC_HEAD_MAX VP8_DESCRIPTOR_MAX

extern const struct codec codec_vp8, codec_vp9, codec_h264, codec_av1;

/* NULL: none of ours. `ret_rtx`: it is the codec's type for repairs. */
const struct codec *codec_by_type(uint8_t payload_type, bool *ret_rtx);
/* Reads a packet of `entry->codec`, whose dependency descriptor is `extension` (may be empty):
 * fills in what the codec knows; `ret_key` when facts say key. ERR_FORMAT. */
int codec_read(struct codec_stream *stream, const struct rtp_packet *packet, struct slice extension,
               struct ring_packet *entry, struct codec_key *ret_key) MUST_USE;
/* Reads a blind packet again. */
void codec_read_blind(struct codec_stream *stream, struct slice extension,
                      struct ring_packet *entry);

static inline uint16_t codec_cell(unsigned spatial, unsigned temporal)
{
    return (uint16_t)(1U << (spatial * CODEC_TEMPORAL + temporal));
}

/* Cells of at least these layers. */
uint16_t codec_cells_from(unsigned spatial, unsigned temporal);
#define CODEC_ALL_CELLS ((1U << CODEC_CELLS) - 1)

#endif
