/* The session-initiate (XEP-0166, 0167, 0176, 0320, 0338, 0339 as Jitsi's client reads them). */
#include <stdio.h>
#include <stdlib.h>

#include "proto/offer.h"
#include "room/inner.h"

void offer_feedback(struct xml_writer *w, const char *type, const char *subtype)
{
    xml_open(w, "rtcp-fb", NS_JINGLE_RTCP_FB);
    xml_put_str(w, "type", type);
    if (subtype)
        xml_put_str(w, "subtype", subtype);
    xml_close(w);
}

void offer_parameter(struct xml_writer *w, const char *name, const char *value)
{
    xml_open(w, "parameter", NS_JINGLE_RTP);
    xml_put_str(w, "name", name);
    xml_put_str(w, "value", value);
    xml_close(w);
}

void offer_extension(struct xml_writer *w, unsigned id, const char *uri)
{
    xml_open(w, "rtp-hdrext", NS_JINGLE_HDREXT);
    xml_put_u64(w, "id", id);
    xml_put_str(w, "uri", uri);
    xml_close(w);
}

static void put_number(struct xml_writer *w, const char *name, unsigned value)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%u", value); /* fits */
    offer_parameter(w, name, text);
}

/* RFC 7587 6.1. Packet times belong to no payload type in SDP, but clients make only parameters out
 * of Jingle, and browsers read them there too. */
static void put_sound(struct xml_writer *w, const struct profile_sound *sound)
{
    put_number(w, "ptime", sound->ptime_ms);
    put_number(w, "maxaveragebitrate", sound->bps);
    put_number(w, "stereo", 0);
    if (sound->wide)
        put_number(w, "maxplaybackrate", 16000);
    if (sound->dtx)
        put_number(w, "usedtx", 1);
}

static void put_audio(struct xml_writer *w, const struct caps *caps, enum profile profile)
{
    const struct profile_figures *figures = profile_figures(profile);
    xml_open(w, "payload-type", NS_JINGLE_RTP);
    xml_put_u64(w, "id", OFFER_PT_OPUS);
    xml_put_str(w, "name", "opus");
    xml_put_u64(w, "clockrate", OFFER_CLOCK_AUDIO);
    xml_put_str(w, "channels", "2");
    offer_parameter(w, "minptime", "10");
    offer_parameter(w, "useinbandfec", "1");
    if (figures)
        put_sound(w, &figures->sound);
    if (caps->tcc)
        offer_feedback(w, "transport-cc", NULL);
    xml_close(w);
    xml_open(w, "payload-type", NS_JINGLE_RTP);
    xml_put_u64(w, "id", OFFER_PT_RED);
    xml_put_str(w, "name", "red");
    xml_put_u64(w, "clockrate", OFFER_CLOCK_AUDIO);
    xml_put_str(w, "channels", "2");
    offer_parameter(w, "", "111/111");
    xml_close(w);
    offer_extension(w, OFFER_EXT_AUDIO_LEVEL, "urn:ietf:params:rtp-hdrext:ssrc-audio-level");
}

/* The source from which the bridge's own RTCP comes. */
static void put_feedback_source(struct xml_writer *w, const struct room *room, bool video)
{
    xml_open(w, "source", NS_JINGLE_SOURCES);
    xml_put_u64(w, "ssrc", room->feedback_ssrcs[video]);
    xml_put_str(w, "name", video ? "jvb-v0" : "jvb-a0");
    offer_parameter(w, "msid",
                    video ? "mixedmslabel mixedlabelvideo0" : "mixedmslabel mixedlabelaudio0");
    xml_open(w, "ssrc-info", NS_JITMEET);
    xml_put_str(w, "owner", "jvb");
    xml_close(w);
    xml_close(w);
}

static void put_remote_sources(struct xml_writer *w, const struct occupant *o, bool video)
{
    LIST_EACH(node, &o->room->occupants)
    {
        const struct occupant *other = LIST_ITEM(node, struct occupant, link);
        struct source list[SOURCES_MAX];
        size_t count;
        if (other != o && source_list(&other->sources, list, &count) == 0)
            source_to_xml(w, list, count, video, other->jid);
    }
}

