#include "room/sources.h"

#include <inttypes.h>
#include <stdio.h>

#include "xmpp/ns.h"

bool source_has(const struct source_set *set, uint32_t ssrc)
{
    for (size_t i = 0; i < set->ssrc_count; i++)
        if (set->ssrcs[i].ssrc == ssrc)
            return true;
    return false;
}

static int read_ssrc(const struct xml_node *node, uint32_t *ret_ssrc)
{
    uint64_t value;
    int err = slice_to_u64(xml_get(node, "ssrc"), UINT32_MAX, &value);
    if (err || value == 0)
        return ERR_FORMAT;
    *ret_ssrc = (uint32_t)value;
    return 0;
}

/* "<endpoint>-a0", "<endpoint>-v1", an extra ".suffix" allowed. */
static bool owns_name(const char *endpoint, bool video, struct slice name)
{
    size_t len = strlen(endpoint);
    if (name.len < len + 3 || !slice_starts(name, slice_str(endpoint)) || name.data[len] != '-' ||
        name.data[len + 1] != (video ? 'v' : 'a'))
        return false;
    bool suffix = false;
    for (size_t i = len + 2; i < name.len; i++) {
        uint8_t c = name.data[i];
        bool digit = c >= '0' && c <= '9';
        if (i > len + 2 && c == '.')
            suffix = true;
        else if (!digit && !(suffix && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))))
            return false;
    }
    return true;
}

static struct slice parameter(const struct xml_node *source, const char *name)
{
    const struct xml_node *p = xml_child(source, "parameter", NULL);
    for (; p; p = xml_next(p, "parameter", NULL))
        if (slice_eq_str(xml_get(p, "name"), name))
            return xml_get(p, "value");
    return slice_of(NULL, 0);
}

/* Which of its kind this stream is: tracks of one msid belong together. */
static unsigned stream_index(const struct source_set *set, const struct source_ssrc *entry)
{
    unsigned index = 0;
    for (size_t i = 0; i < set->ssrc_count; i++) {
        const struct source_ssrc *s = &set->ssrcs[i];
        if (s->video != entry->video)
            continue;
        if (strcmp(s->msid, entry->msid) == 0)
            break;
        bool first = true;
        for (size_t j = 0; j < i; j++)
            first &= set->ssrcs[j].video != s->video || strcmp(set->ssrcs[j].msid, s->msid) != 0;
        index += first;
    }
    return index;
}

static int read_source(const struct xml_node *node, bool video, const char *endpoint,
                       struct source_set *set)
{
    if (set->ssrc_count == SOURCES_SSRCS_MAX)
        return ERR_LIMIT;
    struct source_ssrc *s = &set->ssrcs[set->ssrc_count];
    *s = (struct source_ssrc){.video = video};
    int err = read_ssrc(node, &s->ssrc);
    if (err || source_has(set, s->ssrc))
        return ERR_FORMAT;
    struct slice name = xml_get(node, "name");
    if (!slice_copy(parameter(node, "msid"), s->msid, sizeof s->msid) ||
        !slice_copy(name, s->name, sizeof s->name))
        return ERR_LIMIT;
    s->desktop = slice_starts(xml_get(node, "videoType"), SLICE("desktop"));
    if (name.len > 0 && !owns_name(endpoint, video, name))
        return ERR_DENIED;
    if (name.len == 0)
        (void)snprintf(s->name, sizeof s->name, "%s-%c%u", endpoint, video ? 'v' : 'a',
                       stream_index(set, s)); /* an endpoint's name is short */
    set->ssrc_count++;
    return 0;
}

