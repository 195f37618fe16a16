/* One time for a whole spool. The records of one bridge share its monotonic clock; a bridge on
 * another machine that took over counts differently, and its wall clock tells by how much. */
#ifndef RECORD_FEED_AXIS_H
#define RECORD_FEED_AXIS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/units.h"
#include "proto/feed_format.h"

struct feed_axis {
    bool begun;
    usec_t shift; /* added to the records' time */
    usec_t zero;  /* of the first record, shifted */
    usec_t last;
    usec_t wall_zero; /* wall time of `zero`, microseconds; 0: not known */
};

/* To be shown every record in order; microseconds since the first one. Negative for what is told
 * of the time before. */
usec_t feed_axis_time(struct feed_axis *axis, const struct feed_record *record);
/* The payload of a record as a JSON object; NULL when it is none. The caller's to decref. */
json_t *feed_json(struct slice payload);

#endif
