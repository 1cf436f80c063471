/* bench.c: what the benchmarks' programs share. */
#include "bench.h"

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bench_fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  (void)fprintf(stderr, "bench: ");
  (void)vfprintf(stderr, format, arguments);
  (void)fprintf(stderr, "\n");
  va_end(arguments);
  exit(EXIT_FAILURE);
}

char *bench_command(int argc, char **argv) {
  size_t size = 1;
  for (int i = 0; i < argc; i++) size += strlen(argv[i]) + 1;
  char *command = calloc(1, size);
  if (command == NULL) bench_fail("out of memory");
  char *end = command;
  for (int i = 0; i < argc; i++) end = stpcpy(i > 0 ? stpcpy(end, " ") : end, argv[i]);
  return command;
}

/* ---- A directory for the run ---- */

/* For the exit handler alone, which takes no argument. */
static char *directory_to_remove;

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place) {
  (void)status;
  (void)type;
  (void)place;
  return remove(path);
}

static void remove_directory(void) {
  enum { OPEN_FILES_MAX = 8 };
  if (nftw(directory_to_remove, remove_one, OPEN_FILES_MAX, FTW_DEPTH | FTW_PHYS) != 0) {
    (void)fprintf(stderr, "bench: removing %s failed: %s\n", directory_to_remove, strerror(errno));
  }
  free(directory_to_remove);
}

char *bench_directory_new(const char *parent) {
  char *directory;
  if (asprintf(&directory, "%s/tuplet-bench-XXXXXX", parent) < 0) bench_fail("out of memory");
  if (mkdtemp(directory) == NULL) bench_fail("making %s failed: %s", directory, strerror(errno));
  directory_to_remove = strdup(directory);
  if (directory_to_remove == NULL || atexit(remove_directory) != 0) bench_fail("out of memory");
  return directory;
}
