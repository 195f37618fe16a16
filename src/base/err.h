/* Error codes shared by every room. A function that can fail returns int: 0 or one of these. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

enum err {
    ERR_MEMORY = -1,       /* allocation failed */
    ERR_FORMAT = -2,       /* bytes from outside do not follow their specification */
    ERR_LIMIT = -3,        /* a bound of ours was reached */
    ERR_AGAIN = -4,        /* nothing now; come back later */
    ERR_CLOSED = -5,       /* the other side is gone */
    ERR_NOT_FOUND = -6,    /* no such thing */
    ERR_EXISTS = -7,       /* it is there already */
    ERR_DENIED = -8,       /* not allowed */
    ERR_IO = -9,           /* the system refused; errno tells more */
    ERR_UNSUPPORTED = -10, /* well-formed, but we do not do that */
    ERR_AUTH = -11,        /* a signature, tag or password is wrong */
    ERR_TIMEOUT = -12,     /* too late */
    ERR_STATE = -13,       /* not in this state */
};

/* A static English name for a code, for logs: "format", "limit", ... Never NULL. */
const char *err_name(int err);

#endif