static int read_group(const struct xml_node *node, struct source_set *set)
{
    struct slice semantics = xml_get(node, "semantics");
    bool sim = slice_eq_str(semantics, "SIM");
    if (!sim && !slice_eq_str(semantics, "FID"))
        return 0; /* others mean nothing to us */
    if (set->group_count == SOURCES_GROUPS_MAX)
        return ERR_LIMIT;
    struct source_group *g = &set->groups[set->group_count];
    *g = (struct source_group){.sim = sim};
    const struct xml_node *s = xml_child(node, "source", NS_JINGLE_SOURCES);
    for (; s; s = xml_next(s, "source", NS_JINGLE_SOURCES)) {
        if (g->count == (sim ? SOURCES_LAYERS_MAX : 2))
            return ERR_LIMIT;
        int err = read_ssrc(s, &g->ssrcs[g->count++]);
        if (err)
            return err;
    }
    if (g->count == 0 || (!sim && g->count != 2))
        return ERR_FORMAT;
    set->group_count++;
    return 0;
}

static int read_description(const struct xml_node *description, const char *endpoint,
                            struct source_set *set)
{
    struct slice media = xml_get(description, "media");
    bool video = slice_eq_str(media, "video");
    if (!video && !slice_eq_str(media, "audio"))
        return 0;
    const struct xml_node *n = xml_child(description, "source", NS_JINGLE_SOURCES);
    for (; n; n = xml_next(n, "source", NS_JINGLE_SOURCES)) {
        int err = read_source(n, video, endpoint, set);
        if (err)
            return err;
    }
    n = xml_child(description, "ssrc-group", NS_JINGLE_SOURCES);
    for (; n; n = xml_next(n, "ssrc-group", NS_JINGLE_SOURCES)) {
        int err = read_group(n, set);
        if (err)
            return err;
    }
    return 0;
}

int source_parse(const struct xml_node *jingle, const char *endpoint, struct source_set *ret_set)
{
    struct source_set set = {0};
    const struct xml_node *c = xml_child(jingle, "content", NS_JINGLE);
    for (; c; c = xml_next(c, "content", NS_JINGLE)) {
        const struct xml_node *d = xml_child(c, "description", NS_JINGLE_RTP);
        int err = d ? read_description(d, endpoint, &set) : 0;
        if (err)
            return err;
    }
    *ret_set = set;
    return 0;
}

static bool groups_known(const struct source_set *set)
{
    for (size_t i = 0; i < set->group_count; i++)
        for (size_t j = 0; j < set->groups[i].count; j++)
            if (!source_has(set, set->groups[i].ssrcs[j]))
                return false;
    return true;
}

int source_add(struct source_set *into, const struct source_set *more)
{
    struct source_set sum = *into;
    for (size_t i = 0; i < more->ssrc_count; i++) {
        if (source_has(&sum, more->ssrcs[i].ssrc))
            return ERR_EXISTS;
        if (sum.ssrc_count == SOURCES_SSRCS_MAX)
            return ERR_LIMIT;
        sum.ssrcs[sum.ssrc_count++] = more->ssrcs[i];
    }
    for (size_t i = 0; i < more->group_count; i++) {
        if (sum.group_count == SOURCES_GROUPS_MAX)
            return ERR_LIMIT;
        sum.groups[sum.group_count++] = more->groups[i];
    }
    if (!groups_known(&sum))
        return ERR_FORMAT;
    struct source list[SOURCES_MAX];
    size_t count;
    int err = source_list(&sum, list, &count);
    if (err)
        return err;
    *into = sum;
    return 0;
}

void source_remove(struct source_set *from, const struct source_set *less)
{
    size_t kept = 0;
    for (size_t i = 0; i < from->ssrc_count; i++)
        if (!source_has(less, from->ssrcs[i].ssrc))
            from->ssrcs[kept++] = from->ssrcs[i];
    from->ssrc_count = kept;
    kept = 0;
    for (size_t i = 0; i < from->group_count; i++) {
        bool whole = true;
        for (size_t j = 0; j < from->groups[i].count; j++)
            whole &= source_has(from, from->groups[i].ssrcs[j]);
        if (whole)
            from->groups[kept++] = from->groups[i];
    }
    from->group_count = kept;
}

/* The RTX of an SSRC; 0: none. */
static uint32_t rtx_of(const struct source_set *set, uint32_t ssrc)
{
    for (size_t i = 0; i < set->group_count; i++)
        if (!set->groups[i].sim && set->groups[i].ssrcs[0] == ssrc)
            return set->groups[i].ssrcs[1];
    return 0;
}

