/* The table-of-contents byte of an Opus packet (RFC 6716 3.1): how long it sounds. */
#ifndef PROTO_OPUS_H
#define PROTO_OPUS_H

#include "base/err.h"
#include "base/slice.h"

#define OPUS_CLOCK 48000
#define OPUS_DURATION_MAX 5760 /* 120 ms */

/* Samples at 48 kHz per channel that the packet stands for. ERR_FORMAT: empty, or above 120 ms. */
int opus_duration(struct slice payload, unsigned *ret_samples) MUST_USE;

#endif
