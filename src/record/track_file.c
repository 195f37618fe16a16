#include "record/track_file.h"

#include <stdlib.h>

#include <libavcodec/bsf.h>

/* One entry of the index in its longest form. */
#define CUE_SIZE 30u
#define CUE_ROOM_MAX (16u * 1024 * 1024)
/* Sound has no key frames: an index entry at this distance suffices. */
#define AUDIO_CLUSTER_MS 10000
#define OPUS_RATE 48000

static const AVRational milliseconds = {1, 1000};

struct track_file {
    struct out_file file;
    AVFormatContext *format;
    AVPacket *packet;
    bool written;
};

/* RFC 7845 section 5.1: stereo, nothing to skip, 48 kHz, no gain. */
static const uint8_t opus_head[19] = {'O', 'p', 'u',  's',  'H', 'e', 'a', 'd', 1, 2,
                                      0,   0,   0x80, 0xbb, 0,   0,   0,   0,   0};

static enum AVCodecID id_of(enum video_codec codec)
{
    static const enum AVCodecID ids[] = {[VIDEO_NONE] = AV_CODEC_ID_OPUS,
                                         [VIDEO_VP8] = AV_CODEC_ID_VP8,
                                         [VIDEO_VP9] = AV_CODEC_ID_VP9,
                                         [VIDEO_H264] = AV_CODEC_ID_H264,
                                         [VIDEO_AV1] = AV_CODEC_ID_AV1};
    return ids[codec];
}

const char *track_file_suffix(enum video_codec codec)
{
    return codec == VIDEO_H264 ? "mp4" : "webm";
}

static int extract(AVBSFContext *filter, AVPacket *packet, struct buf *ret_header)
{
    if (av_bsf_init(filter) < 0 || av_bsf_send_packet(filter, packet) < 0 ||
        av_bsf_receive_packet(filter, packet) < 0)
        return ERR_FORMAT;
    size_t len = 0;
    const uint8_t *header = av_packet_get_side_data(packet, AV_PKT_DATA_NEW_EXTRADATA, &len);
    if (!header || len == 0)
        return ERR_FORMAT;
    buf_add(ret_header, slice_of(header, len));
    return ret_header->failed ? ERR_MEMORY : 0;
}

int track_file_header(enum video_codec codec, struct slice key, struct buf *ret_header)
{
    AVBSFContext *filter = NULL;
    buf_clear(ret_header);
    if (codec != VIDEO_H264 && codec != VIDEO_AV1)
        return 0;
    AVPacket *packet = av_packet_alloc();
    const AVBitStreamFilter *kind = av_bsf_get_by_name("extract_extradata");
    int err = ERR_MEMORY;
    if (kind && packet && av_new_packet(packet, (int)key.len) >= 0 &&
        av_bsf_alloc(kind, &filter) >= 0) {
        memcpy(packet->data, key.data, key.len);
        filter->par_in->codec_type = AVMEDIA_TYPE_VIDEO;
        filter->par_in->codec_id = id_of(codec);
        err = extract(filter, packet, ret_header);
    }
    av_bsf_free(&filter);
    av_packet_free(&packet);
    return err;
}

static int describe(AVCodecParameters *par, const struct track_file_setup *setup)
{
    struct slice header = setup->header;
    par->codec_id = id_of(setup->codec);
    if (setup->codec) {
        par->codec_type = AVMEDIA_TYPE_VIDEO;
        par->width = setup->width;
        par->height = setup->height;
    } else {
        par->codec_type = AVMEDIA_TYPE_AUDIO;
        par->sample_rate = OPUS_RATE;
        av_channel_layout_default(&par->ch_layout, 2);
        header = slice_of(opus_head, sizeof(opus_head));
    }
    if (header.len == 0)
        return 0;
    par->extradata = av_mallocz(header.len + AV_INPUT_BUFFER_PADDING_SIZE);
    if (!par->extradata)
        return ERR_MEMORY;
    memcpy(par->extradata, header.data, header.len);
    par->extradata_size = (int)header.len;
    return 0;
}

static int write_header(struct track_file *track, const struct track_file_setup *setup)
{
    AVDictionary *options = NULL;
    size_t room = setup->index_entries * CUE_SIZE + 64;
    if (room > CUE_ROOM_MAX)
        room = CUE_ROOM_MAX;
    (void)av_dict_set(&options, "movflags", "+faststart", 0); /* each format knows its own */
    (void)av_dict_set_int(&options, "reserve_index_space", (int64_t)room, 0);
    (void)av_dict_set_int(&options, "cues_to_front", 1, 0); /* should the room not suffice */
    if (!setup->codec)
        (void)av_dict_set_int(&options, "cluster_time_limit", AUDIO_CLUSTER_MS, 0);
    int ret = avformat_write_header(track->format, &options);
    av_dict_free(&options);
    return ret < 0 ? ERR_IO : 0;
}

static int prepare(struct track_file *track, const struct track_file_setup *setup)
{
    track->packet = av_packet_alloc();
    if (!track->packet || avformat_alloc_output_context2(&track->format, NULL,
                                                         track_file_suffix(setup->codec), NULL) < 0)
        return ERR_MEMORY;
    AVStream *stream = avformat_new_stream(track->format, NULL);
    track->format->url = av_strdup(track->file.name);
    if (!stream || !track->format->url)
        return ERR_MEMORY;
    track->format->flags |= AVFMT_FLAG_BITEXACT; /* same spool, same bytes */
    stream->time_base = milliseconds;            /* a wish: MP4 takes finer ones */
    int err = describe(stream->codecpar, setup);
    if (!err)
        err = out_file_attach(&track->file, track->format);
    return err ? err : write_header(track, setup);
}

int track_file_open(int dir, const char *name, const struct track_file_setup *setup,
                    struct track_file **ret_track)
{
    struct track_file *track = calloc(1, sizeof(*track));
    if (!track)
        return ERR_MEMORY;
    int err = out_file_open(&track->file, dir, name);
    if (!err)
        err = prepare(track, setup);
    if (err)
        track_file_discard(&track);
    else
        *ret_track = track;
    return err;
}

int track_file_write(struct track_file *track, usec_t time, usec_t duration, bool key,
                     struct slice data)
{
    AVPacket *packet = track->packet;
    packet->data = (uint8_t *)(uintptr_t)data.data; /* only read */
    packet->size = (int)data.len;
    packet->pts = packet->dts = (time + 500) / 1000;
    packet->duration = (duration + 500) / 1000;
    packet->flags = key ? AV_PKT_FLAG_KEY : 0;
    packet->stream_index = 0;
    av_packet_rescale_ts(packet, milliseconds, track->format->streams[0]->time_base);
    int ret = av_write_frame(track->format, packet);
    av_packet_unref(packet);
    if (track->file.failed)
        return ERR_IO;
    track->written |= ret >= 0;
    return ret < 0 ? ERR_FORMAT : 0;
}

static void release(struct track_file **track)
{
    if ((*track)->format) {
        out_file_detach((*track)->format);
        avformat_free_context((*track)->format);
    }
    av_packet_free(&(*track)->packet);
    free(*track);
    *track = NULL;
}

int track_file_close(struct track_file **track, int64_t *ret_size)
{
    int ret = av_write_trailer((*track)->format);
    avio_flush((*track)->format->pb);
    *ret_size = (*track)->file.size;
    int err = ret < 0 ? ERR_IO : out_file_commit(&(*track)->file);
    out_file_discard(&(*track)->file);
    release(track);
    return err;
}

void track_file_discard(struct track_file **track)
{
    if (!*track)
        return;
    out_file_discard(&(*track)->file);
    release(track);
}
