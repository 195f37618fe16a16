#include "crypto/srtp.h"

#include <stdlib.h>

#include "base/units.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/srtp_cipher.h"

#define RTP_HEADER 12
#define RTCP_HEADER 8
#define SRTCP_INDEX_SIZE 4
#define SRTCP_ENCRYPTED UINT32_C(0x80000000)
#define SRTCP_INDEX_MAX UINT32_C(0x7fffffff)
#define WINDOW_SIZE 128 /* at least 64 by RFC 3711, section 3.3.2 */
#define PACKET_MAX 65535
/* Packets worked on side by side: four for each of 16 lanes, so that few are left for the end. */
#define CM_BATCH 64

/* The labels of RFC 3711, section 4.3.2; those of RTCP follow at +3. */
enum { LABEL_CIPHER = 0, LABEL_AUTH = 1, LABEL_SALT = 2, LABEL_RTCP = 3 };

/* Which of the last packets were seen; bit n is the packet `top` - n. */
struct window {
    uint64_t top;
    uint64_t bits[2];
    bool any;
};

struct stream {
    uint32_t ssrc;
    bool used;
    struct window rtp; /* of 48-bit packet indices */
    struct window rtcp;
};

/* Keys of either RTP or RTCP. */
struct keyset {
    struct gcm_key *gcm;
    struct ctr_key *ctr;
    struct hmac_key *hmac;
    uint8_t salt[SRTP_SALT_SIZE];
};

struct srtp {
    enum srtp_profile profile;
    struct srtp_engine *engine;
    struct keyset rtp;
    struct keyset rtcp;
    struct stream *streams; /* open addressing */
    size_t cap;             /* a power of two */
    size_t count;
    uint32_t seed; /* odd; so that a peer cannot choose SSRCs that collide */
};

static bool window_fresh(const struct window *w, uint64_t index)
{
    if (!w->any || index > w->top)
        return true;
    uint64_t age = w->top - index;
    return age < WINDOW_SIZE && !(w->bits[age / 64] >> (age % 64) & 1);
}

static void window_mark(struct window *w, uint64_t index)
{
    if (!w->any || index > w->top) {
        uint64_t by = w->any ? index - w->top : WINDOW_SIZE;
        if (by >= WINDOW_SIZE) {
            w->bits[0] = w->bits[1] = 0;
        } else if (by >= 64) {
            w->bits[1] = w->bits[0] << (by - 64);
            w->bits[0] = 0;
        } else {
            w->bits[1] = w->bits[1] << by | w->bits[0] >> (64 - by);
            w->bits[0] <<= by;
        }
        w->top = index;
        w->any = true;
    }
    uint64_t age = w->top - index;
    w->bits[age / 64] |= UINT64_C(1) << (age % 64);
}

/* RFC 3711, section 3.3.1. False: from before the first roll-over, which nobody can have sent. */
static bool guess_index(const struct window *w, uint16_t seq, uint64_t *ret_index)
{
    uint64_t roc = w->any ? w->top >> 16 : 0;
    int last = w->any ? (int)(w->top & 0xffff) : seq;
    if (last < 0x8000 && seq - last > 0x8000) {
        if (roc == 0)
            return false;
        roc--;
    } else if (last >= 0x8000 && last - 0x8000 > seq) {
        roc++;
    }
    *ret_index = roc << 16 | seq;
    return roc <= UINT32_MAX;
}

static struct stream *slot_of(const struct srtp *srtp, uint32_t ssrc)
{
    size_t at = (ssrc * srtp->seed) >> 16;
    for (;; at++) {
        struct stream *s = &srtp->streams[at & (srtp->cap - 1)];
        if (!s->used || s->ssrc == ssrc)
            return s;
    }
}

static int grow(struct srtp *srtp)
{
    size_t old_cap = srtp->cap;
    struct stream *old = srtp->streams;
    struct stream *streams = calloc(old_cap * 2, sizeof *streams);
    if (!streams)
        return ERR_MEMORY;
    srtp->streams = streams;
    srtp->cap = old_cap * 2;
    for (size_t i = 0; i < old_cap; i++)
        if (old[i].used)
            *slot_of(srtp, old[i].ssrc) = old[i];
    free(old);
    return 0;
}

