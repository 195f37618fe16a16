/* Recording: Jitsi's own start and stop (jibri IQ), the status everybody sees, and the supervisor
 * who runs the recorder. */
#include <stdlib.h>

#include "room/inner.h"

/* A recorder that does not run by then will not. */
static const usec_t START_TIME = 15 * USEC_PER_SEC;

bool record_captures(const struct room *room)
{
    return room->recording.state == RECORDING_ON;
}

/* Takes the reference. */
static void tell_supervisor(struct realm *r, json_t *message)
{
    char *text = dump_json(message);
    struct slice payload = slice_str(text);
    if (text)
        outbox_add(r->outbox, OUTBOX_SUPERVISOR, 0, 0, 0, &payload, 1);
    free(text);
}

static void ask_recorder(struct realm *r, const struct room *room)
{
    tell_supervisor(r, json_pack("{ss ss ss si}", "type", "record", "recording", room->recording.id,
                                 "conference", room->conference, "worker", (int)room->worker));
}

void record_again(struct realm *r, struct room *room)
{
    if (room->recording.state == RECORDING_ON || room->recording.state == RECORDING_STARTING)
        ask_recorder(r, room);
}

void record_write_status(const struct room *room, struct xml_writer *w)
{
    const struct recording *rec = &room->recording;
    if (!rec->shown)
        return;
    xml_open(w, "jibri-recording-status", NS_JIBRI);
    xml_put_str(w, "session_id", rec->id);
    xml_put_str(w, "status", rec->state == RECORDING_ON ? "on" : "off");
    xml_put_str(w, "recording_mode", "file");
    xml_put_str(w, "initiator", rec->initiator);
    if (rec->failed)
        xml_put_str(w, "failure_reason", "error");
    if (rec->disk)
        xml_put_str(w, "trouble", "disk"); /* ours; stock clients take no notice */
    xml_close(w);
}

void record_introduce(struct realm *r, struct occupant *o)
{
    const struct token *token = o->session ? &o->session->token : NULL;
    const char *role = member_staff(o)                           ? "teacher"
                       : token && token->present && *token->role ? token->role
                                                                 : "guest";
    const char *person = member_person(o);
    bridge_event(r, o->room,
                 json_pack("{ss ss ss? ss ss}", "type", "join", "endpoint", o->nick, "person",
                           *person ? person : NULL, "name", o->name, "role", role));
}

/* Those who are there already get into the feed by name. */
static void introduce_all(struct realm *r, struct room *room)
{
    LIST_EACH(node, &room->occupants)
    record_introduce(r, LIST_ITEM(node, struct occupant, link));
}

static void show(struct realm *r, struct room *room)
{
    room->recording.shown = true;
    presence_focus(r, room, true);
    room_changed(r, room);
}

/* Everybody is told before the first packet is kept. */
static void begin(struct realm *r, struct room *room)
{
    struct recording *rec = &room->recording;
    rec->state = RECORDING_ON;
    rec->since = r->now;
    show(r, room);
    bridge_settle(r);
    introduce_all(r, room);
    web_event(r, room, "recording-start",
              json_pack("{ss ss}", "recording", rec->id, "by", rec->user));
}

static void end(struct realm *r, struct room *room, bool failed)
{
    struct recording *rec = &room->recording;
    bool ran = rec->state == RECORDING_ON;
    rec->state = RECORDING_OFF;
    rec->failed = failed;
    show(r, room);
    bridge_settle(r); /* the feed ends before the recorder is asked to finish */
    tell_supervisor(r, json_pack("{ss ss}", "type", "record-stop", "recording", rec->id));
    if (ran)
        web_event(r, room, "recording-stop",
                  json_pack("{ss sI}", "recording", rec->id, "duration_ms",
                            (json_int_t)((r->now - rec->since) / USEC_PER_MSEC)));
}

void record_stop(struct realm *r, struct room *room, const char *initiator)
{
    if (room->recording.state == RECORDING_OFF)
        return;
    (void)copy_string(room->recording.initiator, sizeof room->recording.initiator,
                      initiator); /* an occupant's address: same size */
    end(r, room, false);
}

void record_encrypted(struct realm *r, struct occupant *o)
{
    if (o->shown.encrypted)
        record_stop(r, o->room, o->jid);
}

static bool is_encrypted(const struct room *room)
{
    LIST_EACH(node, &room->occupants)
    if (LIST_ITEM(node, struct occupant, link)->shown.encrypted)
        return true;
    return false;
}

