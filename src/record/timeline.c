#include "record/timeline.h"

#include <stdlib.h>

#include "proto/offer.h"
#include "proto/rtp.h"
#include "record/video_frames.h"

/* Media is captured before it arrives, and after a repair or a long queue much earlier. A sender
 * whose reports say otherwise is not believed. */
#define CAPTURE_BEFORE (6 * USEC_PER_SEC)
#define CAPTURE_AFTER USEC_PER_SEC
/* A sender report that contradicts the arrivals by this much is not believed. */
#define REPORT_AGREES (2 * USEC_PER_SEC)
#define REPORTS_MAX 100000u
#define SPANS_MAX 10000u
/* What Jitsi's focus calls Opus, should the record that says so be damaged. */
#define PROGRESS_RECORDS 4096u

enum { SECOND_ACTIVE = 0x80, SECOND_KEYS = 0x7f };

struct reading {
    struct timeline *timeline;
    struct feed_axis axis;
    usec_t now;       /* arrival of the record */
    usec_t media_at;  /* arrival of the last packet or event */
    usec_t paused_at; /* -1: not paused */
};

static int grow(void **items, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return 0;
    size_t larger = *cap ? *cap * 2 : 16;
    void *grown = reallocarray(*items, larger, size);
    if (!grown)
        return ERR_MEMORY;
    *items = grown;
    *cap = larger;
    return 0;
}

/* Arrays without a cap of their own grow when their count is a power of two. */
static int grow_by_count(void **items, size_t count, size_t size)
{
    if (count & (count - 1))
        return 0;
    void *grown = reallocarray(*items, count ? count * 2 : 1, size);
    if (!grown)
        return ERR_MEMORY;
    *items = grown;
    return 0;
}

static void copy_text(const json_t *json, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(json, key));
    if (text)
        (void)slice_copy(slice_str(text), out, size); /* a name too long is cut */
}

static int find_endpoint(struct timeline *timeline, const char *id, uint32_t *ret_index)
{
    void *known = map_get(timeline->by_endpoint, slice_str(id));
    if (known) {
        *ret_index = (uint32_t)((uintptr_t)known - 1);
        return 0;
    }
    if (timeline->endpoint_count == TIMELINE_SOURCES_MAX)
        return ERR_LIMIT;
    int err = grow_by_count((void **)&timeline->endpoints, timeline->endpoint_count,
                            sizeof(struct timeline_endpoint *));
    struct timeline_endpoint *endpoint = err ? NULL : calloc(1, sizeof(*endpoint));
    if (!endpoint)
        return ERR_MEMORY;
    (void)slice_copy(slice_str(id), endpoint->id, sizeof(endpoint->id));
    err = map_put(timeline->by_endpoint, slice_str(id),
                  (void *)((uintptr_t)timeline->endpoint_count + 1));
    if (err) {
        free(endpoint);
        return err;
    }
    *ret_index = timeline->endpoint_count;
    timeline->endpoints[timeline->endpoint_count++] = endpoint;
    return 0;
}

static int add_source(struct timeline *timeline, const struct timeline_source *source)
{
    if (timeline->source_count == TIMELINE_SOURCES_MAX)
        return ERR_LIMIT;
    uint32_t number = source->number, endpoint;
    int err = grow_by_count((void **)&timeline->sources, timeline->source_count, sizeof(*source));
    if (!err)
        err = find_endpoint(timeline, source->endpoint, &endpoint);
    if (!err)
        err = map_put(timeline->by_number, slice_of(&number, sizeof(number)),
                      (void *)((uintptr_t)timeline->source_count + 1));
    if (err)
        return err;
    timeline->sources[timeline->source_count] = *source;
    timeline->sources[timeline->source_count++].endpoint_index = endpoint;
    return 0;
}

static struct timeline_source *find_source(const struct timeline *timeline, uint32_t number)
{
    void *known = map_get(timeline->by_number, slice_of(&number, sizeof(number)));
    return known ? &timeline->sources[(uintptr_t)known - 1] : NULL;
}