/* The stream of that SSRC; a new one is kept only after its first packet proved genuine. */
static const struct stream *peek_stream(const struct srtp *srtp, uint32_t ssrc)
{
    static const struct stream none;
    const struct stream *s = slot_of(srtp, ssrc);
    return s->used ? s : &none;
}

static int keep_stream(struct srtp *srtp, uint32_t ssrc, struct stream **ret_stream)
{
    struct stream *s = slot_of(srtp, ssrc);
    if (!s->used) {
        if (srtp->count >= SRTP_STREAMS_MAX)
            return ERR_LIMIT;
        if ((srtp->count + 1) * 2 > srtp->cap) {
            int err = grow(srtp);
            if (err)
                return err;
            s = slot_of(srtp, ssrc);
        }
        *s = (struct stream){.ssrc = ssrc, .used = true};
        srtp->count++;
    }
    *ret_stream = s;
    return 0;
}

/* RFC 3711, section 4.3.3: the key stream of AES-CM under the master key, per label. */
static bool derive(const struct srtp_keys *keys, size_t salt_len, unsigned label, uint8_t *out,
                   size_t len)
{
    uint8_t iv[CTR_IV_SIZE] = {0};
    memcpy(iv, keys->salt, salt_len);
    iv[7] ^= (uint8_t)label;
    memset(out, 0, len);
    struct ctr_key *prf = ctr_key_new(NULL, keys->key);
    const struct slice zeros[TEXT_PARTS] = {slice_of(out, len)};
    bool done = prf && ctr_xor(prf, iv, zeros, out);
    ctr_key_free(&prf);
    return done;
}

static bool set_keys(struct srtp_engine *engine, const struct srtp_keys *keys, unsigned labels,
                     struct keyset *set)
{
    uint8_t cipher[SRTP_KEY_SIZE], auth[HMAC_SHA1_SIZE];
    bool gcm = keys->profile == SRTP_PROFILE_GCM;
    size_t salt_len = gcm ? GCM_IV_SIZE : SRTP_SALT_SIZE;
    bool done = derive(keys, salt_len, labels + LABEL_CIPHER, cipher, sizeof cipher) &&
                derive(keys, salt_len, labels + LABEL_AUTH, auth, sizeof auth) &&
                derive(keys, salt_len, labels + LABEL_SALT, set->salt, salt_len);
    if (done && gcm) {
        set->gcm = gcm_key_new(engine, cipher);
        done = set->gcm;
    } else if (done) {
        set->ctr = ctr_key_new(engine, cipher);
        set->hmac = hmac_key_new(slice_of(auth, sizeof auth));
        done = set->ctr && set->hmac;
    }
    hash_wipe(cipher, sizeof cipher);
    hash_wipe(auth, sizeof auth);
    return done;
}

int srtp_new(struct srtp_engine *engine, const struct srtp_keys *keys, struct srtp **ret_srtp)
{
    if (keys->profile != SRTP_PROFILE_GCM && keys->profile != SRTP_PROFILE_CM)
        return ERR_UNSUPPORTED;
    struct srtp *srtp = calloc(1, sizeof *srtp);
    if (!srtp)
        return ERR_MEMORY;
    srtp->profile = keys->profile;
    srtp->engine = engine;
    srtp->seed = random_u32() | 1;
    srtp->cap = 8;
    srtp->streams = calloc(srtp->cap, sizeof *srtp->streams);
    if (!srtp->streams || !set_keys(engine, keys, 0, &srtp->rtp) ||
        !set_keys(engine, keys, LABEL_RTCP, &srtp->rtcp)) {
        srtp_free(&srtp);
        return ERR_MEMORY;
    }
    *ret_srtp = srtp;
    return 0;
}

