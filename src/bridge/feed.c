#include "bridge/feed.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

#define JSON_MAX 1024
#define BYTES_FIRST ((size_t)1024 * 1024)
#define PREFIX_MAX ((size_t)2 * 1024 * 1024) /* GAP and all SOURCE records */

/* Byte positions count the stream as its recorder sees it. The ring holds [tail, head); before it
 * may lie a prefix of records made for this recorder: [tail - prefix.len, tail). */
struct feed {
    uint8_t *ring;
    size_t size;
    size_t size_max;
    uint64_t head;
    uint64_t tail; /* where a record starts */
    uint64_t read; /* next byte for the recorder */
    uint64_t sent; /* end of what was ever given out */
    struct buf prefix;
    bool attached;
    bool ended;
    usec_t tail_time;
    uint64_t refused;
    uint64_t lost;
    uint8_t begin[FEED_HEAD_SIZE + JSON_MAX]; /* the BEGIN record, for a recorder of another one */
    size_t begin_len;
    struct buf *sources; /* SOURCE records by number; NULL data: none */
    uint32_t source_cap;
};

static void copy_out(const struct feed *f, uint64_t at, void *out, size_t len)
{
    size_t from = (size_t)(at % f->size);
    size_t first = f->size - from < len ? f->size - from : len;
    memcpy(out, f->ring + from, first);
    memcpy((uint8_t *)out + first, f->ring, len - first);
}

static void copy_in(struct feed *f, uint64_t at, struct slice bytes)
{
    if (bytes.len == 0)
        return;
    size_t from = (size_t)(at % f->size);
    size_t first = f->size - from < bytes.len ? f->size - from : bytes.len;
    memcpy(f->ring + from, bytes.data, first);
    memcpy(f->ring, bytes.data + first, bytes.len - first);
}

/* Length and time of the record that starts at `at`. */
static size_t record_at(const struct feed *f, uint64_t at, usec_t *ret_time)
{
    uint8_t head[FEED_HEAD_SIZE];
    copy_out(f, at, head, sizeof(head));
    uint32_t len = 0;
    uint64_t time = 0;
    for (int i = 3; i >= 0; i--)
        len = len << 8 | head[4 + i];
    for (int i = 7; i >= 0; i--)
        time = time << 8 | head[16 + i];
    *ret_time = (usec_t)time;
    return FEED_HEAD_SIZE + len;
}

static void drop_oldest(struct feed *f)
{
    usec_t time;
    f->tail += record_at(f, f->tail, &time);
    /* A prefix stands right before the ring or nowhere. */
    buf_clear(&f->prefix);
    if (f->tail < f->head)
        (void)record_at(f, f->tail, &f->tail_time);
}

/* Whether the oldest record is remembered long enough, and read if somebody reads. */
static bool oldest_is_over(const struct feed *f, usec_t now)
{
    if (f->tail == f->head || now - f->tail_time <= FEED_MEMORY)
        return false;
    usec_t time;
    return !f->attached || f->tail + record_at(f, f->tail, &time) <= f->read;
}

static void append(struct feed *f, const struct feed_record *record)
{
    uint8_t head[FEED_HEAD_SIZE];
    size_t len = FEED_HEAD_SIZE + record->payload.len;
    if (f->ended || len > f->size || feed_build_head(record, head) != 0) {
        f->refused++;
        return;
    }
    while (f->tail < f->head && f->head + len - f->tail > f->size)
        drop_oldest(f);
    while (oldest_is_over(f, record->time))
        drop_oldest(f);
    if (f->tail == f->head)
        f->tail_time = record->time;
    copy_in(f, f->head, slice_of(head, sizeof(head)));
    copy_in(f, f->head + FEED_HEAD_SIZE, record->payload);
    f->head += len;
}

struct feed *feed_new(usec_t now, const struct feed_setup *setup)
{
    struct feed *f = calloc(1, sizeof(*f));
    if (!f)
        return NULL;
    f->size_max = setup->bytes > 0 ? setup->bytes : FEED_BYTES;
    f->size = f->size_max < BYTES_FIRST ? f->size_max : BYTES_FIRST;
    f->ring = malloc(f->size);
    buf_init(&f->prefix, PREFIX_MAX);
    if (!f->ring) {
        feed_free(&f);
        return NULL;
    }
    char json[JSON_MAX];
    int len = snprintf(json, sizeof(json),
                       "{\"version\":1,\"conference\":\"%s\",\"recording\":\"%s\",\"wall_ms\":%lld,"
                       "\"boot\":\"%llx\"}",
                       setup->conference, setup->recording, (long long)setup->wall_ms,
                       (unsigned long long)setup->boot);
    if (len < 0 || (size_t)len >= sizeof(json)) {
        feed_free(&f);
        return NULL;
    }
    struct feed_record record = {
        .kind = FEED_BEGIN, .time = now, .payload = slice_of(json, (size_t)len)};
    if (feed_build(&record, f->begin, sizeof(f->begin), &f->begin_len) != 0)
        f->begin_len = 0;
    append(f, &record);
    return f;
}