static void put_description(struct realm *r, struct xml_writer *w, const struct occupant *o,
                            bool video)
{
    xml_open(w, "description", NS_JINGLE_RTP);
    xml_put_str(w, "media", video ? "video" : "audio");
    if (video)
        codecs_offer(r, w, o);
    else
        put_audio(w, &o->caps, o->room->profile);
    if (o->caps.tcc)
        offer_extension(
            w, OFFER_EXT_TRANSPORT_CC,
            "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01");
    xml_empty(w, "extmap-allow-mixed", NS_JINGLE_HDREXT);
    xml_empty(w, "rtcp-mux", NS_JINGLE_RTP);
    put_feedback_source(w, o->room, video);
    if (!o->caps.rewriting && !o->caps.json_sources)
        put_remote_sources(w, o, video);
    xml_close(w);
}

static void put_text(struct xml_writer *w, const char *name, json_t *from, const char *key)
{
    json_t *value = json_object_get(from, key);
    if (json_is_string(value))
        xml_put_str(w, name, json_string_value(value));
    else if (json_is_integer(value) && json_integer_value(value) >= 0)
        xml_put_u64(w, name, (uint64_t)json_integer_value(value));
}

static void put_candidate(struct xml_writer *w, json_t *candidate, size_t number)
{
    char id[16];
    const char *protocol = json_string_value(json_object_get(candidate, "protocol"));
    bool tcp = protocol && strcmp(protocol, "tcp") == 0;
    (void)snprintf(id, sizeof id, "c%zu", number + 1); /* at most a few */
    xml_open(w, "candidate", NS_JINGLE_ICE);
    xml_put_str(w, "component", "1");
    put_text(w, "foundation", candidate, "foundation");
    xml_put_str(w, "generation", "0");
    xml_put_str(w, "id", id);
    put_text(w, "ip", candidate, "ip");
    xml_put_str(w, "network", "0");
    put_text(w, "port", candidate, "port");
    put_text(w, "priority", candidate, "priority");
    xml_put_str(w, "protocol", tcp ? "tcp" : "udp");
    if (tcp)
        put_text(w, "tcptype", candidate, "tcptype");
    put_text(w, "type", candidate, "type");
    put_text(w, "rel-addr", candidate, "rel_addr");
    put_text(w, "rel-port", candidate, "rel_port");
    xml_close(w);
}

static void put_channel_url(struct realm *r, struct xml_writer *w, const struct occupant *o)
{
    char url[1024];
    const struct session *s = o->session;
    const char *base = r->config.websocket ? r->config.websocket : "";
    bool secure = s->secure || (!s->plain && strncmp(base, "wss:", 4) == 0);
    if (s->host[0])
        (void)snprintf(url, sizeof url, "ws%s://%s", secure ? "s" : "", s->host); /* fits */
    else
        (void)copy_string(url, sizeof url, base); /* a cut one just fails to connect */
    size_t len = strlen(url);
    (void)snprintf(url + len, sizeof url - len, "/colibri-ws/%u/%s/%s?pwd=%s", o->room->worker,
                   o->room->conference, o->nick, o->channel_pwd); /* likewise */
    xml_open(w, "web-socket", NS_COLIBRI);
    xml_put_str(w, "url", url);
    xml_close(w);
}

static void put_candidates(struct xml_writer *w, json_t *hello)
{
    json_t *candidates = json_object_get(hello, "candidates");
    for (size_t i = 0; i < json_array_size(candidates); i++)
        put_candidate(w, json_array_get(candidates, i), i);
}

static void put_transport(struct realm *r, struct xml_writer *w, const struct occupant *o,
                          json_t *hello)
{
    json_t *fingerprint = json_object_get(hello, "fingerprint");
    xml_open(w, "transport", NS_JINGLE_ICE);
    xml_put_str(w, "ufrag", o->ufrag);
    xml_put_str(w, "pwd", o->pwd);
    xml_empty(w, "rtcp-mux", NS_JINGLE_ICE);
    xml_open(w, "fingerprint", NS_JINGLE_DTLS);
    put_text(w, "hash", fingerprint, "hash");
    xml_put_str(w, "setup", "actpass");
    xml_chars(w, slice_str(json_string_value(json_object_get(fingerprint, "value"))));
    xml_close(w);
    put_candidates(w, hello);
    put_channel_url(r, w, o);
    xml_close(w);
}

