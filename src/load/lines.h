/* Signalling by another program, to measure servers that speak another protocol: each guest is told
 * on standard output as a line of JSON {"guest", "address" (ours), "ufrag", "pwd", "fingerprint"
 * (sha-256), "audio" (SSRC; 0: does not speak), "video" [SSRCs low to high, empty: no camera]}; a
 * line on standard input {"guest", "address" (ours), "ufrag", "pwd", "hash", "fingerprint", "ip",
 * "port"} says how its server is reached. The server is DTLS server. */
#ifndef LOAD_LINES_H
#define LOAD_LINES_H

#include "load/guest.h"

struct lines;

/* Reads standard input from now on. ERR_MEMORY, ERR_IO. */
int lines_new(struct loop *loop, struct guest *guests, size_t count,
              struct lines **ret_lines) MUST_USE;
void lines_free(struct lines **lines);
/* Tells of one guest. ERR_MEMORY, ERR_IO. */
int lines_tell(const struct guest *guest, size_t number) MUST_USE;

#endif
