#include "crypto/jwt.h"

#include <stdlib.h>

#include "crypto/hash.h"
#include "crypto/openssl.h"

/* A token travels in URLs and headers; real ones stay below 4 kB. */
#define JWT_MAX ((size_t)(16 * 1024))
/* RFC 7518, section 3.3. */
#define JWT_RSA_BITS_MIN 2048
#define JWT_RSA_BITS_MAX 8192

struct parts {
    struct slice header;
    struct slice claims;
    struct slice signature;
    struct slice signed_text; /* header "." claims */
};

static const char *const alg_names[] = {[JWT_HS256] = "HS256", [JWT_RS256] = "RS256"};

static int sextet(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '-')
        return 62;
    return c == '_' ? 63 : -1;
}

/* RFC 4648, section 5, without padding. `out` holds at least len * 3 / 4 bytes. Left-over bits that
 * are not zero are refused, so that a token has one spelling only. */
static int decode64(struct slice s, uint8_t *out, size_t *ret_len)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t len = 0;
    if (s.len % 4 == 1)
        return ERR_FORMAT;
    for (size_t i = 0; i < s.len; i++) {
        int v = sextet(s.data[i]);
        if (v < 0)
            return ERR_FORMAT;
        bits = (bits << 6 | (uint32_t)v) & 0xffffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[len++] = (uint8_t)(bits >> have);
        }
    }
    if (bits & ((1u << have) - 1))
        return ERR_FORMAT;
    *ret_len = len;
    return 0;
}

static char *encode64(char *at, struct slice s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t i = 0; i < s.len; i += 3) {
        size_t left = s.len - i;
        uint32_t bits = (uint32_t)s.data[i] << 16;
        if (left > 1)
            bits |= (uint32_t)s.data[i + 1] << 8;
        if (left > 2)
            bits |= s.data[i + 2];
        *at++ = digits[bits >> 18];
        *at++ = digits[bits >> 12 & 63];
        if (left > 1)
            *at++ = digits[bits >> 6 & 63];
        if (left > 2)
            *at++ = digits[bits & 63];
    }
    return at;
}

static size_t encoded_len(size_t len)
{
    return (len * 4 + 2) / 3;
}

static int split(struct slice token, struct parts *ret_parts)
{
    if (token.len == 0 || token.len > JWT_MAX)
        return ERR_FORMAT;
    struct slice rest = token;
    struct slice header = slice_cut(&rest, '.');
    struct slice claims = slice_cut(&rest, '.');
    /* An empty signature is what "alg": "none" has. */
    if (header.len == 0 || claims.len == 0 || rest.len == 0 || slice_index(rest, '.') != rest.len)
        return ERR_FORMAT;
    *ret_parts = (struct parts){
        .header = header,
        .claims = claims,
        .signature = rest,
        .signed_text = slice_sub(token, 0, header.len + 1 + claims.len),
    };
    return 0;
}

