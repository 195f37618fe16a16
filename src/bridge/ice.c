#include "bridge/ice.h"

#include <stdlib.h>

#include "bridge/policer.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "proto/stun.h"

/* RFC 7675: consent lasts 30 s and is asked for every 5 s, give or take a fifth. */
#define CONSENT_LIFE (30 * USEC_PER_SEC)
#define CONSENT_INTERVAL (5 * USEC_PER_SEC)
/* A missed answer is asked for again sooner, so that a dead path is known before people notice. */
#define CONSENT_RETRY USEC_PER_SEC
/* While nothing is heard on the selected path we ask sooner: an answer is the only sign of life of
 * a peer that neither sends media nor checks often (consent of others may be 6 s apart). */
#define SILENT_CHECK (1500 * USEC_PER_MSEC)
/* A path held in reserve is asked less often: enough to keep a NAT binding of 30 s. */
#define RESERVE_INTERVAL (12 * USEC_PER_SEC)
/* First checks: 100, 200, ... 1600 ms apart, then silence until the peer checks again. */
#define CHECK_INTERVAL (100 * USEC_PER_MSEC)
#define CHECK_TRIES 6
#define CHECKS_KEPT 4
/* How long after a change of path late packets may not pull the choice back. */
#define SWITCH_HOLD USEC_PER_SEC
/* How long better paths have to answer before the relay beside us is taken: a connection of the
 * peer's own needs a round trip more than the relay's, which stands already. */
#define RELAY_AFTER (500 * USEC_PER_MSEC)
/* How long after a restart has a path what still comes by the old ones is taken: the peer leaves
 * them when it has heard of the choice. */
#define RESTART_LINGER (5 * USEC_PER_SEC)
/* Silence on the selected path after which checks elsewhere count. */
#define SILENT_AFTER USEC_PER_SEC
/* Unanswered checks of a path before one of a lower rank may take over: one may have been lost. */
#define WORSE_AFTER_MISSED 2
/* Wrong messages answered by work (a hash each) per second; beyond it only known paths count. */
#define FAILURES_PER_SEC 100
/* Of genuine checks 200 in a second are answered: 16 paths, each twelve times. */
#define CHECK_COST (5 * USEC_PER_MSEC)
#define CHECK_BURST USEC_PER_SEC
#define OUTPUT_MAX 16
/* All of those with usual names; each may be STUN_MESSAGE_MAX. */
#define OUTPUT_BYTES 2560
/* A peer that keeps claiming our role is broken; following it for ever would not mend it. */
#define ROLE_SWITCHES_MAX 4
/* Type preference 110 (peer reflexive), highest local preference, component 1. */
#define CHECK_PRIORITY ((uint32_t)110 << 24 | (uint32_t)65535 << 8 | 255)

struct check {
    uint8_t id[STUN_ID_SIZE];
    usec_t sent_at;
    bool open;
    bool controlling;
};

struct pair {
    struct path path;
    bool used;
    bool old;           /* under the credentials before the restart */
    bool authenticated; /* a check of the peer came here, or ours was answered */
    bool valid;         /* our check was answered */
    bool wanted;        /* the controlling peer nominated it */
    usec_t learned_at;
    usec_t heard_at;    /* anything authenticated */
    usec_t media_at;    /* media or DTLS */
    usec_t answered_at; /* our check: consent counts from here */
    usec_t next_check;
    usec_t sent_at;      /* our last check */
    unsigned unanswered; /* checks since the last answer */
    unsigned calls;      /* the peer's checks here while the selected path was silent */
    struct check checks[CHECKS_KEPT];
    unsigned check_next;
};

struct output {
    struct path path;
    uint16_t at; /* in output_bytes */
    uint16_t len;
};

struct credentials {
    char ufrag[ICE_CREDENTIAL_MAX];
    char pwd[ICE_CREDENTIAL_MAX];
    size_t ufrag_len;
    size_t pwd_len;
};

struct generation {
    struct credentials local;
    struct credentials remote; /* ufrag_len 0: not known yet */
};

