/* thread.h: threads of the library, which leave the host program's signals alone. */
#ifndef TP_BASE_THREAD_H
#define TP_BASE_THREAD_H

#include "tuplet.h"

#include <pthread.h>

/* Starts a thread with all signals blocked, so that the program's handlers run on the program's own threads.
 * name: at most 15 characters, as debuggers show it. Errors: TUPLET_NOMEM (the system has no room for it). */
tuplet_status tp_thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *context),
                              void *context, tuplet_error *error);

#endif
