/* Reads a spool directory (docs/feed.md) as one stream of records, in constant memory. Missing
 * pieces, torn ends and flipped bits cost the records they hit and are counted. */
#ifndef RECORD_SPOOL_H
#define RECORD_SPOOL_H

#include "proto/feed_format.h"

struct spool;

struct spool_damage {
    uint64_t skipped;    /* bytes that were there but no whole record */
    uint64_t missing;    /* bytes of the stream that no piece holds */
    uint32_t unreadable; /* pieces that the system refused to read to their end */
};

/* Lists the pieces; `dir` stays the caller's and must stay open. ERR_IO, ERR_MEMORY, ERR_LIMIT
 * (absurdly many pieces). A directory without pieces is an empty stream. */
int spool_open(int dir, struct spool **ret_spool) MUST_USE;
void spool_close(struct spool **spool);
/* Back to the first record; damage is counted anew. */
void spool_rewind(struct spool *spool);
/* Next whole record, its payload valid until the next call. ERR_NOT_FOUND: the end. */
int spool_next(struct spool *spool, struct feed_record *ret_record) MUST_USE;
/* Bytes of all pieces, and how many of them were read. */
uint64_t spool_size(const struct spool *spool);
uint64_t spool_position(const struct spool *spool);
const struct spool_damage *spool_damage(const struct spool *spool);

#endif
