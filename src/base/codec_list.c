#include "base/codec_list.h"

#include <string.h>

static const char *const names[CODEC_COUNT] = {"vp8", "vp9", "h264", "av1"};

bool codec_list_has(const struct codec_list *list, enum codec_id codec)
{
    return memchr(list->at, (int)codec, list->count) != NULL;
}

static void add(struct codec_list *list, enum codec_id codec)
{
    if (!codec_list_has(list, codec))
        list->at[list->count++] = (uint8_t)codec;
}

struct codec_list codec_list_read(struct slice text, uint8_t mark)
{
    struct codec_list list = {0};
    while (text.len > 0) {
        struct slice name = slice_trim(slice_cut(&text, mark));
        for (size_t i = 0; i < CODEC_COUNT; i++)
            if (slice_eq_nocase(name, slice_str(names[i])))
                add(&list, (enum codec_id)i);
    }
    return list;
}

int codec_list_parse(struct slice text, struct codec_list *ret_list)
{
    char again[CODEC_LIST_TEXT];
    struct codec_list list = codec_list_read(text, ' ');
    codec_list_print(&list, ' ', again);
    if (!codec_list_has(&list, CODEC_VP8) || !slice_eq_str(text, again))
        return ERR_FORMAT;
    *ret_list = list;
    return 0;
}

struct codec_list codec_list_within(const struct codec_list *list, const struct codec_list *allowed)
{
    struct codec_list both = {0};
    for (size_t i = 0; i < list->count; i++)
        if (codec_list_has(allowed, (enum codec_id)list->at[i]))
            add(&both, (enum codec_id)list->at[i]);
    return both;
}

void codec_list_print(const struct codec_list *list, char mark, char out[CODEC_LIST_TEXT])
{
    size_t len = 0;
    for (size_t i = 0; i < list->count; i++) {
        const char *name = names[list->at[i]];
        if (i > 0)
            out[len++] = mark;
        memcpy(out + len, name, strlen(name));
        len += strlen(name);
    }
    out[len] = '\0';
}
