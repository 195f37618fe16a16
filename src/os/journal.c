#include "os/journal.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/crc32c.h"
#include "base/map.h"

/* The file: one page whose word `active` says which of two halves counts, then the halves. A half
 * is a log of records, ended by the first that does not check. Records up to the next one marked
 * LAST are one group. A full half is compacted into the other one, then `active` is switched: a
 * process killed at any store leaves either the old or the new state. */
#define MAGIC UINT64_C(0x316c6e724a617344)
#define PAGE ((size_t)4096)
/* Below this a compaction is not worth its copy. */
#define COMPACT_MIN ((size_t)(256 * 1024))

enum kind { PUT = 1, DEL = 2, LAST = 0x80 };

struct file_head {
    uint64_t magic;
    uint64_t half_size;
    uint64_t active;
};

struct record {
    uint32_t crc; /* of all that follows, and of the position: a stale record does not fit there */
    uint32_t kind;
    uint32_t key_len;
    uint32_t value_len;
};

struct entry {
    uint64_t at; /* of the record in the active half */
};

struct journal {
    int fd;
    struct file_head *head;
    size_t map_size;
    size_t half_size;
    size_t used; /* of the active half */
    size_t live; /* bytes of records that still count */
    struct map *index;
    struct buf group;
    bool in_group;
    int group_err;
};

static size_t record_size(size_t key_len, size_t value_len)
{
    return (sizeof(struct record) + key_len + value_len + 7) & ~(size_t)7;
}

static uint8_t *half(const struct journal *j, uint64_t which)
{
    return (uint8_t *)j->head + PAGE + (which ? j->half_size : 0);
}

static uint8_t *active_half(const struct journal *j)
{
    return half(j, j->head->active);
}

static uint32_t record_crc(const uint8_t *at, size_t position, size_t key_len, size_t value_len)
{
    uint64_t where = position;
    uint32_t crc = crc32c(0, slice_of(&where, sizeof where));
    return crc32c(crc, slice_of(at + 4, sizeof(struct record) - 4 + key_len + value_len));
}

static bool record_at(const uint8_t *log, size_t size, size_t position, struct record *ret_record)
{
    struct record r;
    if (size - position < sizeof r)
        return false;
    memcpy(&r, log + position, sizeof r);
    uint32_t kind = r.kind & ~(uint32_t)LAST;
    if (kind != PUT && kind != DEL)
        return false;
    if (r.key_len > size || r.value_len > size ||
        record_size(r.key_len, r.value_len) > size - position)
        return false;
    if (record_crc(log + position, position, r.key_len, r.value_len) != r.crc)
        return false;
    *ret_record = r;
    return true;
}

static struct slice key_of(const uint8_t *record, const struct record *r)
{
    return slice_of(record + sizeof *r, r->key_len);
}

static struct slice value_of(const uint8_t *record, const struct record *r)
{
    return slice_of(record + sizeof *r + r->key_len, r->value_len);
}

/* Gives the pages back and makes sure that no old record is found there. */
static void wipe(uint8_t *at, size_t len)
{
    size_t head = (PAGE - ((uintptr_t)at & (PAGE - 1))) & (PAGE - 1);
    if (head > len)
        head = len;
    memset(at, 0, head);
    at += head;
    len -= head;
    if (len > 0 && madvise(at, len, MADV_REMOVE) < 0)
        memset(at, 0, len);
}

static void forget(struct journal *j, struct slice key)
{
    struct entry *old = map_get(j->index, key);
    if (!old)
        return;
    struct record r;
    memcpy(&r, active_half(j) + old->at, sizeof r);
    j->live -= record_size(r.key_len, r.value_len);
    free(map_del(j->index, key));
}

