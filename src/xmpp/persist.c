/* Sessions in the journal: `session/<handle>` says who, `queue/<handle>` holds the counters and the
 * ids of the texts not acknowledged, `text/<id>` a text. Numbers are little-endian. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "xmpp/inner.h"

struct key {
    char text[40];
};

static struct slice make_key(struct key *key, const char *kind, uint64_t id)
{
    (void)snprintf(key->text, sizeof key->text, "%s/%" PRIu64, kind, id); /* always fits */
    return slice_str(key->text);
}

static void add_le(struct buf *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        buf_add_byte(out, (uint8_t)(value >> (8 * i)));
}

static uint64_t take_le(struct slice *from, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes && i < from->len; i++)
        value |= (uint64_t)from->data[i] << (8 * i);
    *from = slice_sub(*from, bytes, from->len);
    return value;
}

static int save_texts(struct xmpp *x, const struct keeper *keeper)
{
    struct key key;
    int err = 0;
    LIST_EACH(node, &x->texts.fresh)
    {
        struct text *text = LIST_ITEM(node, struct text, fresh);
        list_remove(&text->fresh);
        text->saved = true;
        int put = keeper->put(keeper->arg, make_key(&key, "text", text->id), text_slice(text));
        err = err ? err : put;
    }
    for (size_t at = 0; at + 8 <= x->texts.dead.len; at += 8) {
        uint64_t id;
        memcpy(&id, x->texts.dead.data + at, 8);
        int del = keeper->del(keeper->arg, make_key(&key, "text", id));
        err = err ? err : del;
    }
    return err;
}

static int save_record(struct xmpp *x, const struct keeper *keeper, struct session *s)
{
    json_t *record =
        json_pack("{ss ss ss sb sb sO?}", "jid", s->jid, "sm", s->sm_id, "host", s->host, "secure",
                  s->secure, "plain", s->plain, "claims", s->claims);
    char *text = record ? json_dumps(record, JSON_COMPACT) : NULL;
    struct key key;
    int err = text ? keeper->put(keeper->arg, make_key(&key, "session", s->handle), slice_str(text))
                   : ERR_MEMORY;
    free(text);
    json_decref(record);
    s->record_dirty = false;
    s->recorded = true;
    return err;
}

static int save_queue(struct xmpp *x, const struct keeper *keeper, struct session *s)
{
    struct key key;
    buf_clear(&x->scratch);
    add_le(&x->scratch, s->sm.handled, 4);
    add_le(&x->scratch, s->sm.acked, 4);
    for (size_t i = 0; i < s->sm.count; i++)
        add_le(&x->scratch, sm_at(&s->sm, i)->id, 8);
    s->queue_dirty = false;
    if (x->scratch.failed)
        return ERR_MEMORY;
    return keeper->put(keeper->arg, make_key(&key, "queue", s->handle), buf_slice(&x->scratch));
}

static int forget_sessions(struct xmpp *x, const struct keeper *keeper)
{
    struct key key;
    int err = 0;
    for (size_t at = 0; at + 4 <= x->forgotten.len; at += 4) {
        uint32_t handle;
        memcpy(&handle, x->forgotten.data + at, 4);
        int del = keeper->del(keeper->arg, make_key(&key, "session", handle));
        err = err ? err : del;
        del = keeper->del(keeper->arg, make_key(&key, "queue", handle));
        err = err ? err : del;
    }
    return err;
}

bool xmpp_unsaved(const struct xmpp *x)
{
    return !list_empty(&x->texts.fresh) || !list_empty(&x->dirty) || x->texts.dead.len > 0 ||
           x->forgotten.len > 0;
}

static void write_again(struct xmpp *x, struct session *s)
{
    session_dirty(x, s, true);
    for (size_t i = 0; i < s->sm.count; i++) {
        struct text *text = sm_at(&s->sm, i);
        list_remove(&text->fresh);
        list_append(&x->texts.fresh, &text->fresh);
    }
}

void xmpp_saved(struct xmpp *x, bool taken)
{
    if (taken) {
        buf_clear(&x->texts.dead);
        buf_clear(&x->forgotten);
        return;
    }
    LIST_EACH(node, &x->sessions)
    write_again(x, LIST_ITEM(node, struct session, link));
}

int xmpp_save(struct xmpp *x, const struct keeper *keeper)
{
    int err = save_texts(x, keeper);
    LIST_EACH(node, &x->dirty)
    {
        struct session *s = LIST_ITEM(node, struct session, dirty);
        list_remove(&s->dirty);
        int put = s->record_dirty ? save_record(x, keeper, s) : 0;
        err = err ? err : put;
        put = s->queue_dirty ? save_queue(x, keeper, s) : 0;
        err = err ? err : put;
    }
    int forgot = forget_sessions(x, keeper);
    return err ? err : forgot;
}

