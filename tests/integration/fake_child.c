/* Stands for every program of the house: tells on standard error what it gets, does one thing on
 * SIGUSR1, and lives behind the real walls. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "os/child.h"
#include "os/link.h"
#include "os/witness.h"
#include "programs/rules.h"

#define PEERS 64
#define POLL (20 * USEC_PER_MSEC)
#define RECORDING "11111111-2222-4333-8444-555555555555"

struct fake;

struct peer {
    struct fake *fake;
    struct link *link;
    char name[16];
    unsigned number;
};

struct fake {
    const char *program;
    struct child *child;
    struct loop *loop;
    struct peer peers[PEERS];
    struct loop_timer timer;
    int feed;
    struct witness *witness;
    uint8_t hello[8];
    size_t hello_len;
    uint64_t sent;
    unsigned acts;
};

static volatile sig_atomic_t asked;

static void on_usr1(int number)
{
    asked = number;
}

static void send_text(struct fake *f, const char *text)
{
    json_t *message = json_loads(text, 0, NULL);
    if (!message || child_send(f->child, message, NULL, 0) < 0)
        log_error("not sent text=%s", text);
    json_decref(message);
}

static void on_frame(void *arg, const struct link_frame *frame)
{
    const struct peer *p = arg;
    log_info("heard peer=%s number=%u from=%llu", p->name, p->number,
             (unsigned long long)frame->id);
}

static void on_closed(void *arg, int err)
{
    struct peer *p = arg;
    log_info("lost peer=%s number=%u err=%s", p->name, p->number, err_name(err));
    link_free(&p->link);
}

static void on_link(void *arg, const char *peer, unsigned number, int fd)
{
    struct fake *f = arg;
    for (size_t i = 0; i < PEERS; i++) {
        struct peer *p = &f->peers[i];
        if (p->link)
            continue;
        *p = (struct peer){.fake = f, .number = number};
        (void)snprintf(p->name, sizeof p->name, "%s", peer);
        const struct link_handler handler = {on_frame, on_closed, p};
        if (link_new(f->loop, fd, 100000, &handler, &p->link) < 0 ||
            link_send(p->link, 1, (uint64_t)getpid(), SLICE("{}")) < 0)
            log_error("link failed");
        return;
    }
}

static void on_message(void *arg, const char *type, json_t *message, const int *fds, size_t count)
{
    struct fake *f = arg;
    char *text = json_dumps(message, JSON_COMPACT | JSON_SORT_KEYS);
    log_info("message fds=%zu %s", count, text);
    free(text);
    bool feed = strcmp(type, "feed") == 0 && count == 1;
    for (size_t i = 0; !feed && i < count; i++)
        close(fds[i]);
    if (!feed)
        return;
    if (f->feed >= 0)
        close(f->feed);
    f->feed = fds[0];
    f->hello_len = 0;
}

static void on_stop(void *arg)
{
    struct fake *f = arg;
    if (strcmp(f->program, "web") == 0 && f->acts >= 100) {
        log_info("does not stop");
        return;
    }
    loop_stop(f->loop);
}

/* Byte n of the feed is always the same: what lies in the spool can be checked. */
static void push_feed(struct fake *f)
{
    uint8_t bytes[4096];
    while (f->feed >= 0 && f->hello_len < sizeof f->hello) {
        ssize_t got = read(f->feed, f->hello + f->hello_len, sizeof f->hello - f->hello_len);
        if (got <= 0)
            return;
        f->hello_len += (size_t)got;
        f->sent = 0;
        for (size_t i = 0; i < sizeof f->hello; i++)
            f->sent |= (uint64_t)f->hello[i] << (8 * i);
        if (f->hello_len == sizeof f->hello)
            log_info("feed from=%llu", (unsigned long long)f->sent);
    }
    if (f->feed < 0)
        return;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)((f->sent + i) * 7 + ((f->sent + i) >> 8));
    ssize_t done = write(f->feed, bytes, sizeof bytes);
    if (done > 0)
        f->sent += (uint64_t)done;
}

static void act_signal(struct fake *f)
{
    if (f->acts == 1)
        send_text(f, "{\"type\":\"record\",\"recording\":\"" RECORDING
                     "\",\"conference\":\"c\",\"worker\":0}");
    else
        send_text(f, "{\"type\":\"record-stop\",\"recording\":\"" RECORDING "\"}");
}

/* Dies of somebody's bytes. */
static void act_bridge(struct fake *f)
{
    static const struct witness_entry bad = {"conference-1", "0badcafe"};
    if (!f->witness)
        exit(7);
    witness_note(f->witness, &bad);
    abort();
}

