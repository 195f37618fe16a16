#include <stdio.h>

#include "bridge/worker_state.h"

/* What the media core counts per conference, summed over all that live or lived here. */
static const struct {
    size_t at;
    const char *name;
} media[] = {
#define MEDIA(member, name)                                                                        \
    {                                                                                              \
        offsetof(struct conference_counters, member), "darasa_bridge_" name                        \
    }
    MEDIA(rtp_in, "rtp_received_total"),
    MEDIA(rtp_out, "rtp_sent_total"),
    MEDIA(malformed, "media_refused_total{reason=\"malformed\"}"),
    MEDIA(unknown_ssrc, "media_refused_total{reason=\"unknown ssrc\"}"),
    MEDIA(duplicates, "media_refused_total{reason=\"duplicate\"}"),
    MEDIA(over_rate, "media_refused_total{reason=\"rate\"}"),
    MEDIA(withheld, "media_refused_total{reason=\"withheld\"}"),
    MEDIA(uplinks_narrowed, "uplinks_narrowed_total"),
    MEDIA(unheard, "sound_unheard_total"),
    MEDIA(undecrypted, "sound_undecrypted_total"),
    MEDIA(repaired, "media_repaired_total"),
    MEDIA(nacks_sent, "nacks_sent_total"),
    MEDIA(nacks_served, "nacks_served_total"),
    MEDIA(nacks_refused, "nacks_refused_total"),
    MEDIA(plis_sent, "plis_sent_total"),
    MEDIA(plis_throttled, "plis_throttled_total"),
    MEDIA(pending_full, "media_dropped_total{reason=\"batch full\"}"),
    MEDIA(resends_full, "media_dropped_total{reason=\"resends full\"}"),
    MEDIA(slots_full, "media_dropped_total{reason=\"slots full\"}"),
    MEDIA(paced_full, "media_dropped_total{reason=\"pacer full\"}"),
    MEDIA(paced_late, "media_dropped_total{reason=\"pacer late\"}"),
    MEDIA(memory, "media_dropped_total{reason=\"memory\"}"),
    MEDIA(probes, "probes_sent_total"),
#undef MEDIA
};
#define MEDIA_COUNT ARRAY_LEN(media)
_Static_assert(MEDIA_COUNT == WORKER_MEDIA_COUNTERS, "one place for each");

void count_start(struct worker *worker)
{
    static const struct {
        size_t at;
        const char *name;
    } names[] = {
#define COUNTER(member, name) {offsetof(struct worker_counters, member), "darasa_bridge_" name}
        COUNTER(received, "datagrams_received_total"),
        COUNTER(received_bytes, "bytes_received_total"),
        COUNTER(sent, "datagrams_sent_total"),
        COUNTER(sent_bytes, "bytes_sent_total"),
        COUNTER(messages, "send_messages_total"),
        COUNTER(send_full, "dropped_total{reason=\"socket full\"}"),
        COUNTER(not_ready, "dropped_total{reason=\"receiver not ready\"}"),
        COUNTER(protect_fail, "dropped_total{reason=\"not encrypted\"}"),
        COUNTER(passed, "passed_to_workers_total"),
        COUNTER(pass_full, "dropped_total{reason=\"worker link full\"}"),
        COUNTER(taken, "taken_from_workers_total"),
        COUNTER(unknown_ufrag, "refused_total{reason=\"unknown ufrag\"}"),
        COUNTER(unknown_path, "refused_total{reason=\"unknown path\"}"),
        COUNTER(not_media, "refused_total{reason=\"not expected\"}"),
        COUNTER(endpoints, "endpoints"),
        COUNTER(conferences, "conferences"),
        COUNTER(memory, "allocation_failures_total"),
        COUNTER(streams_accepted, "tcp_accepted_total"),
        COUNTER(streams_open, "tcp_connections"),
        COUNTER(stream_ended[0], "tcp_ended_total{reason=\"closed\"}"),
        COUNTER(stream_ended[1], "tcp_ended_total{reason=\"malformed\"}"),
        COUNTER(stream_ended[2], "tcp_ended_total{reason=\"no endpoint\"}"),
        COUNTER(stream_ended[3], "tcp_ended_total{reason=\"silent\"}"),
        COUNTER(stream_ended[4], "tcp_ended_total{reason=\"made room\"}"),
        COUNTER(stream_ended[5], "tcp_ended_total{reason=\"full\"}"),
        COUNTER(stream_ended[6], "tcp_ended_total{reason=\"other worker\"}"),
        COUNTER(stream_dropped[0], "tcp_dropped_total{kind=\"control\"}"),
        COUNTER(stream_dropped[1], "tcp_dropped_total{kind=\"audio\"}"),
        COUNTER(stream_dropped[2], "tcp_dropped_total{kind=\"video\"}"),
#undef COUNTER
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        uint64_t *counter = metrics_counter(worker->config.metrics, names[i].name);
        memcpy((char *)&worker->count + names[i].at, &counter, sizeof counter);
    }
    for (size_t i = 0; i < ARRAY_LEN(worker->count.refused); i++) {
        char name[METRICS_NAME_MAX];
        (void)snprintf(name, sizeof name, "darasa_bridge_refused_total{reason=\"%s\"}",
                       err_name(-(int)i));
        worker->count.refused[i] = metrics_counter(worker->config.metrics, name);
    }
    for (size_t i = 0; i < MEDIA_COUNT; i++)
        worker->count.media[i] = metrics_counter(worker->config.metrics, media[i].name);
}

static uint64_t media_of(const struct conference_counters *counters, size_t i)
{
    uint64_t value;
    memcpy(&value, (const char *)counters + media[i].at, sizeof value);
    return value;
}

void count_retire(struct room *room)
{
    struct conference_counters counters;
    conference_get_counters(room->conference, &counters);
    for (size_t i = 0; i < MEDIA_COUNT; i++)
        room->worker->retired[i] += media_of(&counters, i);
}

void count_conferences(struct worker *worker)
{
    *worker->count.conferences = map_count(worker->rooms);
    *worker->count.endpoints = worker->endpoint_count;
    uint64_t sums[MEDIA_COUNT];
    memcpy(sums, worker->retired, sizeof sums);
    struct map_iter iter = {0};
    while (map_next(worker->rooms, &iter)) {
        struct room *room = iter.value;
        struct conference_counters counters;
        conference_get_counters(room->conference, &counters);
        for (size_t i = 0; i < MEDIA_COUNT; i++)
            sums[i] += media_of(&counters, i);
    }
    for (size_t i = 0; i < MEDIA_COUNT; i++)
        *worker->count.media[i] = sums[i];
}