/* The index follows one record of the active half. */
static int apply(struct journal *j, size_t position, const struct record *r)
{
    const uint8_t *at = active_half(j) + position;
    forget(j, key_of(at, r));
    if ((r->kind & ~(uint32_t)LAST) == DEL)
        return 0;
    struct entry *entry = malloc(sizeof *entry);
    if (!entry)
        return ERR_MEMORY;
    entry->at = position;
    int err = map_put(j->index, key_of(at, r), entry);
    if (err) {
        free(entry);
        return err;
    }
    j->live += record_size(r->key_len, r->value_len);
    return 0;
}

static int apply_range(struct journal *j, size_t from, size_t to)
{
    while (from < to) {
        struct record r;
        memcpy(&r, active_half(j) + from, sizeof r);
        int err = apply(j, from, &r);
        if (err)
            return err;
        from += record_size(r.key_len, r.value_len);
    }
    return 0;
}

static int read_back(struct journal *j)
{
    const uint8_t *log = active_half(j);
    size_t at = 0;
    struct record r;
    while (record_at(log, j->half_size, at, &r)) {
        at += record_size(r.key_len, r.value_len);
        if (!(r.kind & LAST))
            continue;
        int err = apply_range(j, j->used, at);
        if (err)
            return err;
        j->used = at;
    }
    wipe(active_half(j) + j->used, j->half_size - j->used);
    return 0;
}

static int start_file(struct journal *j, size_t max)
{
    struct file_head *head = j->head;
    j->half_size = ((max - PAGE) / 2) & ~(PAGE - 1);
    if (head->magic == MAGIC)
        return head->half_size == j->half_size && head->active <= 1 ? 0 : ERR_FORMAT;
    if (head->magic != 0)
        return ERR_FORMAT;
    head->half_size = j->half_size;
    head->active = 0;
    __atomic_store_n(&head->magic, MAGIC, __ATOMIC_RELEASE);
    return 0;
}

static int map_file(struct journal *j, size_t max)
{
    struct stat st;
    if (fstat(j->fd, &st) < 0)
        return ERR_IO;
    if ((uint64_t)st.st_size < max && ftruncate(j->fd, (off_t)max) < 0)
        return ERR_IO;
    void *at = mmap(NULL, max, PROT_READ | PROT_WRITE, MAP_SHARED, j->fd, 0);
    if (at == MAP_FAILED)
        return ERR_IO;
    j->head = at;
    j->map_size = max;
    return 0;
}

int journal_open(int fd, size_t max, struct journal **ret_journal)
{
    uint64_t seed = 0;
    struct journal *j = calloc(1, sizeof *j);
    int err = ERR_MEMORY;
    if (!j)
        goto fail_fd;
    j->fd = fd;
    buf_init(&j->group, max);
    err = max < 4 * PAGE ? ERR_LIMIT : map_file(j, max);
    if (!err)
        err = start_file(j, max);
    if (!err && getrandom(&seed, sizeof seed, 0) < 0)
        err = ERR_IO;
    if (err)
        goto fail;
    j->index = map_new(max / sizeof(struct record), seed);
    err = j->index ? read_back(j) : ERR_MEMORY;
    if (err)
        goto fail;
    *ret_journal = j;
    return 0;
fail:
    journal_close(&j);
    return err;
fail_fd:
    close(fd);
    return err;
}

void journal_close(struct journal **journal)
{
    struct journal *j = *journal;
    if (!j)
        return;
    *journal = NULL;
    struct map_iter iter = {0};
    while (j->index && map_next(j->index, &iter))
        free(iter.value);
    map_free(&j->index);
    if (j->head)
        (void)munmap(j->head, j->map_size); /* only fails for a wrong address */
    buf_done(&j->group);
    close(j->fd);
    free(j);
}

