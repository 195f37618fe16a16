/* fdatasync in a thread of its own, so that a slow disk does not stop the recorder from reading. */
#ifndef PROGRAMS_RECORDER_SYNC_H
#define PROGRAMS_RECORDER_SYNC_H

#include <stdbool.h>

#include "os/metrics.h"

struct recorder_sync;

/* `metrics` may be NULL. ERR_MEMORY, ERR_IO. */
int recorder_sync_new(struct metrics *metrics, struct recorder_sync **ret_sync) MUST_USE;
/* Waits until all that was asked for is done. */
void recorder_sync_free(struct recorder_sync **sync);
/* Syncs the file as it is now; false when the one before is still under way: ask again later. */
bool recorder_sync_now(struct recorder_sync *sync, int fd);
/* Takes the descriptor, syncs and closes it; waits when very many are under way. */
void recorder_sync_last(struct recorder_sync *sync, int fd);
/* Makes a new name in the directory permanent. */
void recorder_sync_directory(struct recorder_sync *sync, int fd);
/* Whether a sync failed since this was last asked. */
bool recorder_sync_failed(struct recorder_sync *sync);

#endif
