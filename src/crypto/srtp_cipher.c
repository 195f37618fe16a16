/* SHA_CTX can be copied flat; OpenSSL 3 deprecates it for interfaces that allocate per message. */
#define OPENSSL_API_COMPAT 0x10100000L

#include "crypto/srtp_cipher.h"

#include <stdlib.h>

#ifdef HAVE_IPSEC_MB
#define NO_COMPAT_IMB_API_053 /* its old names are those of OpenSSL */
#include <intel-ipsec-mb.h>
#endif

#include "crypto/hash.h"
#include "crypto/openssl.h"

#include <openssl/sha.h>

#define SHA_BLOCK 64
#define AES_ROUND_KEYS (11 * 16)

struct srtp_engine {
    enum srtp_backend backend;
#ifdef HAVE_IPSEC_MB
    IMB_MGR *mgr;
#endif
};

struct gcm_key {
#ifdef HAVE_IPSEC_MB
    struct gcm_key_data fast; /* first: it wants alignment */
    IMB_MGR *mgr;             /* NULL: by OpenSSL */
#endif
    EVP_CIPHER_CTX *seal;
    EVP_CIPHER_CTX *open;
};

struct ctr_key {
#ifdef HAVE_IPSEC_MB
    _Alignas(16) uint8_t rounds[AES_ROUND_KEYS]; /* first: it wants alignment */
#endif
    EVP_CIPHER_CTX *ctx;
};

struct hmac_key {
    SHA_CTX inner;
    SHA_CTX outer;
};

#ifdef HAVE_IPSEC_MB
static bool start_ipsec_mb(struct srtp_engine *engine)
{
    const uint64_t need = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
    if ((imb_get_feature_flags() & need) != need)
        return false;
    engine->mgr = alloc_mb_mgr(0);
    if (!engine->mgr)
        return false;
    init_mb_mgr_auto(engine->mgr, NULL);
    return imb_get_errno(engine->mgr) == 0;
}
#else
static bool start_ipsec_mb(struct srtp_engine *engine)
{
    return false;
}
#endif

int srtp_engine_new(enum srtp_backend backend, struct srtp_engine **ret_engine)
{
    struct srtp_engine *engine = calloc(1, sizeof *engine);
    if (!engine)
        return ERR_MEMORY;
    engine->backend = SRTP_OPENSSL;
    if (backend != SRTP_OPENSSL && start_ipsec_mb(engine))
        engine->backend = SRTP_IPSEC_MB;
    if (backend == SRTP_IPSEC_MB && engine->backend != SRTP_IPSEC_MB) {
        srtp_engine_free(&engine);
        return ERR_UNSUPPORTED;
    }
    *ret_engine = engine;
    return 0;
}

void srtp_engine_free(struct srtp_engine **engine)
{
    if (!*engine)
        return;
#ifdef HAVE_IPSEC_MB
    if ((*engine)->mgr)
        free_mb_mgr((*engine)->mgr);
#endif
    free(*engine);
    *engine = NULL;
}

enum srtp_backend srtp_engine_backend(const struct srtp_engine *engine)
{
    return engine->backend;
}

const char *srtp_engine_name(const struct srtp_engine *engine)
{
    return engine->backend == SRTP_IPSEC_MB ? "ipsec-mb" : "openssl";
}

static EVP_CIPHER_CTX *keyed(const EVP_CIPHER *cipher, const uint8_t *key, int encrypt)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx && EVP_CipherInit_ex(ctx, cipher, NULL, key, NULL, encrypt) != 1) {
        EVP_CIPHER_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

/* Zeroed, at a multiple of 64. */
static void *aligned_new(size_t size)
{
    size_t whole = (size + 63) / 64 * 64;
    void *memory = aligned_alloc(64, whole);
    if (memory)
        memset(memory, 0, whole);
    return memory;
}

struct gcm_key *gcm_key_new(struct srtp_engine *engine, const uint8_t key[SRTP_KEY_SIZE])
{
    struct gcm_key *gcm = aligned_new(sizeof *gcm);
    if (!gcm)
        return NULL;
#ifdef HAVE_IPSEC_MB
    if (engine->backend == SRTP_IPSEC_MB) {
        gcm->mgr = engine->mgr;
        IMB_AES128_GCM_PRE(gcm->mgr, key, &gcm->fast);
        return gcm;
    }
#endif
    gcm->seal = keyed(EVP_aes_128_gcm(), key, 1);
    gcm->open = keyed(EVP_aes_128_gcm(), key, 0);
    if (!gcm->seal || !gcm->open)
        gcm_key_free(&gcm);
    return gcm;
}

void gcm_key_free(struct gcm_key **key)
{
    if (!*key)
        return;
    EVP_CIPHER_CTX_free((*key)->seal);
    EVP_CIPHER_CTX_free((*key)->open);
    hash_wipe(*key, sizeof **key);
    free(*key);
    *key = NULL;
}

static size_t parts_len(const struct slice parts[TEXT_PARTS])
{
    size_t len = 0;
    for (size_t i = 0; i < TEXT_PARTS; i++)
        len += parts[i].len;
    return len;
}

/* OpenSSL takes an empty update with NULL for the end of the associated data. */
static bool update(EVP_CIPHER_CTX *ctx, uint8_t *out, struct slice in)
{
    int n = 0;
    return in.len == 0 ||
           (in.len <= INT32_MAX && EVP_CipherUpdate(ctx, out, &n, in.data, (int)in.len) == 1);
}

static bool update_parts(EVP_CIPHER_CTX *ctx, uint8_t *out, const struct slice parts[TEXT_PARTS])
{
    bool done = true;
    for (size_t i = 0; i < TEXT_PARTS && done; out += parts[i++].len)
        done = update(ctx, out, parts[i]);
    return done;
}

static bool evp_seal(struct gcm_key *key, const uint8_t *iv, struct slice aad,
                     const struct slice parts[TEXT_PARTS], uint8_t *out)
{
    EVP_CIPHER_CTX *ctx = key->seal;
    uint8_t *tag = out + parts_len(parts);
    int n = 0;
    return EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, iv) == 1 && update(ctx, NULL, aad) &&
           update_parts(ctx, out, parts) && EVP_EncryptFinal_ex(ctx, tag, &n) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, GCM_TAG_SIZE, tag) == 1;
}

