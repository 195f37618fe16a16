#include "proto/rtcp.h"

#include <assert.h>

enum { FEEDBACK_HEAD = 8, NACK_ITEM = 4, FIR_ITEM = 8 };

int rtcp_next(struct slice *rest, struct rtcp_packet *ret_packet)
{
    if (rest->len == 0)
        return ERR_NOT_FOUND;
    if (rest->len < RTCP_HEADER_SIZE || rest->data[0] >> 6 != 2)
        return ERR_FORMAT;
    size_t len = ((size_t)load_u16(rest->data + 2) + 1) * 4;
    if (len > rest->len)
        return ERR_FORMAT;
    struct slice body = slice_sub(*rest, RTCP_HEADER_SIZE, len - RTCP_HEADER_SIZE);
    if (rest->data[0] & 0x20) {
        if (body.len == 0)
            return ERR_FORMAT;
        uint8_t padding = body.data[body.len - 1];
        if (padding == 0 || padding > body.len)
            return ERR_FORMAT;
        body.len -= padding;
    }
    *ret_packet = (struct rtcp_packet){rest->data[1], rest->data[0] & 0x1f, body};
    *rest = slice_sub(*rest, len, rest->len);
    return 0;
}

int rtcp_sr_parse(const struct rtcp_packet *packet, struct rtcp_sender_info *ret_info)
{
    struct reader r = reader_of(packet->body);
    struct rtcp_sender_info info = {0};
    info.ssrc = reader_u32(&r);
    info.ntp = reader_u64(&r);
    info.rtp = reader_u32(&r);
    info.packets = reader_u32(&r);
    info.octets = reader_u32(&r);
    if (r.failed || packet->type != RTCP_SR)
        return ERR_FORMAT;
    *ret_info = info;
    return 0;
}

bool rtcp_report_at(const struct rtcp_packet *packet, size_t index, struct rtcp_report *ret_report)
{
    if (packet->type != RTCP_SR && packet->type != RTCP_RR)
        return false;
    size_t head = packet->type == RTCP_SR ? RTCP_SR_SIZE - RTCP_HEADER_SIZE : 4;
    if (index >= packet->count)
        return false;
    struct reader r = reader_of(packet->body);
    reader_skip(&r, head + index * RTCP_REPORT_SIZE);
    struct rtcp_report report = {0};
    report.ssrc = reader_u32(&r);
    report.fraction_lost = reader_u8(&r);
    uint32_t lost = reader_u24(&r);
    report.total_lost = (int32_t)(lost << 8) >> 8;
    report.highest = reader_u32(&r);
    report.jitter = reader_u32(&r);
    report.last_sr = reader_u32(&r);
    report.delay_sr = reader_u32(&r);
    if (r.failed)
        return false;
    *ret_report = report;
    return true;
}

bool rtcp_bye_at(const struct rtcp_packet *packet, size_t index, uint32_t *ret_ssrc)
{
    if (packet->type != RTCP_BYE || index >= packet->count || packet->body.len < (index + 1) * 4)
        return false;
    *ret_ssrc = load_u32(packet->body.data + index * 4);
    return true;
}

int rtcp_feedback_parse(const struct rtcp_packet *packet, struct rtcp_feedback *ret_feedback)
{
    if ((packet->type != RTCP_RTPFB && packet->type != RTCP_PSFB) ||
        packet->body.len < FEEDBACK_HEAD)
        return ERR_FORMAT;
    *ret_feedback = (struct rtcp_feedback){
        .sender = load_u32(packet->body.data),
        .media = load_u32(packet->body.data + 4),
        .fci = slice_sub(packet->body, FEEDBACK_HEAD, packet->body.len),
    };
    return 0;
}

bool rtcp_nack_at(const struct rtcp_feedback *feedback, size_t index, uint16_t *ret_first,
                  uint16_t *ret_mask)
{
    if (index >= feedback->fci.len / NACK_ITEM)
        return false;
    *ret_first = load_u16(feedback->fci.data + index * NACK_ITEM);
    *ret_mask = load_u16(feedback->fci.data + index * NACK_ITEM + 2);
    return true;
}

bool rtcp_fir_at(const struct rtcp_feedback *feedback, size_t index, uint32_t *ret_ssrc,
                 uint8_t *ret_number)
{
    if (index >= feedback->fci.len / FIR_ITEM)
        return false;
    *ret_ssrc = load_u32(feedback->fci.data + index * FIR_ITEM);
    *ret_number = feedback->fci.data[index * FIR_ITEM + 4];
    return true;
}

bool rtcp_remb_parse(const struct rtcp_feedback *feedback, uint64_t *ret_bps)
{
    struct reader r = reader_of(feedback->fci);
    if (!slice_eq(reader_bytes(&r, 4), SLICE("REMB")))
        return false;
    (void)reader_u8(&r); /* how many SSRCs follow; the rate is for the transport */
    uint32_t rate = reader_u24(&r);
    if (r.failed)
        return false;
    *ret_bps = (uint64_t)(rate & 0x3ffff) << (rate >> 18);
    return true;
}

