/* queue_load.c: the queue's workloads through tuplet's public interface. */
#include "queue_load.h"

#include "queue_db.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tuplet.h>

enum { MESSAGES_PER_COMMIT = 1000 };

/* A string, as Deno's side sends it. */
static tuplet_value make_payload(tuplet_owned *ret_owned) {
  char text[QUEUE_PAYLOAD_SIZE + 2];
  memset(text, 'x', sizeof text);
  text[0] = text[sizeof text - 1] = '"';
  tuplet_value value;
  tuplet_error error;
  queue_check(tuplet_value_from_text(text, sizeof text, NULL, &value, ret_owned, &error), &error);
  return value;
}

/* Listens until `left` messages are handled. */
typedef struct consumer {
  tuplet_listener *listener;
  atomic_int left;
  sem_t begun;
  sem_t handled; /* the last of them */
  _Atomic int64_t begun_ns;
} consumer;

static void on_ended(void *context, tuplet_status status, const tuplet_error *error) {
  consumer *c = context;
  queue_check(status, error);
  if (atomic_fetch_sub(&c->left, 1) == 1) (void)sem_post(&c->handled);
}

static void on_message(void *context, tuplet_message *message) {
  consumer *c = context;
  tuplet_error error;
  atomic_store(&c->begun_ns, bench_now_ns());
  (void)sem_post(&c->begun);
  queue_check(tuplet_message_ack_async(message, on_ended, c, &error), &error);
}

static void consumer_start(consumer *c, tuplet_db *db, int count) {
  tuplet_error error;
  atomic_init(&c->left, count);
  atomic_init(&c->begun_ns, 0);
  queue_semaphore_init(&c->begun, 0);
  queue_semaphore_init(&c->handled, 0);
  queue_check(tuplet_listen(db, NULL, on_message, c, &c->listener, &error), &error);
}

static void consumer_stop(consumer *c) {
  tuplet_listener_close(c->listener);
  (void)sem_destroy(&c->begun);
  (void)sem_destroy(&c->handled);
}

/* ---- Latency ---- */

void queue_load_latency(const char *path, int count, int64_t *ret_latencies_ns) {
  tuplet_db *db = queue_open(path);
  tuplet_owned owned;
  tuplet_value payload = make_payload(&owned);
  consumer c;
  consumer_start(&c, db, count);
  for (int i = 0; i < count; i++) {
    tuplet_error error;
    int64_t enqueued_ns = bench_now_ns();
    queue_check(tuplet_enqueue(db, payload, NULL, NULL, &error), &error);
    queue_wait_for(&c.begun);
    ret_latencies_ns[i] = atomic_load(&c.begun_ns) - enqueued_ns;
    queue_pause_ms(5 + i % 11);
  }
  queue_wait_for(&c.handled);
  consumer_stop(&c);
  tuplet_owned_free(&owned);
  tuplet_close(db);
}

/* ---- Throughput ---- */

typedef struct producer {
  sem_t room;
} producer;

static void on_enqueued(void *context, tuplet_status status, const tuplet_commit *commit,
                        const tuplet_error *error) {
  (void)commit;
  producer *p = context;
  queue_check(status, error);
  (void)sem_post(&p->room);
}

bench_slice queue_load_throughput(const char *path, int count) {
  tuplet_db *db = queue_open(path);
  tuplet_owned owned;
  tuplet_value payload = make_payload(&owned);
  producer p;
  queue_semaphore_init(&p.room, QUEUE_IN_FLIGHT);
  consumer c;
  consumer_start(&c, db, count);
  int64_t begun_ns = bench_now_ns();
  for (int i = 0; i < count; i++) {
    tuplet_error error;
    queue_wait_for(&p.room);
    queue_check(tuplet_enqueue_async(db, payload, NULL, on_enqueued, &p, &error), &error);
  }
  for (int i = 0; i < QUEUE_IN_FLIGHT; i++) queue_wait_for(&p.room);
  queue_wait_for(&c.handled);
  bench_slice slice = {.operations = (uint64_t)count, .duration_ns = bench_now_ns() - begun_ns};
  consumer_stop(&c);
  (void)sem_destroy(&p.room);
  tuplet_owned_free(&owned);
  tuplet_close(db);
  return slice;
}

/* ---- Backlog ---- */

static bench_slice fill(tuplet_db *db, int count) {
  tuplet_owned owned;
  tuplet_value payload = make_payload(&owned);
  tuplet_error error;
  int64_t begun_ns = bench_now_ns();
  for (int i = 0; i < count; i += MESSAGES_PER_COMMIT) {
    tuplet_atomic *atomic = tuplet_atomic_new(db);
    if (atomic == NULL) bench_fail("out of memory");
    for (int k = 0; k < MESSAGES_PER_COMMIT && i + k < count; k++)
      queue_check(tuplet_atomic_enqueue(atomic, payload, NULL, &error), &error);
    queue_check(tuplet_atomic_commit(atomic, NULL, &error), &error);
    tuplet_atomic_free(atomic);
  }
  tuplet_owned_free(&owned);
  return (bench_slice){.operations = (uint64_t)count, .duration_ns = bench_now_ns() - begun_ns};
}

/* From now on the kernel's record of the most memory starts anew. */
static void forget_memory_peak(void) {
  FILE *file = fopen("/proc/self/clear_refs", "we");
  if (file == NULL || fputs("5", file) < 0 || fclose(file) != 0)
    bench_fail("/proc/self/clear_refs: %s", strerror(errno));
}

static int64_t memory_peak(void) {
  FILE *file = fopen("/proc/self/status", "re");
  if (file == NULL) bench_fail("/proc/self/status: %s", strerror(errno));
  char line[256];
  long long kib = -1;
  while (kib < 0 && fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, "VmHWM:", strlen("VmHWM:")) == 0) kib = strtoll(line + strlen("VmHWM:"), NULL, 10);
  }
  (void)fclose(file);
  return kib * 1024;
}

queue_backlog queue_load_backlog(const char *path, int count, int drain_count) {
  queue_backlog backlog = {.messages = count};
  tuplet_db *db = queue_open(path);
  backlog.filling = fill(db, count);
  tuplet_close(db);
  forget_memory_peak();
  db = queue_open(path);
  consumer c;
  int64_t begun_ns = bench_now_ns();
  consumer_start(&c, db, drain_count);
  queue_wait_for(&c.handled);
  backlog.draining =
      (bench_slice){.operations = (uint64_t)drain_count, .duration_ns = bench_now_ns() - begun_ns};
  backlog.memory_size = memory_peak();
  consumer_stop(&c);
  tuplet_close(db);
  return backlog;
}