struct ice {
    struct generation now;
    struct generation *before; /* what runs on during a restart; NULL: nothing */
    usec_t before_until;       /* USEC_NEVER: until a new path is selected */
    bool controlling;
    uint64_t tie_breaker;
    uint64_t jitter;
    struct pair pairs[ICE_PATHS_MAX];
    struct pair *selected;
    bool ever_selected;
    usec_t switched_at;
    usec_t rtt;
    usec_t heard_at;
    usec_t relay_at; /* from here on a relayed path may be the first; 0: no path yet */
    bool called;     /* an authenticated check came */
    unsigned role_switches;
    unsigned failures; /* in the second that began at failures_since */
    usec_t failures_since;
    struct policer checks;
    struct ice_counters counters;
    struct output output[OUTPUT_MAX]; /* those from output_next on wait to be polled */
    unsigned output_next;
    unsigned output_count;
    uint8_t output_bytes[OUTPUT_BYTES];
};

static int set_credentials(struct credentials *c, struct slice ufrag, struct slice pwd)
{
    if (ufrag.len < 4 || ufrag.len > ICE_CREDENTIAL_MAX || pwd.len < 22 ||
        pwd.len > ICE_CREDENTIAL_MAX)
        return ERR_FORMAT;
    memcpy(c->ufrag, ufrag.data, ufrag.len);
    memcpy(c->pwd, pwd.data, pwd.len);
    c->ufrag_len = ufrag.len;
    c->pwd_len = pwd.len;
    return 0;
}

static struct slice ufrag_of(const struct credentials *c)
{
    return slice_of(c->ufrag, c->ufrag_len);
}

static struct slice pwd_of(const struct credentials *c)
{
    return slice_of(c->pwd, c->pwd_len);
}

static const struct generation *generation_of(const struct ice *ice, const struct pair *pair)
{
    return pair->old ? ice->before : &ice->now;
}

int ice_new(const struct ice_config *config, struct ice **ret_ice)
{
    struct ice *ice = calloc(1, sizeof *ice);
    if (!ice)
        return ERR_MEMORY;
    int err = set_credentials(&ice->now.local, config->ufrag, config->pwd);
    if (err) {
        free(ice);
        return err;
    }
    ice->controlling = config->controlling;
    ice->tie_breaker = config->tie_breaker;
    ice->jitter = config->seed;
    *ret_ice = ice;
    return 0;
}

static void free_before(struct ice *ice)
{
    if (ice->before)
        hash_wipe(ice->before, sizeof *ice->before);
    free(ice->before);
    ice->before = NULL;
}

void ice_free(struct ice **ice)
{
    if (!*ice)
        return;
    free_before(*ice);
    hash_wipe(*ice, sizeof **ice);
    free(*ice);
    *ice = NULL;
}

/* Between 0.8 and 1.2 of an interval (RFC 7675, section 5.1), by splitmix64. */
static usec_t jittered(struct ice *ice, usec_t interval)
{
    uint64_t x = ice->jitter += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    return interval * 8 / 10 + (usec_t)(x % (uint64_t)(interval * 4 / 10));
}

static struct pair *find_pair(struct ice *ice, const struct path *path)
{
    if (ice->selected && path_eq(&ice->selected->path, path))
        return ice->selected;
    for (size_t i = 0; i < ICE_PATHS_MAX; i++)
        if (ice->pairs[i].used && path_eq(&ice->pairs[i].path, path))
            return &ice->pairs[i];
    return NULL;
}

static bool alive(const struct pair *pair, usec_t now)
{
    return pair->valid && now - pair->answered_at < CONSENT_LIFE;
}

/* A place for a new path: a free one, else the one unheard for longest that is not alive. */
static struct pair *place_for(struct ice *ice, usec_t now)
{
    struct pair *oldest = NULL;
    for (size_t i = 0; i < ICE_PATHS_MAX; i++) {
        struct pair *pair = &ice->pairs[i];
        if (!pair->used)
            return pair;
        if (pair == ice->selected || alive(pair, now))
            continue;
        if (!oldest || pair->heard_at < oldest->heard_at)
            oldest = pair;
    }
    return oldest;
}