static bool evp_open(struct gcm_key *key, const uint8_t *iv, struct slice aad, uint8_t *data,
                     size_t len)
{
    EVP_CIPHER_CTX *ctx = key->open;
    int n = 0;
    return EVP_DecryptInit_ex(ctx, NULL, NULL, NULL, iv) == 1 && update(ctx, NULL, aad) &&
           update(ctx, data, slice_of(data, len)) &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, GCM_TAG_SIZE, data + len) == 1 &&
           EVP_DecryptFinal_ex(ctx, data + len, &n) == 1;
}

#ifdef HAVE_IPSEC_MB
static void fast_seal(struct gcm_key *key, const uint8_t *iv, struct slice aad,
                      const struct slice parts[TEXT_PARTS], uint8_t *out)
{
    struct gcm_context_data ctx;
    IMB_AES128_GCM_INIT(key->mgr, &key->fast, &ctx, iv, aad.data, aad.len);
    for (size_t i = 0; i < TEXT_PARTS; out += parts[i++].len)
        if (parts[i].len > 0)
            IMB_AES128_GCM_ENC_UPDATE(key->mgr, &key->fast, &ctx, out, parts[i].data, parts[i].len);
    IMB_AES128_GCM_ENC_FINALIZE(key->mgr, &key->fast, &ctx, out, GCM_TAG_SIZE);
}

static bool fast_open(struct gcm_key *key, const uint8_t *iv, struct slice aad, uint8_t *data,
                      size_t len)
{
    struct gcm_context_data ctx;
    uint8_t tag[GCM_TAG_SIZE];
    IMB_AES128_GCM_DEC(key->mgr, &key->fast, &ctx, data, data, len, iv, aad.data, aad.len, tag,
                       GCM_TAG_SIZE);
    return hash_equal(slice_of(tag, sizeof tag), slice_of(data + len, GCM_TAG_SIZE));
}
#endif

bool gcm_seal(struct gcm_key *key, const uint8_t iv[GCM_IV_SIZE], struct slice aad,
              const struct slice parts[TEXT_PARTS], uint8_t *out)
{
#ifdef HAVE_IPSEC_MB
    if (key->mgr) {
        fast_seal(key, iv, aad, parts, out);
        return true;
    }
#endif
    return evp_seal(key, iv, aad, parts, out);
}

bool gcm_open(struct gcm_key *key, const uint8_t iv[GCM_IV_SIZE], struct slice aad, uint8_t *data,
              size_t len)
{
#ifdef HAVE_IPSEC_MB
    bool right = key->mgr ? fast_open(key, iv, aad, data, len) : evp_open(key, iv, aad, data, len);
#else
    bool right = evp_open(key, iv, aad, data, len);
#endif
    if (!right)
        memset(data, 0, len); /* what was decrypted before the tag was known to be wrong */
    return right;
}

struct ctr_key *ctr_key_new(struct srtp_engine *engine, const uint8_t key[SRTP_KEY_SIZE])
{
    struct ctr_key *ctr = aligned_new(sizeof *ctr);
    if (!ctr)
        return NULL;
#ifdef HAVE_IPSEC_MB
    _Alignas(16) uint8_t unused[AES_ROUND_KEYS]; /* of decryption, which counter mode has not */
    if (engine && engine->mgr)
        IMB_AES_KEYEXP_128(engine->mgr, key, ctr->rounds, unused);
#endif
    ctr->ctx = keyed(EVP_aes_128_ctr(), key, 1);
    if (!ctr->ctx)
        ctr_key_free(&ctr);
    return ctr;
}