static void put_content(struct realm *r, struct xml_writer *w, const struct occupant *o,
                        json_t *hello, bool video)
{
    xml_open(w, "content", NS_JINGLE);
    xml_put_str(w, "creator", "initiator");
    xml_put_str(w, "name", video ? "video" : "audio");
    xml_put_str(w, "senders", "both");
    put_description(r, w, o, video);
    put_transport(r, w, o, hello);
    xml_close(w);
}

static void put_bundle(struct xml_writer *w)
{
    static const char *const names[] = {"audio", "video"};
    xml_open(w, "group", NS_JINGLE_GROUPING);
    xml_put_str(w, "semantics", "BUNDLE");
    for (size_t i = 0; i < 2; i++) {
        xml_open(w, "content", NS_JINGLE_GROUPING);
        xml_put_str(w, "name", names[i]);
        xml_close(w);
    }
    xml_close(w);
}

static void put_json_sources(struct xml_writer *w, const struct occupant *o)
{
    json_t *all = spread_all_json(o->room, o);
    char *text =
        all && json_object_size(all) > 0 ? dump_json(json_pack("{sO}", "sources", all)) : NULL;
    json_decref(all);
    if (text)
        xml_leaf(w, "json-message", NS_JITMEET, slice_str(text));
    free(text);
}

/* Remembers what the offer says of others, to tell the rest when it is accepted. */
static void remember_told(struct occupant *o)
{
    free(o->told);
    o->told_count = 0;
    o->told = o->caps.rewriting ? NULL : calloc(o->room->count * SOURCES_MAX, sizeof *o->told);
    if (!o->told)
        return;
    LIST_EACH(node, &o->room->occupants)
    {
        const struct occupant *other = LIST_ITEM(node, struct occupant, link);
        struct source list[SOURCES_MAX];
        size_t count;
        if (other == o || source_list(&other->sources, list, &count) != 0)
            continue;
        for (size_t i = 0; i < count; i++) {
            struct told *t = &o->told[o->told_count++];
            *t = (struct told){list[i].ssrcs[0], list[i].rtx[0], list[i].video, ""};
            memcpy(t->name, list[i].name, sizeof t->name);
        }
    }
}

void offer_send(struct realm *r, struct occupant *o)
{
    struct worker *worker = bridge_worker(r, o->room);
    if (!worker)
        return;
    remember_told(o);
    struct xml_writer *w = xmpp_begin_stanza(r->xmpp, "iq", "set", o->room->focus, o->session->jid,
                                             slice_str(o->offer_id));
    xml_open(w, "jingle", NS_JINGLE);
    xml_put_str(w, "action", "session-initiate");
    xml_put_str(w, "sid", o->sid);
    xml_put_str(w, "initiator", o->room->focus);
    put_content(r, w, o, worker->hello, false);
    put_content(r, w, o, worker->hello, true);
    put_bundle(w);
    xml_open(w, "bridge-session", NS_FOCUS);
    xml_put_str(w, "id", o->bridge_session);
    xml_close(w);
    if (!o->caps.rewriting && o->caps.json_sources)
        put_json_sources(w, o);
    xml_close(w);
    xml_close(w);
    xmpp_finish(r->xmpp, o->session);
}

void offer_send_transport(struct realm *r, struct occupant *o, const char *id)
{
    struct worker *worker = bridge_worker(r, o->room);
    if (!worker)
        return;
    struct xml_writer *w =
        xmpp_begin_stanza(r->xmpp, "iq", "set", o->room->focus, o->session->jid, slice_str(id));
    xml_open(w, "jingle", NS_JINGLE);
    xml_put_str(w, "action", "transport-info");
    xml_put_str(w, "sid", o->sid);
    xml_put_str(w, "initiator", o->room->focus);
    xml_open(w, "content", NS_JINGLE);
    xml_put_str(w, "creator", "initiator");
    xml_put_str(w, "name", "audio");
    xml_open(w, "transport", NS_JINGLE_ICE);
    xml_put_u64(w, "ice-generation", o->path.generation);
    xml_put_str(w, "ufrag", o->ufrag);
    xml_put_str(w, "pwd", o->pwd);
    put_candidates(w, worker->hello);
    xml_close(w);
    xml_close(w);
    xml_close(w);
    xml_close(w);
    xmpp_finish(r->xmpp, o->session);
}
