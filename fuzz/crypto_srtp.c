/* Any bytes to unprotect, under both profiles and both backends; what the fuzzer wraps itself must
 * come back. The first byte chooses. */
#include <stdlib.h>

#include "crypto/srtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct srtp *make(enum srtp_backend backend, enum srtp_profile profile)
{
    static struct srtp_engine *engines[2];
    struct srtp_engine **engine = &engines[backend == SRTP_OPENSSL];
    if (!*engine && srtp_engine_new(backend, engine))
        abort();
    const struct srtp_keys keys = {.profile = profile, .key = {1, 2, 3}, .salt = {4, 5, 6}};
    struct srtp *srtp = NULL;
    if (srtp_new(*engine, &keys, &srtp))
        abort();
    return srtp;
}

static void unprotect(struct srtp *srtp, bool rtcp, struct slice in, uint8_t *bytes)
{
    struct slice plain;
    if (in.len > 0)
        memcpy(bytes, in.data, in.len);
    int err = rtcp ? srtp_unprotect_rtcp(srtp, bytes, in.len, &plain)
                   : srtp_unprotect_rtp(srtp, bytes, in.len, &plain);
    if (err == 0 && (plain.data != bytes || plain.len > in.len))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 2000)
        return 0;
    enum srtp_backend backend = data[0] & 1 ? SRTP_OPENSSL : SRTP_BEST;
    enum srtp_profile profile = data[0] & 2 ? SRTP_PROFILE_CM : SRTP_PROFILE_GCM;
    bool rtcp = data[0] & 4;
    struct srtp *send = make(backend, profile), *receive = make(backend, profile);
    struct slice in = slice_of(data + 1, size - 1), plain;
    uint8_t *bytes = malloc(size + SRTP_OVERHEAD), *out = malloc(size + SRTP_OVERHEAD);
    if (!bytes || !out)
        abort();
    unprotect(receive, rtcp, in, bytes);

    struct srtp_job job = {.srtp = send, .rtcp = rtcp, .out = out, .body = in};
    if (!rtcp) {
        job.clear = slice_sub(in, 0, srtp_rtp_header(in));
        job.body = slice_sub(in, job.clear.len, in.len);
    }
    job.out_size = srtp_protected_len(&job);
    srtp_protect(&job, 1);
    if (job.err == 0) {
        if (job.out_len != job.out_size)
            abort();
        int err = rtcp ? srtp_unprotect_rtcp(receive, out, job.out_len, &plain)
                       : srtp_unprotect_rtp(receive, out, job.out_len, &plain);
        bool v2 = in.data[0] >> 6 == 2;
        if (v2 && (err || !slice_eq(plain, in)))
            abort();
    }
    free(bytes);
    free(out);
    srtp_free(&send);
    srtp_free(&receive);
    return 0;
}
