#include "edge/range.h"

/* The last n bytes: "-n". */
static int suffix(struct slice digits, uint64_t size, struct range *ret_range)
{
    uint64_t len = 0;
    int err = slice_to_u64(digits, UINT64_MAX, &len);
    if (err == ERR_FORMAT)
        return ERR_UNSUPPORTED;
    if (err == ERR_LIMIT || len > size)
        len = size;
    if (len == 0)
        return ERR_NOT_FOUND;
    *ret_range = (struct range){size - len, len, false};
    return 0;
}

int range_parse(struct slice value, uint64_t size, struct range *ret_range)
{
    struct slice spec = value;
    if (!slice_eq_nocase(slice_trim(slice_cut(&spec, '=')), SLICE("bytes")))
        return ERR_UNSUPPORTED;
    spec = slice_trim(spec);
    if (slice_index(spec, '-') == spec.len || slice_index(spec, ',') < spec.len)
        return ERR_UNSUPPORTED;
    struct slice from = slice_cut(&spec, '-');
    if (from.len == 0)
        return suffix(spec, size, ret_range);
    uint64_t first = 0, last = UINT64_MAX;
    bool open = spec.len == 0;
    int err = slice_to_u64(from, UINT64_MAX, &first);
    if (err == ERR_FORMAT)
        return ERR_UNSUPPORTED;
    bool beyond = err == ERR_LIMIT || first >= size;
    if (!open) {
        err = slice_to_u64(spec, UINT64_MAX, &last);
        if (err == ERR_FORMAT || (!err && !beyond && last < first))
            return ERR_UNSUPPORTED;
    }
    if (beyond)
        return ERR_NOT_FOUND;
    if (last >= size)
        last = size - 1;
    *ret_range = (struct range){first, last - first + 1, open};
    return 0;
}
