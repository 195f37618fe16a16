/* Any bytes as a STUN message; what parses is built again and must parse to the same. */
#include <stdlib.h>

#include "crypto/hash.h"
#include "proto/stun.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stun_message m, back;
    if (stun_parse(slice_of(data, size), &m))
        return 0;
    (void)stun_check_integrity(&m, SLICE("key"), hash_hmac_sha1_parts);
    (void)stun_remote_ufrag(&m);
    uint8_t bytes[STUN_MESSAGE_MAX];
    size_t len = 0;
    if (stun_build(&m, SLICE("key"), hash_hmac_sha1_parts, bytes, sizeof bytes, &len))
        abort();
    if (stun_parse(slice_of(bytes, len), &back) ||
        !stun_check_integrity(&back, SLICE("key"), hash_hmac_sha1_parts))
        abort();
    if (back.class != m.class || back.method != m.method || back.error != m.error ||
        !slice_eq(back.username, m.username) || back.role != m.role ||
        back.tie_breaker != m.tie_breaker || back.has_mapped != m.has_mapped)
        abort();
    if (m.has_mapped && !address_eq(&m.mapped, &back.mapped))
        abort();
    return 0;
}
