/* Members: what they may do, what of their media passes. */
#include <stdio.h>
#include <stdlib.h>

#include "room/inner.h"

struct occupant *member_new(struct realm *r, struct room *room, const char *nick)
{
    struct occupant *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    list_init(&o->link);
    list_init(&o->changed);
    list_init(&o->unsaved);
    o->room = room;
    o->caps = caps_unknown;
    o->joined_at = r->now;
    o->wishes = channel_first_wishes();
    (void)copy_string(o->nick, sizeof o->nick, nick); /* eight digits */
    (void)snprintf(o->jid, sizeof o->jid, "%s/%s", room->jid, nick);
    ids_uuid(&r->config.ids, o->stay);
    ids_alnum(&r->config.ids, o->channel_pwd, 24);
    if (!o->wishes || map_put(room->by_nick, slice_str(o->nick), o) != 0) {
        json_decref(o->wishes);
        free(o);
        return NULL;
    }
    list_append(&room->occupants, &o->link);
    room->count++;
    r->occupants++;
    return o;
}

void member_free(struct realm *r, struct occupant *o)
{
    char key[ROOM_NAME_MAX + 32];
    (void)snprintf(key, sizeof key, "member/%s/%s", o->room->name, o->nick); /* always fits */
    room_forget_key(r, key);
    if (map_get(o->room->by_nick, slice_str(o->nick)) == o)
        (void)map_del(o->room->by_nick, slice_str(o->nick)); /* it is o */
    if (o->session)
        o->session->upper = NULL;
    list_remove(&o->link);
    list_remove(&o->changed);
    list_remove(&o->unsaved);
    o->room->count--;
    r->occupants--;
    if (r->xmpp)
        text_unref(xmpp_texts(r->xmpp), &o->presence);
    json_decref(o->info);
    json_decref(o->wishes);
    json_decref(o->forwarded_names);
    free(o->children);
    free(o->source_info);
    free(o->told);
    free(o->audio_map);
    free(o->video_map);
    free(o->forwarded);
    free(o);
}

const char *member_person(const struct occupant *o)
{
    return o->session && o->session->token.present ? o->session->token.id : "";
}

bool member_staff(const struct occupant *o)
{
    return o->session && rights_staff(&o->session->token);
}

bool member_blocked(const struct occupant *o, enum media media)
{
    bool may = media == MEDIA_AUDIO    ? o->rights.microphone
               : media == MEDIA_CAMERA ? o->rights.camera
                                       : o->rights.screen;
    return !may || o->silenced[media];
}

struct source_state member_source(const struct occupant *o, const struct source *source)
{
    struct source_state state = {.type = source->desktop ? VIDEO_DESKTOP : VIDEO_CAMERA};
    json_t *info = json_object_get(o->info, source->name);
    const char *type = json_string_value(json_object_get(info, "videoType"));
    bool desktop = source->desktop || (type && strncmp(type, "desktop", 7) == 0);
    for (size_t i = 0; i < SOURCES_MAX; i++) {
        if (strcmp(o->types[i].name, source->name) != 0)
            continue;
        state.type = o->types[i].type;
        desktop = state.type == VIDEO_DESKTOP || (desktop && state.type == VIDEO_NONE);
    }
    if (state.type != VIDEO_NONE)
        state.type = desktop ? VIDEO_DESKTOP : VIDEO_CAMERA;
    state.media = !source->video ? MEDIA_AUDIO : desktop ? MEDIA_DESKTOP : MEDIA_CAMERA;
    state.blocked = member_blocked(o, state.media);
    if (o->info)
        state.muted = !info || json_is_true(json_object_get(info, "muted"));
    else
        state.muted = o->shown.muted[state.media];
    return state;
}

/* Tells the client to mute what it may not send, so that its own picture of itself is right. */
static void hush(struct realm *r, struct occupant *o, enum media media)
{
    if (!o->shown.muted[media])
        focus_send_mute(r, o, media, o->room->focus);
}

void member_judge(struct realm *r, struct occupant *o)
{
    struct rights before = o->rights;
    o->rights = rights_of(&o->session->token, o->granted, &o->room->policy);
    if (memcmp(&before, &o->rights, sizeof before) == 0)
        return;
    if (before.microphone && !o->rights.microphone)
        hush(r, o, MEDIA_AUDIO);
    if (before.camera && !o->rights.camera)
        hush(r, o, MEDIA_CAMERA);
    if (before.screen && !o->rights.screen)
        hush(r, o, MEDIA_DESKTOP);
    member_changed(r, o);
    presence_show(r, o);
}

void member_silence(struct realm *r, struct occupant *o, enum media media, const char *actor)
{
    o->silenced[media] = true;
    o->obeyed[media] = o->shown.muted[media];
    member_changed(r, o);
    focus_send_mute(r, o, media, actor);
}

static bool names_owner(json_t *names, const char *nick)
{
    size_t len = strlen(nick);
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (name && strncmp(name, nick, len) == 0 && name[len] == '-')
            return true;
    }
    return false;
}

bool member_watches(const struct occupant *o, const char *nick)
{
    return names_owner(o->forwarded_names, nick) ||
           names_owner(json_object_get(o->wishes, "selectedSources"), nick) ||
           names_owner(json_object_get(o->wishes, "onStageSources"), nick);
}
