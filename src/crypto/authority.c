#include "crypto/authority.h"

#include <arpa/inet.h>

#include "crypto/openssl.h"
#include "crypto/random.h"

static const int64_t DAY_S = 24 * 3600;
/* Clocks of cheap devices are late: a certificate is good from a day before it was made. */
static const int64_t BACKDATE_S = 24 * 3600;

static int add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (!extension)
        return ERR_FORMAT;
    int ok = X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return ok ? 0 : ERR_MEMORY;
}

/* A certificate with a random serial number, its dates, its key and its subject; not signed yet. */
static X509 *certificate_new(const char *name, EVP_PKEY *key, int64_t wall_s, int64_t days)
{
    X509 *certificate = X509_new();
    BIGNUM *serial = BN_new();
    uint8_t bytes[16];
    random_bytes(bytes, sizeof bytes);
    bytes[0] &= 0x7f; /* a positive number */
    X509_NAME *subject = certificate ? X509_get_subject_name(certificate) : NULL;
    bool ok = certificate && serial && BN_bin2bn(bytes, sizeof bytes, serial) &&
              BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) &&
              X509_set_version(certificate, X509_VERSION_3) &&
              ASN1_TIME_set(X509_getm_notBefore(certificate), wall_s - BACKDATE_S) &&
              ASN1_TIME_set(X509_getm_notAfter(certificate), wall_s + days * DAY_S) &&
              X509_set_pubkey(certificate, key) &&
              X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name,
                                         -1, -1, 0);
    BN_free(serial);
    if (ok)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static int write_bio(BIO *bio, struct buf *out)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    buf_add(out, slice_of(data, len > 0 ? (size_t)len : 0));
    return out->failed ? ERR_LIMIT : 0;
}

static int write_certificate(X509 *certificate, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int err = bio && PEM_write_bio_X509(bio, certificate) ? write_bio(bio, out) : ERR_MEMORY;
    BIO_free(bio);
    return err;
}

static int write_key(EVP_PKEY *key, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    int err = bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)
                  ? write_bio(bio, out)
                  : ERR_MEMORY;
    BIO_free(bio);
    return err;
}

int authority_create(const char *name, int64_t wall_s, struct buf *certificate, struct buf *key)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    X509 *x509 = pkey ? certificate_new(name, pkey, wall_s, 3650) : NULL;
    int err = x509 ? 0 : ERR_MEMORY;
    if (!err && !X509_set_issuer_name(x509, X509_get_subject_name(x509)))
        err = ERR_MEMORY;
    if (!err)
        err = add_extension(x509, x509, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
    if (!err)
        err = add_extension(x509, x509, NID_key_usage, "critical,keyCertSign,cRLSign");
    if (!err)
        err = add_extension(x509, x509, NID_subject_key_identifier, "hash");
    if (!err && !X509_sign(x509, pkey, EVP_sha256()))
        err = ERR_MEMORY;
    if (!err)
        err = write_certificate(x509, certificate);
    if (!err)
        err = write_key(pkey, key);
    X509_free(x509);
    EVP_PKEY_free(pkey);
    return err;
}

static bool is_address(const char *host)
{
    uint8_t bytes[16];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* It becomes part of an extension's text: only what a name or an address may hold. */
static bool is_plain(const char *host)
{
    return strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:") ==
           strlen(host);
}

static bool are_plain(const char *const hosts[AUTHORITY_HOSTS])
{
    for (size_t i = 1; i < AUTHORITY_HOSTS; i++)
        if (hosts[i] && !is_plain(hosts[i]))
            return false;
    return hosts[0][0] && is_plain(hosts[0]);
}

static int sign_leaf(X509 *leaf, X509 *ca, EVP_PKEY *ca_key,
                     const char *const hosts[AUTHORITY_HOSTS])
{
    struct buf alt;
    buf_init(&alt, 1024);
    for (size_t i = 0; i < AUTHORITY_HOSTS; i++)
        if (hosts[i] && hosts[i][0])
            buf_printf(&alt, "%s%s:%s", i ? "," : "", is_address(hosts[i]) ? "IP" : "DNS",
                       hosts[i]);
    buf_add_byte(&alt, 0);
    int err = alt.failed ? ERR_FORMAT : 0;
    if (!err && !X509_set_issuer_name(leaf, X509_get_subject_name(ca)))
        err = ERR_MEMORY;
    if (!err)
        err = add_extension(leaf, ca, NID_basic_constraints, "critical,CA:FALSE");
    if (!err)
        err = add_extension(leaf, ca, NID_key_usage, "critical,digitalSignature");
    if (!err)
        err = add_extension(leaf, ca, NID_ext_key_usage, "serverAuth");
    if (!err)
        err = add_extension(leaf, ca, NID_subject_alt_name, (const char *)alt.data);
    if (!err)
        err = add_extension(leaf, ca, NID_authority_key_identifier, "keyid");
    if (!err && !X509_sign(leaf, ca_key, EVP_sha256()))
        err = ERR_MEMORY;
    buf_done(&alt);
    return err;
}

static X509 *read_certificate(struct slice pem)
{
    BIO *bio = pem.len > 0 && pem.len < INT32_MAX ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return certificate;
}

static EVP_PKEY *read_key(struct slice pem)
{
    BIO *bio = pem.len > 0 && pem.len < INT32_MAX ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return key;
}

int authority_issue(struct slice authority_certificate, struct slice authority_key,
                    const char *const hosts[AUTHORITY_HOSTS], int64_t wall_s, struct buf *chain,
                    struct buf *key)
{
    X509 *ca = read_certificate(authority_certificate);
    EVP_PKEY *ca_key = read_key(authority_key);
    EVP_PKEY *leaf_key = EVP_EC_gen("P-256");
    X509 *leaf = NULL;
    int err = ca && ca_key && are_plain(hosts) ? 0 : ERR_FORMAT;
    if (!err) {
        leaf = leaf_key ? certificate_new(hosts[0], leaf_key, wall_s, 397 - 1) : NULL;
        err = leaf ? sign_leaf(leaf, ca, ca_key, hosts) : ERR_MEMORY;
    }
    if (!err)
        err = write_certificate(leaf, chain);
    if (!err)
        err = write_certificate(ca, chain);
    if (!err)
        err = write_key(leaf_key, key);
    X509_free(leaf);
    X509_free(ca);
    EVP_PKEY_free(leaf_key);
    EVP_PKEY_free(ca_key);
    return err;
}

int certificate_inspect(struct slice chain, const char *host, int64_t *ret_ends_s, bool *ret_covers)
{
    X509 *certificate = read_certificate(chain);
    if (!certificate)
        return ERR_FORMAT;
    int days = 0, seconds = 0;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    bool ok = epoch && ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(certificate));
    if (ok) {
        *ret_ends_s = days * DAY_S + seconds;
        *ret_covers = is_address(host) ? X509_check_ip_asc(certificate, host, 0) == 1
                                       : X509_check_host(certificate, host, 0, 0, NULL) == 1;
    }
    ASN1_TIME_free(epoch);
    X509_free(certificate);
    return ok ? 0 : ERR_FORMAT;
}
