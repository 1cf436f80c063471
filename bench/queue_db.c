/* queue_db.c: what the queue's workloads share. */
#include "queue_db.h"

#include "bench.h"

#include <errno.h>
#include <string.h>

void queue_check(tuplet_status status, const tuplet_error *error) {
  if (status < 0) bench_fail("tuplet: %s", error->message);
  if (status > 0) bench_fail("tuplet: %s", tuplet_status_text(status));
}

tuplet_db *queue_open(const char *path) {
  tuplet_db *db;
  tuplet_error error;
  queue_check(tuplet_open(path, NULL, &db, &error), &error);
  return db;
}

void queue_semaphore_init(sem_t *semaphore, unsigned count) {
  if (sem_init(semaphore, 0, count) != 0) bench_fail("making a semaphore failed: %s", strerror(errno));
}

void queue_wait_for(sem_t *semaphore) {
  while (sem_wait(semaphore) != 0) {
    if (errno != EINTR) bench_fail("waiting failed: %s", strerror(errno));
  }
}

void queue_pause_ms(int64_t ms) {
  const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
  (void)nanosleep(&pause, NULL);
}
