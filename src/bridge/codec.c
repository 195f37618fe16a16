#include "bridge/codec.h"

#include "bridge/ring.h"

static const struct codec *const codecs[] = {&codec_vp8, &codec_vp9, &codec_h264, &codec_av1};

const struct codec *codec_by_type(uint8_t payload_type, bool *ret_rtx)
{
    for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++) {
        *ret_rtx = codecs[i]->rtx_type == payload_type;
        if (*ret_rtx || codecs[i]->payload_type == payload_type)
            return codecs[i];
    }
    return NULL;
}

uint16_t codec_cells_from(unsigned spatial, unsigned temporal)
{
    uint16_t cells = 0;
    for (unsigned s = spatial; s < CODEC_SPATIAL; s++)
        for (unsigned t = temporal; t < CODEC_TEMPORAL; t++)
            cells |= codec_cell(s, t);
    return cells;
}

static unsigned at_most(unsigned value, unsigned count)
{
    return value < count ? value : count - 1;
}

/* The decode target that gives a cell most; those beyond the grid belong to its edge. */
static uint8_t target_of_cell(const struct dependency_structure *s, unsigned spatial,
                              unsigned temporal)
{
    int best = -1;
    unsigned best_spatial = 0;
    unsigned best_temporal = 0;
    for (unsigned t = 0; t < s->target_count; t++) {
        unsigned ts = s->target_spatial[t];
        unsigned tt = s->target_temporal[t];
        if (at_most(ts, CODEC_SPATIAL) > spatial || at_most(tt, CODEC_TEMPORAL) > temporal)
            continue;
        if (best < 0 || ts > best_spatial || (ts == best_spatial && tt > best_temporal)) {
            best = (int)t;
            best_spatial = ts;
            best_temporal = tt;
        }
    }
    return best < 0 ? 0 : (uint8_t)best;
}

static void map_cells(struct codec_stream *stream)
{
    const struct dependency_structure *s = &stream->structure;
    for (unsigned cell = 0; cell < CODEC_CELLS; cell++) {
        uint8_t target = target_of_cell(s, cell / CODEC_TEMPORAL, cell % CODEC_TEMPORAL);
        stream->cell_target[cell] = target;
        stream->cell_mask[cell] = 0;
        for (unsigned t = 0; t < s->target_count; t++)
            if (s->target_spatial[t] <= s->target_spatial[target] &&
                s->target_temporal[t] <= s->target_temporal[target])
                stream->cell_mask[cell] |= 1U << t;
    }
}

static void tell_key(const struct dependency_structure *s, struct codec_key *key)
{
    key->spatial_count = s->spatial_count;
    for (unsigned i = 0; i < s->spatial_count && s->has_resolutions; i++)
        key->height[at_most(i, CODEC_SPATIAL)] =
            s->height[i] < s->width[i] ? s->height[i] : s->width[i];
}

/* The dependency descriptor knows better than the payload. */
static void read_dependency(struct codec_stream *stream, struct slice extension,
                            struct ring_packet *entry, struct codec_key *key)
{
    struct dependency_descriptor d;
    int err = dependency_parse(extension, &stream->structure, &d);
    if (err) {
        /* A payload that tells itself what it is does without. */
        entry->facts.blind = entry->facts.present == 0;
        return;
    }
    if (d.has_structure) {
        map_cells(stream);
        tell_key(&stream->structure, key);
    }
    struct codec_facts f = {
        .spatial = (uint8_t)at_most(d.frame.spatial, CODEC_SPATIAL),
        .temporal = (uint8_t)at_most(d.frame.temporal, CODEC_TEMPORAL),
        .start = d.start,
        .end = d.end,
        .key = d.start && d.has_structure && d.frame.fdiff_count == 0,
    };
    for (unsigned cell = 0; cell < CODEC_CELLS; cell++) {
        enum dependency_dti dti = dependency_dti_of(&d.frame, stream->cell_target[cell]);
        f.present |= (uint16_t)((dti != DEPENDENCY_NOT_PRESENT) << cell);
        f.switches |= (uint16_t)((dti == DEPENDENCY_SWITCH) << cell);
    }
    entry->facts = f;
    entry->marks = d.marks;
    entry->active = d.active;
    entry->frame = rtp_unwrap(stream->frame, d.number);
    if (entry->frame > stream->frame)
        stream->frame = entry->frame;
}

int codec_read(struct codec_stream *stream, const struct rtp_packet *packet, struct slice extension,
               struct ring_packet *entry, struct codec_key *ret_key)
{
    struct codec_key key = {0};
    int err = entry->codec->read(stream, packet, entry, &key);
    if (err)
        return err;
    if (extension.len > 0)
        read_dependency(stream, extension, entry, &key);
    *ret_key = key;
    return 0;
}

void codec_read_blind(struct codec_stream *stream, struct slice extension,
                      struct ring_packet *entry)
{
    struct codec_key key; /* one that brings the structure is not blind */
    read_dependency(stream, extension, entry, &key);
}