void srtp_free(struct srtp **srtp)
{
    if (!*srtp)
        return;
    struct keyset *sets[] = {&(*srtp)->rtp, &(*srtp)->rtcp};
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        gcm_key_free(&sets[i]->gcm);
        ctr_key_free(&sets[i]->ctr);
        hmac_key_free(&sets[i]->hmac);
    }
    free((*srtp)->streams);
    hash_wipe(*srtp, sizeof **srtp);
    free(*srtp);
    *srtp = NULL;
}

/* RFC 7714, sections 8.1 and 9.1: the same layout serves RTP (48-bit index) and RTCP (31-bit). */
static void gcm_iv(const struct keyset *set, uint32_t ssrc, uint64_t index, uint8_t *iv)
{
    iv[0] = iv[1] = 0;
    store_u32(iv + 2, ssrc);
    store_u16(iv + 6, (uint16_t)(index >> 32));
    store_u32(iv + 8, (uint32_t)index);
    for (size_t i = 0; i < GCM_IV_SIZE; i++)
        iv[i] ^= set->salt[i];
}

/* RFC 3711, section 4.1.1. */
static void ctr_iv(const struct keyset *set, uint32_t ssrc, uint64_t index, uint8_t *iv)
{
    memset(iv, 0, CTR_IV_SIZE);
    store_u32(iv + 4, ssrc);
    store_u16(iv + 8, (uint16_t)(index >> 32));
    store_u32(iv + 10, (uint32_t)index);
    for (size_t i = 0; i < SRTP_SALT_SIZE; i++)
        iv[i] ^= set->salt[i];
}

static struct slice roc_bytes(uint64_t index, uint8_t bytes[4])
{
    store_u32(bytes, (uint32_t)(index >> 16));
    return slice_of(bytes, 4);
}

size_t srtp_tag_size(const struct srtp *srtp)
{
    return srtp->profile == SRTP_PROFILE_GCM ? GCM_TAG_SIZE : CM_TAG_SIZE;
}

size_t srtp_rtp_header(struct slice packet)
{
    if (packet.len < RTP_HEADER || packet.data[0] >> 6 != 2)
        return 0;
    size_t len = RTP_HEADER + (size_t)(packet.data[0] & 15) * 4;
    if (packet.data[0] & 0x10) {
        if (packet.len < len + 4)
            return 0;
        len += 4 + (size_t)load_u16(packet.data + len + 2) * 4;
    }
    return len <= packet.len ? len : 0;
}

/* An RTP packet that may be encrypted: where it stands among those of its SSRC. */
struct place {
    struct stream *stream;
    uint32_t ssrc;
    uint64_t index;
    size_t plain; /* length without the tag */
};

static int find_place(struct srtp_job *job, struct place *ret_place)
{
    struct srtp *srtp = job->srtp;
    struct place place = {.plain = job->clear.len + job->head.len + job->body.len + job->tail.len};
    if (job->clear.len < RTP_HEADER || srtp_rtp_header(job->clear) != job->clear.len)
        return ERR_FORMAT;
    job->out_len = srtp_protected_len(job);
    if (job->out_len > job->out_size || place.plain > PACKET_MAX)
        return ERR_LIMIT;
    place.ssrc = load_u32(job->clear.data + 8);
    int err = keep_stream(srtp, place.ssrc, &place.stream);
    if (err)
        return err;
    if (!guess_index(&place.stream->rtp, load_u16(job->clear.data + 2), &place.index) ||
        !window_fresh(&place.stream->rtp, place.index))
        return ERR_EXISTS;
    *ret_place = place;
    return 0;
}

