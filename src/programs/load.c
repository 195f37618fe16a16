/* darasa-load: many participants with real signalling, ICE, DTLS and SRTP against a server on this
 * machine; prints what they saw and what it cost as one JSON object. docs/load.md. */
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "crypto/random.h"
#include "load/crowd.h"
#include "os/file.h"
#include "os/usage.h"
#include "proto/offer.h"

#define EXIT_USAGE 2
#define PROCESSES_MAX 8
/* The run says nothing about the server when the generator itself was short of time. */
#define OWN_CPU_MAX 0.7
#define TURN_MAX (10 * USEC_PER_MSEC)
/* Tokens have a kilobyte or two. */
#define ENTRIES_BYTES_MAX ((size_t)64 * 1024 * 1024)
/* What a schedule holds at most: 10 s of a server at full speed. */
#define MESSAGES_MAX ((size_t)4 * 1000 * 1000)

/* One whose cost is measured. */
struct process {
    const char *name;
    pid_t pid;
    struct usage at_start; /* before anybody came */
    struct usage before;   /* the measured time */
    struct usage after;
};

struct load {
    struct crowd_config crowd;
    struct process processes[PROCESSES_MAX];
    size_t process_count;
    unsigned seconds; /* measured */
    unsigned settle;  /* before that, after all came */
    unsigned patience;
    struct entries entries;
    const char *schedule; /* where the server's messages are written; NULL: nowhere */
    struct loop *loop;
    usec_t measured;
    usec_t own_cpu;
};

static void usage(void)
{
    (void)fprintf(
        stderr,
        "usage: darasa load [--server ADDR:PORT] [--host NAME] [--domain NAME] [--room NAME]\n"
        "                   [--rooms N] [--participants N] [--cameras N] [--voices N]\n"
        "                   [--silent N] [--entries FILE] [--record yes|no]\n"
        "                   [--stage HEIGHT] [--tiles N] [--tile-height HEIGHT]\n"
        "                   [--bandwidth BPS] [--joining N] [--settle S] [--seconds S]\n"
        "                   [--patience S] [--process NAME=PID ...] [--profile gcm|cm]\n"
        "                   [--schedule FILE] [--lines PAYLOAD-TYPE] [--network A.B]\n"
        "docs/load.md\n");
}

static int read_server(const char *text, struct address *ret_server)
{
    struct slice rest = slice_str(text);
    struct slice ip = slice_cut(&rest, ':');
    char copy[ADDRESS_TEXT_MAX];
    uint64_t port;
    if (!slice_copy(ip, copy, sizeof copy) || slice_to_u64(rest, UINT16_MAX, &port))
        return ERR_FORMAT;
    return address_parse(copy, (uint16_t)port, ret_server);
}

static int read_process(struct load *load, const char *text)
{
    const char *equal = strchr(text, '=');
    uint64_t pid;
    if (!equal || load->process_count == PROCESSES_MAX ||
        slice_to_u64(slice_str(equal + 1), INT32_MAX, &pid))
        return ERR_FORMAT;
    struct process *p = &load->processes[load->process_count++];
    *p = (struct process){.name = text, .pid = (pid_t)pid};
    return 0;
}

static int read_number(const char *text, unsigned *ret_number)
{
    uint64_t number;
    int err = slice_to_u64(slice_str(text), 1000 * 1000, &number);
    if (err == 0)
        *ret_number = (unsigned)number;
    return err;
}

static int read_network(const char *text, uint8_t ret_network[2])
{
    struct slice rest = slice_str(text);
    uint64_t first, second;
    if (slice_to_u64(slice_cut(&rest, '.'), UINT8_MAX, &first) ||
        slice_to_u64(rest, UINT8_MAX, &second))
        return ERR_FORMAT;
    ret_network[0] = (uint8_t)first;
    ret_network[1] = (uint8_t)second;
    return 0;
}

static int read_entries(struct load *load, const char *path)
{
    struct buf text;
    buf_init(&text, ENTRIES_BYTES_MAX);
    int err = file_read(AT_FDCWD, path, &text);
    if (err == 0)
        err = entries_parse(buf_slice(&text), &load->entries);
    if (err == 0)
        load->crowd.entries = &load->entries;
    buf_done(&text);
    return err;
}

static int read_video_type(const char *text, uint8_t *ret_type)
{
    uint64_t number;
    int err = slice_to_u64(slice_str(text), 127, &number);
    if (err == 0)
        *ret_type = (uint8_t)number;
    return err;
}

