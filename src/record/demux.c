#include "record/demux.h"

#include <stdlib.h>

#include "proto/offer.h"
#include "proto/rtp.h"
#include "record/layers.h"
#include "record/seq_order.h"

#define TICK (250 * USEC_PER_MSEC)
/* Packets wait for repairs, frames for the look ahead, and a capture lies before its arrival. */
#define HORIZON (SEQ_ORDER_WAIT + LAYERS_AHEAD + 6 * USEC_PER_SEC)
#define PROGRESS_RECORDS 4096u

struct demux;

struct demux_stream {
    struct demux *demux;
    const struct timeline_stream *stream;
    uint32_t index;
    struct seq_order *order;
    struct video_frames *video;
    int64_t time; /* unwrapped RTP time of the last packet */
};

struct demux {
    const struct timeline *timeline;
    const struct media_sink *sink;
    struct demux_stream **streams; /* by the timeline's index */
    struct layers **layers;        /* by source; NULL for audio */
    struct demux_stats *stats;
    uint32_t source; /* whose frames the layers are giving out */
    usec_t ticked;
    int err; /* first of the sink's, or ERR_MEMORY */
};

static void note(struct demux *demux, int err)
{
    if (!demux->err)
        demux->err = err;
}

static int on_layer_frame(void *arg, const struct layer_frame *frame)
{
    struct demux *demux = arg;
    const struct media_frame out = {.source = demux->source,
                                    .time = frame->time,
                                    .codec = frame->codec,
                                    .key = frame->key,
                                    .width = frame->width,
                                    .height = frame->height,
                                    .data = frame->data};
    return demux->sink->frame(demux->sink->arg, &out);
}

static void take_opus(struct demux_stream *s, const struct rtp_packet *packet, usec_t arrival)
{
    struct demux *demux = s->demux;
    if (packet->payload.len == 0)
        return;
    const struct media_frame out = {
        .source = s->stream->source,
        .time = timeline_place(demux->timeline, s->stream, s->time, arrival),
        .key = true,
        .data = packet->payload};
    note(demux, demux->sink->frame(demux->sink->arg, &out));
}

static void on_picture(void *arg, const struct video_frame *frame)
{
    struct demux_stream *s = arg;
    struct demux *demux = s->demux;
    int64_t ticks = s->time + (int32_t)(frame->timestamp - (uint32_t)s->time);
    const struct layer_frame out = {
        /* What was on its way when the recording began is on the screen then, and needed by what
         * follows. */
        .time = usec_max(timeline_place(demux->timeline, s->stream, ticks, frame->arrival), 0),
        .stream = s->index,
        .codec = frame->codec,
        .key = frame->key,
        .width = frame->width,
        .height = frame->height,
        .data = frame->data};
    const struct layer_sink sink = {on_layer_frame, demux};
    demux->source = s->stream->source;
    note(demux, layers_input(demux->layers[s->stream->source], &out, &sink));
}

static void take_video(struct demux_stream *s, const struct rtp_packet *packet,
                       const struct seq_packet *ordered)
{
    struct video_packet in = {.arrival = ordered->arrival,
                              .timestamp = packet->timestamp,
                              .payload_type = packet->payload_type,
                              .marker = packet->marker,
                              .lost = ordered->lost,
                              .payload = packet->payload};
    (void)rtp_extension_find(packet, OFFER_EXT_DEPENDENCY, &in.dependency); /* empty: none */
    const struct video_sink sink = {on_picture, s};
    uint64_t dropped = video_frames_dropped(s->video);
    video_frames_input(s->video, &in, &sink);
    s->demux->stats[s->stream->source].dropped += video_frames_dropped(s->video) - dropped;
}

static void on_ordered(void *arg, const struct seq_packet *ordered)
{
    struct demux_stream *s = arg;
    struct rtp_packet packet;
    s->demux->stats[s->stream->source].lost += ordered->lost;
    if (rtp_parse(ordered->bytes, &packet) != 0)
        return; /* not possible: it was parsed before it was queued */
    s->time += (int32_t)(packet.timestamp - (uint32_t)s->time);
    if (s->demux->timeline->sources[s->stream->source].kind == TIMELINE_AUDIO)
        take_opus(s, &packet, ordered->arrival);
    else
        take_video(s, &packet, ordered);
}