static int protect_rtp(struct srtp_job *job)
{
    struct srtp *srtp = job->srtp;
    struct place at;
    int err = find_place(job, &at);
    if (err)
        return err;
    const struct slice parts[TEXT_PARTS] = {job->head, job->body, job->tail};
    uint8_t *text = job->out + job->clear.len, iv[CTR_IV_SIZE];
    memcpy(job->out, job->clear.data, job->clear.len);
    bool done;
    if (srtp->profile == SRTP_PROFILE_GCM) {
        gcm_iv(&srtp->rtp, at.ssrc, at.index, iv);
        done = gcm_seal(srtp->rtp.gcm, iv, job->clear, parts, text);
    } else {
        ctr_iv(&srtp->rtp, at.ssrc, at.index, iv);
        done = ctr_xor(srtp->rtp.ctr, iv, parts, text);
        uint8_t roc[4], tag[HMAC_SHA1_SIZE];
        hmac_sign(srtp->rtp.hmac, slice_of(job->out, at.plain), roc_bytes(at.index, roc), tag);
        memcpy(job->out + at.plain, tag, CM_TAG_SIZE);
    }
    if (!done)
        return ERR_MEMORY;
    window_mark(&at.stream->rtp, at.index);
    return 0;
}

/* Lays a packet of counter mode out for cm_protect; from here its number counts as used. */
static int lay_out(struct srtp_job *job, struct cm_packet *packet)
{
    struct place at;
    int err = find_place(job, &at);
    if (err)
        return err;
    const struct slice parts[] = {job->clear, job->head, job->body, job->tail};
    uint8_t *to = job->out;
    for (size_t i = 0; i < ARRAY_LEN(parts); to += parts[i++].len)
        if (parts[i].len > 0)
            memcpy(to, parts[i].data, parts[i].len);
    (void)roc_bytes(at.index, to); /* the slice is of no use here */
    *packet = (struct cm_packet){.ctr = job->srtp->rtp.ctr,
                                 .hmac = job->srtp->rtp.hmac,
                                 .out = job->out,
                                 .clear = job->clear.len,
                                 .len = at.plain};
    ctr_iv(&job->srtp->rtp, at.ssrc, at.index, packet->iv);
    window_mark(&at.stream->rtp, at.index);
    return 0;
}

static int protect_rtcp(struct srtp_job *job)
{
    struct srtp *srtp = job->srtp;
    struct slice packet = job->body;
    if (packet.len < RTCP_HEADER || packet.len > PACKET_MAX ||
        job->clear.len + job->head.len + job->tail.len > 0)
        return ERR_FORMAT;
    bool gcm = srtp->profile == SRTP_PROFILE_GCM;
    size_t total = packet.len + SRTCP_INDEX_SIZE + (gcm ? GCM_TAG_SIZE : CM_TAG_SIZE);
    if (total > job->out_size)
        return ERR_LIMIT;
    uint32_t ssrc = load_u32(packet.data + 4);
    struct stream *stream;
    int err = keep_stream(srtp, ssrc, &stream);
    if (err)
        return err;
    uint64_t index = stream->rtcp.any ? stream->rtcp.top + 1 : 0;
    if (index > SRTCP_INDEX_MAX)
        return ERR_LIMIT;

    uint8_t *text = job->out + RTCP_HEADER, iv[CTR_IV_SIZE], word[SRTCP_INDEX_SIZE];
    const struct slice parts[TEXT_PARTS] = {slice_sub(packet, RTCP_HEADER, packet.len)};
    store_u32(word, SRTCP_ENCRYPTED | (uint32_t)index);
    memcpy(job->out, packet.data, RTCP_HEADER);
    bool done;
    if (gcm) {
        uint8_t aad[RTCP_HEADER + SRTCP_INDEX_SIZE];
        memcpy(aad, packet.data, RTCP_HEADER);
        memcpy(aad + RTCP_HEADER, word, sizeof word);
        gcm_iv(&srtp->rtcp, ssrc, index, iv);
        done = gcm_seal(srtp->rtcp.gcm, iv, slice_of(aad, sizeof aad), parts, text);
        memcpy(job->out + total - sizeof word, word, sizeof word);
    } else {
        ctr_iv(&srtp->rtcp, ssrc, index, iv);
        done = ctr_xor(srtp->rtcp.ctr, iv, parts, text);
        memcpy(job->out + packet.len, word, sizeof word);
        uint8_t tag[HMAC_SHA1_SIZE];
        hmac_sign(srtp->rtcp.hmac, slice_of(job->out, packet.len), slice_of(word, sizeof word),
                  tag);
        memcpy(job->out + packet.len + sizeof word, tag, CM_TAG_SIZE);
    }
    if (!done)
        return ERR_MEMORY;
    window_mark(&stream->rtcp, index);
    job->out_len = total;
    return 0;
}

