#include "api/api.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/cookies.h"
#include "api/live.h"
#include "api/pending.h"
#include "api/routes.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "school/setup.h"

static void count_init(struct api *api, struct metrics *page)
{
    api->metrics.page = page;
    api->metrics.requests = metrics_counter(page, "darasa_web_requests_total");
    api->metrics.client_errors = metrics_counter(page, "darasa_web_answers_total{class=\"4xx\"}");
    api->metrics.server_errors = metrics_counter(page, "darasa_web_answers_total{class=\"5xx\"}");
    api->metrics.bad_input = metrics_counter(page, "darasa_web_bad_input_total");
    api->metrics.limited = metrics_counter(page, "darasa_web_limited_total");
    api->metrics.hash_full = metrics_counter(page, "darasa_web_password_queue_full_total");
    api->metrics.signins = metrics_counter(page, "darasa_web_signins_total{result=\"ok\"}");
    api->metrics.signin_failures =
        metrics_counter(page, "darasa_web_signins_total{result=\"wrong\"}");
    api->metrics.events = metrics_counter(page, "darasa_web_events_total");
    api->metrics.events_unknown = metrics_counter(page, "darasa_web_events_unknown_total");
    api->metrics.disk_full = metrics_counter(page, "darasa_web_disk_full_total");
}

int api_configure(struct api *api, const struct api_settings *settings)
{
    if (strlen(settings->url) >= sizeof api->url || strlen(settings->domain) >= sizeof api->domain)
        return ERR_LIMIT;
    (void)slice_copy(slice_str(settings->url), api->url, sizeof api->url);
    (void)slice_copy(slice_str(settings->domain), api->domain, sizeof api->domain);
    (void)slice_copy(slice_str(settings->codecs), api->codecs, sizeof api->codecs); /* checked */
    api->token_secret = settings->token_secret;
    api->demo = settings->demo;
    return 0;
}

int api_new(struct sql *sql, const struct api_settings *settings, const struct api_output *output,
            struct metrics *metrics, struct api **ret_api)
{
    struct api *api = calloc(1, sizeof *api);
    if (!api)
        return ERR_MEMORY;
    api->sql = sql;
    api->output = *output;
    api->limits = limits_new(random_u64());
    count_init(api, metrics);
    int err = api->limits ? api_configure(api, settings) : ERR_MEMORY;
    if (err) {
        api_free(&api);
        return err;
    }
    *ret_api = api;
    return 0;
}

void api_free(struct api **api)
{
    if (!*api)
        return;
    while ((*api)->pending) {
        struct pending *next = (*api)->pending->next;
        free((*api)->pending);
        (*api)->pending = next;
    }
    live_free_events(*api);
    limits_free(&(*api)->limits);
    free(*api);
    *api = NULL;
}

static int add_link(void *arg, const char *label, const char *path)
{
    json_t *links = arg;
    return json_array_append_new(links, json_pack("{s:s,s:s}", "label", label, "path", path))
               ? ERR_MEMORY
               : 0;
}

int api_start(struct api *api, const char *run, struct api_now now)
{
    json_t *links = json_array();
    if (!links)
        return ERR_MEMORY;
    int err = setup_organisation(api->sql, api->demo, now.wall);
    if (!err)
        err = setup_admin(api->sql, now.wall, add_link, links);
    if (!err && api->demo)
        err = setup_demo(api->sql, now.wall, add_link, links);
    if (!err)
        err = live_start(api, run);
    json_t *message = json_pack("{s:s,s:O}", "type", "links", "links", links);
    if (!err && !message)
        err = ERR_MEMORY;
    if (!err && json_array_size(links) > 0)
        api->output.control(api->output.arg, message);
    json_decref(message);
    json_decref(links);
    return err;
}

/* An IP address, or a name for this very machine: what a browser may call a server without a name
 * of its own. Any other name would be somebody else's page trying to reach us by DNS. */
static bool is_local_host(struct slice host)
{
    struct slice rest = host;
    if (rest.len > 0 && rest.data[0] == '[')
        return slice_index(rest, ']') < rest.len;
    struct slice name = slice_cut(&rest, ':');
    if (slice_eq_nocase(name, SLICE("localhost")) || slice_ends(name, SLICE(".localhost")))
        return true;
    for (size_t i = 0; i < name.len; i++)
        if (!(name.data[i] >= '0' && name.data[i] <= '9') && name.data[i] != '.')
            return false;
    return name.len > 0;
}

