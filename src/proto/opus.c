#include "proto/opus.h"

/* Samples of one frame: SILK, hybrid and CELT configurations have their own steps. */
static unsigned frame_samples(unsigned config)
{
    static const unsigned silk[] = {480, 960, 1920, 2880};
    if (config < 12)
        return silk[config & 3];
    if (config < 16)
        return config & 1 ? 960 : 480;
    return 120U << (config & 3);
}

int opus_duration(struct slice payload, unsigned *ret_samples)
{
    if (payload.len == 0)
        return ERR_FORMAT;
    unsigned frames;
    switch (payload.data[0] & 3) {
    case 0:
        frames = 1;
        break;
    case 1:
    case 2:
        frames = 2;
        break;
    default:
        if (payload.len < 2)
            return ERR_FORMAT;
        frames = payload.data[1] & 0x3f;
    }
    unsigned samples = frames * frame_samples(payload.data[0] >> 3);
    if (samples == 0 || samples > OPUS_DURATION_MAX)
        return ERR_FORMAT;
    *ret_samples = samples;
    return 0;
}
