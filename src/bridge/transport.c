#include "bridge/transport.h"

#include <stdlib.h>

#include "bridge/policer.h"
#include "crypto/hash.h"

/* What an endpoint may send, far above what its sources need: 5,000 packets or 20 Mb/s of media,
 * 500 packets of RTCP and 50 datagrams of DTLS in a second, and as much again at once for a while.
 */
enum { MEDIA_COST = 200, MEDIA_BITS_PER_USEC = 20, RTCP_COST = 2000, DTLS_COST = 20000 };
#define MEDIA_BURST (USEC_PER_SEC / 2)
#define DTLS_BURST USEC_PER_SEC

struct transport {
    struct ice *ice;
    struct dtls *dtls;
    struct srtp_engine *engine;
    struct srtp *send; /* NULL until DTLS is done and verified */
    struct srtp *receive;
    bool was_connected;
    bool genuine;         /* something came that was encrypted with the peer's keys */
    usec_t awaited_since; /* the peer's credentials came; 0: not yet */
    bool has_dtls_path;
    struct path dtls_path; /* where DTLS last came from: answers go there while none is selected */
    bool policed;          /* the bridge's side; what comes from a bridge is not */
    struct policer media, rtcp, handshake;
    struct transport_counters counters;
};

int transport_new(const struct transport_config *config, struct transport **ret_transport)
{
    struct transport *t = calloc(1, sizeof *t);
    if (!t)
        return ERR_MEMORY;
    t->engine = config->srtp;
    t->policed = !config->client;
    struct ice_config ice = {
        .ufrag = config->ufrag,
        .pwd = config->pwd,
        .controlling = !config->client,
        .tie_breaker = config->tie_breaker,
        .seed = config->seed,
    };
    int err = ice_new(&ice, &t->ice);
    if (err == 0)
        err = dtls_new(config->dtls, config->client, &t->dtls);
    if (err) {
        transport_free(&t);
        return err;
    }
    *ret_transport = t;
    return 0;
}

void transport_free(struct transport **transport)
{
    if (!*transport)
        return;
    ice_free(&(*transport)->ice);
    dtls_free(&(*transport)->dtls);
    srtp_free(&(*transport)->send);
    srtp_free(&(*transport)->receive);
    free(*transport);
    *transport = NULL;
}

/* Takes the keys once DTLS has them, and drops them when it refuses or ends. */
static void follow_dtls(struct transport *t)
{
    if (dtls_state(t->dtls) != DTLS_CONNECTED) {
        srtp_free(&t->send);
        srtp_free(&t->receive);
        return;
    }
    if (t->send)
        return;
    struct srtp_keys send, receive;
    int err = dtls_srtp_keys(t->dtls, &send, &receive);
    if (err == 0)
        err = srtp_new(t->engine, &send, &t->send);
    if (err == 0)
        err = srtp_new(t->engine, &receive, &t->receive);
    hash_wipe(&send, sizeof send);
    hash_wipe(&receive, sizeof receive);
    if (err) {
        srtp_free(&t->send);
        srtp_free(&t->receive);
        dtls_close(t->dtls); /* without SRTP the session is of no use */
        return;
    }
    t->was_connected = true;
}

int transport_set_remote(struct transport *t, usec_t now, struct slice ufrag, struct slice pwd)
{
    int err = ice_set_remote(t->ice, now, ufrag, pwd);
    if (err == 0 && t->awaited_since == 0)
        t->awaited_since = now;
    return err;
}

int transport_set_fingerprint(struct transport *t, struct slice hash, struct slice value)
{
    int err = dtls_set_fingerprint(t->dtls, hash, value);
    follow_dtls(t);
    return err;
}

int transport_restart(struct transport *t, struct slice ufrag, struct slice pwd)
{
    return ice_restart(t->ice, ufrag, pwd);
}

bool transport_answers_to(const struct transport *t, struct slice ufrag)
{
    return ice_answers_to(t->ice, ufrag);
}

