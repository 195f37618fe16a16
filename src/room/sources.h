/* The SSRCs and groups that one endpoint announced by Jingle (XEP-0339 as Jitsi uses it), and what
 * they mean: named sources with layers. */
#ifndef ROOM_SOURCES_H
#define ROOM_SOURCES_H

#include <jansson.h>

#include "proto/xml.h"

#define SOURCES_SSRCS_MAX 20
#define SOURCES_GROUPS_MAX 20
#define SOURCES_MAX 4 /* named sources of one endpoint; the bridge holds no more */
#define SOURCES_LAYERS_MAX 3
#define SOURCES_NAME_MAX 48
#define SOURCES_MSID_MAX 192

enum video_type { VIDEO_CAMERA, VIDEO_DESKTOP, VIDEO_NONE };

struct source_ssrc {
    uint32_t ssrc;
    bool video;
    bool desktop;
    char name[SOURCES_NAME_MAX];
    char msid[SOURCES_MSID_MAX];
};

struct source_group {
    bool sim; /* else FID */
    uint8_t count;
    uint32_t ssrcs[SOURCES_LAYERS_MAX];
};

struct source_set {
    struct source_ssrc ssrcs[SOURCES_SSRCS_MAX];
    size_t ssrc_count;
    struct source_group groups[SOURCES_GROUPS_MAX];
    size_t group_count;
};

/* One named source. */
struct source {
    char name[SOURCES_NAME_MAX];
    char msid[SOURCES_MSID_MAX];
    bool video;
    bool desktop;
    unsigned layer_count;
    uint32_t ssrcs[SOURCES_LAYERS_MAX]; /* low to high */
    uint32_t rtx[SOURCES_LAYERS_MAX];   /* 0: none */
};

/* Reads all contents of a <jingle/>. Names are made up where an old client gives none.
 * ERR_FORMAT; ERR_LIMIT; ERR_DENIED: a name that is not the endpoint's. */
int source_parse(const struct xml_node *jingle, const char *endpoint,
                 struct source_set *ret_set) MUST_USE;
/* ERR_EXISTS: an SSRC is in already; ERR_LIMIT; ERR_FORMAT: a group of unknown SSRCs. On failure
 * `into` is as before. */
int source_add(struct source_set *into, const struct source_set *more) MUST_USE;
/* Takes out the SSRCs of `less` and all groups they are in. */
void source_remove(struct source_set *from, const struct source_set *less);
bool source_has(const struct source_set *set, uint32_t ssrc);
/* Which named sources these are. ERR_LIMIT: more sources or layers than we can carry. */
int source_list(const struct source_set *set, struct source out[SOURCES_MAX],
                size_t *ret_count) MUST_USE;

/* How sources are shown to receivers: the lowest layer's SSRC and its RTX only. */
/* Jitsi's JSON form for one owner: [video, video groups, audio, audio groups]. New reference. */
json_t *source_to_json(const struct source *sources, size_t count);
/* XML elements for the content of that media. */
void source_to_xml(struct xml_writer *w, const struct source *sources, size_t count, bool video,
                   const char *owner);

/* For the journal. */
json_t *source_set_to_json(const struct source_set *set);
void source_set_from_json(json_t *json, struct source_set *ret_set);

#endif