static int read_option(struct load *load, const char *name, const char *value)
{
    struct crowd_config *c = &load->crowd;
    unsigned *const numbers[] = {&c->rooms,      &c->participants, &c->cameras, &c->voices,
                                 &c->silent,     &c->tiles,        &c->joining, &load->settle,
                                 &load->seconds, &load->patience};
    static const char *const number_names[] = {
        "--rooms", "--participants", "--cameras", "--voices",  "--silent",
        "--tiles", "--joining",      "--settle",  "--seconds", "--patience"};
    const char **const texts[] = {&c->host, &c->domain, &c->room};
    static const char *const text_names[] = {"--host", "--domain", "--room"};
    int *const heights[] = {&c->stage_height, &c->tile_height};
    static const char *const height_names[] = {"--stage", "--tile-height"};
    unsigned number;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (strcmp(name, number_names[i]) == 0)
            return read_number(value, numbers[i]);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (strcmp(name, text_names[i]) == 0) {
            *texts[i] = value;
            return 0;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(heights); i++) {
        if (strcmp(name, height_names[i]) == 0) {
            int err = read_number(value, &number);
            *heights[i] = err ? *heights[i] : (int)number;
            return err;
        }
    }
    if (strcmp(name, "--server") == 0)
        return read_server(value, &c->server);
    if (strcmp(name, "--process") == 0)
        return read_process(load, value);
    if (strcmp(name, "--profile") == 0) {
        c->counter_mode = strcmp(value, "cm") == 0;
        return c->counter_mode || strcmp(value, "gcm") == 0 ? 0 : ERR_FORMAT;
    }
    if (strcmp(name, "--entries") == 0)
        return read_entries(load, value);
    if (strcmp(name, "--record") == 0) {
        c->record = strcmp(value, "yes") == 0;
        return c->record || strcmp(value, "no") == 0 ? 0 : ERR_FORMAT;
    }
    if (strcmp(name, "--network") == 0)
        return read_network(value, c->network);
    if (strcmp(name, "--lines") == 0) {
        c->by_lines = true;
        return read_video_type(value, &c->video_type);
    }
    if (strcmp(name, "--schedule") == 0) {
        load->schedule = value;
        c->messages = MESSAGES_MAX;
        return 0;
    }
    uint64_t bps;
    int err = strcmp(name, "--bandwidth") == 0 ? slice_to_u64(slice_str(value), INT64_MAX, &bps)
                                               : ERR_NOT_FOUND;
    if (err == 0)
        c->bandwidth = (int64_t)bps;
    return err;
}

static int read_arguments(struct load *load, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        int err = i + 1 < argc ? read_option(load, argv[i], argv[i + 1]) : ERR_FORMAT;
        if (err) {
            (void)fprintf(stderr, "darasa load: cannot understand %s.\n", argv[i]);
            return err;
        }
    }
    return 0;
}

static int look(struct load *load, size_t offset)
{
    for (size_t i = 0; i < load->process_count; i++) {
        struct process *p = &load->processes[i];
        int err = usage_of(p->pid, (struct usage *)(void *)((char *)p + offset));
        if (err) {
            (void)fprintf(stderr, "darasa load: no process %d: %s.\n", (int)p->pid, err_name(err));
            return err;
        }
    }
    return 0;
}

/* Runs for a while, or until all came when `joining`. */
static int run(struct load *load, const struct crowd *crowd, usec_t time, bool joining)
{
    usec_t end = clock_monotonic() + time;
    while (clock_monotonic() < end) {
        int err = loop_turn(load->loop, TURN_MAX);
        if (err)
            return err;
        if (joining) {
            struct crowd_state state = crowd_state(crowd);
            if (state.connected + state.failed >= state.wanted)
                return 0;
        }
    }
    return 0;
}

static json_t *delays_json(const struct tally_delays *d)
{
    return json_pack("{sI sI sI sI sI}", "samples", (json_int_t)d->count, "p50_us",
                     (json_int_t)tally_percentile(d, 50), "p99_us",
                     (json_int_t)tally_percentile(d, 99), "max_us", (json_int_t)d->max, "late",
                     (json_int_t)d->late);
}

static json_t *processes_json(const struct load *load, uint64_t packets, unsigned endpoints)
{
    json_t *all = json_object();
    for (size_t i = 0; i < load->process_count; i++) {
        const struct process *p = &load->processes[i];
        struct slice rest = slice_str(p->name);
        char name[64];
        (void)slice_copy(slice_cut(&rest, '='), name, sizeof name); /* cut to fit */
        double cpu = (double)(p->after.cpu - p->before.cpu);
        double grown = (double)p->after.memory - (double)p->at_start.memory;
        json_t *one = json_pack("{sf sf sI sf}", "cpu", cpu / (double)load->measured,
                                "cpu_us_per_packet", packets > 0 ? cpu / (double)packets : 0.0,
                                "memory", (json_int_t)p->after.memory, "memory_per_endpoint",
                                endpoints > 0 ? grown / endpoints : 0.0);
        (void)json_object_set_new(all, name, one); /* one less is told */
    }
    return all;
}

static json_t *runs_json(const struct tally_sum *sum)
{
    json_t *runs = json_object();
    for (unsigned i = 1; i <= TALLY_RUNS; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%u", i); /* fits */
        if (sum->runs[i] > 0)
            (void)json_object_set_new(runs, key, json_integer((json_int_t)sum->runs[i]));
    }
    return runs;
}

