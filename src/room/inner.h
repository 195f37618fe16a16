/* Private to room/: what a realm is made of. */
#ifndef ROOM_INNER_H
#define ROOM_INNER_H

#include "base/codec_list.h"
#include "base/list.h"
#include "base/map.h"
#include "base/profile.h"
#include "room/realm.h"
#include "room/rights.h"
#include "room/sources.h"
#include "xmpp/bucket.h"
#include "xmpp/caps.h"

#include "xmpp/ns.h"

/* The worker's number is one base-36 digit of the ICE user name. */
#define WORKERS_MAX 36
#define ROOM_NAME_MAX 128
#define DISPLAY_NAME_MAX 128
#define HISTORY_MAX 20
#define PRESENCE_MAX ((size_t)(16 * 1024))
#define ICE_FIELD_MAX 257 /* RFC 8839: up to 256 characters */
#define ERRORS_OF_CLIENT_MAX 3
#define RESTARTS_PER_MINUTE 5

enum bus_edge {
    EDGE_WS_OPEN = 1,
    EDGE_WS_ACCEPT = 2,
    EDGE_WS_REFUSE = 3,
    EDGE_WS_TEXT = 4,
    EDGE_WS_CLOSE = 5,
    EDGE_WS_TEXT_MANY = 6,
    EDGE_HTTP_REQUEST = 10,
    EDGE_HTTP_RESPONSE = 11,
    EDGE_HTTP_GONE = 12,
};

enum bus_bridge {
    BRIDGE_HELLO = 1,
    BRIDGE_CONFERENCE = 2,
    BRIDGE_ENDPOINT = 3,
    BRIDGE_ENDPOINT_GONE = 4,
    BRIDGE_CONFERENCE_GONE = 5,
    BRIDGE_SYNC_DONE = 6,
    BRIDGE_EVENT = 7,
    BRIDGE_ENDPOINT_STATE = 20,
    BRIDGE_SOURCE_MAPS = 21,
    BRIDGE_FORWARDED = 22,
    BRIDGE_SPEAKER = 23,
    BRIDGE_SENDER_CONSTRAINTS = 24,
    BRIDGE_CONNECTION_STATS = 25,
    BRIDGE_FEED_STATE = 26,
};

enum bus_web {
    WEB_EVENT = 1,
    WEB_ACK = 2,
    WEB_ROOM = 10,
    WEB_ROOM_GONE = 11,
    WEB_SYNC_DONE = 12,
    WEB_REMOVE = 13,
};

enum media { MEDIA_AUDIO, MEDIA_CAMERA, MEDIA_DESKTOP, MEDIA_KINDS };

enum invite {
    INVITE_NONE,    /* no session, none wanted until something happens */
    INVITE_CAPS,    /* asked what the client can do */
    INVITE_WAITING, /* for a bridge, or for invite_at */
    INVITE_OFFERED, /* session-initiate is out */
    INVITE_ACTIVE,  /* accepted */
};

/* A source that a classic receiver was told of in an offer that it has not accepted yet. */
struct told {
    uint32_t ssrc;
    uint32_t rtx;
    bool video;
    char name[SOURCES_NAME_MAX];
};

/* What others see of a member's media and hand, as last published. */
struct shown {
    bool muted[MEDIA_KINDS]; /* desktop: nothing shared */
    bool hand;
    bool encrypted; /* end to end: nobody else can read what it sends */
};

struct occupant {
    struct list link;
    struct list changed; /* in realm.changed_members: the bridge must hear of it */
    struct list unsaved;
    struct room *room;
    struct session *session; /* NULL only while loading */
    uint32_t handle;         /* the session's, while loading */
    char nick[16];
    char jid[ROOM_NAME_MAX + JID_MAX];
    char stay[37]; /* names this stay in events */
    usec_t joined_at;
    bool granted;
    struct rights rights;

    char name[DISPLAY_NAME_MAX];
    char *children;    /* markup of the presence, cleaned */
    char *source_info; /* as the client wrote it; NULL: none */
    json_t *info;      /* the same, parsed */
    struct shown shown;
    struct text *presence;

