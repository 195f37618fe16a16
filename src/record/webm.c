#include "record/webm.h"

#include <stdlib.h>

/* One entry of the index in its longest form. */
#define CUE_SIZE 30u
#define CUE_ROOM_MAX (16u * 1024 * 1024)
/* Sound has no key frames: an index entry at this distance suffices. */
#define AUDIO_CLUSTER_MS 10000
#define OPUS_RATE 48000

struct webm {
    struct out_file file;
    AVFormatContext *format;
    AVPacket *packet;
    bool written;
};

/* RFC 7845 section 5.1: stereo, nothing to skip, 48 kHz, no gain. */
static const uint8_t opus_head[19] = {'O', 'p', 'u',  's',  'H', 'e', 'a', 'd', 1, 2,
                                      0,   0,   0x80, 0xbb, 0,   0,   0,   0,   0};

static int describe(AVCodecParameters *par, const struct webm_setup *setup)
{
    if (setup->video) {
        par->codec_type = AVMEDIA_TYPE_VIDEO;
        par->codec_id = AV_CODEC_ID_VP8;
        par->width = setup->width;
        par->height = setup->height;
        return 0;
    }
    par->codec_type = AVMEDIA_TYPE_AUDIO;
    par->codec_id = AV_CODEC_ID_OPUS;
    par->sample_rate = OPUS_RATE;
    av_channel_layout_default(&par->ch_layout, 2);
    par->extradata = av_mallocz(sizeof(opus_head) + AV_INPUT_BUFFER_PADDING_SIZE);
    if (!par->extradata)
        return ERR_MEMORY;
    memcpy(par->extradata, opus_head, sizeof(opus_head));
    par->extradata_size = sizeof(opus_head);
    return 0;
}

static int write_header(struct webm *webm, const struct webm_setup *setup)
{
    AVDictionary *options = NULL;
    size_t room = setup->index_entries * CUE_SIZE + 64;
    if (room > CUE_ROOM_MAX)
        room = CUE_ROOM_MAX;
    (void)av_dict_set_int(&options, "reserve_index_space", (int64_t)room, 0);
    (void)av_dict_set_int(&options, "cues_to_front", 1, 0); /* should the room not suffice */
    if (!setup->video)
        (void)av_dict_set_int(&options, "cluster_time_limit", AUDIO_CLUSTER_MS, 0);
    int ret = avformat_write_header(webm->format, &options);
    av_dict_free(&options);
    return ret < 0 ? ERR_IO : 0;
}

static int prepare(struct webm *webm, const struct webm_setup *setup)
{
    webm->packet = av_packet_alloc();
    if (!webm->packet || avformat_alloc_output_context2(&webm->format, NULL, "webm", NULL) < 0)
        return ERR_MEMORY;
    AVStream *stream = avformat_new_stream(webm->format, NULL);
    webm->format->url = av_strdup(webm->file.name);
    if (!stream || !webm->format->url)
        return ERR_MEMORY;
    webm->format->flags |= AVFMT_FLAG_BITEXACT; /* same spool, same bytes */
    stream->time_base = (AVRational){1, 1000};
    int err = describe(stream->codecpar, setup);
    if (!err)
        err = out_file_attach(&webm->file, webm->format);
    return err ? err : write_header(webm, setup);
}

int webm_open(int dir, const char *name, const struct webm_setup *setup, struct webm **ret_webm)
{
    struct webm *webm = calloc(1, sizeof(*webm));
    if (!webm)
        return ERR_MEMORY;
    int err = out_file_open(&webm->file, dir, name);
    if (!err)
        err = prepare(webm, setup);
    if (err)
        webm_discard(&webm);
    else
        *ret_webm = webm;
    return err;
}

int webm_write(struct webm *webm, usec_t time, usec_t duration, bool key, struct slice data)
{
    AVPacket *packet = webm->packet;
    packet->data = (uint8_t *)(uintptr_t)data.data; /* only read */
    packet->size = (int)data.len;
    packet->pts = packet->dts = (time + 500) / 1000;
    packet->duration = (duration + 500) / 1000;
    packet->flags = key ? AV_PKT_FLAG_KEY : 0;
    packet->stream_index = 0;
    int ret = av_write_frame(webm->format, packet);
    av_packet_unref(packet);
    if (webm->file.failed)
        return ERR_IO;
    webm->written |= ret >= 0;
    return ret < 0 ? ERR_FORMAT : 0;
}

static void release(struct webm **webm)
{
    if ((*webm)->format) {
        out_file_detach((*webm)->format);
        avformat_free_context((*webm)->format);
    }
    av_packet_free(&(*webm)->packet);
    free(*webm);
    *webm = NULL;
}

int webm_close(struct webm **webm, int64_t *ret_size)
{
    int ret = av_write_trailer((*webm)->format);
    avio_flush((*webm)->format->pb);
    *ret_size = (*webm)->file.size;
    int err = ret < 0 ? ERR_IO : out_file_commit(&(*webm)->file);
    out_file_discard(&(*webm)->file);
    release(webm);
    return err;
}

void webm_discard(struct webm **webm)
{
    if (!*webm)
        return;
    out_file_discard(&(*webm)->file);
    release(webm);
}