/* Why the figures say nothing about the server; NULL: they do. */
static const char *invalid(const struct load *load, const struct crowd_state *before,
                           const struct crowd_state *after)
{
    if (after->connected < after->wanted)
        return "not all came, or not all stayed";
    if (after->drops != before->drops || after->send_full > 0)
        return "the generator dropped packets";
    if ((double)load->own_cpu > OWN_CPU_MAX * (double)load->measured)
        return "the generator used over 70 % of its core";
    if (after->unreadable > 0)
        return "packets that do not decrypt";
    return NULL;
}

static bool report(const struct load *load, struct crowd *crowd, const struct crowd_state *before)
{
    struct crowd_state s = crowd_state(crowd);
    const struct tally_sum *sum = crowd_sum(crowd);
    double seconds = (double)load->measured / (double)USEC_PER_SEC;
    const char *why = invalid(load, before, &s);
    json_t *all = json_pack(
        "{sb ss* sf si si si ss* s{sI sI sI} sI sI sf sI sI sI sI sI sf so so so so}", "valid",
        why == NULL, "why", why, "seconds", seconds, "participants", (int)s.wanted, "connected",
        (int)s.connected, "failed", (int)s.failed, "failure", s.why, "join", "all_us",
        (json_int_t)s.joined_in, "median_us", (json_int_t)s.join_median, "max_us",
        (json_int_t)s.join_max, "sent", (json_int_t)s.sent, "delivered", (json_int_t)sum->packets,
        "delivered_per_second", (double)sum->packets / seconds, "delivered_audio",
        (json_int_t)sum->audio, "bytes", (json_int_t)sum->bytes, "repairs",
        (json_int_t)sum->repairs, "lost", (json_int_t)sum->lost, "asked_again",
        (json_int_t)s.asked_again, "generator_cpu", (double)load->own_cpu / (double)load->measured,
        "audio_delay", delays_json(&sum->audio_delays), "video_delay",
        delays_json(&sum->video_delays), "runs", runs_json(sum), "processes",
        processes_json(load, sum->packets, s.connected));
    char *text = all ? json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
    (void)puts(text ? text : "{\"valid\":false,\"why\":\"no memory\"}");
    free(text);
    json_decref(all);
    return why == NULL;
}

static int write_schedule(const struct load *load, const struct crowd *crowd)
{
    size_t count;
    const struct crowd_message *messages = crowd_messages(crowd, &count);
    FILE *file = load->schedule ? fopen(load->schedule, "wb") : NULL;
    if (!load->schedule)
        return 0;
    bool done = file && fwrite(messages, sizeof *messages, count, file) == count;
    if (file && fclose(file) != 0)
        done = false;
    return done ? 0 : ERR_IO;
}

static int measure(struct load *load, struct crowd *crowd)
{
    int err = run(load, crowd, load->patience * USEC_PER_SEC, true);
    if (err == 0)
        err = run(load, crowd, load->settle * USEC_PER_SEC, false);
    if (err == 0)
        err = look(load, offsetof(struct process, before));
    crowd_reset(crowd);
    struct crowd_state before = crowd_state(crowd);
    usec_t from = clock_monotonic(), own = usage_own_cpu();
    if (err == 0)
        err = run(load, crowd, load->seconds * USEC_PER_SEC, false);
    load->measured = clock_monotonic() - from;
    load->own_cpu = usage_own_cpu() - own;
    if (err == 0)
        err = look(load, offsetof(struct process, after));
    if (err == 0)
        err = write_schedule(load, crowd);
    return err == 0 && report(load, crowd, &before) ? 0 : 1;
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* two descriptors for each; who fails says so */
}

int main(int argc, char **argv)
{
    static struct load load = {
        .crowd = {.host = "localhost:8080",
                  .domain = "meet.darasa",
                  .room = "load",
                  .rooms = 1,
                  .participants = 10,
                  .cameras = 10,
                  .voices = 3,
                  .stage_height = 720,
                  .tiles = 9,
                  .tile_height = 180,
                  .bandwidth = -1,
                  .joining = 16,
                  .video_type = OFFER_PT_VP8,
                  /* Out of the way of what others use in 127/8. */
                  .network = {127, 16}},
        .seconds = 10,
        .settle = 5,
        .patience = 60,
    };
    load.crowd.server = address_v4(127, 0, 0, 1, 8080);
    load.crowd.seed = random_u64();
    log_init("load", LOG_LEVEL_WARN);
    if (read_arguments(&load, argc, argv)) {
        usage();
        return EXIT_USAGE;
    }
    struct crowd *crowd = NULL;
    raise_file_limit();
    load.loop = loop_new();
    int err = load.loop ? look(&load, offsetof(struct process, at_start)) : ERR_MEMORY;
    if (err == 0)
        err = crowd_new(load.loop, &load.crowd, &crowd);
    if (err)
        (void)fprintf(stderr, "darasa load: cannot start: %s.\n", err_name(err));
    int status = err ? 1 : measure(&load, crowd);
    crowd_free(&crowd);
    entries_done(&load.entries);
    loop_free(&load.loop);
    return status;
}