static int on_begin(struct reading *in, const struct feed_record *record)
{
    struct timeline *timeline = in->timeline;
    json_t *json = feed_json(record->payload);
    if (!timeline->recording[0])
        copy_text(json, "recording", timeline->recording, sizeof(timeline->recording));
    json_decref(json);
    return 0;
}

static void read_source(const json_t *json, struct timeline_source *source)
{
    char codec[16] = "", kind[16] = "";
    copy_text(json, "codec", codec, sizeof(codec));
    copy_text(json, "kind", kind, sizeof(kind));
    copy_text(json, "name", source->name, sizeof(source->name));
    copy_text(json, "endpoint", source->endpoint, sizeof(source->endpoint));
    copy_text(json, "person", source->person, sizeof(source->person));
    bool opus = strcmp(codec, "opus") == 0, video = strcmp(kind, "video") == 0;
    source->kind = opus ? TIMELINE_AUDIO : video ? TIMELINE_VIDEO : TIMELINE_OTHER;
    source->clock = opus ? 48000 : 90000;
    copy_text(json, "videoType", source->video_type, sizeof(source->video_type));
    if (opus)
        source->video_type[0] = '\0';
    else if (strcmp(source->video_type, "desktop") != 0)
        (void)slice_copy(SLICE("camera"), source->video_type, sizeof(source->video_type));
}

/* A bridge that took over numbers the sources anew: the name tells which is which. */
static struct timeline_source *find_same(const struct timeline *timeline,
                                         const struct timeline_source *source)
{
    for (uint32_t i = 0; source->name[0] && i < timeline->source_count; i++) {
        struct timeline_source *known = &timeline->sources[i];
        if (known->kind == source->kind && strcmp(known->name, source->name) == 0 &&
            strcmp(known->endpoint, source->endpoint) == 0)
            return known;
    }
    return NULL;
}

static int on_source(struct reading *in, const struct feed_record *record)
{
    struct timeline *timeline = in->timeline;
    json_t *json = feed_json(record->payload);
    json_int_t number = json_integer_value(json_object_get(json, "source"));
    struct timeline_source source = {.number = record->source ? record->source : (uint32_t)number};
    int err = 0;
    if (!json || source.number == 0) {
        timeline->refused++;
    } else {
        read_source(json, &source);
        struct timeline_source *known = find_same(timeline, &source);
        if (known) {
            memcpy(known->video_type, source.video_type, sizeof(known->video_type));
            err = map_put(timeline->by_number, slice_of(&source.number, sizeof(source.number)),
                          (void *)((uintptr_t)(known - timeline->sources) + 1));
        } else {
            err = add_source(timeline, &source);
        }
    }
    json_decref(json);
    return err;
}

/* The SOURCE record was damaged: the media can still be kept. */
static int guess_source(struct timeline *timeline, uint32_t number, uint8_t payload_type)
{
    struct timeline_source source = {.number = number, .kind = TIMELINE_VIDEO, .clock = 90000};
    if (payload_type == OFFER_PT_OPUS) {
        source.kind = TIMELINE_AUDIO;
        source.clock = 48000;
    } else {
        (void)slice_copy(SLICE("camera"), source.video_type, sizeof(source.video_type));
    }
    return add_source(timeline, &source);
}

static struct slice stream_key(uint8_t key[8], uint32_t number, uint32_t ssrc)
{
    store_u32(key, number);
    store_u32(key + 4, ssrc);
    return slice_of(key, 8);
}

struct timeline_stream *timeline_stream(const struct timeline *timeline, uint32_t number,
                                        uint32_t ssrc, uint32_t *ret_index)
{
    uint8_t key[8];
    void *known = map_get(timeline->by_ssrc, stream_key(key, number, ssrc));
    if (!known)
        return NULL;
    *ret_index = (uint32_t)((uintptr_t)known - 1);
    return timeline->streams[*ret_index];
}

