/* notice.c: hearing that somebody wrote to the database's file. */
#include "engine/sqlite/notice.h"

#include "base/alloc.h"
#include "base/status.h"
#include "base/thread.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

/* How long changes gather before they are told again: writers by the thousand must not wake anybody as often.
 */
enum { GATHER_US = 2000 };

struct tp_sqlite_notice {
  const tuplet_allocator *allocator;
  void (*on_change)(void *context);
  void *context;
  pthread_t thread;
  int events; /* inotify's */
  int stop;   /* an eventfd */
};

/* Takes what has come; which changes it were does not matter. */
static void drain(int events) {
  char room[4096];
  while (read(events, room, sizeof room) > 0) continue;
}

static void *run(void *context) {
  tp_sqlite_notice *notice = context;
  struct pollfd sources[] = {{.fd = notice->events, .events = POLLIN},
                             {.fd = notice->stop, .events = POLLIN}};
  const struct timespec gather = {.tv_nsec = GATHER_US * 1000L};
  for (;;) {
    if (poll(sources, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return NULL; /* cannot be: from here on the others look by themselves */
    }
    if (sources[1].revents != 0) return NULL;
    drain(notice->events);
    notice->on_change(notice->context);
    (void)nanosleep(&gather, NULL); /* cut short is fine */
  }
}

static void close_if_open(int descriptor) {
  if (descriptor >= 0) (void)close(descriptor);
}

static tuplet_status open_sources(tp_sqlite_notice *notice, const char *path, tuplet_error *error) {
  char log_path[4096];
  int size = snprintf(log_path, sizeof log_path, "%s-wal", path);
  notice->events = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  notice->stop = eventfd(0, EFD_CLOEXEC);
  if (size < 0 || (size_t)size >= sizeof log_path)
    return tp_fail(error, TUPLET_UNSUPPORTED, "%s: the path is too long to be watched for changes", path);
  if (notice->events < 0 || notice->stop < 0 || inotify_add_watch(notice->events, log_path, IN_MODIFY) < 0)
    return tp_fail(error, TUPLET_UNSUPPORTED, "%s: cannot be watched for changes: %s", log_path,
                   strerror(errno));
  return TUPLET_OK;
}

tuplet_status tp_sqlite_notice_start(const tuplet_allocator *allocator, const char *path,
                                     void (*on_change)(void *context), void *context,
                                     tp_sqlite_notice **ret_notice, tuplet_error *error) {
  tp_sqlite_notice *notice = tp_alloc(allocator, sizeof *notice);
  if (notice == NULL) return tp_fail_nomem(error);
  *notice = (tp_sqlite_notice){
      .allocator = allocator, .on_change = on_change, .context = context, .events = -1, .stop = -1};
  tuplet_status status = open_sources(notice, path, error);
  if (status == TUPLET_OK) status = tp_thread_start(&notice->thread, "tp-notice", run, notice, error);
  if (status == TUPLET_OK) {
    *ret_notice = notice;
    return TUPLET_OK;
  }
  close_if_open(notice->events);
  close_if_open(notice->stop);
  tp_free(allocator, notice);
  return status;
}

void tp_sqlite_notice_stop(tp_sqlite_notice *notice) {
  if (notice == NULL) return;
  (void)eventfd_write(notice->stop, 1); /* cannot fail: its count is 0 */
  (void)pthread_join(notice->thread, NULL);
  close_if_open(notice->events);
  close_if_open(notice->stop);
  tp_free(notice->allocator, notice);
}
