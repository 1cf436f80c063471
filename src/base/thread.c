/* thread.c: threads of the library. */
#include "base/thread.h"

#include "base/status.h"

#include <signal.h>
#include <string.h>

tuplet_status tp_thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *context),
                              void *context, tuplet_error *error) {
  sigset_t all, before;
  (void)sigfillset(&all);
  int rc = pthread_sigmask(SIG_SETMASK, &all, &before);
  if (rc == 0) {
    rc = pthread_create(ret_thread, NULL, run, context);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  }
  if (rc != 0) return tp_fail(error, TUPLET_NOMEM, "starting the thread %s failed: %s", name, strerror(rc));
  (void)pthread_setname_np(*ret_thread, name); /* for debuggers only */
  return TUPLET_OK;
}
