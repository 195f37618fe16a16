#include "record/media_out.h"

#include <stdlib.h>
#include <string.h>

#include <libavutil/opt.h>

#define RATE 48000
/* A key frame at least this often, so that seeking is quick. */
#define KEY_SECONDS 4

struct media_out {
    struct out_file file;
    AVFormatContext *format;
    AVCodecContext *sound;
    AVCodecContext *picture;
    AVFrame *samples; /* being filled */
    int filled;
    int64_t sound_pts;
    AVFrame *shown; /* a reference to the picture being encoded */
    AVPacket *packet;
};

static int add_stream(struct media_out *out, AVCodecContext *codec)
{
    if (out->format->oformat->flags & AVFMT_GLOBALHEADER)
        codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    codec->flags |= AV_CODEC_FLAG_BITEXACT;
    if (avcodec_open2(codec, NULL, NULL) < 0)
        return ERR_UNSUPPORTED;
    AVStream *stream = avformat_new_stream(out->format, NULL);
    if (!stream || avcodec_parameters_from_context(stream->codecpar, codec) < 0)
        return ERR_MEMORY;
    stream->time_base = codec->time_base;
    return 0;
}

static int open_sound(struct media_out *out, const struct media_out_setup *setup)
{
    bool opus = setup->sound == MEDIA_SOUND_OPUS;
    const AVCodec *codec = avcodec_find_encoder_by_name(opus ? "libopus" : "aac");
    out->sound = codec ? avcodec_alloc_context3(codec) : NULL;
    if (!out->sound)
        return codec ? ERR_MEMORY : ERR_UNSUPPORTED;
    out->sound->sample_rate = RATE;
    out->sound->sample_fmt = opus ? AV_SAMPLE_FMT_FLT : AV_SAMPLE_FMT_FLTP; /* the same when mono */
    out->sound->bit_rate = setup->sound_rate;
    out->sound->time_base = (AVRational){1, RATE};
    av_channel_layout_default(&out->sound->ch_layout, 1);
    if (opus) {
        (void)av_opt_set(out->sound->priv_data, "application", "voip", 0);
        (void)av_opt_set(out->sound->priv_data, "frame_duration", "60", 0);
    }
    int err = add_stream(out, out->sound);
    if (err)
        return err;
    out->samples = av_frame_alloc();
    if (!out->samples)
        return ERR_MEMORY;
    out->samples->format = out->sound->sample_fmt;
    out->samples->nb_samples = out->sound->frame_size;
    out->samples->sample_rate = RATE;
    return av_channel_layout_copy(&out->samples->ch_layout, &out->sound->ch_layout) < 0 ||
                   av_frame_get_buffer(out->samples, 0) < 0
               ? ERR_MEMORY
               : 0;
}

static int open_picture(struct media_out *out, const struct media_picture_setup *setup)
{
    const AVCodec *codec = avcodec_find_encoder_by_name("libx264");
    out->picture = codec ? avcodec_alloc_context3(codec) : NULL;
    if (!out->picture)
        return codec ? ERR_MEMORY : ERR_UNSUPPORTED;
    AVCodecContext *c = out->picture;
    c->width = setup->width;
    c->height = setup->height;
    c->pix_fmt = AV_PIX_FMT_YUV420P;
    c->time_base = (AVRational){1, setup->fps};
    c->framerate = (AVRational){setup->fps, 1};
    c->gop_size = setup->fps * KEY_SECONDS;
    c->thread_count = 1; /* live classes need the other cores; and the same bytes every time */
    c->color_range = AVCOL_RANGE_MPEG;
    c->colorspace = AVCOL_SPC_SMPTE170M; /* as browsers send it */
    c->color_primaries = AVCOL_PRI_SMPTE170M;
    c->color_trc = AVCOL_TRC_SMPTE170M;
    (void)av_opt_set(c->priv_data, "preset", "veryfast", 0);
    (void)av_opt_set_int(c->priv_data, "crf", setup->crf, 0);
    out->shown = av_frame_alloc();
    return out->shown ? add_stream(out, c) : ERR_MEMORY;
}

