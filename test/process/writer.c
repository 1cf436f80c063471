/* writer.c: a program that writes through the library until it is killed, and tells every acknowledged
 * commit.
 *
 *   writer PATH ROUND THREADS
 *
 * Each thread commits atomic operations of three keys, ["round", ROUND, thread, "a", sequence] and the same
 * with "b", and ["round", ROUND, thread, "last"], whose value is the sequence. When the commit has returned,
 * and not before, it prints "thread sequence" with one write(2), so that what a reader has seen was
 * acknowledged. kill.test.mjs kills it and looks at what the file holds. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <tuplet.h>
#include <unistd.h>

enum { THREADS_MAX = 64, VALUE_SIZE = 200 };

typedef struct writer {
  tuplet_db *db;
  uint64_t round;
  uint64_t number;
  pthread_t thread;
} writer;

/* A line is shorter than PIPE_BUF, so that lines of several threads do not mix. */
static bool tell(uint64_t thread, uint64_t sequence) {
  char line[64];
  int size = snprintf(line, sizeof line, "%" PRIu64 " %" PRIu64 "\n", thread, sequence);
  return write(STDOUT_FILENO, line, (size_t)size) == size;
}

static tuplet_status commit_three(const writer *w, uint64_t sequence, tuplet_error *error) {
  static const char filling[VALUE_SIZE] = "written";
  tuplet_value value = tuplet_value_bytes(filling, sizeof filling);
  tuplet_key a = TUPLET_KEY("round", w->round, w->number, "a", sequence);
  tuplet_key last = TUPLET_KEY("round", w->round, w->number, "last");
  tuplet_key b = TUPLET_KEY("round", w->round, w->number, "b", sequence);
  tuplet_atomic *atomic = tuplet_atomic_new(w->db);
  if (atomic == NULL) return TUPLET_NOMEM;
  /* The first error of these comes again from the commit. */
  (void)tuplet_atomic_set(atomic, a, value, TUPLET_NEVER, NULL);
  (void)tuplet_atomic_set(atomic, last, tuplet_value_u64(sequence), TUPLET_NEVER, NULL);
  (void)tuplet_atomic_set(atomic, b, value, TUPLET_NEVER, NULL);
  tuplet_status status = tuplet_atomic_commit(atomic, NULL, error);
  tuplet_atomic_free(atomic);
  return status;
}

static void *run(void *context) {
  const writer *w = context;
  for (uint64_t sequence = 1;; sequence++) {
    tuplet_error error = {0};
    tuplet_status status = commit_three(w, sequence, &error);
    if (status != TUPLET_OK) {
      fprintf(stderr, "writer: %s: %s\n", tuplet_status_name(status), error.message);
      exit(1);
    }
    if (!tell(w->number, sequence)) exit(1);
  }
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: writer PATH ROUND THREADS\n");
    return 2;
  }
  static writer writers[THREADS_MAX];
  uint64_t count = strtoull(argv[3], NULL, 10);
  if (count < 1 || count > THREADS_MAX) {
    fprintf(stderr, "writer: 1 to %d threads, not %s\n", THREADS_MAX, argv[3]);
    return 2;
  }
  tuplet_db *db = NULL;
  tuplet_error error = {0};
  if (tuplet_open(argv[1], NULL, &db, &error) != TUPLET_OK) {
    fprintf(stderr, "writer: %s\n", error.message);
    return 1;
  }
  for (uint64_t i = 0; i < count; i++) {
    writers[i] = (writer){.db = db, .round = strtoull(argv[2], NULL, 10), .number = i};
    if (pthread_create(&writers[i].thread, NULL, run, &writers[i]) != 0) return 1;
  }
  /* The threads write until somebody kills the process. */
  for (;;) pause();
}
