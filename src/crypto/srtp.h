/* SRTP and SRTCP (RFC 3711, RFC 7714) for the two profiles of WebRTC. One struct srtp is one
 * direction of one peer; its keys lie flat in it. No allocation per packet except the first of a
 * new SSRC. */
#ifndef CRYPTO_SRTP_H
#define CRYPTO_SRTP_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

enum srtp_profile {
    SRTP_NONE = 0,
    SRTP_PROFILE_CM = 1,  /* AES128_CM_HMAC_SHA1_80; numbers as registered for DTLS-SRTP */
    SRTP_PROFILE_GCM = 7, /* AEAD_AES_128_GCM */
};

#define SRTP_KEY_SIZE 16
#define SRTP_SALT_SIZE 14 /* GCM uses the first 12 */
/* What protection adds at most: tag and SRTCP index. */
#define SRTP_OVERHEAD 20
/* SSRCs of one direction; further ones are refused. */
#define SRTP_STREAMS_MAX 4096

struct srtp_keys {
    enum srtp_profile profile;
    uint8_t key[SRTP_KEY_SIZE];
    uint8_t salt[SRTP_SALT_SIZE];
};

/* Which code does the work; the same bytes come out of each. */
enum srtp_backend {
    SRTP_BEST,    /* by what the processor can do */
    SRTP_OPENSSL, /* everywhere */
    SRTP_IPSEC_MB /* x86 with AES instructions; else srtp_engine_new says ERR_UNSUPPORTED */
};

/* What all sessions of a thread share. */
struct srtp_engine;
int srtp_engine_new(enum srtp_backend backend, struct srtp_engine **ret_engine) MUST_USE;
void srtp_engine_free(struct srtp_engine **engine);
const char *srtp_engine_name(const struct srtp_engine *engine);

struct srtp;
/* The engine must outlive it. ERR_UNSUPPORTED: another profile; ERR_MEMORY. */
int srtp_new(struct srtp_engine *engine, const struct srtp_keys *keys,
             struct srtp **ret_srtp) MUST_USE;
/* Wipes the keys. */
void srtp_free(struct srtp **srtp);

/* One packet to protect. On the wire: clear, then head, body and tail encrypted, then the
 * authentication tag. For RTP `clear` is the RTP header with CSRCs and extensions; for RTCP
 * (`rtcp`) leave `clear`, `head` and `tail` empty and give the compound packet as `body`. */
struct srtp_job {
    struct srtp *srtp;
    bool rtcp;
    struct slice clear;
    struct slice head;
    struct slice body;
    struct slice tail;
    uint8_t *out; /* overlaps none of the above */
    size_t out_size;
    size_t out_len; /* result */
    int err;        /* result: 0; ERR_FORMAT; ERR_LIMIT: no room in out, or too many SSRCs, or the
                       key is used up; ERR_EXISTS: that sequence number was sent before, or is too
                       old to know (protecting it again could reveal the key) */
};

/* The length that the job will have in `out`. */
size_t srtp_protected_len(const struct srtp_job *job);
/* Protects all jobs, whose sessions have one engine; gather as many as there are: with counter mode
 * eight and more are worked on side by side. */
void srtp_protect(struct srtp_job *jobs, size_t count);

/* Checks and decrypts in place. *ret_plain lies in `packet`. On failure the bytes are worthless.
 * ERR_FORMAT; ERR_AUTH: the tag is wrong; ERR_EXISTS: replayed or too old; ERR_LIMIT. */
int srtp_unprotect_rtp(struct srtp *srtp, uint8_t *packet, size_t len,
                       struct slice *ret_plain) MUST_USE;
int srtp_unprotect_rtcp(struct srtp *srtp, uint8_t *packet, size_t len,
                        struct slice *ret_plain) MUST_USE;

/* What it adds to an RTP packet. */
size_t srtp_tag_size(const struct srtp *srtp);

/* Length of the RTP header with CSRCs and extension, 0 when malformed. */
size_t srtp_rtp_header(struct slice packet);

#endif
