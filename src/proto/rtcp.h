/* RTCP (RFC 3550 6, RFC 4585, RFC 5104): a compound packet is walked packet by packet; each kind
 * has its own total parser over the body. Builders append whole packets to a writer. */
#ifndef PROTO_RTCP_H
#define PROTO_RTCP_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

#define RTCP_REPORTS_MAX 31
#define RTCP_HEADER_SIZE 4
#define RTCP_SR_SIZE 28 /* without report blocks */
#define RTCP_REPORT_SIZE 24
#define RTCP_PLI_SIZE 12

enum rtcp_type {
    RTCP_SR = 200,
    RTCP_RR = 201,
    RTCP_SDES = 202,
    RTCP_BYE = 203,
    RTCP_APP = 204,
    RTCP_RTPFB = 205,
    RTCP_PSFB = 206,
    RTCP_XR = 207,
};

enum rtcp_rtpfb { RTCP_NACK = 1, RTCP_TRANSPORT_CC = 15 };
enum rtcp_psfb { RTCP_PLI = 1, RTCP_FIR = 4, RTCP_AFB = 15 };

struct rtcp_packet {
    uint8_t type;
    uint8_t count;     /* report count, or feedback format */
    struct slice body; /* after the four bytes of head, without padding */
};

/* Cuts the next packet off *rest. ERR_NOT_FOUND at the end, ERR_FORMAT when it makes no sense (what
 * follows is not to be read). */
int rtcp_next(struct slice *rest, struct rtcp_packet *ret_packet) MUST_USE;

struct rtcp_sender_info {
    uint32_t ssrc;
    uint64_t ntp;
    uint32_t rtp;
    uint32_t packets;
    uint32_t octets;
};

struct rtcp_report {
    uint32_t ssrc;
    uint8_t fraction_lost; /* of 256 */
    int32_t total_lost;    /* 24 bits, signed */
    uint32_t highest;      /* extended sequence number */
    uint32_t jitter;
    uint32_t last_sr;  /* middle 32 bits of the NTP time; 0: none yet */
    uint32_t delay_sr; /* 1/65536 s */
};

int rtcp_sr_parse(const struct rtcp_packet *packet, struct rtcp_sender_info *ret_info) MUST_USE;
/* The report block at `index` of an SR or RR; false past the end. */
bool rtcp_report_at(const struct rtcp_packet *packet, size_t index, struct rtcp_report *ret_report);
/* The SSRC at `index` of a BYE; false past the end. */
bool rtcp_bye_at(const struct rtcp_packet *packet, size_t index, uint32_t *ret_ssrc);

/* Head of every feedback packet; what follows is `fci`. */
struct rtcp_feedback {
    uint32_t sender;
    uint32_t media;
    struct slice fci;
};
int rtcp_feedback_parse(const struct rtcp_packet *packet,
                        struct rtcp_feedback *ret_feedback) MUST_USE;
/* The NACK item at `index`: a sequence number and the 16 after it; false past the end. */
bool rtcp_nack_at(const struct rtcp_feedback *feedback, size_t index, uint16_t *ret_first,
                  uint16_t *ret_mask);
/* The FIR item at `index`: whom it is for; false past the end. */
bool rtcp_fir_at(const struct rtcp_feedback *feedback, size_t index, uint32_t *ret_ssrc,
                 uint8_t *ret_number);
/* REMB (draft-alvestrand-rmcat-remb): false when the packet is something else. */
bool rtcp_remb_parse(const struct rtcp_feedback *feedback, uint64_t *ret_bps);

void rtcp_put_sr(struct writer *w, const struct rtcp_sender_info *info,
                 const struct rtcp_report *reports, size_t count);
void rtcp_put_rr(struct writer *w, uint32_t sender, const struct rtcp_report *reports,
                 size_t count);
/* One chunk with a CNAME of at most 255 bytes. */
void rtcp_put_sdes(struct writer *w, uint32_t ssrc, const char *cname);
void rtcp_put_bye(struct writer *w, uint32_t ssrc);
/* Sequence numbers ascending (modulo 2^16), packed into as few items as follow from that. */
void rtcp_put_nack(struct writer *w, uint32_t sender, uint32_t media, const uint16_t *sequences,
                   size_t count);
void rtcp_put_pli(struct writer *w, uint32_t sender, uint32_t media);
/* Of all that one sends on these SSRCs, at most 255; bit/s are rounded down to 18 bits. */
void rtcp_put_remb(struct writer *w, uint32_t sender, uint64_t bps, const uint32_t *ssrcs,
                   size_t count);
void rtcp_put_fir(struct writer *w, uint32_t sender, uint32_t media, uint8_t number);

#endif