static struct pair new_pair(const struct path *path, usec_t now)
{
    return (struct pair){
        .used = true, .path = *path, .learned_at = now, .heard_at = now, .next_check = USEC_NEVER};
}

static struct pair *learn(struct ice *ice, usec_t now, const struct path *path)
{
    struct pair *pair = find_pair(ice, path);
    if (pair)
        return pair;
    if (ice->relay_at == 0)
        ice->relay_at = now + RELAY_AFTER;
    pair = place_for(ice, now);
    if (pair)
        *pair = new_pair(path, now);
    return pair;
}

static struct output *next_output(struct ice *ice, const struct path *path)
{
    if (ice->output_next == ice->output_count)
        ice->output_next = ice->output_count = 0;
    if (ice->output_count == OUTPUT_MAX) {
        ice->counters.output_full++;
        return NULL;
    }
    struct output *out = &ice->output[ice->output_count];
    const struct output *before = ice->output_count > 0 ? out - 1 : NULL;
    *out = (struct output){.path = *path, .at = before ? (uint16_t)(before->at + before->len) : 0};
    return out;
}

static void put_output(struct ice *ice, struct output *out, const struct stun_message *message,
                       struct slice key)
{
    size_t len = 0;
    int err = stun_build(message, key, hash_hmac_sha1_parts, ice->output_bytes + out->at,
                         OUTPUT_BYTES - out->at, &len);
    out->len = (uint16_t)len;
    if (err == 0)
        ice->output_count++;
    else
        ice->counters.output_full++;
}

/* On a stream what is lost holds up all that follows; what comes from our own address comes from
 * the relay beside us, a longer way that may be such a stream itself. */
static unsigned rank(const struct path *path)
{
    if (path_is_stream(path))
        return 1;
    bool ours = memcmp(path->local.ip, path->remote.ip, sizeof path->local.ip) == 0;
    return ours && !address_is_loopback(&path->local) ? 0 : 2;
}

/* Whether a path may be the first to be selected. */
static bool may_be_first(const struct ice *ice, usec_t now, const struct pair *pair)
{
    return !ice->controlling || ice->ever_selected || now >= ice->relay_at || rank(&pair->path) > 0;
}

static void send_check(struct ice *ice, usec_t now, struct pair *pair)
{
    pair->sent_at = now;
    struct output *out = next_output(ice, &pair->path);
    if (!out)
        return;
    struct check *check = &pair->checks[pair->check_next++ % CHECKS_KEPT];
    *check = (struct check){.sent_at = now, .open = true, .controlling = ice->controlling};
    random_bytes(check->id, sizeof check->id);

    uint8_t name[2 * ICE_CREDENTIAL_MAX + 1];
    struct writer w = writer_of(name, sizeof name);
    const struct generation *generation = generation_of(ice, pair);
    writer_bytes(&w, ufrag_of(&generation->remote));
    writer_u8(&w, ':');
    writer_bytes(&w, ufrag_of(&generation->local));
    struct stun_message message = {
        .class = STUN_REQUEST,
        .method = STUN_BINDING,
        .username = slice_of(name, writer_len(&w)),
        .has_priority = true,
        .priority = CHECK_PRIORITY,
        .role = ice->controlling ? STUN_CONTROLLING : STUN_CONTROLLED,
        .tie_breaker = ice->tie_breaker,
        .use_candidate = ice->controlling &&
                         (ice->selected ? ice->selected == pair : may_be_first(ice, now, pair)),
    };
    memcpy(message.id, check->id, sizeof message.id);
    pair->unanswered++;
    put_output(ice, out, &message, pwd_of(&generation->remote));
}

