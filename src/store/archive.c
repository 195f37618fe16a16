#include "store/archive.h"

#include <stdio.h>

#include "base/units.h"

enum {
    NAME = 0,
    NAME_SIZE = 100,
    MODE = 100,
    UID = 108,
    GID = 116,
    SIZE = 124,
    SIZE_SIZE = 12,
    MTIME = 136,
    CHECKSUM = 148,
    CHECKSUM_SIZE = 8,
    TYPE = 156,
    MAGIC = 257,
    MAGIC_SIZE = 8,
    PREFIX = 345,
    PREFIX_SIZE = 155,
};

#define OCTAL_SIZE_MAX ((UINT64_C(1) << 33) - 1)

static uint32_t checksum(const uint8_t *block)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < ARCHIVE_BLOCK; i++)
        sum += i >= CHECKSUM && i < CHECKSUM + CHECKSUM_SIZE ? ' ' : block[i];
    return sum;
}

/* `width` - 1 digits and a NUL. */
static void put_octal(uint8_t *at, size_t width, uint64_t value)
{
    at[width - 1] = 0;
    for (size_t i = width - 1; i-- > 0; value >>= 3)
        at[i] = (uint8_t)('0' + (value & 7));
}

static void put_size(uint8_t *at, uint64_t size)
{
    if (size <= OCTAL_SIZE_MAX) {
        put_octal(at, SIZE_SIZE, size);
        return;
    }
    memset(at, 0, SIZE_SIZE);
    at[0] = 0x80;
    store_u64(at + SIZE_SIZE - 8, size);
}

/* Where the path is cut into prefix and name; SIZE_MAX when it does not fit. 0: no prefix. */
static size_t find_cut(struct slice path)
{
    if (path.len <= NAME_SIZE)
        return 0;
    for (size_t i = path.len - 1; i > 0; i--)
        if (path.data[i] == '/' && i <= PREFIX_SIZE && path.len - i - 1 <= NAME_SIZE)
            return i;
    return SIZE_MAX;
}

int archive_build(const struct archive_entry *entry, uint8_t ret_block[ARCHIVE_BLOCK])
{
    struct slice path = slice_str(entry->path);
    size_t cut = find_cut(path);
    if (cut == SIZE_MAX || path.len == 0)
        return ERR_LIMIT;
    memset(ret_block, 0, ARCHIVE_BLOCK);
    struct slice name = cut ? slice_sub(path, cut + 1, path.len) : path;
    memcpy(ret_block + NAME, name.data, name.len);
    memcpy(ret_block + PREFIX, path.data, cut);
    put_octal(ret_block + MODE, 8, entry->directory ? 0700 : 0600);
    put_octal(ret_block + UID, 8, 0);
    put_octal(ret_block + GID, 8, 0);
    put_size(ret_block + SIZE, entry->directory ? 0 : entry->size);
    put_octal(ret_block + MTIME, 12, entry->seconds);
    ret_block[TYPE] = entry->directory ? '5' : '0';
    memcpy(ret_block + MAGIC, "ustar\00000", MAGIC_SIZE);
    put_octal(ret_block + CHECKSUM, 7, checksum(ret_block));
    ret_block[CHECKSUM + 7] = ' ';
    return 0;
}

/* Octal digits, with blanks before and blanks or NULs after. */
static int get_octal(struct slice field, uint64_t *ret_value)
{
    uint64_t value = 0;
    size_t i = 0;
    while (i < field.len && field.data[i] == ' ')
        i++;
    size_t from = i;
    for (; i < field.len && field.data[i] >= '0' && field.data[i] <= '7'; i++)
        value = value << 3 | (uint64_t)(field.data[i] - '0');
    if (i == from || i - from > 21)
        return ERR_FORMAT;
    for (; i < field.len; i++)
        if (field.data[i] != ' ' && field.data[i] != 0)
            return ERR_FORMAT;
    *ret_value = value;
    return 0;
}

static int get_size(const uint8_t *at, uint64_t *ret_size)
{
    if (at[0] != 0x80)
        return get_octal(slice_of(at, SIZE_SIZE), ret_size);
    for (size_t i = 1; i < SIZE_SIZE - 8; i++)
        if (at[i])
            return ERR_FORMAT;
    *ret_size = load_u64(at + SIZE_SIZE - 8);
    return *ret_size <= INT64_MAX ? 0 : ERR_FORMAT;
}

static struct slice until_nul(const uint8_t *at, size_t size)
{
    struct slice field = slice_of(at, size);
    return slice_sub(field, 0, slice_index(field, 0));
}

static bool stays_inside(struct slice path)
{
    if (path.len == 0 || path.data[0] == '/')
        return false;
    while (path.len > 0) {
        bool last = slice_index(path, '/') == path.len;
        struct slice part = slice_cut(&path, '/');
        if (part.len == 0 || slice_eq_str(part, ".") || slice_eq_str(part, ".."))
            return false;
        if (!last && path.len == 0)
            return false;
    }
    return true;
}

static int get_path(const uint8_t *block, char out[ARCHIVE_PATH_SIZE])
{
    struct slice name = until_nul(block + NAME, NAME_SIZE);
    struct slice prefix = until_nul(block + PREFIX, PREFIX_SIZE);
    if (name.len > 0 && name.data[name.len - 1] == '/')
        name.len--; /* how others mark directories */
    (void)snprintf(out, ARCHIVE_PATH_SIZE, "%.*s%s%.*s", SLICE_ARG(prefix), prefix.len ? "/" : "",
                   SLICE_ARG(name));
    return name.len > 0 && stays_inside(slice_str(out)) ? 0 : ERR_FORMAT;
}

int archive_parse(const uint8_t block[ARCHIVE_BLOCK], struct archive_entry *ret_entry)
{
    struct archive_entry entry = {0};
    uint64_t sum = 0;
    size_t zeros = 0;
    while (zeros < ARCHIVE_BLOCK && block[zeros] == 0)
        zeros++;
    if (zeros == ARCHIVE_BLOCK)
        return ERR_CLOSED;
    if (memcmp(block + MAGIC, "ustar", 5) != 0 ||
        get_octal(slice_of(block + CHECKSUM, CHECKSUM_SIZE), &sum) || sum != checksum(block))
        return ERR_FORMAT;
    uint8_t type = block[TYPE];
    if (type != '0' && type != 0 && type != '5')
        return ERR_UNSUPPORTED;
    entry.directory = type == '5';
    int err = get_path(block, entry.path);
    if (!err)
        err = get_size(block + SIZE, &entry.size);
    if (!err)
        err = get_octal(slice_of(block + MTIME, 12), &entry.seconds);
    if (!err && entry.directory)
        entry.size = 0;
    if (!err)
        *ret_entry = entry;
    return err;
}

size_t archive_padding(uint64_t size)
{
    return (size_t)(-size & (ARCHIVE_BLOCK - 1));
}