static int compact(struct journal *j)
{
    const uint8_t *from = active_half(j);
    uint64_t other = !j->head->active;
    uint8_t *to = half(j, other);
    size_t used = 0;
    wipe(to, j->half_size);
    struct map_iter iter = {0};
    while (map_next(j->index, &iter)) {
        struct entry *entry = iter.value;
        struct record r;
        memcpy(&r, from + entry->at, sizeof r);
        size_t size = record_size(r.key_len, r.value_len);
        assert(size <= j->half_size - used);
        r.kind |= LAST;
        memcpy(to + used, from + entry->at, size);
        memcpy(to + used, &r, sizeof r);
        r.crc = record_crc(to + used, used, r.key_len, r.value_len);
        memcpy(to + used, &r, sizeof r);
        entry->at = used;
        used += size;
    }
    __atomic_store_n(&j->head->active, other, __ATOMIC_SEQ_CST);
    j->used = j->live = used;
    wipe(half(j, !other), j->half_size);
    return 0;
}

/* Copies the group behind the log. Its checksums depend on where it lands. */
static int append_group(struct journal *j)
{
    size_t len = j->group.len;
    if (len == 0)
        return 0;
    if (j->used > COMPACT_MIN && j->live < j->used / 2)
        (void)compact(j);
    if (len > j->half_size - j->used)
        (void)compact(j);
    if (len > j->half_size - j->used)
        return ERR_LIMIT;
    uint8_t *log = active_half(j);
    for (size_t at = 0; at < len;) {
        struct record r;
        memcpy(&r, j->group.data + at, sizeof r);
        size_t size = record_size(r.key_len, r.value_len);
        if (at + size == len)
            r.kind |= LAST;
        memcpy(log + j->used + at, &r, sizeof r);
        memcpy(log + j->used + at + sizeof r, j->group.data + at + sizeof r, size - sizeof r);
        r.crc = record_crc(log + j->used + at, j->used + at, r.key_len, r.value_len);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        memcpy(log + j->used + at, &r.crc, sizeof r.crc);
        at += size;
    }
    int err = apply_range(j, j->used, j->used + len);
    j->used += len;
    return err;
}

static int add(struct journal *j, uint32_t kind, struct slice key, struct slice value)
{
    int err = 0;
    if (key.len > j->half_size || value.len > j->half_size)
        err = ERR_LIMIT;
    size_t size = err ? 0 : record_size(key.len, value.len);
    uint8_t *at = err ? NULL : buf_reserve(&j->group, size);
    if (!at && !err)
        err = ERR_LIMIT;
    if (!err) {
        struct record r = {
            .kind = kind, .key_len = (uint32_t)key.len, .value_len = (uint32_t)value.len};
        memset(at, 0, size);
        memcpy(at, &r, sizeof r);
        if (key.len > 0)
            memcpy(at + sizeof r, key.data, key.len);
        if (value.len > 0)
            memcpy(at + sizeof r + key.len, value.data, value.len);
        buf_commit(&j->group, size);
    }
    if (j->in_group) {
        if (err)
            j->group_err = err;
        return err;
    }
    if (!err)
        err = append_group(j);
    buf_clear(&j->group);
    return err;
}

int journal_put(struct journal *journal, struct slice key, struct slice value)
{
    return add(journal, PUT, key, value);
}

int journal_del(struct journal *journal, struct slice key)
{
    return add(journal, DEL, key, slice_of(NULL, 0));
}

void journal_begin(struct journal *journal)
{
    assert(!journal->in_group);
    journal->in_group = true;
    journal->group_err = 0;
}

int journal_commit(struct journal *journal)
{
    assert(journal->in_group);
    journal->in_group = false;
    int err = journal->group_err ? journal->group_err : append_group(journal);
    buf_clear(&journal->group);
    return err;
}

void journal_each(struct journal *journal, struct slice prefix,
                  void (*visit)(void *arg, struct slice key, struct slice value), void *arg)
{
    struct map_iter iter = {0};
    while (map_next(journal->index, &iter)) {
        if (!slice_starts(iter.key, prefix))
            continue;
        const struct entry *entry = iter.value;
        const uint8_t *at = active_half(journal) + entry->at;
        struct record r;
        memcpy(&r, at, sizeof r);
        visit(arg, iter.key, value_of(at, &r));
    }
}
