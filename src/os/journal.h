/* Key-value state that must outlive a process, in a memfd that the supervisor keeps: the successor
 * reads it back. In a fleet the same interface writes to NATS JetStream KV. A put is a memory copy.
 */
#ifndef OS_JOURNAL_H
#define OS_JOURNAL_H

#include "base/err.h"
#include "base/slice.h"

struct journal;

/* Opens the memfd, makes it `max` bytes long (pages are only taken as they are used) and checks it:
 * a torn last record or group, from a process killed in the middle of a put, is dropped. Half of
 * `max` holds the pairs, the other half is where they move when much is dead. Takes the descriptor,
 * also on failure. ERR_FORMAT: not a journal of that size. ERR_LIMIT: `max` under 16 KiB. */
int journal_open(int fd, size_t max, struct journal **ret_journal) MUST_USE;
void journal_close(struct journal **journal);
/* Latest value wins. ERR_LIMIT when full even after compaction. */
int journal_put(struct journal *journal, struct slice key, struct slice value) MUST_USE;
int journal_del(struct journal *journal, struct slice key) MUST_USE;
/* Several puts and dels as one: all or nothing for the successor; journal_each shows them after
 * commit, which returns the first error of the group, and then nothing of it was taken. */
void journal_begin(struct journal *journal);
int journal_commit(struct journal *journal) MUST_USE;
/* Visits all live pairs with that prefix in no particular order; slices valid during the call.
 * The visitor must not change the journal. */
void journal_each(struct journal *journal, struct slice prefix,
                  void (*visit)(void *arg, struct slice key, struct slice value), void *arg);

#endif