int transport_add_remote(struct transport *t, usec_t now, const struct path *path)
{
    return ice_add_remote(t->ice, now, path);
}

void transport_path_gone(struct transport *t, usec_t now, const struct path *path)
{
    ice_path_gone(t->ice, now, path);
    if (t->has_dtls_path && path_eq(&t->dtls_path, path))
        t->has_dtls_path = false;
}

static int input_dtls(struct transport *t, usec_t now, const struct path *path,
                      struct slice datagram)
{
    if (!ice_knows(t->ice, path)) {
        t->counters.unknown_path++;
        return ERR_AUTH;
    }
    if (t->policed && !policer_open(&t->handshake, now, DTLS_BURST)) {
        t->counters.limited++;
        return ERR_LIMIT;
    }
    policer_charge(&t->handshake, now, DTLS_COST);
    t->dtls_path = *path;
    t->has_dtls_path = true;
    int err = dtls_input(t->dtls, now, datagram);
    follow_dtls(t);
    return err;
}

static void count_refusal(struct transport *t, int err)
{
    if (err == ERR_EXISTS)
        t->counters.replayed++;
    else if (err == ERR_AUTH)
        t->counters.unauthenticated++;
    else if (err == ERR_LIMIT)
        t->counters.limited++;
    else
        t->counters.malformed++;
}

static usec_t media_cost(size_t len)
{
    return usec_max(MEDIA_COST, (usec_t)len * 8 / MEDIA_BITS_PER_USEC);
}

/* RFC 5761, section 4: RTCP's packet types are those of an RTP payload type 64 to 95. */
static bool is_rtcp(struct slice datagram)
{
    return datagram.len > 1 && datagram.data[1] >= 192 && datagram.data[1] <= 223;
}

bool transport_peek(const struct transport *t, usec_t now, const struct path *path,
                    struct slice datagram, struct slice *ret_packet)
{
    struct path selected;
    if (datagram.len == 0 || datagram.data[0] >> 6 != 2 || is_rtcp(datagram) || !t->receive ||
        !t->genuine || !policer_open(&t->media, now, MEDIA_BURST) ||
        datagram.len < srtp_tag_size(t->receive) || !ice_selected(t->ice, &selected) ||
        !path_eq(&selected, path))
        return false;
    *ret_packet = slice_sub(datagram, 0, datagram.len - srtp_tag_size(t->receive));
    return true;
}

void transport_pass(struct transport *t, usec_t now, struct slice datagram)
{
    policer_charge(&t->media, now, media_cost(datagram.len));
}

static int input_media(struct transport *t, usec_t now, const struct path *path, uint8_t *data,
                       size_t len, struct transport_media *ret_media)
{
    if (!t->receive) {
        t->counters.too_early++;
        return ERR_STATE;
    }
    bool rtcp = is_rtcp(slice_of(data, len));
    /* Only what is genuine is charged: nobody uses up another's rate. */
    struct policer *policer = rtcp ? &t->rtcp : &t->media;
    if (t->policed && !policer_open(policer, now, MEDIA_BURST)) {
        t->counters.limited++;
        return ERR_LIMIT;
    }
    struct slice plain;
    int err = rtcp ? srtp_unprotect_rtcp(t->receive, data, len, &plain)
                   : srtp_unprotect_rtp(t->receive, data, len, &plain);
    if (err) {
        count_refusal(t, err);
        return err;
    }
    t->genuine = true;
    policer_charge(policer, now, rtcp ? RTCP_COST : media_cost(len));
    /* From an address not seen before the peer's NAT changed its mind, and its media came before
     * its next check: genuine, so listen, and ask there whether answers are welcome. */
    if (!ice_knows(t->ice, path) && ice_add_remote(t->ice, now, path))
        t->counters.limited++;
    ice_heard(t->ice, now, path);
    *ret_media = (struct transport_media){rtcp ? TRANSPORT_RTCP : TRANSPORT_RTP, plain};
    return 0;
}