void feed_free(struct feed **feed)
{
    struct feed *f = *feed;
    if (!f)
        return;
    for (uint32_t i = 0; i < f->source_cap; i++)
        buf_done(&f->sources[i]);
    free(f->sources);
    buf_done(&f->prefix);
    free(f->ring);
    free(f);
    *feed = NULL;
}

/* A JSON string of text that came from outside: quotes, backslashes and controls escaped. */
static void add_json(struct buf *buf, const char *key, const char *text)
{
    buf_printf(buf, "%s\"%s\":\"", buf->len > 1 ? "," : "", key);
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\')
            buf_add_byte(buf, '\\');
        if ((unsigned char)*p < 0x20)
            buf_printf(buf, "\\u%04x", (unsigned)*p);
        else
            buf_add_byte(buf, (uint8_t)*p);
    }
    buf_add_byte(buf, '"');
}

static void keep_source(struct feed *f, const struct feed_record *record)
{
    if (record->source >= f->source_cap) {
        uint32_t cap = record->source + 16;
        struct buf *sources = realloc(f->sources, cap * sizeof(*sources));
        if (!sources) {
            f->refused++;
            return;
        }
        for (uint32_t i = f->source_cap; i < cap; i++)
            buf_init(&sources[i], FEED_HEAD_SIZE + JSON_MAX);
        f->sources = sources;
        f->source_cap = cap;
    }
    struct buf *kept = &f->sources[record->source];
    buf_clear(kept);
    uint8_t *out = buf_reserve(kept, FEED_HEAD_SIZE + record->payload.len);
    size_t len;
    if (out && feed_build(record, out, FEED_HEAD_SIZE + record->payload.len, &len) == 0)
        buf_commit(kept, len);
}

void feed_put_source(struct feed *f, usec_t now, const struct feed_source *source)
{
    if (source->number == 0 || source->number >= FEED_SOURCES_MAX) {
        f->refused++;
        return;
    }
    struct buf json;
    buf_init(&json, JSON_MAX);
    buf_printf(&json, "{\"source\":%u", source->number);
    add_json(&json, "name", source->name);
    add_json(&json, "endpoint", source->endpoint);
    add_json(&json, "person", source->person);
    add_json(&json, "kind", source->video_type ? "video" : "audio");
    if (!source->video_type)
        add_json(&json, "codec", "opus");
    buf_printf(&json, ",\"clock\":%u", source->video_type ? 90000U : 48000U);
    add_json(&json, "videoType", source->video_type ? source->video_type : "none");
    buf_add_byte(&json, '}');
    struct feed_record record = {
        .kind = FEED_SOURCE, .source = source->number, .time = now, .payload = buf_slice(&json)};
    if (json.failed) {
        f->refused++;
    } else {
        keep_source(f, &record);
        append(f, &record);
    }
    buf_done(&json);
}

void feed_put_rtp(struct feed *f, usec_t now, uint32_t source, bool late, struct slice packet)
{
    append(f, &(struct feed_record){.kind = FEED_RTP,
                                    .source = source,
                                    .flags = late ? FEED_FLAG_LATE : 0,
                                    .time = now,
                                    .payload = packet});
}

void feed_put_report(struct feed *f, usec_t now, uint32_t source, uint32_t ssrc, uint32_t rtp_time,
                     uint64_t ntp_time)
{
    uint8_t payload[FEED_REPORT_SIZE];
    feed_build_report(&(struct feed_report){ssrc, rtp_time, ntp_time}, payload);
    append(f, &(struct feed_record){.kind = FEED_SENDER_REPORT,
                                    .source = source,
                                    .time = now,
                                    .payload = slice_of(payload, sizeof(payload))});
}

void feed_put_event(struct feed *f, usec_t now, struct slice json)
{
    append(f, &(struct feed_record){.kind = FEED_EVENT, .time = now, .payload = json});
}

static int build_gap(usec_t now, const char *reason, usec_t from, usec_t to, char *json,
                     size_t size, struct feed_record *record)
{
    int len = snprintf(json, size, "{\"reason\":\"%s\",\"from_us\":%lld,\"to_us\":%lld}", reason,
                       (long long)from, (long long)to);
    if (len < 0 || (size_t)len >= size)
        return ERR_LIMIT;
    *record =
        (struct feed_record){.kind = FEED_GAP, .time = now, .payload = slice_of(json, (size_t)len)};
    return 0;
}

void feed_put_gap(struct feed *f, usec_t now, const char *reason, usec_t from, usec_t to)
{
    char json[256];
    struct feed_record record;
    if (build_gap(now, reason, from, to, json, sizeof(json), &record) == 0)
        append(f, &record);
    else
        f->refused++;
}

void feed_end(struct feed *f, usec_t now)
{
    append(f, &(struct feed_record){.kind = FEED_END, .time = now, .payload = SLICE("{}")});
    f->ended = true;
}

