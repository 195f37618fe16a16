/* Writes a spool as the bridge and the recorder would, from a description in JSON: tests and
 * measurements of render start here. Usage: spool_gen DESCRIPTION.json SPOOL-DIRECTORY
 *
 * {"duration": s, "seed": n, "loss": share, "repaired": share of the lost, "wall_ms": n,
 *  "people": [{"endpoint", "name", "delay_ms", "jitter_ms", "ntp_offset": s, "ntp_ppm",
 *    "sources": [{"name", "kind": "audio"/"video", "videoType", "number", "reports": bool,
 *                 "ppm": of the media clock, "spans": [[from, to], ...],
 *                 "early": s its media began before the recording; what is that old comes at 0,
 *                 "layers": [{"file": any VP8, VP9, H.264, AV1 or Opus file,
 *                             "then": {"at": s, "file": what goes on from its key frame there}} or
 *                            {"fps","kbps","key_every","width","height"} or {"bytes": per 20
 * ms}]}]}], "records": [{"t": s, "kind": "event"/"gap"/"begin", "json": {...}}]} With "layered":
 * true VP8 carries TL0PICIDX and two temporal layers in its descriptors. With "svc": true the
 * layers, of VP9, are one stream: those below the top have key pictures only. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>
#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>

#include "proto/feed_format.h"
#include "proto/opus.h"
#include "proto/rtp.h"

#include "spool_pack.h"

#define PIECE_SIZE ((uint64_t)64 * 1024 * 1024)
#define PIECE_TIME (10 * USEC_PER_SEC)
#define BASE_TIME (5000 * USEC_PER_SEC)
#define REPORT_EVERY (5 * USEC_PER_SEC)
#define SPANS_MAX 64

struct packet {
    usec_t arrival;
    uint64_t order;
    struct feed_record record;
    uint8_t bytes[SPOOL_PACK_MTU + 64];
};

struct layer {
    const struct source *source;
    uint32_t ssrc;
    uint16_t seq;
    AVFormatContext *in;
    AVBSFContext *annexb; /* H.264 */
    const char *then_file;
    usec_t then_at; /* USEC_NEVER: no other file follows */
    struct spool_pack pack;
    AVPacket *av;
    usec_t capture; /* of the frame to be sent next; USEC_NEVER: none left */
    uint64_t frame;
    struct slice data;
    bool key;
    uint8_t *dummy;
    double fps;
    double kbps;
    double key_every;
    int width;
    int height;
    usec_t reported;
};

struct source {
    const struct person *person;
    uint32_t number;
    bool video;
    bool reports;
    bool layered;
    bool svc;
    double ppm;
    usec_t early;
    usec_t spans[SPANS_MAX][2];
    size_t span_count;
    struct layer layers[3];
    size_t layer_count;
};

struct person {
    usec_t delay;
    usec_t jitter;
    double ntp_offset;
    double ntp_ppm;
};

static struct {
    int dir;
    FILE *piece;
    uint64_t offset;
    uint64_t piece_from;
    usec_t piece_time;
    struct packet **heap;
    size_t heap_count;
    uint64_t order;
    uint64_t random;
    double loss;
    double repaired;
    usec_t duration;
} gen;

static void die(const char *what)
{
    (void)fprintf(stderr, "spool_gen: %s\n", what);
    exit(1);
}

static double dice(void)
{
    gen.random = gen.random * 6364136223846793005u + 1442695040888963407u;
    return (double)(gen.random >> 11) / (double)((uint64_t)1 << 53);
}