int transport_input(struct transport *t, usec_t now, const struct path *path, uint8_t *data,
                    size_t len, struct transport_media *ret_media)
{
    *ret_media = (struct transport_media){.kind = TRANSPORT_NOTHING};
    if (len == 0)
        return ERR_FORMAT;
    if (data[0] < 4)
        return ice_input(t->ice, now, path, slice_of(data, len));
    if (data[0] >= 20 && data[0] < 64)
        return input_dtls(t, now, path, slice_of(data, len));
    if (data[0] >= 128 && data[0] < 192)
        return input_media(t, now, path, data, len, ret_media);
    t->counters.malformed++;
    return ERR_FORMAT;
}

/* The next moment at which transport_state may change by itself. */
static usec_t next_silence(const struct transport *t, usec_t now)
{
    usec_t since = usec_max(ice_heard_at(t->ice), t->awaited_since);
    if (since == 0)
        return USEC_NEVER;
    if (since + TRANSPORT_QUIET_AFTER > now)
        return since + TRANSPORT_QUIET_AFTER;
    return since + TRANSPORT_FAILED_AFTER > now ? since + TRANSPORT_FAILED_AFTER : USEC_NEVER;
}

usec_t transport_tick(struct transport *t, usec_t now)
{
    usec_t next = ice_tick(t->ice, now);
    struct path path;
    /* A client begins once it may send; the server's flights answer the client's. */
    if (ice_selected(t->ice, &path) || t->has_dtls_path)
        next = usec_min(next, dtls_tick(t->dtls, now));
    follow_dtls(t);
    /* A client keeps the session, to say good-bye. */
    if (t->genuine && t->policed)
        dtls_settle(t->dtls);
    return usec_min(next, next_silence(t, now));
}

bool transport_poll(struct transport *t, struct path *ret_path, struct slice *ret_datagram)
{
    if (ice_poll(t->ice, ret_path, ret_datagram))
        return true;
    struct path path = t->dtls_path;
    if (!ice_selected(t->ice, &path) && !t->has_dtls_path)
        return false;
    if (!dtls_poll(t->dtls, ret_datagram))
        return false;
    *ret_path = path;
    return true;
}

void transport_close(struct transport *t)
{
    dtls_close(t->dtls);
    follow_dtls(t);
}

bool transport_over(const struct transport *t)
{
    enum dtls_state dtls = dtls_state(t->dtls);
    return dtls == DTLS_FAILED || dtls == DTLS_CLOSED;
}

enum transport_state transport_state(const struct transport *t, usec_t now)
{
    usec_t since = usec_max(ice_heard_at(t->ice), t->awaited_since);
    if (transport_over(t))
        return TRANSPORT_FAILED;
    if (since == 0)
        return ice_checking(t->ice) ? TRANSPORT_CHECKING : TRANSPORT_NEW;
    if (now - since >= TRANSPORT_FAILED_AFTER)
        return TRANSPORT_FAILED;
    if (t->was_connected && now - since >= TRANSPORT_QUIET_AFTER)
        return TRANSPORT_QUIET;
    struct path path;
    return t->send && ice_selected(t->ice, &path) ? TRANSPORT_CONNECTED : TRANSPORT_CHECKING;
}

bool transport_ready(const struct transport *t, struct path *ret_path, struct srtp **ret_srtp)
{
    if (!t->send || !ice_selected(t->ice, ret_path))
        return false;
    *ret_srtp = t->send;
    return true;
}

bool transport_knows(const struct transport *t, const struct path *path)
{
    return ice_knows(t->ice, path);
}

usec_t transport_rtt(const struct transport *t)
{
    return ice_rtt(t->ice);
}

void transport_get_counters(const struct transport *t, struct transport_counters *ret_counters,
                            struct ice_counters *ret_ice)
{
    *ret_counters = t->counters;
    ice_get_counters(t->ice, ret_ice);
}
