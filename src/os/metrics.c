#include "os/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAM_MAX 40

struct entry {
    char name[METRICS_NAME_MAX];
    uint64_t value;
};

struct page {
    char program[PROGRAM_MAX];
    uint32_t number;
    uint32_t count; /* stored after the name of the last entry is complete */
    uint64_t spare[2];
    struct entry entries[METRICS_COUNT_MAX];
};

_Static_assert(sizeof(struct page) == METRICS_PAGE_SIZE, "the header promises this size");

struct metrics {
    struct page *page;
    bool writable;
};

int metrics_create(const char *program, unsigned number, int *ret_fd)
{
    int fd = memfd_create("darasa-metrics", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return ERR_IO;
    struct page head = {.number = number};
    (void)slice_copy(slice_str(program), head.program, sizeof head.program); /* a label only */
    /* Sealed in size: nobody who holds it can make a reader's mapping fault. */
    if (ftruncate(fd, METRICS_PAGE_SIZE) < 0 ||
        pwrite(fd, &head, offsetof(struct page, entries), 0) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        close(fd);
        return ERR_IO;
    }
    *ret_fd = fd;
    return 0;
}

int metrics_map(int fd, bool writable, struct metrics **ret_metrics)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_size != (off_t)METRICS_PAGE_SIZE)
        return ERR_FORMAT;
    struct metrics *metrics = calloc(1, sizeof *metrics);
    if (!metrics)
        return ERR_MEMORY;
    void *at = mmap(NULL, METRICS_PAGE_SIZE, writable ? PROT_READ | PROT_WRITE : PROT_READ,
                    MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        free(metrics);
        return ERR_IO;
    }
    metrics->page = at;
    metrics->writable = writable;
    *ret_metrics = metrics;
    return 0;
}

void metrics_unmap(struct metrics **metrics)
{
    if (!*metrics)
        return;
    (void)munmap((*metrics)->page, METRICS_PAGE_SIZE); /* only fails for a wrong address */
    free(*metrics);
    *metrics = NULL;
}

uint64_t *metrics_counter(struct metrics *metrics, const char *name)
{
    static uint64_t nowhere;
    static const char overflow[] = "darasa_metrics_overflow_total";
    if (!metrics || !metrics->writable)
        return &nowhere;
    struct page *page = metrics->page;
    uint32_t count = page->count < METRICS_COUNT_MAX ? page->count : METRICS_COUNT_MAX;
    bool fits = strlen(name) < METRICS_NAME_MAX;
    for (uint32_t i = 0; i < count; i++)
        if (strncmp(page->entries[i].name, fits ? name : overflow, METRICS_NAME_MAX) == 0)
            return &page->entries[i].value;
    /* The last entry is kept for what does not fit, by number or by name. */
    if (count == METRICS_COUNT_MAX)
        return &page->entries[count - 1].value;
    if (count == METRICS_COUNT_MAX - 1 || !fits)
        name = overflow;
    (void)slice_copy(slice_str(name), page->entries[count].name, METRICS_NAME_MAX); /* fits */
    __atomic_store_n(&page->count, count + 1, __ATOMIC_RELEASE);
    return &page->entries[count].value;
}

struct row {
    char name[METRICS_NAME_MAX];
    size_t base_len; /* of the name without its labels */
    uint64_t value;
    char program[PROGRAM_MAX];
    uint32_t number;
};

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == ':';
}

/* The page belongs to a process that may have been taken over: only what is a metric is shown. */
static bool copy_row(const struct page *page, uint32_t i, struct row *row)
{
    memcpy(row->name, page->entries[i].name, METRICS_NAME_MAX);
    row->name[METRICS_NAME_MAX - 1] = 0;
    row->value = __atomic_load_n(&page->entries[i].value, __ATOMIC_RELAXED);
    memcpy(row->program, page->program, PROGRAM_MAX);
    row->program[PROGRAM_MAX - 1] = 0;
    row->number = page->number;
    for (const char *p = row->program; *p; p++)
        if (!name_char(*p) && *p != '-')
            return false;
    size_t len = strlen(row->name);
    size_t base = 0;
    while (name_char(row->name[base]))
        base++;
    row->base_len = base;
    if (base == 0 || base == len)
        return base > 0;
    if (row->name[base] != '{' || row->name[len - 1] != '}')
        return false;
    for (size_t at = base; at < len; at++)
        if (row->name[at] < 0x20 || row->name[at] == '\\')
            return false;
    return true;
}

static int by_name(const void *a, const void *b)
{
    const struct row *x = a;
    const struct row *y = b;
    size_t len = x->base_len < y->base_len ? x->base_len : y->base_len;
    int order = memcmp(x->name, y->name, len);
    if (order == 0)
        order = (x->base_len > y->base_len) - (x->base_len < y->base_len);
    if (order == 0)
        order = strcmp(x->name, y->name);
    if (order == 0)
        order = strcmp(x->program, y->program);
    return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

static void print_row(const struct row *row, const struct row *before, struct buf *out)
{
    struct slice base = slice_of(row->name, row->base_len);
    if (!before || !slice_eq(base, slice_of(before->name, before->base_len)))
        buf_printf(out, "# TYPE %.*s %s\n", SLICE_ARG(base),
                   slice_ends(base, SLICE("_total")) ? "counter" : "gauge");
    buf_printf(out, "%.*s{program=\"%s\",number=\"%u\"", SLICE_ARG(base), row->program,
               row->number);
    if (row->name[row->base_len])
        buf_printf(out, ",%s", row->name + row->base_len + 1);
    else
        buf_add_str(out, "}");
    buf_printf(out, " %llu\n", (unsigned long long)row->value);
}

void metrics_print_all(const struct metrics *const *pages, size_t count, struct buf *out)
{
    size_t len = 0;
    struct row *rows = calloc(count * METRICS_COUNT_MAX + 1, sizeof *rows);
    if (!rows) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct page *page = pages[i] ? pages[i]->page : NULL;
        uint32_t entries = page ? __atomic_load_n(&page->count, __ATOMIC_ACQUIRE) : 0;
        for (uint32_t at = 0; at < entries && at < METRICS_COUNT_MAX; at++)
            if (copy_row(page, at, &rows[len]))
                len++;
    }
    qsort(rows, len, sizeof *rows, by_name);
    for (size_t i = 0; i < len; i++)
        print_row(&rows[i], i > 0 ? &rows[i - 1] : NULL, out);
    free(rows);
}

void metrics_print(const struct metrics *metrics, struct buf *out)
{
    metrics_print_all(&metrics, 1, out);
}
