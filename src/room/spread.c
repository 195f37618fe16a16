/* Telling classic receivers of others' sources. Those that rewrite SSRCs hear of them from the
 * bridge. */
#include <stdlib.h>

#include "room/inner.h"

/* A source and whose it is. */
struct item {
    const struct occupant *owner;
    struct source source;
};

static json_t *items_json(const struct item *items, size_t count)
{
    json_t *all = json_object();
    for (size_t i = 0; i < count;) {
        struct source of_one[SOURCES_MAX];
        size_t n = 0;
        const struct occupant *owner = items[i].owner;
        for (; i < count && items[i].owner == owner && n < SOURCES_MAX; i++)
            of_one[n++] = items[i].source;
        if (json_object_set_new(all, owner->nick, source_to_json(of_one, n)) != 0) {
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

static void put_items_xml(struct xml_writer *w, const struct item *items, size_t count, bool video)
{
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any |= items[i].source.video == video;
    if (!any)
        return;
    xml_open(w, "content", NS_JINGLE);
    xml_put_str(w, "creator", "initiator");
    xml_put_str(w, "name", video ? "video" : "audio");
    xml_put_str(w, "senders", "both");
    xml_open(w, "description", NS_JINGLE_RTP);
    xml_put_str(w, "media", video ? "video" : "audio");
    for (size_t i = 0; i < count; i++)
        source_to_xml(w, &items[i].source, 1, video, items[i].owner->jid);
    xml_close(w);
    xml_close(w);
}

/* The inside of the <jingle/>, in both forms, made once for all receivers. */
struct body {
    char *json;
    char *xml;
};

static char *make_json(const struct item *items, size_t count)
{
    json_t *all = items_json(items, count);
    char *text = dump_json(json_pack("{so}", "sources", all));
    struct buf out;
    struct xml_writer w;
    buf_init(&out, (size_t)1024 * 1024);
    xml_writer_init(&w, &out);
    xml_leaf(&w, "json-message", NS_JITMEET, slice_str(text));
    free(text);
    char *markup = out.failed ? NULL : strndup((char *)out.data, out.len);
    buf_done(&out);
    return markup;
}

static char *make_xml(const struct item *items, size_t count)
{
    struct buf out;
    struct xml_writer w;
    buf_init(&out, (size_t)1024 * 1024);
    xml_writer_init(&w, &out);
    put_items_xml(&w, items, count, false);
    put_items_xml(&w, items, count, true);
    char *markup = out.failed ? NULL : strndup((char *)out.data, out.len);
    buf_done(&out);
    return markup;
}

static void send_body(struct realm *r, struct occupant *to, const char *action,
                      const struct item *items, size_t count, struct body *body)
{
    char id[32];
    char **form = to->caps.json_sources ? &body->json : &body->xml;
    if (!*form)
        *form = to->caps.json_sources ? make_json(items, count) : make_xml(items, count);
    if (!*form)
        return;
    next_iq_id(r, id);
    struct xml_writer *w =
        xmpp_begin_stanza(r->xmpp, "iq", "set", to->room->focus, to->session->jid, slice_str(id));
    xml_open(w, "jingle", NS_JINGLE);
    xml_put_str(w, "action", action);
    xml_put_str(w, "sid", to->sid);
    xml_put_str(w, "initiator", to->room->focus);
    xml_raw(w, slice_str(*form));
    xml_close(w);
    xml_close(w);
    xmpp_finish(r->xmpp, to->session);
}

static void body_done(struct body *body)
{
    free(body->json);
    free(body->xml);
}

static bool shown_alike(const struct source *a, const struct source *b)
{
    return a->ssrcs[0] == b->ssrcs[0] && a->rtx[0] == b->rtx[0] && strcmp(a->name, b->name) == 0;
}

/* Those of `set` that `other` has not. */
static size_t difference(const struct occupant *owner, const struct source_set *set,
                         const struct source_set *other, struct item out[SOURCES_MAX])
{
    struct source mine[SOURCES_MAX], theirs[SOURCES_MAX];
    size_t mine_count, theirs_count, count = 0;
    if (source_list(set, mine, &mine_count) != 0 || source_list(other, theirs, &theirs_count) != 0)
        return 0;
    for (size_t i = 0; i < mine_count; i++) {
        bool known = false;
        for (size_t j = 0; j < theirs_count; j++)
            known |= shown_alike(&mine[i], &theirs[j]);
        if (!known)
            out[count++] = (struct item){owner, mine[i]};
    }
    return count;
}

static void send_all(struct realm *r, struct occupant *o, const char *action,
                     const struct item *items, size_t count)
{
    struct body body = {0};
    LIST_EACH(node, &o->room->occupants)
    {
        struct occupant *to = LIST_ITEM(node, struct occupant, link);
        if (count > 0 && to != o && !to->caps.rewriting && to->invite == INVITE_ACTIVE)
            send_body(r, to, action, items, count, &body);
    }
    body_done(&body);
}

void spread_change(struct realm *r, struct occupant *o, const struct source_set *before)
{
    struct item gone[SOURCES_MAX], news[SOURCES_MAX];
    size_t gone_count = difference(o, before, &o->sources, gone);
    size_t news_count = difference(o, &o->sources, before, news);
    send_all(r, o, "source-remove", gone, gone_count);
    send_all(r, o, "source-add", news, news_count);
}

static bool was_told(const struct occupant *o, const struct source *source)
{
    for (size_t i = 0; i < o->told_count; i++)
        if (o->told[i].ssrc == source->ssrcs[0] && o->told[i].rtx == source->rtx[0])
            return true;
    return false;
}

static size_t collect_news(const struct occupant *o, struct item *out)
{
    size_t found = 0;
    LIST_EACH(node, &o->room->occupants)
    {
        const struct occupant *other = LIST_ITEM(node, struct occupant, link);
        struct source list[SOURCES_MAX];
        size_t count;
        if (other == o || source_list(&other->sources, list, &count) != 0)
            continue;
        for (size_t i = 0; i < count; i++)
            if (!was_told(o, &list[i]))
                out[found++] = (struct item){other, list[i]};
    }
    return found;
}

/* Told of, and no longer there though the owner is. The client itself drops those of one who left.
 */
static size_t collect_gone(const struct occupant *o, struct item *out)
{
    size_t found = 0;
    for (size_t i = 0; i < o->told_count; i++) {
        const struct told *t = &o->told[i];
        struct slice rest = slice_str(t->name);
        const struct occupant *owner = room_member(o->room, slice_cut(&rest, '-'));
        if (!owner || source_has(&owner->sources, t->ssrc))
            continue;
        struct source s = {
            .video = t->video, .layer_count = 1, .ssrcs = {t->ssrc}, .rtx = {t->rtx}};
        memcpy(s.name, t->name, sizeof s.name);
        out[found++] = (struct item){owner, s};
    }
    return found;
}

void spread_catch_up(struct realm *r, struct occupant *o)
{
    size_t max = o->room->count * SOURCES_MAX + o->told_count;
    struct item *items = o->caps.rewriting ? NULL : calloc(max, sizeof *items);
    if (items) {
        struct body gone_body = {0}, news_body = {0};
        size_t count = collect_gone(o, items);
        if (count > 0)
            send_body(r, o, "source-remove", items, count, &gone_body);
        count = collect_news(o, items);
        if (count > 0)
            send_body(r, o, "source-add", items, count, &news_body);
        body_done(&gone_body);
        body_done(&news_body);
    }
    free(items);
    free(o->told);
    o->told = NULL;
    o->told_count = 0;
}

json_t *spread_all_json(const struct room *room, const struct occupant *except)
{
    struct item *items = calloc(room->count * SOURCES_MAX + 1, sizeof *items);
    if (!items)
        return NULL;
    size_t found = 0;
    LIST_EACH(node, &room->occupants)
    {
        const struct occupant *other = LIST_ITEM(node, struct occupant, link);
        struct source list[SOURCES_MAX];
        size_t count;
        if (other == except || source_list(&other->sources, list, &count) != 0)
            continue;
        for (size_t i = 0; i < count; i++)
            items[found++] = (struct item){other, list[i]};
    }
    json_t *all = items_json(items, found);
    free(items);
    return all;
}
