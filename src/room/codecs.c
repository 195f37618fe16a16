/* Which video codecs a class may use: what is offered, and what members may say that they can. */
#include <stdio.h>

#include "proto/offer.h"
#include "room/inner.h"

static const struct known {
    const char *sdp;
    unsigned type;
    unsigned rtx;
    const char *parameters[3][2];
} all[CODEC_COUNT] = {
    [CODEC_VP8] = {"VP8", OFFER_PT_VP8, OFFER_PT_RTX_VP8, {{0}}},
    [CODEC_VP9] = {"VP9", OFFER_PT_VP9, OFFER_PT_RTX_VP9, {{0}}},
    [CODEC_H264] = {"H264",
                    OFFER_PT_H264,
                    OFFER_PT_RTX_H264,
                    {{"profile-level-id", "42e01f"},
                     {"level-asymmetry-allowed", "1"},
                     {"packetization-mode", "1"}}},
    [CODEC_AV1] = {"AV1", OFFER_PT_AV1, OFFER_PT_RTX_AV1, {{0}}},
};
static const struct codec_list only_vp8 = {.count = 1, .at = {CODEC_VP8}};

void codecs_configure(struct realm *r, const char *words)
{
    r->codecs = codec_list_read(slice_str(words), ' ');
    if (r->codecs.count == 0)
        r->codecs = only_vp8;
}

struct codec_list codecs_of_room(const struct realm *r, const struct room *room)
{
    struct codec_list both = codec_list_within(&room->codecs, &r->codecs);
    return both.count > 0 ? both : r->codecs;
}

struct codec_list codecs_filter(const struct realm *r, const struct room *room,
                                const struct codec_list *list)
{
    struct codec_list allowed = codecs_of_room(r, room);
    struct codec_list both = codec_list_within(list, &allowed);
    if (both.count > 0)
        return both;
    /* Every browser has VP8; who has nothing that is allowed cannot take part anyway. */
    return codec_list_within(&only_vp8, &allowed).count > 0
               ? only_vp8
               : (struct codec_list){.count = 1, .at = {allowed.at[0]}};
}

static void open_payload(struct xml_writer *w, unsigned id, const char *name)
{
    xml_open(w, "payload-type", NS_JINGLE_RTP);
    xml_put_u64(w, "id", id);
    xml_put_str(w, "name", name);
    xml_put_u64(w, "clockrate", OFFER_CLOCK_VIDEO);
}

static void put_codec(struct xml_writer *w, const struct known *codec, const struct caps *caps)
{
    char apt[8];
    open_payload(w, codec->type, codec->sdp);
    for (size_t i = 0; i < ARRAY_LEN(codec->parameters) && codec->parameters[i][0]; i++)
        offer_parameter(w, codec->parameters[i][0], codec->parameters[i][1]);
    offer_feedback(w, "ccm", "fir");
    offer_feedback(w, "nack", NULL);
    offer_feedback(w, "nack", "pli");
    if (caps->tcc)
        offer_feedback(w, "transport-cc", NULL);
    xml_close(w);
    if (!caps->rtx)
        return;
    (void)snprintf(apt, sizeof apt, "%u", codec->type); /* fits */
    open_payload(w, codec->rtx, "rtx");
    offer_parameter(w, "apt", apt);
    xml_close(w);
}

/* The class's come first. The others stay within reach, so that it may choose anew while it goes
 * on, but nobody lists them. */
void codecs_offer(const struct realm *r, struct xml_writer *w, const struct occupant *o)
{
    struct codec_list first = codecs_of_room(r, o->room);
    for (size_t i = 0; i < first.count; i++)
        put_codec(w, &all[first.at[i]], &o->caps);
    for (size_t i = 0; i < r->codecs.count; i++)
        if (!codec_list_has(&first, (enum codec_id)r->codecs.at[i]))
            put_codec(w, &all[r->codecs.at[i]], &o->caps);
    /* Layers of AV1 and H.264 are told nowhere else. */
    if (codec_list_has(&r->codecs, CODEC_AV1) || codec_list_has(&r->codecs, CODEC_H264))
        offer_extension(w, OFFER_EXT_DEPENDENCY,
                        "https://aomediacodec.github.io/av1-rtp-spec/"
                        "#dependency-descriptor-rtp-header-extension");
}