static void act_web(struct fake *f)
{
    static const char *const texts[] = {
        "{\"type\":\"render\",\"recording\":\"" RECORDING "\",\"job\":\"tracks\",\"options\":{}}",
        "{\"type\":\"render\",\"recording\":\"" RECORDING "\",\"job\":\"audio\",\"options\":{}}",
        "{\"type\":\"render\",\"recording\":\"" RECORDING "\",\"job\":\"mp4\",\"options\":{}}",
        "{\"type\":\"remove\",\"recording\":\"" RECORDING "\"}",
    };
    if (f->acts <= 4)
        send_text(f, texts[f->acts - 1]);
    else
        f->acts = 100; /* from now on it does not stop */
}

static void act_edge(struct fake *f)
{
    if (f->acts == 1)
        child_condemn(f->child, "web", 0, ERR_FORMAT);
    else if (f->acts == 2)
        child_condemn(f->child, "bridge", 0, ERR_FORMAT); /* not its peer: nothing happens */
    else
        for (;;) { /* hangs */
        }
}

static void on_timer(struct loop_timer *timer, usec_t now)
{
    struct fake *f = CONTAINER_OF(timer, struct fake, timer);
    if (asked) {
        asked = 0;
        f->acts++;
        if (strcmp(f->program, "signal") == 0)
            act_signal(f);
        else if (strcmp(f->program, "web") == 0)
            act_web(f);
        else if (strcmp(f->program, "edge") == 0)
            act_edge(f);
        else if (strcmp(f->program, "bridge") == 0)
            act_bridge(f);
    }
    push_feed(f);
    if (loop_timer_set(f->loop, timer, now + POLL) < 0)
        exit(9);
}

static void count_life(void *arg, struct slice key, struct slice value)
{
    (void)key;
    *(uint64_t *)arg = value.len;
}

/* Signal's journal counts its lives. */
static void use_journal(struct fake *f)
{
    struct journal *journal = NULL;
    uint64_t lives = 0;
    static const char marks[100] = "";
    json_int_t mib = json_integer_value(json_object_get(child_settings(f->child), "journal.size"));
    if (journal_open(child_fd(f->child, "journal", 0), (size_t)mib << 20, &journal) < 0)
        exit(8);
    journal_each(journal, SLICE("lives"), count_life, &lives);
    if (journal_put(journal, SLICE("lives"), slice_of(marks, lives + 1)) < 0)
        exit(8);
    log_info("journal lives=%llu", (unsigned long long)lives + 1);
    journal_close(&journal);
}

static void tell_descriptors(struct fake *f)
{
    static const char *const names[] = {"http",   "https", "admin",      "udp",   "tcp", "metrics",
                                        "client", "jitsi", "recordings", "spool", "out"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        unsigned count = 0;
        while (child_fd(f->child, names[i], 0) >= 0)
            count++;
        if (count > 0)
            log_info("descriptors name=%s count=%u", names[i], count);
    }
    char *text = json_dumps(child_settings(f->child), JSON_COMPACT | JSON_SORT_KEYS);
    log_info("settings %.800s", text);
    free(text);
}

/* A render job: tracks succeeds, audio crashes, mp4 hangs. */
static int render(struct fake *f)
{
    const char *job = json_string_value(json_object_get(child_settings(f->child), "job"));
    send_text(f, "{\"type\":\"progress\",\"done\":0.5}");
    if (strcmp(job, "audio") == 0)
        abort();
    while (strcmp(job, "mp4") == 0)
        (void)usleep(10000);
    return 0;
}

int main(int argc, char **argv)
{
    static struct fake f = {.feed = -1};
    struct rules rules;
    const char *name = argc > 0 ? strstr(argv[0], "darasa-") : NULL;
    if (!name)
        return 1;
    f.program = strrchr(name, '-') + 1;
    f.child = child_start(f.program);
    f.loop = loop_new();
    *metrics_counter(child_metrics(f.child), "darasa_fake_total") = 1;
    if (strcmp(f.program, "signal") == 0)
        use_journal(&f);
    int page = child_fd(f.child, "witness", 0);
    if (page >= 0 && witness_map(page, &f.witness) < 0)
        return 1;
    tell_descriptors(&f);
    (void)signal(SIGUSR1, on_usr1); /* cannot fail */
    loop_timer_init(&f.timer, on_timer);
    if (rules_get(f.program, child_settings(f.child), &rules) < 0 ||
        loop_timer_set(f.loop, &f.timer, 0) < 0)
        return 1;
    const struct child_handler handler = {on_link, on_message, on_stop, &f};
    child_enter(f.child, f.loop, &rules.sandbox, &handler);
    if (strcmp(f.program, "web") == 0)
        send_text(&f, "{\"type\":\"links\",\"links\":[{\"label\":\"First sign-in\","
                      "\"path\":\"/enter#abc\"}]}");
    child_ready(f.child);
    if (strcmp(f.program, "render") == 0)
        return render(&f);
    return loop_run(f.loop) < 0;
}
