#include "edge/deflate.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

/* Texts are a few hundred bytes of XML or JSON; a higher level costs time and saves nothing. */
#define LEVEL 4
#define WINDOW_BITS 15
#define MEMORY_LEVEL 8
/* Room asked of the output at a time. */
#define STEP ((size_t)16384)

struct deflate {
    z_stream out;
    z_stream in;
};

static const uint8_t TAIL[4] = {0x00, 0x00, 0xff, 0xff};

static struct slice unquote(struct slice value)
{
    value = slice_trim(value);
    if (value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"')
        return slice_sub(value, 1, value.len - 2);
    return value;
}

static bool is_window(struct slice value)
{
    uint64_t bits = 0;
    return slice_to_u64(unquote(value), WINDOW_BITS, &bits) == 0 && bits >= 8;
}

/* RFC 7692, section 7.1: an unknown, repeated or malformed parameter spoils the offer, and so does
 * a smaller window of ours, which would need an engine of its own. */
static bool is_acceptable(struct slice params)
{
    bool seen[4] = {false};
    while (params.len > 0) {
        struct slice value = slice_cut(&params, ';');
        bool has_value = slice_index(value, '=') < value.len;
        struct slice name = slice_trim(slice_cut(&value, '='));
        size_t which;
        if (slice_eq_nocase(name, SLICE("server_no_context_takeover")) && !has_value)
            which = 0;
        else if (slice_eq_nocase(name, SLICE("client_no_context_takeover")) && !has_value)
            which = 1;
        else if (slice_eq_nocase(name, SLICE("client_max_window_bits")) &&
                 (!has_value || is_window(value)))
            which = 2;
        else
            return false;
        if (seen[which])
            return false;
        seen[which] = true;
    }
    return true;
}

bool deflate_offered(struct slice extensions)
{
    while (extensions.len > 0) {
        struct slice offer = slice_cut(&extensions, ',');
        struct slice name = slice_trim(slice_cut(&offer, ';'));
        if (slice_eq_nocase(name, SLICE("permessage-deflate")) && is_acceptable(offer))
            return true;
    }
    return false;
}

int deflate_new(struct deflate **ret_deflate)
{
    struct deflate *engine = calloc(1, sizeof *engine);
    if (!engine)
        return ERR_MEMORY;
    if (deflateInit2(&engine->out, LEVEL, Z_DEFLATED, -WINDOW_BITS, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        free(engine);
        return ERR_MEMORY;
    }
    if (inflateInit2(&engine->in, -WINDOW_BITS) != Z_OK) {
        deflateEnd(&engine->out);
        free(engine);
        return ERR_MEMORY;
    }
    *ret_deflate = engine;
    return 0;
}

void deflate_free(struct deflate **engine)
{
    if (!*engine)
        return;
    deflateEnd(&(*engine)->out);
    inflateEnd(&(*engine)->in);
    free(*engine);
    *engine = NULL;
}

/* zlib's input is not const by its type, but by its promise. */
static void give(z_stream *stream, struct slice bytes)
{
    stream->next_in = (Bytef *)(uintptr_t)bytes.data;
    stream->avail_in = (uInt)bytes.len;
}

int deflate_compress(struct deflate *engine, struct slice text, struct buf *out)
{
    size_t start = out->len;
    if (text.len > INT_MAX || deflateReset(&engine->out) != Z_OK)
        return ERR_LIMIT;
    give(&engine->out, text);
    do {
        uint8_t *at = buf_reserve(out, STEP);
        if (!at)
            return ERR_LIMIT;
        engine->out.next_out = at;
        engine->out.avail_out = STEP;
        int result = deflate(&engine->out, Z_SYNC_FLUSH);
        if (result != Z_OK && result != Z_BUF_ERROR)
            return ERR_FORMAT;
        buf_commit(out, STEP - engine->out.avail_out);
    } while (engine->out.avail_out == 0);
    if (out->len - start < sizeof TAIL)
        return ERR_FORMAT;
    out->len -= sizeof TAIL;
    return 0;
}

/* One piece of input up to its end, or up to the end of a final block. */
static int expand_some(z_stream *in, struct buf *out, bool *ret_final)
{
    for (;;) {
        size_t room = out->max - out->len < STEP ? out->max - out->len : STEP;
        uint8_t spare;
        uint8_t *at = room ? buf_reserve(out, room) : &spare;
        if (!at)
            return ERR_LIMIT;
        in->next_out = at;
        in->avail_out = room ? (uInt)room : 1;
        uInt before = in->avail_out;
        int result = inflate(in, Z_SYNC_FLUSH);
        size_t made = before - in->avail_out;
        if (made > room)
            return ERR_LIMIT;
        buf_commit(out, made);
        *ret_final = result == Z_STREAM_END;
        if (result == Z_STREAM_END)
            return 0;
        if (result != Z_OK && result != Z_BUF_ERROR)
            return ERR_FORMAT;
        if (in->avail_out > 0)
            return in->avail_in == 0 ? 0 : ERR_FORMAT;
    }
}

int deflate_expand(struct deflate *engine, struct slice payload, struct buf *out)
{
    z_stream *in = &engine->in;
    const struct slice parts[] = {payload, slice_of(TAIL, sizeof TAIL)};
    if (payload.len > INT_MAX || inflateReset(in) != Z_OK)
        return ERR_LIMIT;
    for (size_t i = 0; i < 2; i++) {
        give(in, parts[i]);
        bool final = false;
        int err = expand_some(in, out, &final);
        /* After a final block another stream may follow (RFC 7692, section 7.2.3.4). Each takes at
         * least one byte, so this ends. */
        while (!err && final && in->avail_in > 0) {
            if (inflateReset(in) != Z_OK)
                return ERR_FORMAT;
            err = expand_some(in, out, &final);
        }
        if (!err && final && inflateReset(in) != Z_OK)
            err = ERR_FORMAT;
        if (err)
            return err;
    }
    return 0;
}