size_t srtp_protected_len(const struct srtp_job *job)
{
    return job->clear.len + job->head.len + job->body.len + job->tail.len +
           srtp_tag_size(job->srtp) + (job->rtcp ? SRTCP_INDEX_SIZE : 0);
}

static bool is_cm_rtp(const struct srtp_job *job)
{
    return job->srtp->profile == SRTP_PROFILE_CM && !job->rtcp &&
           job->head.len + job->body.len + job->tail.len > 0;
}

static void finish_side_by_side(struct srtp_job *const jobs[CM_BATCH], struct cm_packet *packets,
                                size_t count)
{
    if (count > 0)
        cm_protect(jobs[0]->srtp->engine, packets, count);
    for (size_t i = 0; i < count; i++)
        jobs[i]->err = packets[i].done ? 0 : ERR_MEMORY;
}

static void protect_side_by_side(struct srtp_job *jobs, size_t count)
{
    struct cm_packet packets[CM_BATCH];
    struct srtp_job *waiting[CM_BATCH];
    size_t ready = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_cm_rtp(&jobs[i]))
            continue;
        jobs[i].err = lay_out(&jobs[i], &packets[ready]);
        if (jobs[i].err == 0)
            waiting[ready++] = &jobs[i];
        if (ready == CM_BATCH) {
            finish_side_by_side(waiting, packets, ready);
            ready = 0;
        }
    }
    finish_side_by_side(waiting, packets, ready);
}

void srtp_protect(struct srtp_job *jobs, size_t count)
{
    size_t cm = 0;
    for (size_t i = 0; i < count; i++)
        cm += is_cm_rtp(&jobs[i]) && cm_batches(jobs[i].srtp->engine);
    bool batch = cm >= CM_BATCH_MIN;
    for (size_t i = 0; i < count; i++)
        if (!batch || !is_cm_rtp(&jobs[i]))
            jobs[i].err = jobs[i].rtcp ? protect_rtcp(&jobs[i]) : protect_rtp(&jobs[i]);
    if (batch)
        protect_side_by_side(jobs, count);
}

int srtp_unprotect_rtp(struct srtp *srtp, uint8_t *packet, size_t len, struct slice *ret_plain)
{
    bool gcm = srtp->profile == SRTP_PROFILE_GCM;
    size_t tag_len = srtp_tag_size(srtp);
    if (len < RTP_HEADER + tag_len || len > PACKET_MAX)
        return ERR_FORMAT;
    size_t plain = len - tag_len;
    size_t header = srtp_rtp_header(slice_of(packet, plain));
    if (header == 0)
        return ERR_FORMAT;
    uint32_t ssrc = load_u32(packet + 8);
    const struct stream *known = peek_stream(srtp, ssrc);
    uint64_t index;
    if (!guess_index(&known->rtp, load_u16(packet + 2), &index) ||
        !window_fresh(&known->rtp, index))
        return ERR_EXISTS;

    uint8_t iv[CTR_IV_SIZE];
    if (gcm) {
        gcm_iv(&srtp->rtp, ssrc, index, iv);
        if (!gcm_open(srtp->rtp.gcm, iv, slice_of(packet, header), packet + header, plain - header))
            return ERR_AUTH;
    } else {
        uint8_t roc[4], tag[HMAC_SHA1_SIZE];
        hmac_sign(srtp->rtp.hmac, slice_of(packet, plain), roc_bytes(index, roc), tag);
        if (!hash_equal(slice_of(tag, CM_TAG_SIZE), slice_of(packet + plain, CM_TAG_SIZE)))
            return ERR_AUTH;
        const struct slice text[TEXT_PARTS] = {slice_of(packet + header, plain - header)};
        ctr_iv(&srtp->rtp, ssrc, index, iv);
        if (!ctr_xor(srtp->rtp.ctr, iv, text, packet + header))
            return ERR_MEMORY;
    }
    struct stream *stream;
    int err = keep_stream(srtp, ssrc, &stream);
    if (err)
        return err;
    window_mark(&stream->rtp, index);
    *ret_plain = slice_of(packet, plain);
    return 0;
}

