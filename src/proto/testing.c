#include "proto/testing.h"

#include <assert.h>

enum { KINDS = 4 }; /* templates of a spatial layer: key, then a delta frame of each temporal one */

enum dependency_dti testing_dti(const struct testing_layers *l, const struct testing_frame *f,
                                unsigned target)
{
    unsigned spatial = target / l->temporal;
    unsigned temporal = target % l->temporal;
    if (f->spatial > spatial || f->temporal > temporal)
        return DEPENDENCY_NOT_PRESENT;
    if (f->key)
        return DEPENDENCY_SWITCH;
    if (f->spatial < spatial)
        return l->key_only ? DEPENDENCY_NOT_PRESENT : DEPENDENCY_REQUIRED;
    if (f->temporal == 0)
        return DEPENDENCY_SWITCH;
    return f->temporal == temporal ? DEPENDENCY_DISCARDABLE : DEPENDENCY_REQUIRED;
}

static unsigned kinds(const struct testing_layers *l)
{
    return 1 + l->temporal;
}

static struct testing_frame template_of(const struct testing_layers *l, unsigned index)
{
    unsigned kind = index % kinds(l);
    return (struct testing_frame){
        .spatial = index / kinds(l), .temporal = kind > 0 ? kind - 1 : 0, .key = kind == 0};
}

static void put_dtis(struct bits_writer *w, const struct testing_layers *l,
                     const struct testing_frame *f)
{
    for (unsigned t = 0; t < l->spatial * l->temporal; t++)
        bits_put(w, testing_dti(l, f, t), 2);
}

static void put_ns(struct bits_writer *w, uint32_t value, uint32_t limit)
{
    unsigned width = 0;
    while (limit >> width > 0)
        width++;
    uint32_t shorter = (1U << width) - limit;
    if (value < shorter)
        bits_put(w, value, width - 1);
    else
        bits_put(w, value + shorter, width);
}

static void put_structure(struct bits_writer *w, const struct testing_layers *l)
{
    unsigned count = l->spatial * kinds(l);
    unsigned targets = l->spatial * l->temporal;
    bits_put(w, l->offset, 6);
    bits_put(w, targets - 1, 5);
    for (unsigned i = 0; i < count; i++) {
        struct testing_frame now = template_of(l, i);
        struct testing_frame next = template_of(l, i + 1);
        bool last = i + 1 == count;
        bits_put(w, last ? 3 : next.spatial > now.spatial ? 2 : next.temporal > now.temporal, 2);
    }
    for (unsigned i = 0; i < count; i++) {
        struct testing_frame f = template_of(l, i);
        put_dtis(w, l, &f);
    }
    for (unsigned i = 0; i < count; i++) { /* keys refer one layer down, others one frame back */
        struct testing_frame f = template_of(l, i);
        bool refers = !f.key || f.spatial > 0;
        bits_put(w, refers, 1);
        if (refers)
            bits_put(w, (f.key ? 1 : l->spatial) - 1, 4), bits_put(w, 0, 1);
    }
    put_ns(w, l->spatial, targets + 1); /* one chain for each spatial layer */
    for (unsigned t = 0; t < targets; t++)
        put_ns(w, t / l->temporal, l->spatial);
    for (unsigned i = 0; i < count * l->spatial; i++)
        bits_put(w, 1, 4);
    bits_put(w, 1, 1);
    for (unsigned s = 0; s < l->spatial; s++) {
        unsigned height = l->height >> (l->spatial - 1 - s);
        bits_put(w, height * 16 / 9 - 1, 16);
        bits_put(w, height - 1, 16);
    }
}

size_t testing_descriptor(const struct testing_layers *l, const struct testing_frame *f,
                          uint8_t *out, size_t size)
{
    assert(l->temporal < KINDS);
    memset(out, 0, size);
    struct bits_writer w = bits_writer_of(out, size);
    bool structure = f->key && f->spatial == 0 && f->start;
    unsigned template = f->spatial * kinds(l) + (f->key ? 0 : 1 + f->temporal);
    bits_put(&w, f->start, 1);
    bits_put(&w, f->end, 1);
    bits_put(&w, (template + l->offset) % 64, 6);
    bits_put(&w, f->number, 16);
    bool extended = structure || !f->key || f->active != 0;
    if (!extended)
        return bits_writer_len(&w);
    bits_put(&w, structure, 1);
    bits_put(&w, f->active != 0, 1);
    bits_put(&w, 0, 1);
    bits_put(&w, !f->key, 1);
    bits_put(&w, 0, 1);
    if (structure)
        put_structure(&w, l);
    if (f->active != 0)
        bits_put(&w, f->active, l->spatial * l->temporal);
    for (unsigned i = 0; !f->key && i < f->fdiff_count; i++) {
        bits_put(&w, 2, 2);
        bits_put(&w, f->fdiffs[i] - 1U, 8);
    }
    if (!f->key)
        bits_put(&w, 0, 2);
    assert(!w.failed);
    return bits_writer_len(&w);
}