static void schedule(struct ice *ice, usec_t now, struct pair *pair)
{
    unsigned tries = pair->unanswered;
    if (!pair->valid && tries >= CHECK_TRIES)
        pair->next_check = USEC_NEVER;
    else if (!pair->valid)
        pair->next_check = now + (CHECK_INTERVAL << (tries ? tries - 1 : 0));
    else if (pair == ice->selected)
        pair->next_check = now + (tries > 1 ? CONSENT_RETRY : jittered(ice, CONSENT_INTERVAL));
    else if (now - pair->heard_at < CONSENT_LIFE)
        pair->next_check = now + jittered(ice, RESERVE_INTERVAL);
    else
        pair->next_check = USEC_NEVER;
}

static void check_now(struct ice *ice, usec_t now, struct pair *pair)
{
    if (generation_of(ice, pair)->remote.ufrag_len == 0)
        return; /* ice_set_remote comes back to all pairs */
    send_check(ice, now, pair);
    schedule(ice, now, pair);
}

static void select_pair(struct ice *ice, usec_t now, struct pair *pair)
{
    if (ice->selected == pair)
        return;
    if (ice->ever_selected)
        ice->counters.switches++;
    ice->selected = pair;
    ice->ever_selected = true;
    ice->switched_at = now;
    for (size_t i = 0; i < ICE_PATHS_MAX; i++)
        ice->pairs[i].calls = 0;
    if (ice->controlling)
        check_now(ice, now, pair); /* nominates it */
}

/* Whether the peer has moved from the selected path `s` to `c`. */
static bool moved_to(const struct ice *ice, usec_t now, const struct pair *c, const struct pair *s)
{
    if (!alive(c, now))
        return false;
    if (!alive(s, now))
        return true;
    if (c->old != s->old)
        return s->old && (rank(&c->path) >= rank(&s->path) || s->unanswered >= WORSE_AFTER_MISSED);
    if (rank(&c->path) > rank(&s->path))
        return c->unanswered == 0;
    if (rank(&c->path) < rank(&s->path) && s->unanswered < WORSE_AFTER_MISSED)
        return false;
    bool settled = c->learned_at > ice->switched_at || now - ice->switched_at >= SWITCH_HOLD;
    if (c->media_at > s->media_at && c->media_at >= s->heard_at && settled)
        return true;
    if (c->calls >= 2 && now - s->heard_at >= SILENT_AFTER)
        return true;
    return s->unanswered >= 3 && c->answered_at > s->answered_at && c->unanswered <= 1;
}

static void choose(struct ice *ice, usec_t now)
{
    if (ice->selected && !alive(ice->selected, now)) {
        ice->selected->valid = false;
        ice->selected = NULL;
    }
    struct pair *best = ice->selected;
    for (size_t i = 0; i < ICE_PATHS_MAX; i++) {
        struct pair *pair = &ice->pairs[i];
        if (!pair->used || pair == best || !alive(pair, now))
            continue;
        /* The controlled side follows its peer's nomination, the controlling one its peer. */
        if (best ? (ice->controlling ? moved_to(ice, now, pair, best) : pair->wanted)
                 : may_be_first(ice, now, pair))
            best = pair;
        pair->wanted = false;
    }
    if (best)
        select_pair(ice, now, best);
    if (ice->before && best && best->old)
        ice->before_until = USEC_NEVER;
    else if (ice->before && best && ice->before_until == USEC_NEVER)
        ice->before_until = now + RESTART_LINGER;
}

int ice_set_remote(struct ice *ice, usec_t now, struct slice ufrag, struct slice pwd)
{
    struct credentials *remote = &ice->now.remote;
    if (slice_eq(ufrag, ufrag_of(remote)) && slice_eq(pwd, pwd_of(remote)))
        return 0;
    int err = set_credentials(remote, ufrag, pwd);
    if (err)
        return err;
    for (size_t i = 0; i < ICE_PATHS_MAX; i++)
        if (ice->pairs[i].used && !ice->pairs[i].old && !ice->pairs[i].valid)
            check_now(ice, now, &ice->pairs[i]);
    return 0;
}

static void forget_pairs(struct ice *ice, bool old)
{
    for (size_t i = 0; i < ICE_PATHS_MAX; i++) {
        struct pair *pair = &ice->pairs[i];
        if (!pair->used || pair->old != old)
            continue;
        if (pair == ice->selected)
            ice->selected = NULL;
        *pair = (struct pair){.used = false};
    }
}

