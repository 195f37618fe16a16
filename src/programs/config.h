/* The configuration: one typed table is parser, defaults, documentation and check mode.
 *
 * A file has `key = value` lines; `#` begins a comment at the start of a line or after a blank;
 * `[section]` puts "section." before the keys that follow; a value may stand in double quotes. A
 * key that holds a list is given once per element. */
#ifndef PROGRAMS_CONFIG_H
#define PROGRAMS_CONFIG_H

#include <jansson.h>
#include <stdbool.h>

#include "base/address.h"
#include "base/buf.h"

struct config;

/* All defaults. ERR_MEMORY. */
int config_new(struct config **ret_config) MUST_USE;
void config_free(struct config **config);
/* Reads a whole file's text. ERR_FORMAT: `complaint` says what is wrong, with the line: unknown
 * key, value out of bounds, key given twice. */
int config_parse(struct config *config, struct slice text, struct buf *complaint) MUST_USE;
/* Sets one key, from the command line: wins over the file when called after config_parse. Adds to a
 * list. ERR_NOT_FOUND, ERR_FORMAT: `complaint` is a sentence. */
int config_set(struct config *config, const char *key, struct slice value,
               struct buf *complaint) MUST_USE;
/* What must hold between keys, once all are set. ERR_FORMAT. */
int config_check(const struct config *config, struct buf *complaint) MUST_USE;

/* Values of known keys of that type; asserts otherwise. Text is "" when not set. Valid as long as
 * the configuration. */
const char *config_text(const struct config *config, const char *key);
int64_t config_number(const struct config *config, const char *key);
bool config_switch(const struct config *config, const char *key);
/* An array of strings. */
json_t *config_list(const struct config *config, const char *key);
/* A fresh object of the keys that concern `program` ("edge", ...), under their dotted names. */
json_t *config_settings(const struct config *config, const char *program) MUST_USE;
/* The whole table as a file with every key, its meaning, bounds and default. */
void config_print(struct buf *out);

/* Where to listen: "off", a port, or "address:port" with IPv6 in brackets. */
struct config_endpoint {
    bool off;
    bool any_address; /* only a port was given */
    struct address address;
};
int config_endpoint_parse(struct slice text, struct config_endpoint *ret_endpoint) MUST_USE;

/* Somebody whose tokens are accepted: "NAME ALGORITHM FILE [audience=A] [kid=K]". Slices of the
 * text; audience "*" and no kid unless told. ERR_FORMAT. */
struct config_issuer {
    struct slice name, algorithm, file, audience, kid;
};
int config_issuer_parse(struct slice text, struct config_issuer *ret_issuer) MUST_USE;

#endif
