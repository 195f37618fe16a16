#include "crypto/password.h"

#include <argon2.h>

#include "crypto/random.h"

/* OWASP's second choice of equal strength: 19 MiB, two passes, one lane. */
#define MEMORY_KIB 19456
#define PASSES 2
#define LANES 1
#define SALT_SIZE 16
#define TAG_SIZE 32

/* A tag of no password, with the parameters above. */
static const char nobody[] = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA"
                             "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

int password_hash(struct slice password, char ret_hash[PASSWORD_HASH_MAX])
{
    uint8_t salt[SALT_SIZE];
    char hash[PASSWORD_HASH_MAX];
    if (password.len > PASSWORD_BYTES_MAX)
        return ERR_LIMIT;
    random_bytes(salt, sizeof salt);
    if (argon2id_hash_encoded(PASSES, MEMORY_KIB, LANES, password.data, password.len, salt,
                              sizeof salt, TAG_SIZE, hash, sizeof hash) != ARGON2_OK)
        return ERR_MEMORY;
    memcpy(ret_hash, hash, sizeof hash);
    return 0;
}

int password_verify(const char *hash, struct slice password)
{
    bool known = hash[0] != '\0' && password.len <= PASSWORD_BYTES_MAX;
    password = slice_sub(password, 0, PASSWORD_BYTES_MAX);
    int rc = argon2id_verify(known ? hash : nobody, password.data, password.len);
    if (rc == ARGON2_OK)
        return known ? 0 : ERR_AUTH;
    if (rc == ARGON2_VERIFY_MISMATCH)
        return ERR_AUTH;
    return rc == ARGON2_MEMORY_ALLOCATION_ERROR ? ERR_MEMORY : ERR_FORMAT;
}