static bool is_host_text(struct slice host)
{
    for (size_t i = 0; i < host.len; i++) {
        uint8_t c = host.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && (c == '\0' || !strchr(".-:[]", c)))
            return false;
    }
    return host.len > 0 && host.len < 255;
}

static bool find_base(struct call *call, struct slice host)
{
    if (call->api->url[0]) {
        (void)slice_copy(slice_str(call->api->url), call->base, sizeof call->base);
        call->https = slice_starts(slice_str(call->base), SLICE("https:"));
        return true;
    }
    if (host.len == 0)
        host = SLICE("localhost");
    if (!is_host_text(host) || !is_local_host(host))
        return false;
    (void)snprintf(call->base, sizeof call->base, "%s://%.*s", call->https ? "https" : "http",
                   SLICE_ARG(host));
    return true;
}

/* A browser says where a request that changes something comes from. Who says nothing is no browser
 * and has no cookies of others. */
static bool same_origin(const struct call *call)
{
    struct slice origin = call_header(call, "origin");
    if (origin.len > 0)
        return slice_eq_nocase(origin, slice_str(call->base));
    struct slice site = call_header(call, "sec-fetch-site");
    return site.len == 0 || slice_eq_str(site, "same-origin") || slice_eq_str(site, "none");
}

static int read_body(struct call *call)
{
    struct slice type = call_header(call, "content-type");
    struct slice media = slice_trim(slice_cut(&type, ';'));
    if (!slice_eq_nocase(media, SLICE("application/json")))
        return call_fail(call, 415, "not-json", "The body must be application/json.");
    if (call->body.len > CALL_BODY_MAX)
        return call_fail(call, 413, "too-large", "The body is too large.");
    call->json =
        json_loadb((const char *)call->body.data, call->body.len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(call->json)) {
        ++*call->api->metrics.bad_input;
        return call_fail(call, 400, "bad-json", "The body is not a JSON object.");
    }
    return 0;
}

static int find_session(struct call *call)
{
    struct slice cookies = call_header(call, "cookie");
    struct slice device = cookie_find(cookies, "darasa_device");
    if (device.len == TOKEN_LENGTH)
        call->device = device;
    call->token = cookie_find(cookies, "darasa_session");
    if (call->token.len != TOKEN_LENGTH)
        return 0;
    int err = session_find(call->api->sql, call->token, call->now.wall, &call->session);
    call->signed_in = err == 0;
    return err == ERR_NOT_FOUND ? 0 : err;
}

static int check_rights(struct call *call, const struct route *route, bool changes)
{
    enum role role = call->session.person.role;
    if (!(route->flags & ROUTE_SIGNED_IN))
        return 0;
    if (!call->signed_in)
        return call_fail(call, 401, "signed-out", "Sign in first.");
    if (changes) {
        char csrf[SECRET_HASH_TEXT];
        session_csrf(call->token, csrf);
        if (!hash_equal(call_header(call, "x-csrf-token"), slice_str(csrf)))
            return call_fail(call, 403, "csrf", "The page is out of date: load it again.");
    }
    if ((route->flags & ROUTE_ADMIN) && role != ROLE_ADMIN)
        return call_fail(call, 403, "not-admin", "Only an administrator may do that.");
    if ((route->flags & ROUTE_STAFF) && role == ROLE_PUPIL)
        return call_fail(call, 403, "not-staff", "Only staff may do that.");
    return 0;
}

static int dispatch(struct call *call)
{
    const struct route *route = NULL;
    bool head = strcmp(call->method, "HEAD") == 0;
    int err = route_find(head ? "GET" : call->method, call->path, &route, call->parts);
    if (err == ERR_UNSUPPORTED)
        return call_fail(call, 405, "method", "That cannot be done with this address.");
    if (err)
        return call_fail(call, 404, "not-found", "There is nothing here.");
    bool changes = strcmp(route->method, "GET") != 0;
    if (changes && !same_origin(call))
        return call_fail(call, 403, "origin", "This request comes from another site.");
    err = find_session(call);
    if (!err)
        err = check_rights(call, route, changes);
    if (!err && !call->answered && (route->flags & ROUTE_BODY))
        err = read_body(call);
    if (err || call->answered)
        return err;
    return route->handle(call);
}

