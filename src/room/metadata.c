/* Room metadata: a small JSON object that moderators write and everybody holds; it carries the
 * start-muted policy and, from the server, the class's profile where that has ceilings. */
#include <stdlib.h>

#include "room/inner.h"

static const size_t METADATA_MAX = 16 * 1024;

static bool is_reserved(const char *key)
{
    static const char *const keys[] = {"allownersEnabled",
                                       "asyncTranscription",
                                       "audioTranslationRequests",
                                       "conferencePresetsServiceEnabled",
                                       "dialinEnabled",
                                       "moderators",
                                       "participants",
                                       "participantsSoftLimit",
                                       "profile",
                                       "services",
                                       "transcriberType",
                                       "transcription",
                                       "visitorsEnabled"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

void metadata_send(struct realm *r, struct room *room, struct session *s)
{
    json_t *metadata = json_copy(room->metadata);
    if (metadata && room->profile != PROFILE_RICH)
        (void)json_object_set_new(metadata, "profile", /* untold: the bridge limits all the same */
                                  json_string(profile_name(room->profile)));
    char *text = dump_json(json_pack("{ss so}", "type", "room_metadata", "metadata", metadata));
    struct xml_writer *w = xmpp_begin_stanza(r->xmpp, "message", NULL, r->metadata_host,
                                             s ? s->jid : NULL, slice_of(NULL, 0));
    xml_open(w, "json-message", NS_JITMEET);
    xml_put_str(w, "room", room->jid);
    xml_chars(w, slice_str(text));
    xml_close(w);
    xml_close(w);
    free(text);
    if (s)
        xmpp_finish(r->xmpp, s);
    else
        room_broadcast_taken(r, room);
}

static bool merge(struct room *room, json_t *change)
{
    const char *key = json_string_value(json_object_get(change, "key"));
    json_t *data = json_object_get(change, "data");
    if (!key || !*key || is_reserved(key))
        return false;
    json_t *next = json_copy(room->metadata);
    int failed = 0;
    if (!data || json_is_null(data))
        (void)json_object_del(next, key); /* it may not have been there */
    else
        failed = json_object_set(next, key, data);
    char *text = failed ? NULL : json_dumps(next, JSON_COMPACT);
    bool fits = text && strlen(text) <= METADATA_MAX;
    free(text);
    if (!fits) {
        json_decref(next);
        return false;
    }
    json_decref(room->metadata);
    room->metadata = next;
    return true;
}

void metadata_input(struct realm *r, struct session *s, const struct xml_node *stanza)
{
    const struct xml_node *ask = xml_child(stanza, "room_metadata", NULL);
    struct occupant *o = s->upper;
    if (!ask || !o || room_of_jid(r, xml_get(ask, "room")) != o->room) {
        xmpp_error(r->xmpp, s, stanza, "cancel", "not-acceptable", NULL);
        return;
    }
    if (!o->rights.moderate) {
        r->counters[REALM_RIGHTS_REFUSED]++;
        xmpp_error(r->xmpp, s, stanza, "auth", "forbidden", NULL);
        return;
    }
    json_t *change = parse_json(xml_text(ask));
    bool merged = merge(o->room, change);
    json_decref(change);
    if (!merged) {
        xmpp_error(r->xmpp, s, stanza, "modify", "bad-request", NULL);
        return;
    }
    room_unsaved(r, o->room);
    metadata_send(r, o->room, NULL);
}
