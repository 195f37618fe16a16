/* Which video codecs a class may use: what is offered, and what members may say that they can. */
#include <stdio.h>

#include "proto/offer.h"
#include "room/inner.h"

static const struct known {
    const char *name; /* in lists of codecs */
    const char *sdp;
    unsigned type;
    unsigned rtx;
    const char *parameters[3][2];
} all[CODECS_MAX] = {
    {"vp8", "VP8", OFFER_PT_VP8, OFFER_PT_RTX_VP8, {{0}}},
    {"vp9", "VP9", OFFER_PT_VP9, OFFER_PT_RTX_VP9, {{0}}},
    {"h264",
     "H264",
     OFFER_PT_H264,
     OFFER_PT_RTX_H264,
     {{"profile-level-id", "42e01f"},
      {"level-asymmetry-allowed", "1"},
      {"packetization-mode", "1"}}},
    {"av1", "AV1", OFFER_PT_AV1, OFFER_PT_RTX_AV1, {{0}}},
};

static const struct known *find(struct slice name)
{
    for (size_t i = 0; i < CODECS_MAX; i++)
        if (slice_eq_nocase(name, slice_str(all[i].name)))
            return &all[i];
    return NULL;
}

void codecs_configure(struct realm *r, const char *words)
{
    struct slice rest = slice_str(words);
    r->codec_count = 0;
    while (rest.len > 0 && r->codec_count < CODECS_MAX) {
        const struct known *codec = find(slice_trim(slice_cut(&rest, ' ')));
        if (codec)
            r->codecs[r->codec_count++] = (uint8_t)(codec - all);
    }
    if (r->codec_count == 0)
        r->codecs[r->codec_count++] = 0;
}

static bool is_allowed(const struct realm *r, const struct known *codec)
{
    for (size_t i = 0; i < r->codec_count; i++)
        if (&all[r->codecs[i]] == codec)
            return true;
    return false;
}

static void append(char out[CODECS_TEXT], const char *name)
{
    size_t len = strlen(out);
    (void)snprintf(out + len, CODECS_TEXT - len, "%s%s", len > 0 ? "," : "", name); /* fits */
}

void codecs_list(const struct realm *r, char out[CODECS_TEXT])
{
    out[0] = '\0';
    for (size_t i = 0; i < r->codec_count; i++)
        append(out, all[r->codecs[i]].name);
}

void codecs_filter(const struct realm *r, struct slice list, char out[CODECS_TEXT])
{
    bool seen[CODECS_MAX] = {false};
    out[0] = '\0';
    while (list.len > 0) {
        const struct known *codec = find(slice_trim(slice_cut(&list, ',')));
        if (!codec || seen[codec - all] || !is_allowed(r, codec))
            continue;
        seen[codec - all] = true;
        append(out, codec->name);
    }
    /* Every browser has VP8; who has nothing that is allowed cannot take part anyway. */
    if (!out[0])
        append(out, is_allowed(r, &all[0]) ? all[0].name : all[r->codecs[0]].name);
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

void codecs_offer(const struct realm *r, struct xml_writer *w, const struct caps *caps)
{
    for (size_t i = 0; i < r->codec_count; i++)
        put_codec(w, &all[r->codecs[i]], caps);
    /* Layers of AV1 and H.264 are told nowhere else. */
    if (is_allowed(r, find(SLICE("av1"))) || is_allowed(r, find(SLICE("h264"))))
        offer_extension(w, OFFER_EXT_DEPENDENCY,
                        "https://aomediacodec.github.io/av1-rtp-spec/"
                        "#dependency-descriptor-rtp-header-extension");
}