static int decode_object(struct slice part, json_t **ret_object)
{
    size_t len = 0;
    uint8_t *text = malloc(part.len);
    if (!text)
        return ERR_MEMORY;
    int err = decode64(part, text, &len);
    json_t *object = err ? NULL : json_loadb((const char *)text, len, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    if (err)
        return err;
    if (!json_is_object(object)) {
        json_decref(object);
        return ERR_FORMAT;
    }
    *ret_object = object;
    return 0;
}

static int check_hmac(struct slice secret, struct slice text, struct slice signature)
{
    uint8_t mac[HASH_SHA256_SIZE];
    if (secret.len == 0)
        return ERR_AUTH;
    hash_hmac_sha256(secret, text, mac);
    int err = hash_equal(signature, slice_of(mac, sizeof mac)) ? 0 : ERR_AUTH;
    hash_wipe(mac, sizeof mac);
    return err;
}

static EVP_PKEY *load_rsa(struct slice pem, bool private_key)
{
    if (pem.len == 0 || pem.len > JWT_MAX)
        return NULL;
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    if (!bio)
        return NULL;
    EVP_PKEY *key = private_key ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL)
                                : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    (void)BIO_free(bio); /* a memory BIO has nothing left to fail at */
    int bits = key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA ? EVP_PKEY_get_bits(key) : 0;
    if (bits < JWT_RSA_BITS_MIN || bits > JWT_RSA_BITS_MAX) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

static int check_rsa(struct slice pem, struct slice text, struct slice signature)
{
    EVP_PKEY *key = load_rsa(pem, false);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int err = ERR_AUTH;
    if (key && ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
        EVP_DigestVerify(ctx, signature.data, signature.len, text.data, text.len) == 1)
        err = 0;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return err;
}

static int check_signature(const struct parts *parts, const struct jwt_key *key)
{
    size_t len = 0;
    uint8_t *signature = malloc(parts->signature.len);
    if (!signature)
        return ERR_MEMORY;
    int err = decode64(parts->signature, signature, &len);
    struct slice given = slice_of(signature, len);
    if (!err && key->alg == JWT_HS256)
        err = check_hmac(key->secret, parts->signed_text, given);
    else if (!err)
        err = check_rsa(key->secret, parts->signed_text, given);
    free(signature);
    return err;
}

int jwt_header(struct slice token, json_t **ret_header)
{
    struct parts parts;
    int err = split(token, &parts);
    return err ? err : decode_object(parts.header, ret_header);
}

static int check_header(struct slice part, enum jwt_alg alg)
{
    json_t *header = NULL;
    int err = decode_object(part, &header);
    if (err)
        return err;
    const char *name = json_string_value(json_object_get(header, "alg"));
    if (!name)
        err = ERR_FORMAT;
    /* RFC 7515, section 4.1.11: who does not understand a critical extension refuses. */
    else if (strcmp(name, alg_names[alg]) != 0 || json_object_get(header, "crit"))
        err = ERR_UNSUPPORTED;
    json_decref(header);
    return err;
}

int jwt_verify(struct slice token, const struct jwt_key *key, json_t **ret_claims)
{
    struct parts parts;
    int err = split(token, &parts);
    if (!err)
        err = check_header(parts.header, key->alg);
    if (!err)
        err = check_signature(&parts, key);
    return err ? err : decode_object(parts.claims, ret_claims);
}

static int sign_text(const struct jwt_key *key, struct slice text, uint8_t *out, size_t *len)
{
    if (key->alg == JWT_HS256) {
        if (key->secret.len == 0)
            return ERR_AUTH;
        hash_hmac_sha256(key->secret, text, out);
        *len = HASH_SHA256_SIZE;
        return 0;
    }
    EVP_PKEY *pkey = load_rsa(key->secret, true);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int err = ERR_AUTH;
    if (pkey && ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey) == 1 &&
        EVP_DigestSign(ctx, out, len, text.data, text.len) == 1)
        err = 0;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return err;
}

static int build(struct slice header, struct slice claims, const struct jwt_key *key,
                 char **ret_token)
{
    uint8_t signature[JWT_RSA_BITS_MAX / 8];
    size_t len = sizeof signature;
    size_t size = encoded_len(header.len) + encoded_len(claims.len) + encoded_len(len) + 3;
    if (size > JWT_MAX)
        return ERR_LIMIT;
    char *token = malloc(size);
    if (!token)
        return ERR_MEMORY;
    char *at = encode64(token, header);
    *at++ = '.';
    at = encode64(at, claims);
    int err = sign_text(key, slice_of(token, (size_t)(at - token)), signature, &len);
    if (err) {
        free(token);
        return err;
    }
    *at++ = '.';
    at = encode64(at, slice_of(signature, len));
    *at = '\0';
    *ret_token = token;
    return 0;
}

int jwt_sign(json_t *claims, const struct jwt_key *key, const char *kid, char **ret_token)
{
    json_t *header =
        json_pack("{s:s,s:s,s:s*}", "alg", alg_names[key->alg], "typ", "JWT", "kid", kid);
    char *header_text = header ? json_dumps(header, JSON_COMPACT) : NULL;
    char *claims_text = json_dumps(claims, JSON_COMPACT);
    int err = ERR_MEMORY;
    if (header_text && claims_text)
        err = build(slice_str(header_text), slice_str(claims_text), key, ret_token);
    free(header_text);
    free(claims_text);
    json_decref(header);
    return err;
}