static int read_head(struct call *call, struct slice head)
{
    const char *host = NULL, *address = NULL, *path = NULL, *query = NULL;
    int https = 0;
    call->head = json_loadb((const char *)head.data, head.len, 0, NULL);
    call->headers = json_object();
    if (!call->head || !call->headers ||
        json_unpack(call->head, "{s:s,s:s,s?s,s?s,s?s,s?b}", "method", &call->method, "path", &path,
                    "query", &query, "host", &host, "address", &address, "https", &https))
        return ERR_FORMAT;
    call->path = slice_str(path);
    call->query = slice_str(query);
    call->address = slice_str(address);
    call->https = https;
    if (!find_base(call, slice_str(host)))
        return call_fail(call, 421, "unknown-host", "This server does not go by that name.");
    return 0;
}

static void call_done(struct call *call)
{
    json_decref(call->json);
    json_decref(call->headers);
    json_decref(call->head);
}

int api_request(struct api *api, uint64_t request, struct slice head, struct slice body,
                struct api_now now)
{
    struct call call = {.api = api, .request = request, .now = now, .body = body};
    int err = read_head(&call, head);
    if (err == ERR_FORMAT) {
        ++*api->metrics.bad_input;
        call_done(&call);
        return err;
    }
    if (!err && !call.answered)
        err = dispatch(&call);
    if (err)
        call_error(&call, err);
    call_done(&call);
    return 0;
}

int pending_start(struct call *call, struct pending *pending, struct hash_job *job)
{
    struct api *api = call->api;
    if (api->pending_count >= PENDING_MAX)
        return ERR_LIMIT;
    struct pending *kept = malloc(sizeof *kept);
    if (!kept)
        return ERR_MEMORY;
    job->id = ++api->next_job;
    int err = api->output.hash(api->output.arg, job);
    if (err) {
        free(kept);
        return err;
    }
    *kept = *pending;
    kept->job = job->id;
    kept->request = call->request;
    kept->https = call->https;
    kept->signed_in = call->signed_in;
    kept->session = call->session;
    (void)slice_copy(slice_str(call->base), kept->base, sizeof kept->base);
    (void)slice_copy(call->address, kept->address, sizeof kept->address);
    (void)slice_copy(call->device, kept->device, sizeof kept->device);
    kept->next = api->pending;
    api->pending = kept;
    api->pending_count++;
    call->answered = true; /* later */
    return 0;
}

int pending_busy(struct call *call)
{
    ++*call->api->metrics.hash_full;
    return call_wait(call, 503, "busy", "Many people are signing in: try again in a moment.",
                     2 * USEC_PER_SEC);
}

static void ignore_answer(void *arg, uint64_t request, struct slice head, struct slice body)
{
    (void)arg;
    (void)request;
    (void)head;
    (void)body;
}

static void finish_pending(struct api *api, struct pending *pending,
                           const struct hash_result *result, struct api_now now)
{
    struct call call = {.api = api,
                        .request = pending->request,
                        .now = now,
                        .https = pending->https,
                        .signed_in = pending->signed_in,
                        .session = pending->session,
                        .address = slice_str(pending->address),
                        .device = slice_str(pending->device),
                        .headers = json_object()};
    struct api_output output = api->output;
    (void)slice_copy(slice_str(pending->base), call.base, sizeof call.base);
    /* What was begun is finished even when nobody waits for the answer. */
    if (pending->gone)
        api->output.respond = ignore_answer;
    int err = call.headers ? pending->done(&call, pending, result) : ERR_MEMORY;
    if (err)
        call_error(&call, err);
    api->output.respond = output.respond;
    call_done(&call);
}

void api_hashed(struct api *api, const struct hash_result *result, struct api_now now)
{
    for (struct pending **at = &api->pending; *at; at = &(*at)->next) {
        struct pending *pending = *at;
        if (pending->job != result->id)
            continue;
        *at = pending->next;
        api->pending_count--;
        finish_pending(api, pending, result, now);
        free(pending);
        return;
    }
}

void api_gone(struct api *api, uint64_t request)
{
    for (struct pending *at = api->pending; at; at = at->next)
        if (at->request == request)
            at->gone = true;
}

void api_gone_all(struct api *api)
{
    for (struct pending *at = api->pending; at; at = at->next)
        at->gone = true;
}

int api_tick(struct api *api, struct api_now now)
{
    int err = session_store_failures(api);
    if (!err)
        err = sessions_purge(api->sql, now.wall);
    return err ? err : live_tick(api, now.wall);
}