    struct caps caps;
    bool caps_known;
    char ver[64];
    char node[128]; /* of the caps element */
    char caps_id[32];
    usec_t caps_at;

    enum invite invite;
    usec_t invite_at;
    char offer_id[32];
    unsigned client_errors;
    char sid[17];
    char bridge_session[17];
    char ufrag[16];
    char pwd[33];
    char remote_ufrag[ICE_FIELD_MAX];
    char remote_pwd[ICE_FIELD_MAX];
    char fingerprint_hash[32];
    char fingerprint[256];
    bool red;                             /* its answer takes redundant audio */
    bool at_bridge;                       /* the bridge was told of it */
    usec_t restarts[RESTARTS_PER_MINUTE]; /* when the last ones were */
    struct {
        unsigned generation; /* of our credentials in this session */
        usec_t restarts[RESTARTS_PER_MINUTE];
        bool silent;              /* the bridge hears nothing, and we have asked for a restart */
        usec_t acknowledged;      /* the client has heard of it then; 0: not yet */
        bool understood;          /* and takes part */
        char acknowledged_by[32]; /* id of what we sent */
    } path;
    struct codec_list codecs;     /* that it says it can show */
    struct codec_list codec_type; /* likewise, the one that old clients name */
    struct source_set sources;
    struct told *told;
    size_t told_count;
    struct {
        char name[SOURCES_NAME_MAX];
        enum video_type type;
    } types[SOURCES_MAX];
    bool silenced[MEDIA_KINDS]; /* by a moderator, until the person unmutes */
    bool obeyed[MEDIA_KINDS];   /* and has shown itself muted since */

    char channel_pwd[25];
    uint64_t channel; /* connection, 0: closed */
    json_t *wishes;   /* `constraints` of ENDPOINT */
    char *audio_map;
    char *video_map;
    char *forwarded;
    json_t *forwarded_names;
    struct {
        char name[SOURCES_NAME_MAX];
        int height;
    } limits[SOURCES_MAX]; /* SENDER_CONSTRAINTS as they stand */
    bool quiet;

    struct bucket presences;
    struct bucket chats;
    struct bucket channel_texts;
    struct bucket shouts;
    struct bucket stats;
};

struct remark {
    char from[16]; /* nick */
    int64_t wall_ms;
    char *markup; /* children of the message */
    char id[128];
};

/* Tokens of a person made before this no longer open the room. */
struct ban {
    char user[TOKEN_FIELD_MAX];
    int64_t wall_ms;
};
#define BANS_MAX 32

enum recording_state { RECORDING_OFF, RECORDING_STARTING, RECORDING_ON, RECORDING_STOPPING };

struct recording {
    enum recording_state state;
    char id[37];
    char initiator[ROOM_NAME_MAX + JID_MAX];
    char user[TOKEN_FIELD_MAX];
    bool shown; /* the focus presence carries it */
    bool failed;
    bool disk; /* nothing can be written: whoever teaches is told */
    usec_t since;
};

struct room {
    struct list changed;
    struct list unsaved;
    char name[ROOM_NAME_MAX];
    char jid[ROOM_NAME_MAX + 256];
    char focus[ROOM_NAME_MAX + 264];

    bool configured; /* web wants it */
    bool mentioned;  /* since the link to web came up */
    bool open;
    bool guests;
    char class_id[128];
    char title[256];
    struct policy policy;
    enum profile profile;
    struct codec_list codecs; /* none: all that are offered */

    /* Where somebody measures a line, alone with themselves: the end of it; 0: a class. */
    usec_t check_until;
    bool requested; /* somebody asked for the conference */
    bool ran;       /* somebody has been in since it was last empty */
    usec_t idle_at; /* since when nobody is in */
    char meeting[37];
    int64_t created_ms;
    bool paired; /* two have been in at once */
    char conference[17];
    char password[128];
    char subject[1024];
    char subject_by[16];
    json_t *metadata;
    struct list occupants; /* oldest first */
    size_t count;
    struct map *by_nick;
    struct remark history[HISTORY_MAX]; /* oldest first */
    size_t history_count;