/* Of two restarts in a row the first has failed: what it left behind is of no use. */
int ice_restart(struct ice *ice, struct slice ufrag, struct slice pwd)
{
    struct generation fresh = {0};
    int err = set_credentials(&fresh.local, ufrag, pwd);
    if (err)
        return err;
    if (ice->before && ice->before_until != USEC_NEVER) {
        forget_pairs(ice, true);
        free_before(ice);
    }
    if (ice->before) {
        forget_pairs(ice, false);
    } else {
        ice->before = malloc(sizeof *ice->before);
        if (!ice->before)
            return ERR_MEMORY;
        *ice->before = ice->now;
        for (size_t i = 0; i < ICE_PATHS_MAX; i++)
            ice->pairs[i].old = ice->pairs[i].used;
    }
    ice->before_until = USEC_NEVER;
    ice->now = fresh;
    hash_wipe(&fresh, sizeof fresh);
    return 0;
}

/* The peer kept its address: the path goes on under the new credentials, with the consent it has.
 */
static void restart_pair(struct pair *pair)
{
    pair->old = false;
    pair->unanswered = 0;
    pair->next_check = USEC_NEVER;
}

bool ice_answers_to(const struct ice *ice, struct slice ufrag)
{
    return slice_eq(ufrag, ufrag_of(&ice->now.local)) ||
           (ice->before && slice_eq(ufrag, ufrag_of(&ice->before->local)));
}

int ice_add_remote(struct ice *ice, usec_t now, const struct path *path)
{
    bool old = ice->before && ice->now.remote.ufrag_len == 0;
    struct pair *pair = find_pair(ice, path);
    if (pair && (!pair->old || old))
        return 0;
    if (pair) {
        restart_pair(pair);
    } else {
        pair = learn(ice, now, path);
        if (!pair)
            return ERR_LIMIT;
        pair->old = old;
    }
    check_now(ice, now, pair);
    return 0;
}

static bool too_many_failures(struct ice *ice, usec_t now)
{
    if (now - ice->failures_since >= USEC_PER_SEC) {
        ice->failures_since = now;
        ice->failures = 0;
    }
    return ice->failures >= FAILURES_PER_SEC;
}

static void answer(struct ice *ice, const struct credentials *local, const struct path *path,
                   const struct stun_message *request, uint16_t error)
{
    struct output *out = next_output(ice, path);
    if (!out)
        return;
    struct stun_message message = {
        .class = error ? STUN_ERROR : STUN_SUCCESS,
        .method = STUN_BINDING,
        .error = error,
        .has_mapped = error == 0,
        .mapped = path->remote,
    };
    memcpy(message.id, request->id, sizeof message.id);
    put_output(ice, out, &message, pwd_of(local));
}

/* RFC 8445, section 7.3.1.1. True when the request was answered with a 487. */
static bool conflict(struct ice *ice, const struct credentials *local, const struct path *path,
                     const struct stun_message *request)
{
    enum stun_role ours = ice->controlling ? STUN_CONTROLLING : STUN_CONTROLLED;
    if (request->role != ours)
        return false;
    ice->counters.conflicts++;
    bool stay = ice->controlling == (ice->tie_breaker >= request->tie_breaker);
    if (stay || ice->role_switches >= ROLE_SWITCHES_MAX) {
        answer(ice, local, path, request, STUN_ROLE_CONFLICT);
        return true;
    }
    ice->role_switches++;
    ice->controlling = !ice->controlling;
    return false;
}

static void mark_heard(struct ice *ice, usec_t now, struct pair *pair)
{
    pair->heard_at = now;
    ice->heard_at = now;
    if (pair != ice->selected)
        return;
    for (size_t i = 0; i < ICE_PATHS_MAX; i++)
        ice->pairs[i].calls = 0;
}