static int add_stream(struct timeline *timeline, uint32_t number, uint32_t ssrc, uint32_t rtp_time,
                      struct timeline_stream **ret_stream)
{
    if (timeline->stream_count == TIMELINE_STREAMS_MAX)
        return ERR_LIMIT;
    int err = grow_by_count((void **)&timeline->streams, timeline->stream_count,
                            sizeof(struct timeline_stream *));
    if (err)
        return err;
    struct timeline_stream *stream = calloc(1, sizeof(*stream));
    if (!stream)
        return ERR_MEMORY;
    stream->source = (uint32_t)(find_source(timeline, number) - timeline->sources);
    stream->ssrc = ssrc;
    stream->first_time = rtp_time;
    stream->last_time = rtp_time;
    uint8_t key[8];
    err = map_put(timeline->by_ssrc, stream_key(key, number, ssrc),
                  (void *)((uintptr_t)timeline->stream_count + 1));
    if (err) {
        free(stream);
        return err;
    }
    timeline->streams[timeline->stream_count++] = stream;
    *ret_stream = stream;
    return 0;
}

static int mark_second(struct timeline_source *source, usec_t arrival, bool key)
{
    size_t second = (size_t)(arrival / USEC_PER_SEC);
    if (second >= TIMELINE_SECONDS_MAX)
        return 0;
    while (source->second_count <= second) {
        int err = grow((void **)&source->seconds, source->second_count, &source->second_cap, 1);
        if (err)
            return err;
        source->seconds[source->second_count++] = 0;
    }
    uint8_t *at = &source->seconds[second];
    *at |= SECOND_ACTIVE;
    if (key && (*at & SECOND_KEYS) < SECOND_KEYS)
        (*at)++;
    return 0;
}

bool timeline_reads(const struct timeline_source *source, uint8_t payload_type)
{
    return source->kind != TIMELINE_VIDEO || video_codec_of(payload_type) != VIDEO_NONE;
}

static bool starts_key_frame(const struct timeline_source *source, const struct rtp_packet *packet)
{
    return source->kind == TIMELINE_VIDEO &&
           video_starts_key(video_codec_of(packet->payload_type), packet->payload);
}

usec_t timeline_ticks_usec(int64_t ticks, uint32_t clock)
{
    return ticks / clock * USEC_PER_SEC + ticks % clock * USEC_PER_SEC / clock;
}

static int on_rtp(struct reading *in, const struct feed_record *record)
{
    struct timeline *timeline = in->timeline;
    struct rtp_packet packet;
    if (rtp_parse(record->payload, &packet) != 0) {
        timeline->refused++;
        return 0;
    }
    uint32_t index;
    struct timeline_stream *stream = timeline_stream(timeline, record->source, packet.ssrc, &index);
    int err = 0;
    if (!stream && !find_source(timeline, record->source))
        err = guess_source(timeline, record->source, packet.payload_type);
    if (!stream && !err)
        err = add_stream(timeline, record->source, packet.ssrc, packet.timestamp, &stream);
    if (err)
        return err;
    struct timeline_source *source = &timeline->sources[stream->source];
    if (!timeline_reads(source, packet.payload_type))
        return 0;
    err = mark_second(source, in->now, starts_key_frame(source, &packet));
    if (err || (record->flags & FEED_FLAG_LATE))
        return err;
    stream->last_time += (int32_t)(packet.timestamp - (uint32_t)stream->last_time);
    return clock_runs_add(&stream->runs, timeline_ticks_usec(stream->last_time, source->clock),
                          in->now);
}

static usec_t ntp_usec(uint64_t ntp)
{
    return (usec_t)(ntp >> 32) * USEC_PER_SEC +
           (usec_t)(((ntp & UINT32_MAX) * (uint64_t)USEC_PER_SEC) >> 32);
}

static int on_report(struct reading *in, const struct feed_record *record)
{
    struct timeline *timeline = in->timeline;
    struct feed_report report;
    uint32_t index;
    if (feed_parse_report(record->payload, &report) != 0) {
        timeline->refused++;
        return 0;
    }
    struct timeline_stream *stream = timeline_stream(timeline, record->source, report.ssrc, &index);
    int err = 0;
    /* The last report from before the recording comes first of all. */
    if (!stream && find_source(timeline, record->source))
        err = add_stream(timeline, record->source, report.ssrc, report.rtp_time, &stream);
    if (err || !stream || stream->report_count >= REPORTS_MAX)
        return err;
    const struct timeline_source *source = &timeline->sources[stream->source];
    err = grow((void **)&stream->reports, stream->report_count, &stream->report_cap,
               sizeof(*stream->reports));
    if (err)
        return err;
    int64_t ticks = stream->last_time + (int32_t)(report.rtp_time - (uint32_t)stream->last_time);
    usec_t ntp = ntp_usec(report.ntp_time);
    stream->reports[stream->report_count++] =
        (struct timeline_report){timeline_ticks_usec(ticks, source->clock), ntp, in->now};
    return clock_runs_add(&timeline->endpoints[source->endpoint_index]->ntp, ntp, in->now);
}

