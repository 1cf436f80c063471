/* hello.c: an atomic operation on a file: keeps a greeting and counts the runs. Usage: hello [FILE] */
#include <stdio.h>
#include <tuplet.h>

int main(int argc, char **argv) {
  tuplet_db *db = NULL;
  tuplet_atomic *atomic = NULL;
  tuplet_entry *runs = NULL;
  tuplet_error error = {0};
  tuplet_key greeting = TUPLET_KEY("greetings", "en"), counter = TUPLET_KEY("greetings", "en", "runs");

  if (tuplet_open(argc > 1 ? argv[1] : ":memory:", NULL, &db, &error) != TUPLET_OK) goto out;
  atomic = tuplet_atomic_new(db);
  tuplet_atomic_set(atomic, greeting, tuplet_value_bytes("Hello", 5), TUPLET_NEVER, NULL);
  tuplet_atomic_sum(atomic, counter, 1, NULL);
  /* What went wrong in the lines above comes out here. */
  if (tuplet_atomic_commit(atomic, NULL, &error) != TUPLET_OK) goto out;
  if (tuplet_get(db, counter, TUPLET_CONSISTENCY_STRONG, &runs, &error) != TUPLET_OK) goto out;
  printf("Hello, run %llu\n", (unsigned long long)runs->value.u64);
out:
  if (error.status != TUPLET_OK) fprintf(stderr, "hello: %s\n", error.message);
  tuplet_entry_free(runs);
  tuplet_atomic_free(atomic);
  tuplet_close(db);
  return error.status == TUPLET_OK ? 0 : 1;
}
