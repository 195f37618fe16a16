/* Any bytes as a compound RTCP packet, walked to its end with every parser. */
#include <stdlib.h>

#include "proto/rtcp.h"
#include "proto/twcc.h"

static void check(int ok)
{
    if (!ok)
        abort();
}

static void walk_twcc(struct slice fci)
{
    struct twcc_feedback feedback;
    if (twcc_parse(fci, &feedback) != 0)
        return;
    static usec_t arrivals[TWCC_PACKETS_MAX];
    struct twcc_status status;
    size_t count = 0;
    while (twcc_next(&feedback, &status)) {
        check(status.sequence == (uint16_t)(feedback.base + count));
        arrivals[count++] = status.received && status.arrival >= 0 ? status.arrival : -1;
    }
    check(count == feedback.count && !feedback.deltas.failed && !feedback.chunks.failed);
    uint8_t out[1200];
    struct writer w = writer_of(out, sizeof(out));
    struct twcc_build build = {1, 2, feedback.number, feedback.base, arrivals, count};
    size_t told = twcc_put(&w, &build);
    check(told <= count && !w.failed && (told > 0) == (writer_len(&w) > 0));
    if (told == 0)
        return;
    struct slice rest = slice_of(out, writer_len(&w));
    struct rtcp_packet packet;
    struct rtcp_feedback head;
    check(rtcp_next(&rest, &packet) == 0 && rest.len == 0);
    check(rtcp_feedback_parse(&packet, &head) == 0);
    check(twcc_parse(head.fci, &feedback) == 0 && feedback.count == told);
}

static void walk_feedback(const struct rtcp_packet *packet)
{
    struct rtcp_feedback feedback;
    if (rtcp_feedback_parse(packet, &feedback) != 0)
        return;
    uint16_t first;
    uint16_t mask;
    uint32_t ssrc;
    uint8_t number;
    uint64_t bps;
    for (size_t i = 0; rtcp_nack_at(&feedback, i, &first, &mask); i++)
        continue;
    for (size_t i = 0; rtcp_fir_at(&feedback, i, &ssrc, &number); i++)
        continue;
    (void)rtcp_remb_parse(&feedback, &bps);
    walk_twcc(feedback.fci);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size);
    struct rtcp_packet packet;
    while (rtcp_next(&rest, &packet) == 0) {
        struct rtcp_sender_info info;
        struct rtcp_report report;
        uint32_t ssrc;
        (void)rtcp_sr_parse(&packet, &info);
        for (size_t i = 0; rtcp_report_at(&packet, i, &report); i++)
            continue;
        for (size_t i = 0; rtcp_bye_at(&packet, i, &ssrc); i++)
            continue;
        walk_feedback(&packet);
    }
    return 0;
}