static int add_span(struct timeline_span **spans, size_t *count, usec_t from, usec_t to,
                    const char *reason)
{
    if (*count == SPANS_MAX)
        return ERR_LIMIT;
    int err = grow_by_count((void **)spans, *count, sizeof(**spans));
    if (err)
        return err;
    struct timeline_span *span = &(*spans)[(*count)++];
    *span = (struct timeline_span){.from = from, .to = to};
    (void)slice_copy(slice_str(reason), span->reason, sizeof(span->reason));
    return 0;
}

static int read_person(struct timeline *timeline, const json_t *json, bool join)
{
    const char *id = json_string_value(json_object_get(json, "endpoint"));
    uint32_t index;
    if (!id)
        return 0;
    int err = find_endpoint(timeline, id, &index);
    if (err)
        return err;
    struct timeline_endpoint *endpoint = timeline->endpoints[index];
    copy_text(json, "name", endpoint->name, sizeof(endpoint->name));
    copy_text(json, "person", endpoint->person, sizeof(endpoint->person));
    endpoint->joined |= join;
    return 0;
}

static int on_event(struct reading *in, const struct feed_record *record)
{
    struct timeline *timeline = in->timeline;
    json_t *json = record->payload.len <= TIMELINE_EVENT_MAX ? feed_json(record->payload) : NULL;
    const char *type = json_string_value(json_object_get(json, "type"));
    if (!type || timeline->event_count == TIMELINE_EVENTS_MAX) {
        timeline->refused++;
        json_decref(json);
        return 0;
    }
    int err = 0;
    if (strcmp(type, "pause") == 0 && in->paused_at < 0) {
        in->paused_at = in->now;
    } else if (strcmp(type, "resume") == 0 && in->paused_at >= 0) {
        err = add_span(&timeline->pauses, &timeline->pause_count, in->paused_at, in->now, "");
        in->paused_at = -1;
    } else if (strcmp(type, "join") == 0 || strcmp(type, "name") == 0) {
        err = read_person(timeline, json, type[0] == 'j');
    }
    if (!err)
        err = grow_by_count((void **)&timeline->events, timeline->event_count,
                            sizeof(*timeline->events));
    if (err) {
        json_decref(json);
        return err;
    }
    timeline->events[timeline->event_count++] = (struct timeline_event){in->now, json};
    return 0;
}

static int on_gap(struct reading *in, const struct feed_record *record)
{
    json_t *json = feed_json(record->payload);
    char reason[TIMELINE_NAME_SIZE] = "";
    copy_text(json, "reason", reason, sizeof(reason));
    usec_t base = in->axis.shift - in->axis.zero;
    usec_t from = json_integer_value(json_object_get(json, "from_us"));
    usec_t to = json_integer_value(json_object_get(json, "to_us"));
    json_decref(json);
    if (from < 0 || to < from || to > INT64_MAX / 4) {
        in->timeline->refused++;
        return 0;
    }
    /* A bridge that has just started does not know when its predecessor died: from_us 0. */
    from = from == 0 ? in->media_at : usec_min(usec_max(from + base, 0), in->now);
    to = usec_min(usec_max(to + base, from), in->now);
    return add_span(&in->timeline->gaps, &in->timeline->gap_count, from, to, reason);
}

static int on_end(struct reading *in, const struct feed_record *record)
{
    in->timeline->ended = true;
    return 0;
}

