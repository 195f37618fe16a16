/* What a receiver counts by the clear RTP headers of what reaches it, and how long packets took. */
#ifndef LOAD_TALLY_H
#define LOAD_TALLY_H

#include <stdbool.h>

#include "base/slice.h"
#include "base/units.h"
#include "proto/rtp.h"

/* Streams of one receiver: fifty voices, and pictures. */
#define TALLY_STREAMS 128
/* Delays are told apart up to 200 ms. */
#define TALLY_STEP 10
#define TALLY_STEPS 20000
/* A forwarded packet that took longer than this is late. */
#define TALLY_LATE (20 * USEC_PER_MSEC)
/* Datagrams in a row for one receiver are told apart up to this many. */
#define TALLY_RUNS 64

struct tally_delays {
    uint32_t steps[TALLY_STEPS];
    uint64_t count;
    uint64_t late;
    usec_t max;
};

/* Of all receivers together, since the last tally_reset. */
struct tally_sum {
    uint64_t packets; /* media, not repairs */
    uint64_t audio;
    uint64_t bytes; /* of all datagrams */
    uint64_t repairs;
    uint64_t lost;
    uint64_t untold; /* packets of streams beyond TALLY_STREAMS */
    uint64_t runs[TALLY_RUNS + 1];
    struct tally_delays audio_delays;
    struct tally_delays video_delays;
};

struct tally_stream {
    uint32_t ssrc;
    int64_t first;
    int64_t highest;
    uint64_t received;
};

/* Of one receiver. */
struct tally {
    struct tally_stream streams[TALLY_STREAMS];
    size_t count;
    size_t last; /* where the last packet's was found */
};

/* A media packet (payload type of sound or of VP8) with this header. */
void tally_packet(struct tally *tally, struct tally_sum *sum, uint32_t ssrc, uint16_t sequence);
/* What was not received of what must have been sent, from the first to the newest. */
uint64_t tally_lost(const struct tally *tally);
void tally_reset(struct tally *tally);
void tally_delay(struct tally_delays *delays, usec_t delay);
/* The delay that `percent` of the packets did not exceed, in microseconds; 0: none came. */
usec_t tally_percentile(const struct tally_delays *delays, double percent);

#endif