static bool is_rtx(const struct source_set *set, uint32_t ssrc)
{
    for (size_t i = 0; i < set->group_count; i++)
        if (!set->groups[i].sim && set->groups[i].ssrcs[1] == ssrc)
            return true;
    return false;
}

/* The simulcast group that an SSRC is in, or NULL. */
static const struct source_group *sim_of(const struct source_set *set, uint32_t ssrc)
{
    for (size_t i = 0; i < set->group_count; i++)
        for (size_t j = 0; set->groups[i].sim && j < set->groups[i].count; j++)
            if (set->groups[i].ssrcs[j] == ssrc)
                return &set->groups[i];
    return NULL;
}

static struct source *named(struct source *list, size_t *count, const struct source_ssrc *s)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(list[i].name, s->name) == 0)
            return &list[i];
    if (*count == SOURCES_MAX)
        return NULL;
    struct source *source = &list[(*count)++];
    *source = (struct source){.video = s->video, .desktop = s->desktop};
    memcpy(source->name, s->name, sizeof source->name);
    memcpy(source->msid, s->msid, sizeof source->msid);
    return source;
}

static int add_layer(const struct source_set *set, struct source *source, uint32_t ssrc)
{
    for (size_t i = 0; i < source->layer_count; i++)
        if (source->ssrcs[i] == ssrc)
            return 0;
    if (source->layer_count == (source->video ? SOURCES_LAYERS_MAX : 1))
        return ERR_LIMIT;
    source->rtx[source->layer_count] = rtx_of(set, ssrc);
    source->ssrcs[source->layer_count++] = ssrc;
    return 0;
}

int source_list(const struct source_set *set, struct source out[SOURCES_MAX], size_t *ret_count)
{
    size_t count = 0;
    for (size_t i = 0; i < set->ssrc_count; i++) {
        const struct source_ssrc *s = &set->ssrcs[i];
        if (is_rtx(set, s->ssrc))
            continue;
        struct source *source = named(out, &count, s);
        if (!source)
            return ERR_LIMIT;
        const struct source_group *sim = sim_of(set, s->ssrc);
        int err = sim ? 0 : add_layer(set, source, s->ssrc);
        for (size_t j = 0; sim && !err && j < sim->count; j++)
            err = add_layer(set, source, sim->ssrcs[j]);
        if (err)
            return err;
    }
    *ret_count = count;
    return 0;
}

static json_t *ssrc_json(const struct source *s, uint32_t ssrc)
{
    char number[16];
    (void)snprintf(number, sizeof number, "%" PRIu32, ssrc); /* always fits */
    json_t *one = json_pack("{ss ss ss}", "s", number, "n", s->name, "m", s->msid);
    if (one && s->desktop)
        (void)json_object_set_new(one, "v", json_string("d")); /* a missing mark does no harm */
    return one;
}

