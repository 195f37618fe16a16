#include "proto/dependency.h"

#include "proto/bits.h"

enum { MANDATORY_SIZE = 3, MANDATORY_BITS = 24, FLAGS = 5, LAST_TEMPLATE = 3, BITS_MAX = 8 * 255 };

enum dependency_dti dependency_dti_of(const struct dependency_template *frame, unsigned target)
{
    return (enum dependency_dti)(frame->dtis >> (2 * target) & 3);
}

static void read_dtis(struct bits *b, unsigned count, struct dependency_template *t)
{
    t->dtis = 0;
    for (unsigned i = 0; i < count; i++)
        t->dtis |= (uint64_t)bits_get(b, 2) << (2 * i);
}

static int read_layers(struct bits *b, struct dependency_structure *s)
{
    unsigned spatial = 0;
    unsigned temporal = 0;
    for (;;) {
        if (s->template_count == DEPENDENCY_TEMPLATES_MAX || spatial >= DEPENDENCY_SPATIAL_MAX ||
            temporal >= DEPENDENCY_TEMPORAL_MAX)
            return ERR_FORMAT;
        struct dependency_template *t = &s->templates[s->template_count++];
        t->spatial = (uint8_t)spatial;
        t->temporal = (uint8_t)temporal;
        s->spatial_count = (uint8_t)(spatial + 1);
        uint32_t next = bits_get(b, 2);
        if (b->failed)
            return ERR_FORMAT;
        if (next == LAST_TEMPLATE)
            return 0;
        temporal = next == 2 ? 0 : temporal + next;
        spatial += next == 2;
    }
}

static int add_fdiff(struct dependency_template *t, uint32_t less_one)
{
    if (t->fdiff_count == DEPENDENCY_FDIFFS_MAX)
        return ERR_FORMAT;
    t->fdiffs[t->fdiff_count++] = (uint16_t)(less_one + 1);
    return 0;
}

static int read_fdiffs(struct bits *b, struct dependency_structure *s)
{
    for (unsigned i = 0; i < s->template_count; i++)
        while (bits_get(b, 1))
            if (add_fdiff(&s->templates[i], bits_get(b, 4)) != 0)
                return ERR_FORMAT;
    return 0;
}

static void skip_chains(struct bits *b, struct dependency_structure *s)
{
    s->chain_count = (uint8_t)bits_get_ns(b, s->target_count + 1U);
    if (s->chain_count == 0)
        return;
    for (unsigned i = 0; i < s->target_count; i++)
        (void)bits_get_ns(b, s->chain_count); /* by which chain it is protected */
    for (unsigned i = 0; i < (unsigned)s->template_count * s->chain_count; i++)
        (void)bits_get(b, 4);
}

static void find_target_layers(struct dependency_structure *s)
{
    for (unsigned t = 0; t < s->target_count; t++) {
        for (unsigned i = 0; i < s->template_count; i++) {
            const struct dependency_template *from = &s->templates[i];
            if (dependency_dti_of(from, t) == DEPENDENCY_NOT_PRESENT)
                continue;
            if (from->spatial > s->target_spatial[t])
                s->target_spatial[t] = from->spatial;
            if (from->temporal > s->target_temporal[t])
                s->target_temporal[t] = from->temporal;
        }
    }
}

static int read_structure(struct bits *b, struct dependency_structure *s)
{
    *s = (struct dependency_structure){0};
    s->offset = (uint8_t)bits_get(b, 6);
    s->target_count = (uint8_t)(bits_get(b, 5) + 1);
    if (read_layers(b, s) != 0)
        return ERR_FORMAT;
    for (unsigned i = 0; i < s->template_count; i++)
        read_dtis(b, s->target_count, &s->templates[i]);
    if (read_fdiffs(b, s) != 0)
        return ERR_FORMAT;
    skip_chains(b, s);
    s->has_resolutions = bits_get(b, 1);
    for (unsigned i = 0; s->has_resolutions && i < s->spatial_count; i++) {
        s->width[i] = (uint16_t)(bits_get(b, 16) + 1);
        s->height[i] = (uint16_t)(bits_get(b, 16) + 1);
    }
    if (b->failed)
        return ERR_FORMAT;
    find_target_layers(s);
    return 0;
}

