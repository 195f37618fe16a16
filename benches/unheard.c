/* What a packet of sound that nobody is to hear costs between socket and conference: with
 * everything decrypted, and as the worker does it. Prints one JSON object. */
#include <stdio.h>
#include <stdlib.h>

#include "bridge/conference.h"
#include "crypto/srtp.h"
#include "os/loop.h"
#include "proto/offer.h"
#include "proto/rtp.h"

enum { SENDERS = 100, SECONDS = 20, RATE = 50, PAYLOAD = 90, QUIET_LEVEL = 85, PACKET = 160 };
enum { PACKETS = SENDERS * SECONDS * RATE };

struct hall {
    struct srtp_engine *engine;
    struct srtp *send[SENDERS], *receive[SENDERS];
    struct conference *conference;
    struct conference_seat seats[SENDERS];
    uint64_t passed;
};

static void must(int err)
{
    if (err)
        abort();
}

static void open_hall(struct hall *h, usec_t now)
{
    *h = (struct hall){.conference = conference_new(1)};
    if (!h->conference)
        abort();
    must(srtp_engine_new(SRTP_BEST, &h->engine));
    for (uint32_t i = 0; i < SENDERS; i++) {
        struct srtp_keys keys = {.profile = SRTP_PROFILE_GCM, .key = {(uint8_t)i}};
        must(srtp_new(h->engine, &keys, &h->send[i]));
        must(srtp_new(h->engine, &keys, &h->receive[i]));
        struct conference_source source = {
            .kind = CONFERENCE_AUDIO, .ssrcs = {i + 1}, .layer_count = 1};
        struct conference_endpoint sender = {
            .rewriting = true, .sources = &source, .source_count = 1};
        (void)snprintf(sender.id, sizeof sender.id, "%u", i);        /* fits */
        (void)snprintf(source.name, sizeof source.name, "%u-a0", i); /* fits */
        must(conference_put(h->conference, now, &sender, NULL, &h->seats[i]));
    }
}

static void close_hall(struct hall *h)
{
    conference_free(&h->conference);
    for (size_t i = 0; i < SENDERS; i++) {
        srtp_free(&h->send[i]);
        srtp_free(&h->receive[i]);
    }
    srtp_engine_free(&h->engine);
}

/* All have the same length. */
static size_t make(struct hall *h, unsigned who, unsigned number, uint8_t out[PACKET])
{
    static const uint8_t sound[PAYLOAD] = {0xf8};
    const uint8_t level = QUIET_LEVEL, transport[2] = {(uint8_t)(number >> 8), (uint8_t)number};
    const struct rtp_extension extensions[] = {
        {OFFER_EXT_TRANSPORT_CC, slice_of(transport, 2)},
        {OFFER_EXT_AUDIO_LEVEL, slice_of(&level, 1)},
    };
    uint8_t header[40];
    struct writer w = writer_of(header, sizeof header);
    const struct rtp_header rtp = {OFFER_PT_OPUS,    false,        false,
                                   (uint16_t)number, number * 960, who + 1};
    rtp_put_header(&w, &rtp, extensions, ARRAY_LEN(extensions));
    struct srtp_job job = {.srtp = h->send[who],
                           .clear = slice_of(header, writer_len(&w)),
                           .body = slice_of(sound, sizeof sound),
                           .out = out,
                           .out_size = PACKET};
    srtp_protect(&job, 1);
    must(job.err);
    return job.out_len;
}

static void take(struct hall *h, usec_t now, unsigned who, uint8_t *data, size_t len, bool all)
{
    struct slice plain;
    if (!all && conference_pass_rtp(h->conference, now, h->seats[who],
                                    slice_of(data, len - srtp_tag_size(h->receive[who])))) {
        h->passed++;
        return;
    }
    must(srtp_unprotect_rtp(h->receive[who], data, len, &plain));
    must(conference_input_rtp(h->conference, now, h->seats[who], plain));
}

/* Nanoseconds a packet. */
static double measure(bool all, double *ret_passed)
{
    struct hall h;
    usec_t now = USEC_PER_SEC;
    uint8_t *packets = malloc((size_t)PACKETS * PACKET);
    if (!packets)
        abort();
    open_hall(&h, now);
    size_t len = 0;
    for (unsigned i = 0; i < PACKETS; i++)
        len = make(&h, i % SENDERS, i / SENDERS, packets + (size_t)i * PACKET);
    usec_t spent = 0;
    for (unsigned n = 0; n < SECONDS * RATE; n++) {
        usec_t from = clock_monotonic();
        for (unsigned i = 0; i < SENDERS; i++)
            take(&h, now, i, packets + ((size_t)n * SENDERS + i) * PACKET, len, all);
        spent += clock_monotonic() - from;
        now += USEC_PER_SEC / RATE;
        (void)conference_tick(h.conference, now);
    }
    *ret_passed = (double)h.passed / PACKETS;
    close_hall(&h);
    free(packets);
    return (double)spent * 1000 / PACKETS;
}

int main(void)
{
    double passed, none;
    double before = measure(true, &none), now = measure(false, &passed);
    (void)printf("{\"decrypted_ns\":%.0f,\"ns\":%.0f,\"passed\":%.3f}\n", before, now, passed);
    return 0;
}