static double number_of(const json_t *json, const char *key, double otherwise)
{
    json_t *value = json_object_get(json, key);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

static void open_piece(usec_t time)
{
    char name[64];
    if (gen.piece && fclose(gen.piece) != 0)
        die("cannot write");
    (void)snprintf(name, sizeof(name), "%016" PRIx64 ".feed", gen.offset);
    int fd = openat(gen.dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    gen.piece = fd < 0 ? NULL : fdopen(fd, "wb");
    if (!gen.piece)
        die("cannot create a piece");
    gen.piece_from = gen.offset;
    gen.piece_time = time;
}

/* Pieces are cut anywhere: here in the middle of a record when the size is reached. */
static void write_bytes(const uint8_t *data, size_t len, usec_t time)
{
    if (!gen.piece || time - gen.piece_time >= PIECE_TIME)
        open_piece(time);
    while (len > 0) {
        uint64_t room = PIECE_SIZE - (gen.offset - gen.piece_from);
        size_t part = len < room ? len : (size_t)room;
        if (fwrite(data, 1, part, gen.piece) != part)
            die("cannot write");
        gen.offset += part;
        data += part;
        len -= part;
        if (gen.offset - gen.piece_from == PIECE_SIZE)
            open_piece(time);
    }
}

static void write_record(const struct feed_record *record)
{
    static uint8_t bytes[FEED_RECORD_MAX];
    size_t len;
    if (feed_build(record, bytes, sizeof(bytes), &len) != 0)
        die("record too large");
    write_bytes(bytes, len, record->time);
}

static void write_json(uint8_t kind, uint32_t source, usec_t time, json_t *json)
{
    if (!json)
        die("the description lacks something");
    char *text = json_dumps(json, JSON_COMPACT);
    struct feed_record record = {
        .kind = kind, .source = source, .time = time, .payload = slice_str(text)};
    write_record(&record);
    free(text);
    json_decref(json);
}

static bool before(const struct packet *a, const struct packet *b)
{
    return a->arrival != b->arrival ? a->arrival < b->arrival : a->order < b->order;
}

static void push(struct packet *packet)
{
    if ((gen.heap_count & (gen.heap_count - 1)) == 0) {
        gen.heap = reallocarray(gen.heap, gen.heap_count ? gen.heap_count * 2 : 1, sizeof(packet));
        if (!gen.heap)
            die("memory");
    }
    packet->order = gen.order++;
    size_t at = gen.heap_count++;
    for (; at > 0 && before(packet, gen.heap[(at - 1) / 2]); at = (at - 1) / 2)
        gen.heap[at] = gen.heap[(at - 1) / 2];
    gen.heap[at] = packet;
}

static struct packet *pop(void)
{
    struct packet *first = gen.heap[0], *last = gen.heap[--gen.heap_count];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < gen.heap_count) {
        if (child + 1 < gen.heap_count && before(gen.heap[child + 1], gen.heap[child]))
            child++;
        if (!before(gen.heap[child], last))
            break;
        gen.heap[at] = gen.heap[child];
        at = child;
    }
    gen.heap[at] = last;
    return first;
}

static void write_until(usec_t time)
{
    while (gen.heap_count && gen.heap[0]->arrival <= time) {
        struct packet *packet = pop();
        packet->record.time = packet->arrival;
        packet->record.payload.data = packet->bytes;
        write_record(&packet->record);
        free(packet);
    }
}

static struct packet *new_packet(const struct layer *layer, uint8_t kind, usec_t capture)
{
    struct packet *packet = calloc(1, sizeof(*packet));
    const struct person *person = layer->source->person;
    if (!packet)
        die("memory");
    packet->arrival =
        BASE_TIME + capture + person->delay + (usec_t)(dice() * (double)person->jitter);
    packet->arrival = usec_max(packet->arrival, BASE_TIME);
    packet->record = (struct feed_record){.kind = kind, .source = layer->source->number};
    return packet;
}

static uint32_t rtp_time(const struct layer *layer, usec_t capture)
{
    double clock = layer->source->video ? 90000 : 48000;
    double ticks = (double)capture / 1e6 * clock * (1 + layer->source->ppm * 1e-6);
    return (uint32_t)(int64_t)(ticks + 4e9 + layer->ssrc); /* near the wrap */
}

/* In a stream of several layers the first has the numbers. */
static struct layer *numbers_of(struct layer *layer)
{
    struct source *source = (struct source *)(uintptr_t)layer->source;
    return source->svc ? &source->layers[0] : layer;
}

static void send_rtp(struct layer *layer, uint8_t type, bool marker, struct slice payload)
{
    struct packet *packet = new_packet(layer, FEED_RTP, layer->capture);
    struct writer w = writer_of(packet->bytes, sizeof(packet->bytes));
    struct layer *numbers = numbers_of(layer);
    const struct rtp_header header = {.payload_type = type,
                                      .marker = marker,
                                      .sequence = numbers->seq++,
                                      .timestamp = rtp_time(numbers, layer->capture),
                                      .ssrc = numbers->ssrc};
    rtp_put_header(&w, &header, NULL, 0);
    writer_bytes(&w, payload);
    packet->record.payload.len = writer_len(&w);
    if (dice() < gen.loss) {
        if (dice() >= gen.repaired) {
            free(packet);
            return;
        }
        packet->arrival += 150 * USEC_PER_MSEC;
        packet->record.flags = FEED_FLAG_LATE;
    }
    push(packet);
}

static void send_report(struct layer *layer)
{
    struct packet *packet = new_packet(layer, FEED_SENDER_REPORT, layer->capture);
    const struct person *person = layer->source->person;
    double ntp =
        (double)layer->capture / 1e6 * (1 + person->ntp_ppm * 1e-6) + 3.9e9 + person->ntp_offset;
    struct feed_report report = {layer->ssrc, rtp_time(layer, layer->capture),
                                 (uint64_t)(ntp * 4294967296.0)};
    feed_build_report(&report, packet->bytes);
    packet->record.payload.len = FEED_REPORT_SIZE;
    layer->reported = layer->capture;
    push(packet);
}

static void on_payload(void *arg, bool marker, struct slice payload)
{
    struct layer *layer = arg;
    send_rtp(layer, layer->pack.payload_type, marker, payload);
}

static void send_video(struct layer *layer)
{
    const struct source *source = layer->source;
    size_t place = (size_t)(layer - source->layers);
    bool top = !source->svc || place + 1 == source->layer_count;
    if (!layer->key && !top)
        return;
    struct spool_picture picture = {.data = layer->data,
                                    .key = layer->key,
                                    .upper = source->layered && layer->frame % 2,
                                    .layered = source->layered,
                                    .spatial = source->svc ? (uint8_t)place : 0,
                                    .svc = source->svc,
                                    .last = top};
    spool_pack(&layer->pack, &picture, on_payload, layer);
}

static bool is_sent(const struct source *source, usec_t time)
{
    for (size_t i = 0; i < source->span_count; i++) {
        if (time >= source->spans[i][0] && time < source->spans[i][1])
            return true;
    }
    return source->span_count == 0;
}

static void next_dummy(struct layer *layer)
{
    layer->capture = (usec_t)((double)layer->frame * 1e6 / layer->fps);
    uint64_t key_frames = (uint64_t)(layer->key_every * layer->fps);
    layer->key = layer->source->video && layer->frame % (key_frames ? key_frames : 1) == 0;
    size_t len = (size_t)(layer->kbps * 125 / layer->fps * (layer->key ? 4 : 0.9 + dice() / 5));
    layer->data = slice_of(layer->dummy, len);
    if (!layer->source->video) {
        layer->dummy[0] = 0x78;
        return;
    }
    const uint8_t key[10] = {0x10,
                             0x02,
                             0,
                             0x9d,
                             0x01,
                             0x2a,
                             (uint8_t)layer->width,
                             (uint8_t)(layer->width >> 8),
                             (uint8_t)layer->height,
                             (uint8_t)(layer->height >> 8)};
    memcpy(layer->dummy, key, sizeof(key));
    layer->dummy[0] = layer->key ? 0x10 : 0x11;
}

static void open_file(struct layer *layer, const char *file)
{
    avformat_close_input(&layer->in);
    av_bsf_free(&layer->annexb);
    if (avformat_open_input(&layer->in, file, NULL, NULL) < 0)
        die("cannot open a media file");
    const AVCodecParameters *par = layer->in->streams[0]->codecpar;
    if (layer->source->video && !spool_pack_codec(&layer->pack, par->codec_id))
        die("not a codec of ours");
    if (par->codec_id != AV_CODEC_ID_H264)
        return;
    const AVBitStreamFilter *filter = av_bsf_get_by_name("h264_mp4toannexb");
    if (!filter || av_bsf_alloc(filter, &layer->annexb) < 0 ||
        avcodec_parameters_copy(layer->annexb->par_in, par) < 0 || av_bsf_init(layer->annexb) < 0)
        die("H.264 cannot be read");
}

static bool read_frame(struct layer *layer)
{
    av_packet_unref(layer->av);
    if (av_read_frame(layer->in, layer->av) < 0)
        return false;
    AVRational base = layer->in->streams[0]->time_base;
    layer->capture = av_rescale_q(layer->av->pts, base, (AVRational){1, 1000000});
    layer->key = layer->av->flags & AV_PKT_FLAG_KEY;
    if (layer->annexb && (av_bsf_send_packet(layer->annexb, layer->av) < 0 ||
                          av_bsf_receive_packet(layer->annexb, layer->av) < 0))
        die("H.264 cannot be read");
    layer->data = slice_of(layer->av->data, (size_t)layer->av->size);
    return true;
}

static void next_of_file(struct layer *layer)
{
    bool good = read_frame(layer);
    if (good && layer->capture >= layer->then_at) {
        usec_t from = layer->then_at;
        layer->then_at = USEC_NEVER;
        open_file(layer, layer->then_file);
        do
            good = read_frame(layer);
        while (good && (layer->capture < from || !layer->key));
    }
    if (!good)
        layer->capture = USEC_NEVER;
}

static void next_frame(struct layer *layer)
{
    do {
        if (layer->in)
            next_of_file(layer);
        else
            next_dummy(layer);
        if (layer->capture != USEC_NEVER)
            layer->capture -= layer->source->early;
        layer->frame++;
        if (layer->capture >= gen.duration)
            layer->capture = USEC_NEVER;
    } while (layer->capture != USEC_NEVER && !is_sent(layer->source, layer->capture));
}

static void send_frame(struct layer *layer)
{
    if (layer->source->video)
        send_video(layer);
    else
        send_rtp(layer, 111, false, layer->data);
    if (layer->source->reports &&
        (layer->reported < 0 || layer->capture - layer->reported >= REPORT_EVERY))
        send_report(layer);
    next_frame(layer);
}

static void read_layer(struct source *source, json_t *json)
{
    struct layer *layer = &source->layers[source->layer_count++];
    const char *file = json_string_value(json_object_get(json, "file"));
    bool video = source->video;
    *layer = (struct layer){
        .source = source,
        .ssrc = (uint32_t)number_of(json, "ssrc",
                                    source->number * 1000.0 + (double)source->layer_count),
        .seq = (uint16_t)(65000 + source->number),
        .fps = video ? number_of(json, "fps", 30) : 50,
        .kbps = number_of(json, "kbps", video ? 500 : 24),
        .key_every = number_of(json, "key_every", 20),
        .width = (int)number_of(json, "width", 640),
        .height = (int)number_of(json, "height", 360),
        .reported = -1,
        .then_at = USEC_NEVER,
        .pack = {.payload_type = 100},
    };
    json_t *then = json_object_get(json, "then");
    layer->then_file = json_string_value(json_object_get(then, "file"));
    if (then)
        layer->then_at = (usec_t)(number_of(then, "at", 0) * 1e6);
    layer->dummy = malloc((size_t)(layer->kbps * 125 / layer->fps * 4) + 64);
    layer->av = av_packet_alloc();
    if (!layer->dummy || !layer->av)
        die("memory");
    for (size_t i = 0; i < (size_t)(layer->kbps * 125 / layer->fps * 4) + 64; i++)
        layer->dummy[i] = (uint8_t)(i * 7 + source->number);
    if (file)
        open_file(layer, file);
    next_frame(layer);
}

static void read_spans(struct source *source, const json_t *json)
{
    json_t *spans = json_object_get(json, "spans"), *span;
    size_t i;
    json_array_foreach(spans, i, span)
    {
        if (source->span_count == SPANS_MAX)
            die("too many spans");
        for (size_t end = 0; end < 2; end++)
            source->spans[source->span_count][end] =
                (usec_t)(json_number_value(json_array_get(span, end)) * 1e6);
        source->span_count++;
    }
}

static json_t *announce(const json_t *source, const json_t *person, bool video, uint32_t number)
{
    return json_pack("{s:i,s:O,s:O,s:s,s:s,s:s*,s:i,s:s}", "source", (int)number, "name",
                     json_object_get(source, "name"), "endpoint",
                     json_object_get(person, "endpoint"), "person", "", "kind",
                     video ? "video" : "audio", "codec", video ? NULL : "opus", "clock",
                     video ? 90000 : 48000, "videoType",
                     json_object_get(source, "videoType")
                         ? json_string_value(json_object_get(source, "videoType"))
                         : "camera");
}

static struct source *read_source(const json_t *json, const json_t *person_json,
                                  const struct person *person)
{
    static uint32_t numbers;
    struct source *source = calloc(1, sizeof(*source));
    const char *kind = json_string_value(json_object_get(json, "kind"));
    if (!source || !kind)
        die("a source without kind");
    source->person = person;
    source->number = (uint32_t)number_of(json, "number", ++numbers);
    source->video = strcmp(kind, "video") == 0;
    source->reports = !json_is_false(json_object_get(json, "reports"));
    source->layered = json_is_true(json_object_get(json, "layered"));
    source->svc = json_is_true(json_object_get(json, "svc"));
    source->ppm = number_of(json, "ppm", 0);
    source->early = (usec_t)(number_of(json, "early", 0) * 1e6);
    read_spans(source, json);
    if (!json_is_false(json_object_get(json, "announce")))
        write_json(FEED_SOURCE, source->number, BASE_TIME,
                   announce(json, person_json, source->video, source->number));
    json_t *layers = json_object_get(json, "layers");
    for (size_t i = 0; i < json_array_size(layers) && i < 3; i++)
        read_layer(source, json_array_get(layers, i));
    return source;
}

static void write_extra(const json_t *item)
{
    const char *kind = json_string_value(json_object_get(item, "kind"));
    usec_t time = BASE_TIME + (usec_t)(number_of(item, "t", 0) * 1e6);
    uint8_t number = kind && strcmp(kind, "gap") == 0      ? FEED_GAP
                     : kind && strcmp(kind, "begin") == 0  ? FEED_BEGIN
                     : kind && strcmp(kind, "source") == 0 ? FEED_SOURCE
                                                           : FEED_EVENT;
    json_t *json = json_object_get(item, "json");
    write_json(number, (uint32_t)number_of(json, "source", 0), time, json_deep_copy(json));
}

static struct layer *earliest(struct source **sources, size_t count)
{
    struct layer *first = NULL;
    for (size_t i = 0; i < count; i++) {
        for (size_t l = 0; l < sources[i]->layer_count; l++) {
            struct layer *layer = &sources[i]->layers[l];
            if (layer->capture != USEC_NEVER && (!first || layer->capture < first->capture))
                first = layer;
        }
    }
    return first;
}

static void run(struct source **sources, size_t count, const json_t *records)
{
    size_t extra = 0;
    for (struct layer *layer; (layer = earliest(sources, count));) {
        usec_t now = BASE_TIME + layer->capture;
        for (; extra < json_array_size(records); extra++) {
            json_t *item = json_array_get(records, extra);
            usec_t at = BASE_TIME + (usec_t)(number_of(item, "t", 0) * 1e6);
            if (at > now)
                break;
            write_until(at);
            write_extra(item);
        }
        write_until(now);
        send_frame(layer);
    }
    write_until(USEC_NEVER);
    for (; extra < json_array_size(records); extra++)
        write_extra(json_array_get(records, extra));
}

static void release(struct source **sources, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t l = 0; l < sources[i]->layer_count; l++) {
            struct layer *layer = &sources[i]->layers[l];
            avformat_close_input(&layer->in);
            av_bsf_free(&layer->annexb);
            av_packet_free(&layer->av);
            free(layer->dummy);
        }
        free(sources[i]);
    }
    free(gen.heap);
    close(gen.dir);
}