static int input_request(struct ice *ice, usec_t now, const struct path *path,
                         const struct stun_message *request)
{
    bool old = ice->before && slice_eq(stun_local_ufrag(request), ufrag_of(&ice->before->local));
    const struct generation *generation = old ? ice->before : &ice->now;
    struct slice from = stun_remote_ufrag(request);
    if (generation->remote.ufrag_len > 0 && !slice_eq(from, ufrag_of(&generation->remote)))
        return ERR_AUTH;
    if (request->has_unknown)
        return ERR_FORMAT;
    if (conflict(ice, &generation->local, path, request))
        return 0;
    ice->called = true;
    struct pair *pair = learn(ice, now, path);
    if (!pair)
        return ERR_LIMIT;
    if (pair->old && !old)
        restart_pair(pair);
    else if (!pair->authenticated)
        pair->old = old;
    pair->authenticated = true;
    mark_heard(ice, now, pair);
    if (pair != ice->selected)
        pair->calls++;
    if (request->use_candidate && !ice->controlling)
        pair->wanted = true;
    answer(ice, &generation->local, path, request, 0);
    /* A triggered check; while one is on its way, or consent is fresh, it would tell nothing new.
     */
    if (!pair->valid && pair->next_check == USEC_NEVER) {
        pair->unanswered = 0;
        check_now(ice, now, pair);
    } else if (pair->valid && pair->next_check == USEC_NEVER) {
        check_now(ice, now, pair);
    }
    return 0;
}

static struct check *find_check(struct pair *pair, const uint8_t id[STUN_ID_SIZE])
{
    for (size_t i = 0; i < CHECKS_KEPT; i++)
        if (pair->checks[i].open && memcmp(pair->checks[i].id, id, STUN_ID_SIZE) == 0)
            return &pair->checks[i];
    return NULL;
}

static void measure(struct ice *ice, usec_t sample)
{
    sample = usec_max(sample, 1);
    ice->rtt = ice->rtt ? (7 * ice->rtt + sample) / 8 : sample;
}

static void answered(struct ice *ice, usec_t now, struct pair *pair, const struct check *check)
{
    measure(ice, now - check->sent_at);
    pair->valid = true;
    pair->authenticated = true;
    pair->answered_at = now;
    pair->unanswered = 0;
    mark_heard(ice, now, pair);
    schedule(ice, now, pair);
}

/* The other side insists on our role (RFC 8445, section 7.2.5.1). */
static void give_way(struct ice *ice, usec_t now, struct pair *pair, const struct check *check)
{
    ice->counters.conflicts++;
    if (check->controlling == ice->controlling && ice->role_switches < ROLE_SWITCHES_MAX) {
        ice->role_switches++;
        ice->controlling = !ice->controlling;
        check_now(ice, now, pair);
    }
}

static int input_answer(struct ice *ice, usec_t now, const struct path *path,
                        const struct stun_message *message)
{
    struct pair *pair = find_pair(ice, path);
    struct check *check = pair ? find_check(pair, message->id) : NULL;
    if (!check)
        return ERR_NOT_FOUND;
    if (!stun_check_integrity(message, pwd_of(&generation_of(ice, pair)->remote),
                              hash_hmac_sha1_parts))
        return ERR_AUTH;
    check->open = false;
    if (message->class == STUN_SUCCESS)
        answered(ice, now, pair, check);
    else if (message->error == STUN_ROLE_CONFLICT)
        give_way(ice, now, pair, check);
    return 0;
}

static bool is_for(const struct credentials *local, const struct stun_message *request)
{
    return slice_eq(stun_local_ufrag(request), ufrag_of(local)) &&
           stun_check_integrity(request, pwd_of(local), hash_hmac_sha1_parts);
}

static int input(struct ice *ice, usec_t now, const struct path *path,
                 const struct stun_message *message)
{
    if (message->method != STUN_BINDING)
        return ERR_FORMAT;
    if (message->class == STUN_SUCCESS || message->class == STUN_ERROR)
        return input_answer(ice, now, path, message);
    if (message->class == STUN_INDICATION)
        return 0; /* a keep-alive: no answer, and unauthenticated */
    if (!is_for(&ice->now.local, message) &&
        (!ice->before || !is_for(&ice->before->local, message)))
        return ERR_AUTH;
    policer_charge(&ice->checks, now, CHECK_COST);
    return input_request(ice, now, path, message);
}