static int take_record(struct reading *in, const struct feed_record *record)
{
    static int (*const take[])(struct reading *, const struct feed_record *) = {
        [FEED_BEGIN] = on_begin, [FEED_SOURCE] = on_source,
        [FEED_RTP] = on_rtp,     [FEED_SENDER_REPORT] = on_report,
        [FEED_EVENT] = on_event, [FEED_GAP] = on_gap,
        [FEED_END] = on_end,
    };
    in->now = feed_axis_time(&in->axis, record);
    if (record->kind != FEED_SENDER_REPORT)
        in->now = usec_max(in->now, 0);
    if (record->kind >= ARRAY_LEN(take) || !take[record->kind])
        return 0;
    int err = take[record->kind](in, record);
    if (record->kind == FEED_RTP || record->kind == FEED_EVENT)
        in->media_at = usec_max(in->media_at, in->now);
    if (err != ERR_LIMIT)
        return err;
    in->timeline->refused++;
    return 0;
}

/* Sender reports give the sender's own time of each RTP time, the same for its sound and its
 * picture; the earliest arrivals give the sender's time in ours. */
static int fit_by_reports(const struct timeline *timeline, struct timeline_stream *stream,
                          struct clock_run *run, usec_t from, usec_t until)
{
    const struct clock_runs *ntp =
        &timeline->endpoints[timeline->sources[stream->source].endpoint_index]->ntp;
    struct clock_point *points = calloc(stream->report_count + 1, sizeof(*points));
    size_t count = 0;
    if (!points)
        return ERR_MEMORY;
    for (size_t i = 0; i < stream->report_count; i++) {
        const struct timeline_report *report = &stream->reports[i];
        const struct clock_run *wall = clock_runs_at(ntp, report->arrival);
        if (report->arrival < from || report->arrival >= until || !wall)
            continue;
        usec_t y = clock_curve_at(&wall->curve, report->ntp);
        usec_t off = y - report->x - run->gap;
        if (off > -REPORT_AGREES && off < REPORT_AGREES)
            points[count++] = (struct clock_point){report->x, y};
    }
    struct clock_curve curve;
    int err = clock_curve_fit(points, count, CLOCK_NOISE_BOTH_WAYS, &curve);
    free(points);
    if (err)
        return err;
    clock_curve_done(&run->curve);
    run->curve = curve;
    return 0;
}

static int fit_stream(const struct timeline *timeline, struct timeline_stream *stream)
{
    clock_runs_settle(&stream->runs);
    int err = clock_runs_fit(&stream->runs);
    for (size_t i = 0; i < stream->runs.count && !err; i++) {
        bool is_last = i + 1 == stream->runs.count;
        usec_t until = is_last ? USEC_NEVER : stream->runs.runs[i + 1].from;
        usec_t from = i == 0 ? INT64_MIN : stream->runs.runs[i].from;
        err = fit_by_reports(timeline, stream, &stream->runs.runs[i], from, until);
        if (err == ERR_NOT_FOUND)
            err = 0;
    }
    return err;
}

static int finish(struct reading *in)
{
    struct timeline *timeline = in->timeline;
    usec_t end = in->axis.last - in->axis.zero;
    int err = 0;
    if (in->paused_at >= 0)
        err = add_span(&timeline->pauses, &timeline->pause_count, in->paused_at, end, "");
    for (uint32_t i = 0; i < timeline->endpoint_count && !err; i++) {
        clock_runs_settle(&timeline->endpoints[i]->ntp);
        err = clock_runs_fit(&timeline->endpoints[i]->ntp);
    }
    for (uint32_t i = 0; i < timeline->stream_count && !err; i++)
        err = fit_stream(timeline, timeline->streams[i]);
    for (size_t i = 0; i < timeline->event_count; i++)
        timeline->events[i].time = timeline_output(timeline, timeline->events[i].time);
    for (size_t i = 0; i < timeline->gap_count; i++) {
        timeline->gaps[i].from = timeline_output(timeline, timeline->gaps[i].from);
        timeline->gaps[i].to = timeline_output(timeline, timeline->gaps[i].to);
    }
    timeline->wall_zero = in->axis.wall_zero;
    timeline->duration = timeline_output(timeline, end);
    return err;
}