static int prepare(struct media_out *out, const struct media_out_setup *setup)
{
    out->packet = av_packet_alloc();
    if (!out->packet || avformat_alloc_output_context2(&out->format, NULL, setup->format, NULL) < 0)
        return ERR_MEMORY;
    out->format->url = av_strdup(out->file.name);
    out->format->flags |= AVFMT_FLAG_BITEXACT;
    int err = out->format->url ? out_file_attach(&out->file, out->format) : ERR_MEMORY;
    if (!err && setup->picture)
        err = open_picture(out, setup->picture);
    if (!err)
        err = open_sound(out, setup);
    if (err)
        return err;
    AVDictionary *options = NULL;
    (void)av_dict_set(&options, "movflags", "+faststart", 0); /* other formats ignore it */
    int ret = avformat_write_header(out->format, &options);
    av_dict_free(&options);
    return ret < 0 ? ERR_IO : 0;
}

int media_out_open(int dir, const struct media_out_setup *setup, struct media_out **ret_out)
{
    struct media_out *out = calloc(1, sizeof(*out));
    if (!out)
        return ERR_MEMORY;
    int err = out_file_open(&out->file, dir, setup->name);
    if (!err)
        err = prepare(out, setup);
    if (err)
        media_out_discard(&out);
    else
        *ret_out = out;
    return err;
}

/* Encodes a frame (NULL: the end) and writes what comes out. */
static int encode(struct media_out *out, AVCodecContext *codec, AVFrame *frame)
{
    int index = codec == out->picture ? 0 : (int)out->format->nb_streams - 1;
    int ret = avcodec_send_frame(codec, frame);
    while (ret >= 0) {
        ret = avcodec_receive_packet(codec, out->packet);
        if (ret < 0)
            break;
        out->packet->stream_index = index;
        av_packet_rescale_ts(out->packet, codec->time_base, out->format->streams[index]->time_base);
        ret = av_interleaved_write_frame(out->format, out->packet);
    }
    bool good = ret == AVERROR(EAGAIN) || ret == AVERROR_EOF;
    return good && !out->file.failed ? 0 : ERR_IO;
}

static int send_samples(struct media_out *out)
{
    out->samples->nb_samples = out->filled;
    out->samples->pts = out->sound_pts;
    out->sound_pts += out->filled;
    out->filled = 0;
    int err = encode(out, out->sound, out->samples);
    out->samples->nb_samples = out->sound->frame_size;
    return err;
}

int media_out_sound(struct media_out *out, const float *samples, size_t count)
{
    int err = 0;
    while (count > 0 && !err) {
        if (out->filled == 0 && av_frame_make_writable(out->samples) < 0)
            return ERR_MEMORY;
        size_t room = (size_t)(out->sound->frame_size - out->filled);
        size_t part = count < room ? count : room;
        memcpy((float *)(void *)out->samples->data[0] + out->filled, samples,
               part * sizeof(*samples));
        out->filled += (int)part;
        samples += part;
        count -= part;
        if (out->filled == out->sound->frame_size)
            err = send_samples(out);
    }
    return err;
}

int media_out_picture(struct media_out *out, const AVFrame *picture, int64_t time, bool cut)
{
    if (av_frame_ref(out->shown, picture) < 0)
        return ERR_MEMORY;
    out->shown->pts = time;
    out->shown->pict_type = cut ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
    int err = encode(out, out->picture, out->shown);
    av_frame_unref(out->shown);
    return err;
}

static void release(struct media_out **out)
{
    struct media_out *o = *out;
    if (o->format) {
        out_file_detach(o->format);
        avformat_free_context(o->format);
    }
    avcodec_free_context(&o->sound);
    avcodec_free_context(&o->picture);
    av_frame_free(&o->samples);
    av_frame_free(&o->shown);
    av_packet_free(&o->packet);
    free(o);
    *out = NULL;
}

int media_out_close(struct media_out **out)
{
    struct media_out *o = *out;
    int err = o->filled ? send_samples(o) : 0;
    if (!err)
        err = encode(o, o->sound, NULL);
    if (!err && o->picture)
        err = encode(o, o->picture, NULL);
    if (!err && av_write_trailer(o->format) < 0)
        err = ERR_IO;
    avio_flush(o->format->pb);
    if (!err)
        err = out_file_commit(&o->file);
    out_file_discard(&o->file);
    release(out);
    return err;
}

void media_out_discard(struct media_out **out)
{
    if (!*out)
        return;
    out_file_discard(&(*out)->file);
    release(out);
}
