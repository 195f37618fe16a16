/* The first look at a spool: who was there, which sources sent on which SSRCs, what their clocks
 * say, what happened when. The second look (demux.h) turns packets into frames with it. Memory
 * grows with the length of the class and the number of sources, not with their bytes.
 *
 * Two times: `arrival` is microseconds since the first record; output time is the same without the
 * pauses, and is what all files made from the spool use. */
#ifndef RECORD_TIMELINE_H
#define RECORD_TIMELINE_H

#include "base/map.h"
#include "record/clock_runs.h"
#include "record/feed_axis.h"
#include "record/spool.h"

#define TIMELINE_SOURCES_MAX 4096u
#define TIMELINE_STREAMS_MAX 4096u
#define TIMELINE_EVENTS_MAX 100000u
#define TIMELINE_SECONDS_MAX 86400u
#define TIMELINE_EVENT_MAX ((size_t)16 * 1024)
#define TIMELINE_NAME_SIZE 64

/* Sound is Opus; of pictures the payload type of each packet says the codec. */
enum timeline_kind { TIMELINE_OTHER, TIMELINE_AUDIO, TIMELINE_VIDEO };

struct timeline_source {
    uint32_t number;
    enum timeline_kind kind;
    uint32_t clock; /* RTP ticks per second */
    char name[TIMELINE_NAME_SIZE];
    char endpoint[TIMELINE_NAME_SIZE];
    char person[TIMELINE_NAME_SIZE];
    char video_type[TIMELINE_NAME_SIZE]; /* "camera", "desktop"; empty for audio */
    uint32_t endpoint_index;
    /* Of each second of arrival: bit 7 when something came, and how many key frames began. */
    uint8_t *seconds;
    size_t second_count;
    size_t second_cap;
};

struct timeline_report {
    usec_t x;
    usec_t ntp;
    usec_t arrival;
};

struct timeline_stream {
    uint32_t source; /* index */
    uint32_t ssrc;
    uint32_t first_time; /* RTP time of its first packet */
    int64_t last_time;   /* unwrapped */
    struct clock_runs runs;
    struct timeline_report *reports;
    size_t report_count;
    size_t report_cap;
};

struct timeline_endpoint {
    char id[TIMELINE_NAME_SIZE];
    char person[TIMELINE_NAME_SIZE];
    char name[256];
    bool joined; /* has a join event: is told among the people */
    struct clock_runs ntp;
};

struct timeline_event {
    usec_t time; /* output time */
    json_t *json;
};

struct timeline_span {
    usec_t from; /* output time in gaps, arrival in pauses */
    usec_t to;
    char reason[TIMELINE_NAME_SIZE];
};

struct timeline {
    char recording[TIMELINE_NAME_SIZE];
    usec_t wall_zero;
    usec_t duration; /* output time */
    bool ended;      /* the END record is there */
    struct timeline_source *sources;
    uint32_t source_count;
    struct timeline_stream **streams;
    uint32_t stream_count;
    struct timeline_endpoint **endpoints;
    uint32_t endpoint_count;
    struct timeline_event *events;
    size_t event_count;
    struct timeline_span *gaps;
    size_t gap_count;
    struct timeline_span *pauses;
    size_t pause_count;
    struct spool_damage damage;
    uint64_t refused; /* records that were whole but made no sense, or above a bound */
    struct map *by_ssrc;
    struct map *by_number;
    struct map *by_endpoint;
};

/* How far a job is; asked to stop by ERR_CLOSED. `arg` is the caller's. */
struct record_progress {
    int (*tell)(void *arg, double done);
    void *arg;
};

/* Reads the spool from its beginning. ERR_MEMORY, or what `progress` returned. */
int timeline_read(struct spool *spool, const struct record_progress *progress,
                  struct timeline **ret_timeline) MUST_USE;
void timeline_free(struct timeline **timeline);

usec_t timeline_output(const struct timeline *timeline, usec_t arrival);
/* The other way: the last arrival that has this output time. */
usec_t timeline_arrival(const struct timeline *timeline, usec_t output);
/* Whether packets of that type are what the source's tracks are made of. */
bool timeline_reads(const struct timeline_source *source, uint8_t payload_type);
/* The stream of an RTP packet; NULL when it has none. Index in timeline->streams. */
struct timeline_stream *timeline_stream(const struct timeline *timeline, uint32_t number,
                                        uint32_t ssrc, uint32_t *ret_index);
/* The sender's reading of its RTP clock in microseconds. */
usec_t timeline_ticks_usec(int64_t ticks, uint32_t clock);
/* When what the sender stamped `ticks` (unwrapped) happened, as output time. */
usec_t timeline_place(const struct timeline *timeline, const struct timeline_stream *stream,
                      int64_t ticks, usec_t arrival);
/* Whether the source sent anything in that second of arrival, and how many key frames. */
bool timeline_active(const struct timeline_source *source, size_t second);
unsigned timeline_keys(const struct timeline_source *source, size_t second);

#endif
