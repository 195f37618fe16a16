#include <stdlib.h>

#include "crypto/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct slice token = slice_of(data, len);
    struct jwt_key key = {JWT_HS256, SLICE("0123456789abcdef0123456789abcdef")};
    json_t *header = NULL;
    json_t *claims = NULL;
    if (jwt_header(token, &header) == 0 && !json_is_object(header))
        abort();
    if (jwt_verify(token, &key, &claims) == 0 && !json_is_object(claims))
        abort();
    json_decref(header);
    json_decref(claims);
    key.alg = JWT_RS256;
    if (jwt_verify(token, &key, &claims) == 0)
        abort();
    return 0;
}