static int read_all(struct reading *in, struct spool *spool, const struct record_progress *progress)
{
    struct feed_record record;
    int err = 0;
    spool_rewind(spool);
    for (uint64_t count = 0; !err; count++) {
        err = spool_next(spool, &record);
        if (err)
            break;
        err = take_record(in, &record);
        if (!err && count % PROGRESS_RECORDS == 0)
            err = progress->tell(progress->arg,
                                 (double)spool_position(spool) / (double)(spool_size(spool) + 1));
    }
    in->timeline->damage = *spool_damage(spool);
    return err == ERR_NOT_FOUND ? 0 : err;
}

int timeline_read(struct spool *spool, const struct record_progress *progress,
                  struct timeline **ret_timeline)
{
    struct timeline *timeline = calloc(1, sizeof(*timeline));
    if (!timeline)
        return ERR_MEMORY;
    struct reading in = {.timeline = timeline, .paused_at = -1};
    timeline->by_ssrc = map_new(TIMELINE_STREAMS_MAX, 0);
    timeline->by_number = map_new(TIMELINE_SOURCES_MAX, 0);
    timeline->by_endpoint = map_new(TIMELINE_SOURCES_MAX, 0);
    int err = timeline->by_ssrc && timeline->by_number && timeline->by_endpoint ? 0 : ERR_MEMORY;
    if (!err)
        err = read_all(&in, spool, progress);
    if (!err)
        err = finish(&in);
    if (err)
        timeline_free(&timeline);
    else
        *ret_timeline = timeline;
    return err;
}

void timeline_free(struct timeline **timeline)
{
    struct timeline *t = *timeline;
    if (!t)
        return;
    for (uint32_t i = 0; i < t->source_count; i++)
        free(t->sources[i].seconds);
    for (uint32_t i = 0; i < t->stream_count; i++) {
        clock_runs_done(&t->streams[i]->runs);
        free(t->streams[i]->reports);
        free(t->streams[i]);
    }
    for (uint32_t i = 0; i < t->endpoint_count; i++) {
        clock_runs_done(&t->endpoints[i]->ntp);
        free(t->endpoints[i]);
    }
    for (size_t i = 0; i < t->event_count; i++)
        json_decref(t->events[i].json);
    map_free(&t->by_ssrc);
    map_free(&t->by_number);
    map_free(&t->by_endpoint);
    free(t->sources);
    free(t->streams);
    free(t->endpoints);
    free(t->events);
    free(t->gaps);
    free(t->pauses);
    free(t);
    *timeline = NULL;
}

usec_t timeline_output(const struct timeline *timeline, usec_t arrival)
{
    usec_t output = arrival;
    for (size_t i = 0; i < timeline->pause_count; i++) {
        const struct timeline_span *pause = &timeline->pauses[i];
        if (arrival > pause->from)
            output -= usec_min(arrival, pause->to) - pause->from;
    }
    return output;
}

usec_t timeline_arrival(const struct timeline *timeline, usec_t output)
{
    usec_t arrival = output;
    for (size_t i = 0; i < timeline->pause_count; i++) {
        if (timeline->pauses[i].from <= arrival)
            arrival += timeline->pauses[i].to - timeline->pauses[i].from;
    }
    return arrival;
}

usec_t timeline_place(const struct timeline *timeline, const struct timeline_stream *stream,
                      int64_t ticks, usec_t arrival)
{
    usec_t x = timeline_ticks_usec(ticks, timeline->sources[stream->source].clock);
    const struct clock_run *run = clock_runs_at(&stream->runs, arrival);
    usec_t time = arrival;
    /* Just after a jump, a late packet still belongs to the run before. */
    for (; run; run = run > stream->runs.runs ? run - 1 : NULL) {
        usec_t y = clock_curve_at(&run->curve, x);
        if (y >= arrival - CAPTURE_BEFORE && y <= arrival + CAPTURE_AFTER) {
            time = y;
            break;
        }
    }
    return timeline_output(timeline, time);
}

bool timeline_active(const struct timeline_source *source, size_t second)
{
    return second < source->second_count && (source->seconds[second] & SECOND_ACTIVE);
}

unsigned timeline_keys(const struct timeline_source *source, size_t second)
{
    return second < source->second_count ? source->seconds[second] & SECOND_KEYS : 0;
}