    bool placed; /* on a worker */
    bool at_bridge;
    unsigned worker;
    char boot[65];
    usec_t orphaned_at; /* its worker's link broke then; 0: all is well */
    uint32_t feedback_ssrcs[2];
    char *speaker; /* the last message about it */
    struct text *focus_presence;
    struct recording recording;
    struct ban bans[BANS_MAX];
    size_t next_ban;
};

struct worker {
    bool up; /* said hello on the present link */
    char boot[65];
    json_t *hello;
    usec_t seen_at;
};

/* Somebody of whose bytes a worker died. */
struct suspect {
    char person[TOKEN_FIELD_MAX];
    usec_t at;
    unsigned crashes;
};
#define SUSPECTS_MAX 64

struct event {
    struct list link;
    uint64_t id;
    bool saved;
    char *text;
};

struct realm {
    struct realm_config config;
    struct codec_list codecs; /* offered, most preferred first */
    char muc[300];
    char focus_host[300];
    char focus_jid[300]; /* as named in the conference request's answer */
    char metadata_host[300];
    struct xmpp_component components[1];
    struct outbox *outbox;
    struct xmpp *xmpp;
    usec_t now;
    int64_t wall_ms;
    usec_t next_sweep;
    struct map *rooms;         /* by name */
    struct map *by_conference; /* rooms */
    struct map *channels;      /* connection id -> occupant */
    struct caps_cache *caps;
    struct worker workers[WORKERS_MAX];
    struct suspect suspects[SUSPECTS_MAX];
    struct list changed_rooms;
    struct list changed_members;
    struct list unsaved_rooms;
    struct list unsaved_members;
    struct buf forgotten; /* journal keys to delete, each with its NUL */
    struct list events;
    size_t event_count;
    uint64_t next_event;
    uint64_t next_iq;
    char iq_prefix[9];
    size_t occupants;
    bool web_up;
    usec_t save_at;
    struct buf text;        /* scratch for JSON and markup */
    struct session **crowd; /* scratch for fan-out */
    uint64_t *sockets;
    uint64_t counters[REALM_COUNTERS];
};

/* realm.c */
char *dump_json(json_t *json); /* compact, malloc; takes the reference */
json_t *parse_json(struct slice text);
void next_iq_id(struct realm *r, char out[32]);
int copy_string(char *out, size_t size, const char *from);
void replace_string(char **at, char *with);

/* rooms.c */
struct room *room_find(const struct realm *r, struct slice name);
struct room *room_of_jid(const struct realm *r, struct slice jid);
struct room *room_get(struct realm *r, const char *name);
/* Whether somebody with that token may be in; *ret_why is a defined condition. */
bool room_admits(const struct realm *r, const struct room *room, const struct token *token);
bool room_is_full(const struct realm *r, const struct room *room);
/* Only a token issued after `wall_ms` lets the person in again; BAN_FOR_GOOD: none, while the room
 * lives. */
#define BAN_FOR_GOOD INT64_MAX
void room_ban(struct realm *r, struct room *room, const char *user, int64_t wall_ms);
struct occupant *room_member(const struct room *room, struct slice nick);
void room_broadcast(struct realm *r, struct room *room, struct text *text);
void room_broadcast_taken(struct realm *r, struct room *room);
void room_changed(struct realm *r, struct room *room); /* bridge and journal */
void room_unsaved(struct realm *r, struct room *room);
void member_changed(struct realm *r, struct occupant *o);
void member_unsaved(struct realm *r, struct occupant *o);
/* Everybody out, as the end of the meeting. */
void room_end(struct realm *r, struct room *room);
/* After the last one left. */
void room_emptied(struct realm *r, struct room *room);
void room_free(struct realm *r, struct room *room);
void room_sweep(struct realm *r, struct room *room);
void room_forget_key(struct realm *r, const char *key);