static struct session *loading(struct xmpp *x, uint32_t handle)
{
    struct session *s = xmpp_by_handle(x, handle);
    if (s)
        return s;
    /* Its record may come after its queue: it gets its address then. */
    s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->handle = handle;
    list_init(&s->link);
    list_init(&s->dirty);
    list_init(&s->doomed);
    if (map_put(x->by_handle, slice_of(&s->handle, sizeof s->handle), s) != 0) {
        free(s);
        return NULL;
    }
    list_append(&x->sessions, &s->link);
    if (handle >= x->next_handle)
        x->next_handle = handle + 1;
    return s;
}

static void load_record(struct xmpp *x, struct session *s, struct slice value)
{
    json_t *record = json_loadb((const char *)value.data, value.len, 0, NULL);
    const char *jid = NULL, *sm = NULL, *host = NULL;
    json_t *claims = NULL;
    int secure = 0, plain = 0;
    if (json_unpack(record, "{ss ss ss sb sb so}", "jid", &jid, "sm", &sm, "host", &host, "secure",
                    &secure, "plain", &plain, "claims", &claims) == 0) {
        (void)slice_copy(slice_str(jid), s->jid, sizeof s->jid);    /* it fitted before */
        (void)slice_copy(slice_str(jid), s->nick, sizeof s->nick);  /* the first eight */
        (void)slice_copy(slice_str(sm), s->sm_id, sizeof s->sm_id); /* it fitted before */
        (void)slice_copy(slice_str(host), s->host, sizeof s->host); /* it fitted before */
        s->secure = secure != 0;
        s->plain = plain != 0;
        s->recorded = s->sm.enabled = true;
        if (json_is_object(claims)) {
            s->claims = json_incref(claims);
            token_read(claims, &s->token);
        }
    }
    json_decref(record);
}

/* References to texts by id for now: the texts may not have been loaded yet. */
static void load_queue(struct session *s, struct slice value)
{
    s->sm.handled = (uint32_t)take_le(&value, 4);
    s->sm.acked = (uint32_t)take_le(&value, 4);
    s->upper = NULL;
    size_t count = value.len / 8 < SM_QUEUE_MAX ? value.len / 8 : SM_QUEUE_MAX;
    struct buf *ids = malloc(sizeof *ids);
    if (!ids)
        return;
    buf_init(ids, count * 8);
    buf_add(ids, slice_sub(value, 0, count * 8));
    s->upper = ids;
}

bool xmpp_load(struct xmpp *x, struct slice key, struct slice value)
{
    struct slice number = key;
    struct slice kind = slice_cut(&number, '/');
    uint64_t id;
    if (slice_to_u64(number, UINT64_MAX, &id) != 0)
        return false;
    if (slice_eq_str(kind, "text")) {
        struct text *text = text_restore(&x->texts, id, value);
        if (!text)
            return true;
        text->saved = text->kept = true;
        if (map_put(x->loaded_texts, slice_of(&text->id, sizeof text->id), text) != 0)
            text_unref(&x->texts, &text);
        return true;
    }
    bool record = slice_eq_str(kind, "session");
    if (!record && !slice_eq_str(kind, "queue"))
        return false;
    struct session *s = id <= UINT32_MAX ? loading(x, (uint32_t)id) : NULL;
    if (s && record)
        load_record(x, s, value);
    else if (s)
        load_queue(s, value);
    return true;
}

static bool fill_queue(struct xmpp *x, struct session *s, struct buf *ids)
{
    struct slice left = ids ? buf_slice(ids) : slice_of(NULL, 0);
    while (left.len >= 8) {
        uint64_t id = take_le(&left, 8);
        struct text *text = map_get(x->loaded_texts, slice_of(&id, sizeof id));
        if (!text || sm_push(&s->sm, &x->texts, text) != 0)
            return false;
    }
    return true;
}

static bool name_session(struct xmpp *x, struct session *s)
{
    return s->jid[0] && map_put(x->by_jid, slice_str(s->jid), s) == 0 &&
           map_put(x->by_nick, slice_str(s->nick), s) == 0 &&
           map_put(x->by_sm, slice_str(s->sm_id), s) == 0;
}

void xmpp_loaded(struct xmpp *x)
{
    LIST_EACH(node, &x->sessions)
    {
        struct session *s = LIST_ITEM(node, struct session, link);
        struct buf *ids = s->upper;
        s->upper = NULL;
        bool ok = fill_queue(x, s, ids) && name_session(x, s);
        if (ids)
            buf_done(ids);
        free(ids);
        s->lost_at = x->now;
        if (!ok) {
            buf_add(&x->forgotten, slice_of(&s->handle, sizeof s->handle));
            session_free(x, s);
        }
    }
    struct map_iter iter = {0};
    while (map_next(x->loaded_texts, &iter)) {
        struct text *text = iter.value;
        text_unref(&x->texts, &text);
        (void)map_del(x->loaded_texts, iter.key); /* unreferenced just above */
    }
}