static void put_head(struct writer *w, uint8_t count, uint8_t type, size_t bytes)
{
    assert(count < 32 && bytes % 4 == 0);
    writer_u8(w, (uint8_t)(0x80 | count));
    writer_u8(w, type);
    writer_u16(w, (uint16_t)(bytes / 4 - 1));
}

static void put_reports(struct writer *w, const struct rtcp_report *reports, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        writer_u32(w, reports[i].ssrc);
        writer_u8(w, reports[i].fraction_lost);
        writer_u24(w, (uint32_t)reports[i].total_lost & 0xffffff);
        writer_u32(w, reports[i].highest);
        writer_u32(w, reports[i].jitter);
        writer_u32(w, reports[i].last_sr);
        writer_u32(w, reports[i].delay_sr);
    }
}

void rtcp_put_sr(struct writer *w, const struct rtcp_sender_info *info,
                 const struct rtcp_report *reports, size_t count)
{
    assert(count <= RTCP_REPORTS_MAX);
    put_head(w, (uint8_t)count, RTCP_SR, RTCP_SR_SIZE + count * RTCP_REPORT_SIZE);
    writer_u32(w, info->ssrc);
    writer_u64(w, info->ntp);
    writer_u32(w, info->rtp);
    writer_u32(w, info->packets);
    writer_u32(w, info->octets);
    put_reports(w, reports, count);
}

void rtcp_put_rr(struct writer *w, uint32_t sender, const struct rtcp_report *reports, size_t count)
{
    assert(count <= RTCP_REPORTS_MAX);
    put_head(w, (uint8_t)count, RTCP_RR, 8 + count * RTCP_REPORT_SIZE);
    writer_u32(w, sender);
    put_reports(w, reports, count);
}

void rtcp_put_sdes(struct writer *w, uint32_t ssrc, const char *cname)
{
    struct slice name = slice_sub(slice_str(cname), 0, 255);
    size_t items = 2 + name.len + 1; /* ends with at least one zero byte */
    size_t padded = (items + 3) / 4 * 4;
    put_head(w, 1, RTCP_SDES, 8 + padded);
    writer_u32(w, ssrc);
    writer_u8(w, 1);
    writer_u8(w, (uint8_t)name.len);
    writer_bytes(w, name);
    writer_zero(w, padded - 2 - name.len);
}

void rtcp_put_bye(struct writer *w, uint32_t ssrc)
{
    put_head(w, 1, RTCP_BYE, 8);
    writer_u32(w, ssrc);
}

void rtcp_put_nack(struct writer *w, uint32_t sender, uint32_t media, const uint16_t *sequences,
                   size_t count)
{
    if (count == 0 || w->failed)
        return;
    uint8_t *start = w->pos;
    put_head(w, RTCP_NACK, RTCP_RTPFB, 12);
    writer_u32(w, sender);
    writer_u32(w, media);
    for (size_t i = 0; i < count;) {
        uint16_t first = sequences[i++];
        uint16_t mask = 0;
        for (; i < count; i++) {
            uint16_t after = (uint16_t)(sequences[i] - first);
            if (after == 0 || after > 16)
                break;
            mask = (uint16_t)(mask | 1U << (after - 1));
        }
        writer_u16(w, first);
        writer_u16(w, mask);
    }
    if (w->failed)
        return;
    store_u16(start + 2, (uint16_t)((size_t)(w->pos - start) / 4 - 1));
}

void rtcp_put_pli(struct writer *w, uint32_t sender, uint32_t media)
{
    put_head(w, RTCP_PLI, RTCP_PSFB, RTCP_PLI_SIZE);
    writer_u32(w, sender);
    writer_u32(w, media);
}

void rtcp_put_remb(struct writer *w, uint32_t sender, uint64_t bps, const uint32_t *ssrcs,
                   size_t count)
{
    uint32_t exponent = 0;
    while (bps > 0x3ffff) {
        bps >>= 1;
        exponent++;
    }
    assert(count > 0 && count <= UINT8_MAX);
    put_head(w, RTCP_AFB, RTCP_PSFB, 20 + 4 * count);
    writer_u32(w, sender);
    writer_u32(w, 0);
    writer_bytes(w, SLICE("REMB"));
    writer_u8(w, (uint8_t)count);
    writer_u24(w, exponent << 18 | (uint32_t)bps);
    for (size_t i = 0; i < count; i++)
        writer_u32(w, ssrcs[i]);
}

void rtcp_put_fir(struct writer *w, uint32_t sender, uint32_t media, uint8_t number)
{
    put_head(w, RTCP_FIR, RTCP_PSFB, 12 + FIR_ITEM);
    writer_u32(w, sender);
    writer_u32(w, 0);
    writer_u32(w, media);
    writer_u8(w, number);
    writer_u24(w, 0);
}
