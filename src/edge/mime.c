#include "edge/mime.h"

#include "base/units.h"

static const struct {
    const char *ending;
    const char *type;
} TYPES[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".map", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".gif", "image/gif"},
    {".webp", "image/webp"},
    {".avif", "image/avif"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".woff", "font/woff"},
    {".ttf", "font/ttf"},
    {".wasm", "application/wasm"},
    {".tflite", "application/octet-stream"},
    {".mp4", "video/mp4"},
    {".m4a", "audio/mp4"},
    {".m4s", "video/iso.segment"},
    {".webm", "video/webm"},
    {".ogg", "audio/ogg"},
    {".opus", "audio/ogg"},
    {".mp3", "audio/mpeg"},
    {".wav", "audio/wav"},
    {".vtt", "text/vtt; charset=utf-8"},
    {".m3u8", "application/vnd.apple.mpegurl"},
    {".txt", "text/plain; charset=utf-8"},
    {".csv", "text/csv; charset=utf-8"},
    {".xml", "application/xml"},
    {".pdf", "application/pdf"},
    {".zip", "application/zip"},
};

const char *mime_type(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(TYPES); i++)
        if (slice_ends(name, slice_str(TYPES[i].ending)))
            return TYPES[i].type;
    return "application/octet-stream";
}

/* ";q=0", with any number of zeros after the point, means "not this one". */
static bool is_refused(struct slice params)
{
    while (params.len > 0) {
        struct slice param = slice_trim(slice_cut(&params, ';'));
        if (!slice_starts(param, SLICE("q=0")) && !slice_starts(param, SLICE("Q=0")))
            continue;
        param = slice_sub(param, 3, SIZE_MAX);
        for (size_t i = 0; i < param.len; i++)
            if (param.data[i] >= '1' && param.data[i] <= '9')
                return false;
        return true;
    }
    return false;
}

unsigned mime_codings(struct slice accept)
{
    unsigned set = 0;
    while (accept.len > 0) {
        struct slice params = slice_cut(&accept, ',');
        struct slice name = slice_trim(slice_cut(&params, ';'));
        if (is_refused(params))
            continue;
        if (slice_eq_nocase(name, SLICE("br")))
            set |= CODING_BROTLI;
        if (slice_eq_nocase(name, SLICE("gzip")) || slice_eq_nocase(name, SLICE("x-gzip")))
            set |= CODING_GZIP;
    }
    return set;
}