/* members.c */
struct occupant *member_new(struct realm *r, struct room *room, const char *nick);
void member_free(struct realm *r, struct occupant *o);
/* Recomputes rights after a change of policy or role, and shows what follows from it. */
void member_judge(struct realm *r, struct occupant *o);
const char *member_person(const struct occupant *o);
bool member_staff(const struct occupant *o);
bool member_blocked(const struct occupant *o, enum media media);
void member_silence(struct realm *r, struct occupant *o, enum media media, const char *actor);
/* One of its sources as it stands. */
struct source_state {
    enum media media;
    enum video_type type;
    bool muted;
    bool blocked;
};
struct source_state member_source(const struct occupant *o, const struct source *source);
/* Whether others watch it: have a source of it forwarded or selected. */
bool member_watches(const struct occupant *o, const char *nick);

/* presence.c */
void presence_input(struct realm *r, struct session *s, const struct xml_node *stanza);
/* Leaves everywhere. */
void presence_gone(struct realm *r, struct session *s);
struct departure {
    const char *reason; /* shown text */
    const char *actor;  /* nick of who kicked; NULL: not a kick */
    bool outcast;       /* a kick for good */
    bool destroyed;
};
void presence_leave(struct realm *r, struct occupant *o, const struct departure *why);
/* Builds the presence anew and shows it to everybody. */
void presence_show(struct realm *r, struct occupant *o);
void presence_build(struct realm *r, struct occupant *o);
void presence_focus(struct realm *r, struct room *room, bool show);
void presence_clean(struct occupant *o, const struct xml_node *stanza);
void presence_read_info(struct occupant *o, const char *text);
struct shown presence_shown(const struct occupant *o);

/* admin.c: what is addressed to the room itself. */
void admin_iq(struct realm *r, struct session *s, struct room *room, const struct xml_node *iq);
void admin_kick(struct realm *r, struct occupant *target, const char *actor, const char *by,
                struct slice reason);

/* chat.c */
void chat_input(struct realm *r, struct session *s, const struct xml_node *stanza);
void chat_history(struct realm *r, struct room *room, struct session *s);
void chat_subject(struct realm *r, struct room *room, struct session *s);
void chat_notice(struct realm *r, struct room *room, const char *status);
void chat_forget(struct room *room);

/* metadata.c */
void metadata_input(struct realm *r, struct session *s, const struct xml_node *stanza);
void metadata_send(struct realm *r, struct room *room, struct session *s);

/* request.c: the conference request. */
void request_iq(struct realm *r, struct session *s, const struct xml_node *iq);
void request_http(struct realm *r, uint64_t id, struct slice payload);

/* focus.c */
void focus_joined(struct realm *r, struct occupant *o);
void focus_invite(struct realm *r, struct occupant *o);
/* Ends the session with the client; `restart`: and offers a new one. */
void focus_terminate(struct realm *r, struct occupant *o, const char *reason, const char *text);
void focus_drop_transport(struct realm *r, struct occupant *o);
void focus_tick(struct realm *r, struct occupant *o);
/* A new session in place of the present one. */
void focus_invite_again(struct realm *r, struct occupant *o, const char *why);
void focus_iq(struct realm *r, struct session *s, struct occupant *o, const struct xml_node *iq);
/* An answer to an IQ of ours. */
void focus_answer(struct realm *r, struct occupant *o, const struct xml_node *iq);
void focus_send_mute(struct realm *r, struct occupant *o, enum media media, const char *actor);

/* offer.c */
void offer_send(struct realm *r, struct occupant *o);
/* Our part of an ICE restart, as a transport-info. */
void offer_send_transport(struct realm *r, struct occupant *o, const char *id);
void offer_feedback(struct xml_writer *w, const char *type, const char *subtype);
void offer_parameter(struct xml_writer *w, const char *name, const char *value);
void offer_extension(struct xml_writer *w, unsigned id, const char *uri);

/* codecs.c */
/* Offered codecs in order of preference, by blanks; unknown words are passed over, none is VP8. */
void codecs_configure(struct realm *r, const char *words);
/* What the room's members may send, most preferred first; never empty. */
struct codec_list codecs_of_room(const struct realm *r, const struct room *room);
/* Those of a member's own list that are allowed in the room, in its order; never empty. */
struct codec_list codecs_filter(const struct realm *r, const struct room *room,
                                const struct codec_list *list);
