/* Key-value state that must outlive a process, in a memfd that the supervisor keeps: the successor
 * reads it back. In a fleet the same interface writes to NATS JetStream KV. A put is a memory copy.
 */
#ifndef OS_JOURNAL_H
#define OS_JOURNAL_H

#include "base/err.h"
#include "base/slice.h"

struct journal;

/* Opens the memfd (grown as needed up to `max` bytes) and checks it: a torn last record, from a
 * process killed in the middle of a put, is dropped. Takes the descriptor. */
int journal_open(int fd, size_t max, struct journal **ret_journal) MUST_USE;
void journal_close(struct journal **journal);
/* Latest value wins. ERR_LIMIT when full even after compaction. */
int journal_put(struct journal *journal, struct slice key, struct slice value) MUST_USE;
int journal_del(struct journal *journal, struct slice key) MUST_USE;
/* Several puts and dels as one: all or nothing for the successor. */
void journal_begin(struct journal *journal);
int journal_commit(struct journal *journal) MUST_USE;
/* Visits all live pairs with that prefix in no particular order; slices valid during the call. */
void journal_each(struct journal *journal, struct slice prefix,
                  void (*visit)(void *arg, struct slice key, struct slice value), void *arg);

#endif
