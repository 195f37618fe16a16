/* Sound that is not even decrypted, because nobody is to hear it. */
#include "bridge/member.h"
#include "proto/offer.h"

enum { RTP_PADDED = 0x20, TYPE_MASK = 0x7f };

/* Who is new or said something that may matter is listened to for so long, whatever follows:
 * averages and pauses belong to it. */
#define LISTENED (1 * USEC_PER_SEC)

/* Padding cannot be told from payload while it is encrypted. */
bool conference_is_sound(struct slice packet)
{
    if (packet.len < RTP_HEADER_SIZE || packet.data[0] & RTP_PADDED)
        return false;
    uint8_t type = packet.data[1] & TYPE_MASK;
    return type == OFFER_PT_OPUS || type == OFFER_PT_RED;
}

static struct source *find_source(struct member *m, uint32_t ssrc)
{
    const struct member_ssrc *found = conference_find_ssrc(m, ssrc);
    struct source *s = found ? m->sources[found->source] : NULL;
    return s && s->state.kind == CONFERENCE_AUDIO ? s : NULL;
}

/* Whether what the packet says of itself could change who is heard or who speaks. */
static bool matters(const struct conference *c, usec_t now, struct source *s,
                    const struct rtp_packet *packet)
{
    uint8_t level;
    bool voice;
    if (!source_live(s))
        return false;
    if (!rtp_audio_level(packet, OFFER_EXT_AUDIO_LEVEL, &level, &voice))
        return true;
    if (s->minded == 0 || voices_mind(&c->voices, now, &s->voice, level) ||
        speaker_minds(&c->speaker, s->owner, level)) {
        s->minded = usec_max(now, 1);
        s->passed = 0; /* it is not like those */
    }
    return s->minded > 0 && now - s->minded < LISTENED;
}

bool conference_pass_rtp(struct conference *c, usec_t now, struct conference_seat seat,
                         struct slice bytes)
{
    struct member *m = conference_member(c, seat);
    struct rtp_packet packet;
    if (!m || c->capturing || c->idle || !conference_is_sound(bytes) ||
        rtp_parse(bytes, &packet) != 0 || packet.payload.len == 0)
        return false;
    struct source *s = find_source(m, packet.ssrc);
    if (!s || !source_expects(s, now, &packet) || matters(c, now, s, &packet))
        return false;
    uint16_t transport;
    bool counted = rtp_transport_sequence(&packet, OFFER_EXT_TRANSPORT_CC, &transport);
    if (counted && !feedback_expects(&m->feedback, transport))
        return false;
    c->now = c->last_input = now;
    c->counters.rtp_in++;
    c->counters.undecrypted++;
    if (counted) {
        feedback_arrived(&m->feedback, now, transport, packet.ssrc);
        uplink_arrived(&m->uplink, bytes.len);
    }
    if (!conference_admits(c, now, s))
        return true;
    source_pass(s, now, &packet);
    *(source_live(s) ? &c->counters.unheard : &c->counters.withheld) += 1;
    return true;
}