void ctr_key_free(struct ctr_key **key)
{
    if (!*key)
        return;
    EVP_CIPHER_CTX_free((*key)->ctx); /* wipes the key schedule */
    hash_wipe(*key, sizeof **key);
    free(*key);
    *key = NULL;
}

bool ctr_xor(struct ctr_key *key, const uint8_t iv[CTR_IV_SIZE],
             const struct slice parts[TEXT_PARTS], uint8_t *out)
{
    return EVP_EncryptInit_ex(key->ctx, NULL, NULL, NULL, iv) == 1 &&
           update_parts(key->ctx, out, parts);
}

struct hmac_key *hmac_key_new(struct slice key)
{
    struct hmac_key *hmac = calloc(1, sizeof *hmac);
    if (!hmac || key.len > SHA_BLOCK) {
        free(hmac);
        return NULL;
    }
    uint8_t pad[SHA_BLOCK] = {0};
    memcpy(pad, key.data, key.len);
    for (size_t i = 0; i < SHA_BLOCK; i++)
        pad[i] ^= 0x36;
    bool done = SHA1_Init(&hmac->inner) && SHA1_Update(&hmac->inner, pad, SHA_BLOCK);
    for (size_t i = 0; i < SHA_BLOCK; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    done = done && SHA1_Init(&hmac->outer) && SHA1_Update(&hmac->outer, pad, SHA_BLOCK);
    hash_wipe(pad, sizeof pad);
    if (!done)
        hmac_key_free(&hmac);
    return hmac;
}

void hmac_key_free(struct hmac_key **key)
{
    if (!*key)
        return;
    hash_wipe(*key, sizeof **key);
    free(*key);
    *key = NULL;
}

void hmac_sign(const struct hmac_key *key, struct slice a, struct slice b,
               uint8_t out[HMAC_SHA1_SIZE])
{
    SHA_CTX ctx = key->inner;
    uint8_t inner[HMAC_SHA1_SIZE];
    /* These only ever return 1 on a context that was initialised. */
    (void)SHA1_Update(&ctx, a.data, a.len);
    (void)SHA1_Update(&ctx, b.data, b.len);
    (void)SHA1_Final(inner, &ctx);
    ctx = key->outer;
    (void)SHA1_Update(&ctx, inner, sizeof inner);
    (void)SHA1_Final(out, &ctx);
}

#ifdef HAVE_IPSEC_MB
static void take_back(const IMB_JOB *job)
{
    if (!job)
        return;
    struct cm_packet *p = job->user_data;
    p->done = job->status == IMB_STATUS_COMPLETED;
    memcpy(p->out + p->len, p->tag, CM_TAG_SIZE);
}

static void hand_in(IMB_MGR *mgr, struct cm_packet *p)
{
    IMB_JOB *job = IMB_GET_NEXT_JOB(mgr);
    job->cipher_mode = IMB_CIPHER_CNTR;
    job->cipher_direction = IMB_DIR_ENCRYPT;
    job->chain_order = IMB_ORDER_CIPHER_HASH;
    job->enc_keys = p->ctr->rounds;
    job->dec_keys = p->ctr->rounds;
    job->key_len_in_bytes = SRTP_KEY_SIZE;
    job->iv = p->iv;
    job->iv_len_in_bytes = CTR_IV_SIZE;
    job->src = p->out;
    job->dst = p->out + p->clear;
    job->cipher_start_src_offset_in_bytes = p->clear;
    job->msg_len_to_cipher_in_bytes = p->len - p->clear;
    job->hash_alg = IMB_AUTH_HMAC_SHA_1;
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_hash_in_bytes = p->len + 4;
    job->u.HMAC._hashed_auth_key_xor_ipad = (const uint8_t *)&p->hmac->inner.h0;
    job->u.HMAC._hashed_auth_key_xor_opad = (const uint8_t *)&p->hmac->outer.h0;
    job->auth_tag_output = p->tag;
    job->auth_tag_output_len_in_bytes = CM_TAG_MADE;
    job->user_data = p;
    take_back(IMB_SUBMIT_JOB(mgr));
}

/* Where OpenSSL keeps the five words of the state: in a row, as ipsec-mb wants them. */
_Static_assert(offsetof(SHA_CTX, h4) == offsetof(SHA_CTX, h0) + 16, "words of SHA-1 in a row");

bool cm_batches(const struct srtp_engine *engine)
{
    return engine->mgr != NULL;
}

void cm_protect(struct srtp_engine *engine, struct cm_packet *packets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        hand_in(engine->mgr, &packets[i]);
    for (const IMB_JOB *job; (job = IMB_FLUSH_JOB(engine->mgr));)
        take_back(job);
}
#else
bool cm_batches(const struct srtp_engine *engine)
{
    return false;
}

void cm_protect(struct srtp_engine *engine, struct cm_packet *packets, size_t count)
{
    /* Not called where cm_batches says no. */
}
#endif
