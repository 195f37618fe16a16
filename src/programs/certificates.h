/* Where the server's certificate comes from: files of the administrator, an authority made here, or
 * ACME (RFC 8555) by uacme. Keeps it good: the local one is issued again and ACME asked again 30
 * days before the end. Supervisor only. */
#ifndef PROGRAMS_CERTIFICATES_H
#define PROGRAMS_CERTIFICATES_H

#include "base/buf.h"
#include "crypto/authority.h"
#include "os/loop.h"

enum certificates_source { CERTIFICATES_FILES, CERTIFICATES_LOCAL, CERTIFICATES_ACME };

struct certificates_plan {
    enum certificates_source source;
    const char *hosts[AUTHORITY_HOSTS]; /* names or addresses that the certificate must cover; only
                                           the first has to be there, "" is none */
    const char *directory; /* DATA/tls: ca.crt, ca.key, server.crt, server.key; made when missing */
    const char *chain_file; /* CERTIFICATES_FILES only */
    const char *key_file;
    const char *challenges; /* CERTIFICATES_ACME only: directory that edge serves as
                               /.well-known/acme-challenge/ */
    const char *acme_url;   /* "" : uacme's own default */
};

struct certificates;

/* Copies the plan and makes sure that there is a certificate to begin with: with ACME that is a
 * local one until the first was issued. `changed` is called from the loop whenever
 * certificates_open would give other files. On failure `complaint` holds a sentence for the
 * administrator. */
int certificates_new(struct loop *loop, const struct certificates_plan *plan,
                     void (*changed)(void *arg), void *arg, struct buf *complaint,
                     struct certificates **ret_certificates) MUST_USE;
void certificates_free(struct certificates **certificates);
/* The chain and the key as they stand, for reading; the caller owns both descriptors.
 * ERR_NOT_FOUND, ERR_DENIED, ERR_IO. */
int certificates_open(const struct certificates *certificates, int *ret_chain_fd,
                      int *ret_key_fd) MUST_USE;
/* Looks again now: after a reload of the configuration, or when files were replaced. */
void certificates_refresh(struct certificates *certificates);

#endif
