#include "record/label.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pango/pangocairo.h>

#include "base/slice.h"

#define NAME_CHARACTERS 80
#define MARKS_MAX 2
#define FONT "Noto Sans, DejaVu Sans"

/* Characters that turn around what stands beside them, or show nothing of their own; joiners stay,
 * scripts and emoji need them. */
static bool is_hidden(gunichar c)
{
    return g_unichar_iscntrl(c) || c == 0x061c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
           (c >= 0xfff9 && c <= 0xfffb) || !g_unichar_isdefined(c);
}

void label_clean(const char *name, char *out, size_t size)
{
    char *valid = g_utf8_make_valid(name, -1);
    size_t len = 0;
    int characters = 0, marks = 0;
    for (const char *at = valid; *at && characters < NAME_CHARACTERS; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        if (g_unichar_isspace(c))
            c = ' ';
        marks = g_unichar_ismark(c) ? marks + 1 : 0;
        if (is_hidden(c) || marks > MARKS_MAX)
            continue;
        char bytes[6];
        size_t part = (size_t)g_unichar_to_utf8(c, bytes);
        if (len + part >= size)
            break;
        memcpy(out + len, bytes, part);
        len += part;
        characters++;
    }
    out[len] = '\0';
    g_strstrip(out);
    g_free(valid);
}

void label_initials(const char *name, char *out, size_t size)
{
    gunichar letters[2] = {0};
    bool between = true;
    for (const char *at = name; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        if (between && g_unichar_isgraph(c) && !g_unichar_ismark(c) && !g_unichar_ispunct(c)) {
            letters[letters[0] ? 1 : 0] = g_unichar_toupper(c);
            between = false;
        }
        if (g_unichar_isspace(c))
            between = true;
    }
    char text[16] = "?";
    size_t len = 0;
    for (int i = 0; i < 2 && letters[i]; i++)
        len += (size_t)g_unichar_to_utf8(letters[i], text + len);
    if (len)
        text[len] = '\0';
    (void)slice_copy(slice_str(text), out, size); /* 13 bytes at most */
}

void label_done(struct label *label)
{
    free(label->pixels);
    *label = (struct label){0};
}

struct drawing {
    cairo_surface_t *surface;
    cairo_t *cairo;
    PangoLayout *text;
};

static void drawing_begin(struct drawing *d, int width, int height, const char *text, double size)
{
    d->surface = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, width, height);
    d->cairo = cairo_create(d->surface);
    d->text = pango_cairo_create_layout(d->cairo);
    PangoFontDescription *font = pango_font_description_from_string(FONT);
    pango_font_description_set_absolute_size(font, size * PANGO_SCALE);
    pango_layout_set_font_description(d->text, font);
    pango_font_description_free(font);
    pango_layout_set_single_paragraph_mode(d->text, TRUE);
    pango_layout_set_auto_dir(d->text, TRUE);
    pango_layout_set_text(d->text, text, -1);
}

static int drawing_end(struct drawing *d, struct label *ret_label)
{
    struct label label = {0};
    cairo_surface_flush(d->surface);
    if (cairo_surface_status(d->surface) == CAIRO_STATUS_SUCCESS &&
        cairo_status(d->cairo) == CAIRO_STATUS_SUCCESS) {
        label.width = cairo_image_surface_get_width(d->surface);
        label.height = cairo_image_surface_get_height(d->surface);
        label.stride = cairo_image_surface_get_stride(d->surface);
        size_t size = (size_t)label.stride * (size_t)label.height;
        label.pixels = malloc(size + 1);
        if (label.pixels)
            memcpy(label.pixels, cairo_image_surface_get_data(d->surface), size);
    }
    g_object_unref(d->text);
    cairo_destroy(d->cairo);
    cairo_surface_destroy(d->surface);
    if (!label.pixels)
        return ERR_MEMORY;
    *ret_label = label;
    return 0;
}

static void text_size(PangoLayout *text, int *ret_width, int *ret_height)
{
    pango_layout_get_pixel_size(text, ret_width, ret_height);
}

static void draw_pill(cairo_t *cairo, double width, double height)
{
    double r = height / 2;
    cairo_new_path(cairo);
    cairo_arc(cairo, width - r, r, r, -M_PI / 2, M_PI / 2);
    cairo_arc(cairo, r, r, r, M_PI / 2, 3 * M_PI / 2);
    cairo_close_path(cairo);
    cairo_set_source_rgba(cairo, 0, 0, 0, 0.62);
    cairo_fill(cairo);
}

int label_name(const char *name, int height, int max_width, struct label *ret_label)
{
    struct drawing probe, d;
    struct label unused;
    double size = height * 0.56;
    int width, text_height, margin = height / 2;
    drawing_begin(&probe, 1, 1, name, size);
    text_size(probe.text, &width, &text_height);
    int err = drawing_end(&probe, &unused);
    if (err)
        return err;
    label_done(&unused);
    int room = max_width - 2 * margin;
    if (width > room)
        width = room;
    drawing_begin(&d, (width + 2 * margin + 1) & ~1, height, name, size);
    pango_layout_set_width(d.text, (width + 1) * PANGO_SCALE);
    pango_layout_set_height(d.text, -1);
    pango_layout_set_ellipsize(d.text, PANGO_ELLIPSIZE_END);
    text_size(d.text, &width, &text_height);
    draw_pill(d.cairo, cairo_image_surface_get_width(d.surface), height);
    cairo_set_source_rgb(d.cairo, 1, 1, 1);
    cairo_move_to(d.cairo, margin, (height - text_height) / 2.0);
    pango_cairo_show_layout(d.cairo, d.text);
    return drawing_end(&d, ret_label);
}

static void set_color_of(cairo_t *cairo, const char *name)
{
    /* Dark enough for white letters. */
    static const double colors[][3] = {{0.10, 0.42, 0.66}, {0.53, 0.27, 0.55}, {0.18, 0.49, 0.34},
                                       {0.70, 0.34, 0.17}, {0.62, 0.20, 0.30}, {0.28, 0.33, 0.62}};
    uint64_t hash = slice_hash(slice_str(name), 0);
    const double *rgb = colors[hash % (sizeof(colors) / sizeof(colors[0]))];
    cairo_set_source_rgb(cairo, rgb[0], rgb[1], rgb[2]);
}

int label_avatar(const char *name, int width, int height, struct label *ret_label)
{
    struct drawing d;
    char initials[16];
    int text_width, text_height;
    double radius = fmin(width, height) * 0.28;
    label_initials(name, initials, sizeof(initials));
    drawing_begin(&d, width, height, initials, radius * 0.85);
    cairo_set_source_rgb(d.cairo, 0.13, 0.14, 0.16);
    cairo_paint(d.cairo);
    set_color_of(d.cairo, name);
    cairo_arc(d.cairo, width / 2.0, height / 2.0, radius, 0, 2 * M_PI);
    cairo_fill(d.cairo);
    text_size(d.text, &text_width, &text_height);
    cairo_set_source_rgb(d.cairo, 1, 1, 1);
    cairo_move_to(d.cairo, (width - text_width) / 2.0, (height - text_height) / 2.0);
    pango_cairo_show_layout(d.cairo, d.text);
    return drawing_end(&d, ret_label);
}