int main(int argc, char **argv)
{
    static struct source *sources[256];
    static struct person people[256];
    size_t count = 0, person_index, source_index;
    json_t *scene = argc == 3 ? json_load_file(argv[1], 0, NULL) : NULL, *person, *source;
    if (!scene)
        die("usage: spool_gen DESCRIPTION.json SPOOL-DIRECTORY");
    gen.dir = open(argv[2], O_RDONLY | O_DIRECTORY);
    gen.random = (uint64_t)number_of(scene, "seed", 1);
    gen.loss = number_of(scene, "loss", 0);
    gen.repaired = number_of(scene, "repaired", 0);
    gen.duration = (usec_t)(number_of(scene, "duration", 10) * 1e6);
    write_json(FEED_BEGIN, 0, BASE_TIME,
               json_pack("{s:i,s:s,s:s,s:I,s:s}", "version", 1, "conference", "c1", "recording",
                         "r1", "wall_ms", (json_int_t)number_of(scene, "wall_ms", 1700000000000.0),
                         "boot", "b1"));
    json_array_foreach(json_object_get(scene, "people"), person_index, person)
    {
        people[person_index] =
            (struct person){.delay = (usec_t)(number_of(person, "delay_ms", 30) * 1e3),
                            .jitter = (usec_t)(number_of(person, "jitter_ms", 0) * 1e3),
                            .ntp_offset = number_of(person, "ntp_offset", 0),
                            .ntp_ppm = number_of(person, "ntp_ppm", 0)};
        write_json(FEED_EVENT, 0, BASE_TIME,
                   json_pack("{s:s,s:O,s:s,s:O}", "type", "join", "endpoint",
                             json_object_get(person, "endpoint"), "person", "", "name",
                             json_object_get(person, "name")));
        json_array_foreach(json_object_get(person, "sources"), source_index, source)
            sources[count++] = read_source(source, person, &people[person_index]);
    }
    run(sources, count, json_object_get(scene, "records"));
    write_json(FEED_END, 0, BASE_TIME + gen.duration + USEC_PER_SEC, json_object());
    if (fclose(gen.piece) != 0)
        die("cannot write");
    release(sources, count);
    json_decref(scene);
    return 0;
}