/* Puts before the tail what makes it readable for who missed what came before. */
static int make_prefix(struct feed *f, usec_t now, bool foreign)
{
    char json[256];
    struct feed_record gap;
    buf_clear(&f->prefix);
    if (foreign)
        buf_add(&f->prefix, slice_of(f->begin, f->begin_len));
    /* A foreign recorder's last time is not ours to know: zero says "since the record before". */
    int err =
        build_gap(now, foreign ? "bridge" : "recorder", 0, f->tail_time, json, sizeof(json), &gap);
    if (err)
        return err;
    uint8_t *out = buf_reserve(&f->prefix, FEED_HEAD_SIZE + gap.payload.len);
    size_t len;
    if (!out || feed_build(&gap, out, FEED_HEAD_SIZE + gap.payload.len, &len) != 0)
        return ERR_MEMORY;
    buf_commit(&f->prefix, len);
    for (uint32_t i = 0; i < f->source_cap; i++)
        buf_add(&f->prefix, buf_slice(&f->sources[i]));
    if (f->prefix.failed) {
        buf_clear(&f->prefix);
        return ERR_MEMORY;
    }
    return 0;
}

/* What is held goes into a ring of that size, where it begins at `tail`. */
static int move_house(struct feed *f, uint64_t tail, size_t size)
{
    size_t held = (size_t)(f->head - f->tail);
    uint8_t *ring = malloc(size);
    if (!ring)
        return ERR_MEMORY;
    for (size_t done = 0; done < held;) {
        size_t from = (size_t)((f->tail + done) % f->size);
        size_t to = (size_t)((tail + done) % size);
        size_t len = held - done;
        len = len < f->size - from ? len : f->size - from;
        len = len < size - to ? len : size - to;
        memcpy(ring + to, f->ring + from, len);
        done += len;
    }
    free(f->ring);
    f->ring = ring;
    f->size = size;
    f->tail = tail;
    f->head = tail + held;
    return 0;
}

/* All of the ring is touched in time, so it is no larger than it needs to be. */
int feed_tick(struct feed *f)
{
    if (f->size == f->size_max || f->head - f->tail <= f->size / 4 * 3)
        return 0;
    size_t more = f->size + f->size / 2;
    return move_house(f, f->tail, more < f->size_max ? more : f->size_max);
}

/* Positions move so that the prefix starts at `offset`. */
static int renumber(struct feed *f, uint64_t offset)
{
    int err = move_house(f, offset + f->prefix.len, f->size);
    if (err)
        return err;
    f->read = offset;
    f->sent = offset;
    return 0;
}

int feed_attach(struct feed *f, usec_t now, uint64_t offset)
{
    uint64_t first = f->tail - f->prefix.len;
    bool foreign = offset > f->sent || (offset == 0 && f->tail > 0 && f->sent == 0);
    if (!foreign && offset >= first && offset <= f->head) {
        f->read = offset;
        f->attached = true;
        return 0;
    }
    /* Our own BEGIN goes before the gap, not after it. */
    if (foreign && f->tail == 0 && f->begin_len > 0 && f->head >= f->begin_len)
        drop_oldest(f);
    int err = make_prefix(f, now, foreign);
    if (err)
        return err;
    err = renumber(f, offset);
    if (err)
        return err;
    f->attached = true;
    return 0;
}

void feed_detach(struct feed *f)
{
    f->attached = false;
}

bool feed_attached(const struct feed *f)
{
    return f->attached;
}

/* A recorder too slow for the ring: what it missed becomes a gap. */
static bool catch_up(struct feed *f, usec_t now)
{
    uint64_t first = f->tail - f->prefix.len;
    if (f->read >= first)
        return true;
    f->lost += first - f->read;
    uint64_t offset = f->read;
    return make_prefix(f, now, false) == 0 && renumber(f, offset) == 0;
}

size_t feed_read(struct feed *f, usec_t now, struct slice out[FEED_READ_SLICES])
{
    if (!f->attached || !catch_up(f, now))
        return 0;
    size_t count = 0;
    uint64_t at = f->read;
    if (at < f->tail) {
        size_t done = f->prefix.len - (size_t)(f->tail - at);
        out[count++] = slice_sub(buf_slice(&f->prefix), done, f->prefix.len);
        at = f->tail;
    }
    size_t left = (size_t)(f->head - at);
    size_t from = (size_t)(at % f->size);
    size_t first = left < f->size - from ? left : f->size - from;
    if (first > 0)
        out[count++] = slice_of(f->ring + from, first);
    if (left > first)
        out[count++] = slice_of(f->ring, left - first);
    return count;
}

void feed_advance(struct feed *f, size_t bytes)
{
    assert(f->read + bytes <= f->head);
    f->read += bytes;
    if (f->read > f->sent)
        f->sent = f->read;
}

bool feed_drained(const struct feed *f)
{
    return f->ended && f->read == f->head;
}

uint64_t feed_refused(const struct feed *f)
{
    return f->refused;
}

uint64_t feed_lost(const struct feed *f)
{
    return f->lost;
}