void record_tick(struct realm *r, struct room *room)
{
    if (room->recording.state == RECORDING_STARTING && r->now - room->recording.since > START_TIME)
        end(r, room, true);
}

static struct room *find_recording(struct realm *r, const char *id)
{
    struct map_iter iter = {0};
    while (id && map_next(r->rooms, &iter)) {
        struct room *room = iter.value;
        if (room->recording.state != RECORDING_OFF && strcmp(room->recording.id, id) == 0)
            return room;
    }
    return NULL;
}

/* A recorder for a class that nobody here knows, or that was stopped before it ran. */
static void stop_stray(struct realm *r, const char *id)
{
    tell_supervisor(r, json_pack("{ss ss}", "type", "record-stop", "recording", id));
}

void realm_input_recorder(struct realm *r, json_t *message)
{
    const char *state = json_string_value(json_object_get(message, "state"));
    const char *id = json_string_value(json_object_get(message, "recording"));
    const char *reason = json_string_value(json_object_get(message, "reason"));
    struct room *room = find_recording(r, id);
    if (!id || !state)
        return;
    if (!room && strcmp(state, "running") == 0)
        stop_stray(r, id);
    if (!room)
        return;
    bool disk = reason && strcmp(reason, "disk") == 0;
    bool changed = disk != room->recording.disk;
    room->recording.disk = disk;
    if (strcmp(state, "running") == 0 && room->recording.state == RECORDING_STARTING)
        begin(r, room);
    else if (strcmp(state, "running") == 0 && changed)
        show(r, room);
    else if (strcmp(state, "failed") == 0 || strcmp(state, "finished") == 0)
        end(r, room, true);
    xmpp_settle(r->xmpp);
    bridge_settle(r);
}

static void answer(struct realm *r, struct session *s, const struct xml_node *iq,
                   const char *status, const char *id)
{
    struct xml_writer *w = xmpp_begin_result(r->xmpp, s, iq);
    xml_open(w, "jibri", NS_JIBRI);
    xml_put_str(w, "status", status);
    xml_put_str(w, "session_id", id);
    xml_close(w);
    xml_close(w);
    xmpp_finish(r->xmpp, s);
}

static void start(struct realm *r, struct session *s, struct occupant *o, const struct xml_node *iq)
{
    struct room *room = o->room;
    struct recording *rec = &room->recording;
    const struct xml_node *jibri = xml_child(iq, "jibri", NS_JIBRI);
    if (!slice_eq_str(xml_get(jibri, "recording_mode"), "file") ||
        xml_get(jibri, "streamid").len > 0) {
        xmpp_error(r->xmpp, s, iq, "modify", "bad-request", "Only files are recorded");
    } else if (is_encrypted(room)) {
        xmpp_error(r->xmpp, s, iq, "cancel", "not-allowed", "Encrypted from end to end");
    } else if (rec->state != RECORDING_OFF) {
        xmpp_error(r->xmpp, s, iq, "wait", "unexpected-request", NULL);
    } else if (!bridge_place(r, room)) {
        xmpp_error(r->xmpp, s, iq, "cancel", "service-unavailable", NULL);
    } else {
        *rec = (struct recording){.state = RECORDING_STARTING, .since = r->now};
        ids_uuid(&r->config.ids, rec->id);
        (void)copy_string(rec->initiator, sizeof rec->initiator, o->jid); /* same size */
        (void)copy_string(rec->user, sizeof rec->user, member_person(o)); /* same size */
        answer(r, s, iq, "pending", rec->id);
        ask_recorder(r, room);
        room_unsaved(r, room);
    }
}

static void stop(struct realm *r, struct session *s, struct occupant *o, const struct xml_node *iq)
{
    struct room *room = o->room;
    if (room->recording.state == RECORDING_OFF) {
        xmpp_error(r->xmpp, s, iq, "cancel", "item-not-found", NULL);
        return;
    }
    answer(r, s, iq, "off", room->recording.id);
    record_stop(r, room, o->jid);
}

void record_iq(struct realm *r, struct session *s, struct occupant *o, const struct xml_node *iq)
{
    struct slice action = xml_get(xml_child(iq, "jibri", NS_JIBRI), "action");
    if (!o->rights.record) {
        r->counters[REALM_RIGHTS_REFUSED]++;
        xmpp_error(r->xmpp, s, iq, "auth", "forbidden", NULL);
    } else if (slice_eq_str(action, "start")) {
        start(r, s, o, iq);
    } else if (slice_eq_str(action, "stop")) {
        stop(r, s, o, iq);
    } else {
        xmpp_error(r->xmpp, s, iq, "modify", "bad-request", NULL);
    }
}
