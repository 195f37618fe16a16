#include "bridge/backlog.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/framed.h"
#include "proto/offer.h"

#define BYTES_MAX ((size_t)64 * 1024)
#define DATAGRAMS_MAX 512
/* A power of two: positions run on for ever. */
_Static_assert((BYTES_MAX & (BYTES_MAX - 1)) == 0 && (DATAGRAMS_MAX & (DATAGRAMS_MAX - 1)) == 0,
               "rings");

struct waiting {
    usec_t at;
    uint16_t len; /* with its prefix */
    uint8_t kind;
    bool dropped;
};

struct backlog {
    uint8_t bytes[BYTES_MAX];
    struct waiting waiting[DATAGRAMS_MAX];
    size_t first; /* datagrams: positions in `waiting` */
    size_t end;
    size_t start; /* bytes: where the first datagram begins in `bytes` */
    size_t stop;
    size_t gone; /* bytes of the first one that were sent */
    uint64_t dropped[BACKLOG_KINDS];
};

/* How much of the bytes and datagrams a kind may fill, in eighths, and how old it may become.
 * Pictures older than this come after their repair; voices older than this are no conversation. */
static const struct {
    size_t eighths;
    usec_t age;
} bounds[BACKLOG_KINDS] = {
    [BACKLOG_CONTROL] = {8, USEC_NEVER},
    [BACKLOG_AUDIO] = {7, USEC_PER_SEC},
    [BACKLOG_VIDEO] = {6, 500 * USEC_PER_MSEC},
};

struct backlog *backlog_new(void)
{
    return calloc(1, sizeof(struct backlog));
}

void backlog_free(struct backlog **backlog)
{
    free(*backlog);
    *backlog = NULL;
}

enum backlog_kind backlog_kind_of(struct slice datagram)
{
    if (datagram.len < 2 || datagram.data[0] >> 6 != 2)
        return BACKLOG_CONTROL; /* STUN, DTLS */
    uint8_t second = datagram.data[1];
    if (second >= 192 && second <= 223)
        return BACKLOG_CONTROL; /* RTCP: RFC 5761, section 4 */
    return offer_is_audio(second & 0x7f) ? BACKLOG_AUDIO : BACKLOG_VIDEO;
}

static void ring_write(struct backlog *b, const void *data, size_t len)
{
    size_t at = b->stop % BYTES_MAX;
    size_t part = len < BYTES_MAX - at ? len : BYTES_MAX - at;
    memcpy(b->bytes + at, data, part);
    memcpy(b->bytes, (const uint8_t *)data + part, len - part);
    b->stop += len;
}

static void ring_read(const struct backlog *b, size_t from, uint8_t *out, size_t len)
{
    size_t at = from % BYTES_MAX;
    size_t part = len < BYTES_MAX - at ? len : BYTES_MAX - at;
    memcpy(out, b->bytes + at, part);
    memcpy(out + part, b->bytes, len - part);
}

int backlog_put(struct backlog *b, usec_t now, enum backlog_kind kind, struct slice datagram)
{
    size_t len = FRAMED_PREFIX + datagram.len;
    size_t eighths = bounds[kind].eighths;
    if (datagram.len == 0 || datagram.len > FRAMED_MAX ||
        b->stop - b->start + len > BYTES_MAX / 8 * eighths ||
        b->end - b->first >= DATAGRAMS_MAX / 8 * eighths)
        return ERR_LIMIT;
    uint8_t prefix[FRAMED_PREFIX];
    store_u16(prefix, (uint16_t)datagram.len);
    ring_write(b, prefix, sizeof prefix);
    ring_write(b, datagram.data, datagram.len);
    b->waiting[b->end++ % DATAGRAMS_MAX] =
        (struct waiting){.at = now, .len = (uint16_t)len, .kind = (uint8_t)kind};
    return 0;
}

/* The first one may be half written: the stream needs the rest of it. */
static void drop_old(struct backlog *b, usec_t now)
{
    for (size_t i = b->first + (b->gone > 0); i < b->end; i++) {
        struct waiting *w = &b->waiting[i % DATAGRAMS_MAX];
        if (w->dropped || bounds[w->kind].age == USEC_NEVER || now - w->at <= bounds[w->kind].age)
            continue;
        w->dropped = true;
        b->dropped[w->kind]++;
    }
}

static void pop(struct backlog *b)
{
    b->start += b->waiting[b->first++ % DATAGRAMS_MAX].len;
    b->gone = 0;
}

size_t backlog_peek(struct backlog *b, usec_t now, uint8_t *out, size_t size)
{
    drop_old(b, now);
    while (b->first < b->end && b->waiting[b->first % DATAGRAMS_MAX].dropped)
        pop(b);
    size_t len = 0, at = b->start, skip = b->gone;
    for (size_t i = b->first; i < b->end && len < size; i++) {
        const struct waiting *w = &b->waiting[i % DATAGRAMS_MAX];
        size_t left = w->len - skip;
        size_t part = left < size - len ? left : size - len;
        if (!w->dropped) {
            ring_read(b, at + skip, out + len, part);
            len += part;
        }
        at += w->len;
        skip = 0;
    }
    return len;
}

void backlog_sent(struct backlog *b, size_t len)
{
    while (len > 0) {
        assert(b->first < b->end);
        const struct waiting *w = &b->waiting[b->first % DATAGRAMS_MAX];
        size_t left = w->len - b->gone;
        if (!w->dropped && len < left) {
            b->gone += len;
            return;
        }
        len -= w->dropped ? 0 : left;
        pop(b);
    }
}

bool backlog_empty(const struct backlog *b)
{
    return b->first == b->end;
}

void backlog_take_dropped(struct backlog *b, uint64_t counts[BACKLOG_KINDS])
{
    for (size_t i = 0; i < BACKLOG_KINDS; i++) {
        counts[i] += b->dropped[i];
        b->dropped[i] = 0;
    }
}