/* Payload types of all that the server allows, and the extension that they need. */
void codecs_offer(const struct realm *r, struct xml_writer *w, const struct occupant *o);

/* jingle.c */
void jingle_iq(struct realm *r, struct session *s, struct occupant *o, const struct xml_node *iq);
/* A text of the bridge channel by session-info: to a client that reads these (caps.early_maps). */
/* path.c */
void path_begin(struct realm *r, struct occupant *o);
/* session-info and transport-info. */
void path_asked(struct realm *r, struct session *s, struct occupant *o, const struct xml_node *iq,
                const struct xml_node *jingle);
void path_answered(struct realm *r, struct session *s, struct occupant *o,
                   const struct xml_node *iq, const struct xml_node *jingle);
/* What the bridge says of it. */
void path_quiet(struct realm *r, struct occupant *o);
void path_works(struct realm *r, struct occupant *o);
/* The client has got our transport-info. */
void path_acknowledged(struct realm *r, struct occupant *o);
void path_tick(struct realm *r, struct occupant *o);

/* At most one in 5 s and five in a minute. */
bool jingle_may_restart(struct realm *r, usec_t last[RESTARTS_PER_MINUTE]);
void jingle_say(struct realm *r, struct occupant *o, const char *text);

/* spread.c */
/* Tells classic receivers how `o`'s sources changed from `before`. */
void spread_change(struct realm *r, struct occupant *o, const struct source_set *before);
/* What changed while the offer was out. */
void spread_catch_up(struct realm *r, struct occupant *o);
/* The sources of everybody else in the JSON form, or NULL. */
json_t *spread_all_json(const struct room *room, const struct occupant *except);

/* bridge.c */
bool bridge_place(struct realm *r, struct room *room);
void bridge_settle(struct realm *r);
void bridge_endpoint_gone(struct realm *r, struct occupant *o);
void bridge_conference_gone(struct realm *r, struct room *room);
void bridge_event(struct realm *r, struct room *room, json_t *event); /* takes the reference */
void bridge_tick(struct realm *r, struct room *room);
bool bridge_refuses(const struct realm *r, const char *person);
struct worker *bridge_worker(struct realm *r, const struct room *room);

/* channel.c */
void channel_open(struct realm *r, uint64_t conn, struct slice path, struct slice query);
bool channel_input(struct realm *r, uint64_t conn, struct slice text);
bool channel_closed(struct realm *r, uint64_t conn);
void channel_closed_all(struct realm *r);
void channel_drop(struct realm *r, struct occupant *o, int code, const char *reason);
void channel_write(struct realm *r, struct occupant *o, const char *text);
void channel_broadcast(struct realm *r, struct room *room, const char *text,
                       const struct occupant *except);
json_t *channel_first_wishes(void);
/* Notices of the bridge. */
void channel_maps(struct realm *r, struct occupant *o, json_t *message);
void channel_forwarded(struct realm *r, struct occupant *o, json_t *message);
void channel_limit(struct realm *r, struct occupant *o, json_t *message);
void channel_stats(struct realm *r, struct occupant *o, json_t *message);
void channel_speaker(struct realm *r, struct room *room, json_t *message);
void channel_quiet(struct realm *r, struct occupant *o, bool quiet);

/* record.c */
void record_iq(struct realm *r, struct session *s, struct occupant *o, const struct xml_node *iq);
void record_stop(struct realm *r, struct room *room, const char *initiator);
void record_tick(struct realm *r, struct room *room);
/* The conference runs elsewhere now, or its worker is a new process. */
void record_again(struct realm *r, struct room *room);
/* Tells the feed who that is. */
void record_introduce(struct realm *r, struct occupant *o);
void record_write_status(const struct room *room, struct xml_writer *w);
bool record_captures(const struct room *room);
/* Somebody's media cannot be read any more: a recording ends. */
void record_encrypted(struct realm *r, struct occupant *o);

/* web.c */
void web_event(struct realm *r, const struct room *room, const char *event, json_t *fields);
void web_events_free(struct realm *r);

/* persist.c: see realm.h */

#endif