/* Both profiles, after the index word `word` was found: verifies and decrypts. */
static int open_rtcp(struct srtp *srtp, uint8_t *packet, size_t plain, uint32_t word)
{
    uint32_t ssrc = load_u32(packet + 4), index = word & SRTCP_INDEX_MAX;
    bool encrypted = word & SRTCP_ENCRYPTED;
    uint8_t iv[CTR_IV_SIZE], word_bytes[SRTCP_INDEX_SIZE];
    store_u32(word_bytes, word);
    const struct slice text[TEXT_PARTS] = {slice_of(packet + RTCP_HEADER, plain - RTCP_HEADER)};
    if (srtp->profile == SRTP_PROFILE_GCM) {
        /* Unencrypted, all of it is associated data: no WebRTC peer sends that. */
        if (!encrypted)
            return ERR_UNSUPPORTED;
        uint8_t aad[RTCP_HEADER + SRTCP_INDEX_SIZE];
        memcpy(aad, packet, RTCP_HEADER);
        memcpy(aad + RTCP_HEADER, word_bytes, sizeof word_bytes);
        gcm_iv(&srtp->rtcp, ssrc, index, iv);
        return gcm_open(srtp->rtcp.gcm, iv, slice_of(aad, sizeof aad), packet + RTCP_HEADER,
                        text[0].len)
                   ? 0
                   : ERR_AUTH;
    }
    uint8_t tag[HMAC_SHA1_SIZE];
    hmac_sign(srtp->rtcp.hmac, slice_of(packet, plain), slice_of(word_bytes, sizeof word_bytes),
              tag);
    if (!hash_equal(slice_of(tag, CM_TAG_SIZE),
                    slice_of(packet + plain + SRTCP_INDEX_SIZE, CM_TAG_SIZE)))
        return ERR_AUTH;
    ctr_iv(&srtp->rtcp, ssrc, index, iv);
    if (encrypted && !ctr_xor(srtp->rtcp.ctr, iv, text, packet + RTCP_HEADER))
        return ERR_MEMORY;
    return 0;
}

int srtp_unprotect_rtcp(struct srtp *srtp, uint8_t *packet, size_t len, struct slice *ret_plain)
{
    bool gcm = srtp->profile == SRTP_PROFILE_GCM;
    size_t trailer = SRTCP_INDEX_SIZE + (gcm ? GCM_TAG_SIZE : CM_TAG_SIZE);
    if (len < RTCP_HEADER + trailer || len > PACKET_MAX || packet[0] >> 6 != 2)
        return ERR_FORMAT;
    size_t plain = len - trailer;
    /* GCM puts its tag before the index (RFC 7714, section 9.2), HMAC behind it. */
    uint32_t word = load_u32(gcm ? packet + len - SRTCP_INDEX_SIZE : packet + plain);
    uint32_t ssrc = load_u32(packet + 4);
    if (!window_fresh(&peek_stream(srtp, ssrc)->rtcp, word & SRTCP_INDEX_MAX))
        return ERR_EXISTS;
    int err = open_rtcp(srtp, packet, plain, word);
    struct stream *stream;
    if (err == 0)
        err = keep_stream(srtp, ssrc, &stream);
    if (err)
        return err;
    window_mark(&stream->rtcp, word & SRTCP_INDEX_MAX);
    *ret_plain = slice_of(packet, plain);
    return 0;
}