static int open_stream(struct demux *demux, const struct timeline_stream *stream, uint32_t index)
{
    struct demux_stream *s = calloc(1, sizeof(*s));
    if (!s)
        return ERR_MEMORY;
    *s = (struct demux_stream){.demux = demux,
                               .stream = stream,
                               .index = index,
                               .order = seq_order_new(),
                               .video = video_frames_new(),
                               .time = stream->first_time};
    demux->streams[index] = s;
    struct layers **layers = &demux->layers[stream->source];
    bool video = demux->timeline->sources[stream->source].kind == TIMELINE_VIDEO;
    if (video && !*layers)
        *layers = layers_new();
    return s->order && s->video && (!video || *layers) ? 0 : ERR_MEMORY;
}

static int take_rtp(struct demux *demux, const struct feed_record *record, usec_t arrival,
                    const bool *wanted)
{
    struct rtp_packet packet;
    uint32_t index;
    if (rtp_parse(record->payload, &packet) != 0)
        return 0;
    const struct timeline_stream *stream =
        timeline_stream(demux->timeline, record->source, packet.ssrc, &index);
    if (!stream || (wanted && !wanted[stream->source]) ||
        demux->timeline->sources[stream->source].kind == TIMELINE_OTHER ||
        !timeline_reads(&demux->timeline->sources[stream->source], packet.payload_type))
        return 0;
    int err = demux->streams[index] ? 0 : open_stream(demux, stream, index);
    if (err)
        return err;
    const struct seq_sink sink = {on_ordered, demux->streams[index]};
    err = seq_order_input(demux->streams[index]->order, packet.sequence, arrival, record->payload,
                          &sink);
    return err ? err : demux->err;
}

static int tick(struct demux *demux, usec_t now)
{
    for (uint32_t i = 0; i < demux->timeline->stream_count && !demux->err; i++) {
        const struct seq_sink sink = {on_ordered, demux->streams[i]};
        if (demux->streams[i])
            seq_order_tick(demux->streams[i]->order, now, &sink);
    }
    usec_t output = now == USEC_NEVER ? now : timeline_output(demux->timeline, now);
    const struct layer_sink sink = {on_layer_frame, demux};
    for (uint32_t i = 0; i < demux->timeline->source_count && !demux->err; i++) {
        demux->source = i;
        if (demux->layers[i])
            note(demux, layers_tick(demux->layers[i], output, &sink));
    }
    if (!demux->err)
        note(demux, demux->sink->horizon(demux->sink->arg,
                                         output == USEC_NEVER ? output : output - HORIZON));
    return demux->err;
}

static int read_all(struct demux *demux, struct spool *spool, const bool *wanted,
                    const struct record_progress *progress)
{
    struct feed_axis axis = {0};
    struct feed_record record;
    int err = 0;
    spool_rewind(spool);
    for (uint64_t count = 0; !err; count++) {
        err = spool_next(spool, &record);
        if (err)
            break;
        usec_t arrival = usec_max(feed_axis_time(&axis, &record), 0);
        if (record.kind == FEED_RTP)
            err = take_rtp(demux, &record, arrival, wanted);
        if (!err && arrival - demux->ticked >= TICK) {
            demux->ticked = arrival;
            err = tick(demux, arrival);
        }
        if (!err && count % PROGRESS_RECORDS == 0)
            err = progress->tell(progress->arg,
                                 (double)spool_position(spool) / (double)(spool_size(spool) + 1));
    }
    return err == ERR_NOT_FOUND ? tick(demux, USEC_NEVER) : err;
}

static void done(struct demux *demux, struct demux_stats *own_stats)
{
    for (uint32_t i = 0; demux->streams && i < demux->timeline->stream_count; i++) {
        if (demux->streams[i]) {
            seq_order_free(&demux->streams[i]->order);
            video_frames_free(&demux->streams[i]->video);
            free(demux->streams[i]);
        }
    }
    for (uint32_t i = 0; demux->layers && i < demux->timeline->source_count; i++)
        layers_free(&demux->layers[i]);
    free(demux->streams);
    free(demux->layers);
    free(own_stats);
}

int demux_run(struct spool *spool, const struct timeline *timeline, const bool *wanted,
              const struct media_sink *sink, const struct record_progress *progress,
              struct demux_stats *ret_stats)
{
    struct demux demux = {.timeline = timeline, .sink = sink, .stats = ret_stats};
    struct demux_stats *own = NULL;
    if (!ret_stats)
        demux.stats = own = calloc(timeline->source_count + 1, sizeof(*own));
    demux.streams = calloc(timeline->stream_count + 1, sizeof(*demux.streams));
    demux.layers = calloc(timeline->source_count + 1, sizeof(*demux.layers));
    int err = ERR_MEMORY;
    if (demux.stats && demux.streams && demux.layers)
        err = read_all(&demux, spool, wanted, progress);
    done(&demux, own);
    return err;
}
