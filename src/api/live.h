/* What goes to and comes from the programs that run classes: rooms to signal, events from it, work
 * on recordings to the supervisor. */
#ifndef API_LIVE_H
#define API_LIVE_H

#include "api/call.h"

/* At the start: jobs asked for by a process before this one are asked again when due; after a
 * restart of the whole house nobody is in class. */
int live_start(struct api *api, const char *run) MUST_USE;
int live_tick(struct api *api, msec_t now) MUST_USE;
/* Tells signal how a class is: ROOM when it is open, ROOM_GONE when not. */
int live_class(struct api *api, const struct class *class) MUST_USE;
/* All open classes: what they follow has changed. */
int live_classes(struct api *api) MUST_USE;
/* Sends a person out of a class. */
int live_remove(struct api *api, const struct class *class, const char *person) MUST_USE;
/* ... out of every open class that the person is not in any more; or out of `all` of them, to come
 * back with a token that tells the new rights. */
int live_remove_everywhere(struct api *api, const char *person, bool all) MUST_USE;
/* Asks for the jobs that are due. */
int live_jobs(struct api *api) MUST_USE;
/* Asks the supervisor to delete a recording's files. */
int live_remove_recording(struct api *api, const char *recording) MUST_USE;
void live_free_events(struct api *api);
json_t *policy_json(uint32_t policy);

#endif