json_t *source_to_json(const struct source *sources, size_t count)
{
    json_t *all = json_pack("[[],[],[],[]]");
    for (size_t i = 0; all && i < count; i++) {
        const struct source *s = &sources[i];
        json_t *ssrcs = json_array_get(all, s->video ? 0 : 2);
        json_t *groups = json_array_get(all, s->video ? 1 : 3);
        int failed = json_array_append_new(ssrcs, ssrc_json(s, s->ssrcs[0]));
        if (s->rtx[0]) {
            char first[16], second[16];
            (void)snprintf(first, sizeof first, "%" PRIu32, s->ssrcs[0]); /* always fits */
            (void)snprintf(second, sizeof second, "%" PRIu32, s->rtx[0]); /* always fits */
            failed |= json_array_append_new(ssrcs, ssrc_json(s, s->rtx[0]));
            failed |= json_array_append_new(groups, json_pack("[sss]", "f", first, second));
        }
        if (failed) {
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

static void ssrc_xml(struct xml_writer *w, const struct source *s, uint32_t ssrc, const char *owner)
{
    xml_open(w, "source", NS_JINGLE_SOURCES);
    xml_put_u64(w, "ssrc", ssrc);
    xml_put_str(w, "name", s->name);
    if (s->video)
        xml_put_str(w, "videoType", s->desktop ? "desktop" : "camera");
    xml_open(w, "parameter", NS_JINGLE_RTP);
    xml_put_str(w, "name", "msid");
    xml_put_str(w, "value", s->msid);
    xml_close(w);
    xml_open(w, "ssrc-info", NS_JITMEET);
    xml_put_str(w, "owner", owner);
    xml_close(w);
    xml_close(w);
}

void source_to_xml(struct xml_writer *w, const struct source *sources, size_t count, bool video,
                   const char *owner)
{
    for (size_t i = 0; i < count; i++) {
        const struct source *s = &sources[i];
        if (s->video != video)
            continue;
        ssrc_xml(w, s, s->ssrcs[0], owner);
        if (!s->rtx[0])
            continue;
        ssrc_xml(w, s, s->rtx[0], owner);
        xml_open(w, "ssrc-group", NS_JINGLE_SOURCES);
        xml_put_str(w, "semantics", "FID");
        for (size_t j = 0; j < 2; j++) {
            xml_open(w, "source", NS_JINGLE_SOURCES);
            xml_put_u64(w, "ssrc", j == 0 ? s->ssrcs[0] : s->rtx[0]);
            xml_close(w);
        }
        xml_close(w);
    }
}

json_t *source_set_to_json(const struct source_set *set)
{
    json_t *ssrcs = json_array();
    json_t *groups = json_array();
    int failed = 0;
    for (size_t i = 0; i < set->ssrc_count; i++) {
        const struct source_ssrc *s = &set->ssrcs[i];
        failed |= json_array_append_new(ssrcs, json_pack("[Ibbss]", (json_int_t)s->ssrc, s->video,
                                                         s->desktop, s->name, s->msid));
    }
    for (size_t i = 0; i < set->group_count; i++) {
        const struct source_group *g = &set->groups[i];
        json_t *one = json_pack("[b]", g->sim);
        for (size_t j = 0; j < g->count; j++)
            failed |= json_array_append_new(one, json_integer(g->ssrcs[j]));
        failed |= json_array_append_new(groups, one);
    }
    json_t *both = json_pack("{so so}", "ssrcs", ssrcs, "groups", groups);
    if (failed) {
        json_decref(both);
        return NULL;
    }
    return both;
}

void source_set_from_json(json_t *json, struct source_set *ret_set)
{
    struct source_set *set = ret_set;
    *set = (struct source_set){0};
    json_t *ssrcs = json_object_get(json, "ssrcs");
    json_t *groups = json_object_get(json, "groups");
    for (size_t i = 0; i < json_array_size(ssrcs) && i < SOURCES_SSRCS_MAX; i++) {
        json_int_t ssrc;
        int video, desktop;
        const char *name, *msid;
        struct source_ssrc *s = &set->ssrcs[set->ssrc_count];
        if (json_unpack(json_array_get(ssrcs, i), "[Ibbss]", &ssrc, &video, &desktop, &name,
                        &msid) != 0)
            continue;
        *s = (struct source_ssrc){(uint32_t)ssrc, video != 0, desktop != 0, "", ""};
        if (slice_copy(slice_str(name), s->name, sizeof s->name) &&
            slice_copy(slice_str(msid), s->msid, sizeof s->msid))
            set->ssrc_count++;
    }
    for (size_t i = 0; i < json_array_size(groups) && i < SOURCES_GROUPS_MAX; i++) {
        json_t *one = json_array_get(groups, i);
        struct source_group *g = &set->groups[set->group_count++];
        *g = (struct source_group){.sim = json_is_true(json_array_get(one, 0))};
        for (size_t j = 1; j < json_array_size(one) && j <= SOURCES_LAYERS_MAX; j++)
            g->ssrcs[g->count++] = (uint32_t)json_integer_value(json_array_get(one, j));
    }
}
