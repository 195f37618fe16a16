#include "record/opus_filler.h"

#include "proto/opus.h"

/* A clock may be off by this much before a packet is put in or left out. */
#define SLACK (25 * USEC_PER_MSEC)
/* Up to here a decoder conceals what is missing, above it there was silence. */
#define CONCEAL_MAX (60 * USEC_PER_MSEC)
#define FRAME (20 * USEC_PER_MSEC)
#define FRAMES_MAX 6

static usec_t samples_usec(unsigned samples)
{
    return (usec_t)samples * USEC_PER_SEC / OPUS_CLOCK;
}

/* Frames of digital silence (CELT, 20 ms) in one packet: RFC 6716 section 3.2.5, code 3, CBR. */
static void make_silence(struct opus_fill *fill, usec_t missing)
{
    int frames = (int)(missing / FRAME);
    if (frames > FRAMES_MAX)
        frames = FRAMES_MAX;
    if (frames < 1)
        frames = 1;
    fill->bytes[0] = 0xfb;
    fill->bytes[1] = (uint8_t)frames;
    for (int i = 0; i < frames; i++) {
        fill->bytes[2 + 2 * i] = 0xff;
        fill->bytes[3 + 2 * i] = 0xfe;
    }
    fill->len = (size_t)(2 + 2 * frames);
    fill->duration = frames * FRAME;
}

/* One lost frame in the mode of the last packet: the decoder goes on from what it heard. */
static bool make_concealment(struct opus_fill *fill, uint8_t toc)
{
    unsigned samples;
    fill->bytes[0] = toc & 0xfc;
    fill->len = 1;
    if (opus_duration(slice_of(fill->bytes, 1), &samples) != 0)
        return false;
    fill->duration = samples_usec(samples);
    return true;
}

enum opus_filler_step opus_filler_step(struct opus_filler *filler, usec_t time, struct slice packet,
                                       struct opus_fill *ret_fill)
{
    unsigned samples;
    if (opus_duration(packet, &samples) != 0 || samples == 0)
        return OPUS_FILLER_DROP;
    if (!filler->started) {
        filler->started = true;
        filler->next = time;
    }
    usec_t missing = time - filler->next, duration = samples_usec(samples);
    ret_fill->at = filler->next;
    if (missing > SLACK) {
        if (missing > CONCEAL_MAX || !make_concealment(ret_fill, filler->toc))
            make_silence(ret_fill, missing);
        filler->next += ret_fill->duration;
        return OPUS_FILLER_PUT;
    }
    if (missing < -SLACK && missing + duration <= SLACK)
        return OPUS_FILLER_DROP;
    filler->toc = packet.data[0];
    filler->next += duration;
    ret_fill->duration = duration;
    return OPUS_FILLER_TAKE;
}