static int read_custom(struct bits *b, const struct dependency_structure *s, const bool custom[3],
                       struct dependency_template *frame)
{
    if (custom[0])
        read_dtis(b, s->target_count, frame);
    if (custom[1]) {
        frame->fdiff_count = 0;
        for (uint32_t size = bits_get(b, 2); size > 0; size = bits_get(b, 2))
            if (add_fdiff(frame, bits_get(b, 4 * size)) != 0)
                return ERR_FORMAT;
    }
    for (unsigned i = 0; custom[2] && i < s->chain_count; i++)
        (void)bits_get(b, 8);
    return b->failed ? ERR_FORMAT : 0;
}

static int read_frame(struct bits *b, const struct dependency_structure *s, const bool custom[3],
                      struct dependency_descriptor *d)
{
    unsigned index = (d->template_id + 64U - s->offset) % 64;
    if (index >= s->template_count)
        return ERR_NOT_FOUND;
    d->frame = s->templates[index];
    return read_custom(b, s, custom, &d->frame);
}

int dependency_parse(struct slice value, struct dependency_structure *structure,
                     struct dependency_descriptor *ret)
{
    struct bits b = bits_of(value);
    struct dependency_descriptor d = {0};
    struct dependency_structure fresh;
    const struct dependency_structure *s = structure;
    if (value.len > BITS_MAX / 8)
        return ERR_FORMAT;
    d.start = bits_get(&b, 1);
    d.end = bits_get(&b, 1);
    d.template_id = (uint8_t)bits_get(&b, 6);
    d.number = (uint16_t)bits_get(&b, 16);
    if (b.failed)
        return ERR_FORMAT;
    bool custom[3] = {false, false, false};
    if (value.len > MANDATORY_SIZE) {
        d.has_structure = bits_get(&b, 1);
        d.has_active = bits_get(&b, 1);
        for (int i = 0; i < 3; i++)
            custom[i] = bits_get(&b, 1);
        if (d.has_structure) {
            if (read_structure(&b, &fresh) != 0)
                return ERR_FORMAT;
            s = &fresh;
        }
    }
    d.marks.structure_end = (uint16_t)b.at;
    *ret = d;
    if (s->target_count == 0)
        return ERR_NOT_FOUND;
    d.active = UINT32_MAX >> (32 - s->target_count);
    if (d.has_active)
        d.active = bits_get(&b, s->target_count);
    d.marks.rest = (uint16_t)b.at;
    d.marks.target_count = s->target_count;
    int err = read_frame(&b, s, custom, &d);
    if (err)
        return err;
    *ret = d;
    if (d.has_structure)
        *structure = fresh;
    return 0;
}

size_t dependency_put(struct slice value, const struct dependency_marks *marks, uint16_t number,
                      uint32_t active, uint8_t *out, size_t size)
{
    if (active == 0) {
        if (size < value.len)
            return 0;
        memcpy(out, value.data, value.len);
        store_u16(out + 1, number);
        return value.len;
    }
    struct bits from = bits_of(value);
    memset(out, 0, size < value.len + DEPENDENCY_GROWTH ? size : value.len + DEPENDENCY_GROWTH);
    struct bits_writer w = bits_writer_of(out, size);
    bits_put(&w, bits_get(&from, 8), 8);
    (void)bits_get(&from, 16); /* the number as it was */
    bits_put(&w, number, 16);
    uint32_t flags = value.len > MANDATORY_SIZE ? bits_get(&from, FLAGS) : 0;
    bits_put(&w, flags | 0x08, FLAGS);
    bits_copy(&w, &from, marks->structure_end);
    bits_put(&w, active, marks->target_count);
    from.at = marks->rest;
    bits_copy(&w, &from, value.len * 8);
    return w.failed || from.failed ? 0 : bits_writer_len(&w);
}