int ice_input(struct ice *ice, usec_t now, const struct path *path, struct slice datagram)
{
    if ((too_many_failures(ice, now) && !ice_knows(ice, path)) ||
        !policer_open(&ice->checks, now, CHECK_BURST)) {
        ice->counters.limited++;
        return ERR_LIMIT;
    }
    struct stun_message message;
    int err = stun_parse(datagram, &message);
    if (err == 0)
        err = input(ice, now, path, &message);
    if (err == 0) {
        choose(ice, now);
        return 0;
    }
    ice->failures++;
    if (err == ERR_FORMAT)
        ice->counters.malformed++;
    else if (err == ERR_AUTH)
        ice->counters.unauthenticated++;
    return err;
}

void ice_heard(struct ice *ice, usec_t now, const struct path *path)
{
    struct pair *pair = find_pair(ice, path);
    if (!pair)
        return;
    mark_heard(ice, now, pair);
    pair->media_at = now;
    if (pair != ice->selected)
        choose(ice, now);
}

void ice_path_gone(struct ice *ice, usec_t now, const struct path *path)
{
    struct pair *pair = find_pair(ice, path);
    if (!pair)
        return;
    if (pair == ice->selected)
        ice->selected = NULL;
    *pair = (struct pair){.used = false};
    choose(ice, now);
}

static usec_t due(const struct ice *ice, const struct pair *pair)
{
    if (pair != ice->selected || generation_of(ice, pair)->remote.ufrag_len == 0)
        return pair->next_check;
    usec_t silent = usec_max(pair->heard_at + SILENT_CHECK, pair->sent_at + CONSENT_RETRY);
    return usec_min(pair->next_check, silent);
}

usec_t ice_tick(struct ice *ice, usec_t now)
{
    if (ice->before && now >= ice->before_until) {
        forget_pairs(ice, true);
        free_before(ice);
    }
    choose(ice, now);
    usec_t next = ice->selected ? ice->selected->answered_at + CONSENT_LIFE : USEC_NEVER;
    if (ice->before)
        next = usec_min(next, ice->before_until);
    if (!ice->selected && now < ice->relay_at)
        next = ice->relay_at;
    for (size_t i = 0; i < ICE_PATHS_MAX; i++) {
        struct pair *pair = &ice->pairs[i];
        if (!pair->used)
            continue;
        if (due(ice, pair) <= now)
            check_now(ice, now, pair);
        next = usec_min(next, due(ice, pair));
    }
    return usec_max(next, now + 1); /* a check that could not be sent for lack of room waits */
}

bool ice_poll(struct ice *ice, struct path *ret_path, struct slice *ret_datagram)
{
    if (ice->output_next == ice->output_count)
        return false;
    const struct output *out = &ice->output[ice->output_next++];
    *ret_path = out->path;
    *ret_datagram = slice_of(ice->output_bytes + out->at, out->len);
    return true;
}

bool ice_knows(const struct ice *ice, const struct path *path)
{
    for (size_t i = 0; i < ICE_PATHS_MAX; i++)
        if (ice->pairs[i].used && ice->pairs[i].authenticated && path_eq(&ice->pairs[i].path, path))
            return true;
    return false;
}

bool ice_selected(const struct ice *ice, struct path *ret_path)
{
    if (!ice->selected)
        return false;
    *ret_path = ice->selected->path;
    return true;
}

bool ice_checking(const struct ice *ice)
{
    return ice->called || ice->now.remote.ufrag_len > 0;
}

bool ice_is_controlling(const struct ice *ice)
{
    return ice->controlling;
}

usec_t ice_rtt(const struct ice *ice)
{
    return ice->rtt;
}

usec_t ice_heard_at(const struct ice *ice)
{
    return ice->heard_at;
}

void ice_get_counters(const struct ice *ice, struct ice_counters *ret_counters)
{
    *ret_counters = ice->counters;
}
