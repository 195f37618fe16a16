/* Settings for stock Jitsi clients, as scripts without window or document: the mobile apps evaluate
 * them in a bare engine, hence absolute addresses. */
#include <stdio.h>
#include <stdlib.h>

#include "api/join.h"
#include "api/routes.h"

#define SCRIPT_MAX ((size_t)(16 * 1024))

static json_t *hosts_json(const struct call *call)
{
    char muc[300], focus[300];
    const char *domain = call->api->domain;
    (void)snprintf(muc, sizeof muc, "conference.%s", domain);
    (void)snprintf(focus, sizeof focus, "focus.%s", domain);
    return json_pack("{s:s,s:s,s:s}", "domain", domain, "muc", muc, "focus", focus);
}

/* "vp8 av1" as ["VP8", "AV1"]. */
static json_t *codecs_json(const char *words)
{
    json_t *list = json_array();
    struct slice rest = slice_str(words);
    while (rest.len > 0) {
        char name[16];
        if (!slice_copy(slice_cut(&rest, ' '), name, sizeof name))
            continue;
        for (char *c = name; *c; c++)
            if (*c >= 'a' && *c <= 'z')
                *c = (char)(*c - 'a' + 'A');
        (void)json_array_append_new(list, json_string(name)); /* short of memory: one less */
    }
    return list;
}

/* A client on another network finds by these that its socket leads nowhere: two without an answer,
 * after 13 s at most. The library's own values take 25. */
#define PING_EVERY_MS 4000
#define PING_PATIENCE_MS 5000

/* Simulcast and transport-wide feedback are what the bridge counts on. */
static json_t *media_json(const char *codecs)
{
    return json_pack("{s:{s:b},s:{s:b},s:{s:o,s:o,s:b},s:{s:b},s:b,s:b,s:b,s:b,s:b,s:b,s:b,s:i,s:i,"
                     "s:{s:i,s:i,s:i}}",
                     "p2p", "enabled", 0, "flags", "ssrcRewritingEnabled", 1, "videoQuality",
                     "codecPreferenceOrder", codecs_json(codecs), "mobileCodecPreferenceOrder",
                     codecs_json(codecs), "enableAdaptiveMode", 0, "bridgeChannel", "preferSctp", 0,
                     "enableTcc", 1, "enableRemb", 0, "enableOpusRed", 0, "enableIceRestart", 1,
                     "disableSimulcast", 0, "enableWebsocketResume", 1, "useTurnUdp", 0,
                     "channelLastN", 25, "resolution", 720, "xmppPing", "interval", PING_EVERY_MS,
                     "timeout", PING_PATIENCE_MS, "threshold", 2);
}

/* Nothing is asked of a host that is not ours, and nothing is offered that we do not have. */
static json_t *quiet_json(void)
{
    return json_pack("{s:b,s:{s:b},s:{s:b},s:b,s:b,s:b,s:b,s:{s:b},s:{s:b},s:{s:b},s:{s:b,s:b,s:b},"
                     "s:{s:b,s:b},s:b,s:b,s:b,s:b,s:{s:b}}",
                     "disableThirdPartyRequests", 1, "gravatar", "disabled", 1, "analytics",
                     "disabled", 1, "enableCalendarIntegration", 0, "doNotStoreRoom", 1,
                     "disableInviteFunctions", 1, "hideEmailInSettings", 1, "giphy", "enabled", 0,
                     "liveStreaming", "enabled", 0, "transcription", "enabled", 0,
                     "recordingService", "enabled", 1, "sharingEnabled", 0, "hideStorageWarning", 1,
                     "localRecording", "disable", 1, "notifyAllParticipants", 0, "enableLipSync", 0,
                     "disableDeepLinking", 1, "requireDisplayName", 1, "disablePolls", 1,
                     "whiteboard", "enabled", 0);
}

static json_t *config_json(const struct call *call)
{
    char websocket[CALL_URL_SIZE];
    join_websocket(call->base, websocket);
    json_t *config = json_pack("{s:o,s:s,s:s}", "hosts", hosts_json(call), "websocket", websocket,
                               "defaultLanguage", "en");
    json_t *parts[] = {media_json(call->api->codecs), quiet_json()};
    int failed = config == NULL;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        failed |= !parts[i] || json_object_update(config, parts[i]);
        json_decref(parts[i]);
    }
    if (failed) {
        json_decref(config);
        return NULL;
    }
    return config;
}

/* JSON is a JavaScript expression. */
static int answer_script(struct call *call, const char *variable, json_t *value)
{
    struct buf buf;
    char *text = value ? json_dumps(value, JSON_INDENT(2)) : NULL;
    json_decref(value);
    if (!text)
        return ERR_MEMORY;
    buf_init(&buf, SCRIPT_MAX);
    buf_printf(&buf, "var %s = %s;\n", variable, text);
    free(text);
    call_set_header(call, "cache-control", "no-cache");
    call_set_header(call, "access-control-allow-origin", "*");
    int err = buf.failed ? ERR_MEMORY
                         : call_text(call, "text/javascript; charset=utf-8", buf_slice(&buf));
    buf_done(&buf);
    return err;
}

int api_config_js(struct call *call)
{
    return answer_script(call, "config", config_json(call));
}

int api_interface_config_js(struct call *call)
{
    struct organisation organisation = {.name = "Darasa"};
    int err = organisation_find(call->api->sql, &organisation);
    if (err && err != ERR_NOT_FOUND)
        return err;
    return answer_script(
        call, "interfaceConfig",
        json_pack("{s:s,s:s,s:s,s:b,s:b,s:b,s:b,s:b,s:b,s:b,s:b,s:s}", "APP_NAME", "Darasa",
                  "NATIVE_APP_NAME", "Darasa", "PROVIDER_NAME", organisation.name,
                  "SHOW_JITSI_WATERMARK", 0, "SHOW_WATERMARK_FOR_GUESTS", 0, "SHOW_BRAND_WATERMARK",
                  0, "SHOW_POWERED_BY", 0, "SHOW_PROMOTIONAL_CLOSE_PAGE", 0,
                  "DISPLAY_WELCOME_PAGE_CONTENT", 0, "MOBILE_APP_PROMO", 0,
                  "SHOW_CHROME_EXTENSION_BANNER", 0, "DEFAULT_REMOTE_DISPLAY_NAME", "Participant"));
}
