#include "record/feed_axis.h"

/* A class that stood still for longer than this was not handed over on the same machine. */
#define TAKEOVER_MAX (600 * USEC_PER_SEC)

json_t *feed_json(struct slice payload)
{
    json_t *json = json_loadb((const char *)payload.data, payload.len, 0, NULL);
    if (json && !json_is_object(json)) {
        json_decref(json);
        json = NULL;
    }
    return json;
}

static usec_t wall_of(const struct feed_record *record)
{
    json_t *json = feed_json(record->payload);
    json_int_t wall_ms = json_integer_value(json_object_get(json, "wall_ms"));
    json_decref(json);
    return wall_ms > 0 && wall_ms < INT64_MAX / 2000 ? wall_ms * USEC_PER_MSEC : 0;
}

static void take_over(struct feed_axis *axis, const struct feed_record *record)
{
    usec_t wall = wall_of(record), time = record->time + axis->shift;
    if (axis->wall_zero == 0 && wall)
        axis->wall_zero = wall - (time - axis->zero);
    if (time >= axis->last && time - axis->last < TAKEOVER_MAX)
        return;
    usec_t meant = wall ? axis->zero + (wall - axis->wall_zero) : axis->last;
    if (meant < axis->last || meant - axis->last > TAKEOVER_MAX)
        meant = axis->last;
    axis->shift += meant - time;
}

usec_t feed_axis_time(struct feed_axis *axis, const struct feed_record *record)
{
    /* A time that would overflow sums below is nonsense. */
    struct feed_record sane = *record;
    if (sane.time < 0 || sane.time > INT64_MAX / 4)
        sane.time = axis->last - axis->shift;
    if (!axis->begun) {
        axis->begun = true;
        axis->zero = axis->last = sane.time;
        axis->wall_zero = sane.kind == FEED_BEGIN ? wall_of(&sane) : 0;
    } else if (sane.kind == FEED_BEGIN) {
        take_over(axis, &sane);
    }
    usec_t time = sane.time + axis->shift;
    axis->last = usec_max(axis->last, time);
    return time - axis->zero;
}
