/* RTP packets: header and extensions (RFC 3550 5.1, RFC 8285), audio level (RFC 6464), RTX
 * (RFC 4588). Views point into the packet. */
#ifndef PROTO_RTP_H
#define PROTO_RTP_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

#define RTP_HEADER_SIZE 12
#define RTP_RTX_OSN_SIZE 2

struct rtp_packet {
    uint8_t payload_type;
    bool marker;
    uint16_t sequence;
    uint32_t timestamp;
    uint32_t ssrc;
    uint16_t profile;        /* of the extension block; 0: none */
    struct slice extensions; /* without its four bytes of head */
    struct slice payload;    /* without padding */
    uint8_t padding;         /* bytes cut off at the end */
};

struct rtp_extension {
    uint8_t id;
    struct slice value;
};

/* ERR_FORMAT: version, lengths or padding are wrong. */
int rtp_parse(struct slice packet, struct rtp_packet *ret_packet) MUST_USE;
/* Cuts the next element off *extensions (both forms); false at the end or at the first element that
 * does not fit. */
bool rtp_extension_next(uint16_t profile, struct slice *extensions,
                        struct rtp_extension *ret_extension);
/* The element with that id; false when absent. */
bool rtp_extension_find(const struct rtp_packet *packet, uint8_t id, struct slice *ret_value);
/* 0 (loudest) to 127 (silence); false when absent or empty. */
bool rtp_audio_level(const struct rtp_packet *packet, uint8_t id, uint8_t *ret_level,
                     bool *ret_voice);
bool rtp_transport_sequence(const struct rtp_packet *packet, uint8_t id, uint16_t *ret_sequence);
/* Splits the payload of an RTX packet: its original sequence number, and the original payload.
 * ERR_FORMAT: shorter than that (padding only packets are). */
int rtp_rtx_parse(struct slice payload, uint16_t *ret_sequence, struct slice *ret_payload) MUST_USE;

/* Whether the bytes are RTCP, when both come on one port (RFC 5761 4). */
bool rtp_is_rtcp(struct slice packet);

/* Writes a header with extensions (ids 1 to 14, values of 1 to 255 bytes), padded to words: in the
 * two-byte form when a value is longer than 16, which is too much for the other. Payload, and
 * padding when `padding` is true, are the caller's to append. */
struct rtp_header {
    uint8_t payload_type;
    bool marker;
    bool padding;
    uint16_t sequence;
    uint32_t timestamp;
    uint32_t ssrc;
};
void rtp_put_header(struct writer *w, const struct rtp_header *header,
                    const struct rtp_extension *extensions, size_t count);

/* Follows a 16-bit counter into 64 bits: the value next to `last` whose low bits are `value`. */
int64_t rtp_unwrap(int64_t last, uint16_t value);

#endif
