/* instructions.c: does fixed amounts of work for bench/instructions.py, which has callgrind count it. */
#include "instructions.h"

#include <errno.h>
#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- What callgrind looks for ---- */

/* They may not be made part of their callers, nor be given another name. */
#ifdef __clang__
#define LANDMARK __attribute__((noinline, used))
#else
#define LANDMARK __attribute__((noinline, noclone, used))
#endif

LANDMARK void instructions_begin(void) {
  __asm__ volatile("" ::: "memory");
}

LANDMARK void instructions_end(const char *workload, uint64_t operations) {
  (void)printf("%s %llu\n", workload, (unsigned long long)operations);
  (void)fflush(stdout);
}

LANDMARK void instructions_aside(void (*run)(void *context), void *context) {
  run(context);
  __asm__ volatile("" ::: "memory");
}

/* ---- Time ---- */

/* How long a reader keeps its snapshot is decided by the coarse clock. callgrind makes everything fifty times
 * slower, and whatever else runs slows it down again; so that this decides nothing, the clock goes on a
 * little each time that somebody looks at it. (The linker has our code's calls come here; the other clocks
 * tell the time.) */
int system_clock(clockid_t clock, struct timespec *now) __asm__("__real_clock_gettime");
int look_at_clock(clockid_t clock, struct timespec *now) __asm__("__wrap_clock_gettime");

enum { LOOK_NS = 5000, SECOND_NS = 1000000000 };

static atomic_int_fast64_t coarse_ns = SECOND_NS;

int look_at_clock(clockid_t clock, struct timespec *now) {
  if (clock != CLOCK_MONOTONIC_COARSE) return system_clock(clock, now);
  int64_t now_ns = (int64_t)atomic_fetch_add(&coarse_ns, LOOK_NS);
  *now = (struct timespec){now_ns / SECOND_NS, now_ns % SECOND_NS};
  return 0;
}

/* ---- What all workloads share ---- */

void instructions_check(tuplet_status status, const tuplet_error *error) {
  if (status < 0) bench_fail("tuplet: %s", error->message);
  if (status > 0) bench_fail("tuplet: %s", tuplet_status_text(status));
}

void instructions_settle(void) {
  enum { SETTLE_MS = 50 };
  atomic_fetch_add(&coarse_ns, SECOND_NS); /* snapshots that are held and not used any more end */
  (void)nanosleep(&(struct timespec){.tv_nsec = SETTLE_MS * 1000000L}, NULL);
}

bool instructions_wants(const char *only, const char *workload) {
  return only == NULL || strcmp(only, workload) == 0;
}

static void fill(tuplet_db *db) {
  enum { ROWS_PER_COMMIT = 500 };
  uint64_t random = 1;
  tuplet_error error;
  for (uint32_t row = 0; row < INSTRUCTIONS_ROWS;) {
    tuplet_atomic *atomic = tuplet_atomic_new(db);
    if (atomic == NULL) bench_fail("out of memory");
    for (int i = 0; i < ROWS_PER_COMMIT && row < INSTRUCTIONS_ROWS; i++, row++) {
      uint8_t value[BENCH_VALUE_SIZE];
      for (size_t j = 0; j < sizeof value; j++) value[j] = (uint8_t)bench_random(&random, 256);
      tuplet_value bytes = tuplet_value_bytes(value, sizeof value);
      instructions_check(
          tuplet_atomic_set(atomic, TUPLET_KEY(INSTRUCTIONS_PREFIX, row), bytes, TUPLET_NEVER, &error),
          &error);
    }
    instructions_check(tuplet_atomic_commit(atomic, NULL, &error), &error);
    tuplet_atomic_free(atomic);
  }
}

static char *path_of(const char *directory, const char *name) {
  char *path;
  if (asprintf(&path, "%s/%s", directory, name) < 0) bench_fail("out of memory");
  return path;
}

static void copy(const char *from, const char *to) {
  FILE *in = fopen(from, "re"), *out = fopen(to, "wex");
  if (in == NULL || out == NULL) bench_fail("copying %s to %s failed: %s", from, to, strerror(errno));
  static char block[64 * 1024];
  size_t size;
  while ((size = fread(block, 1, sizeof block, in)) > 0) {
    if (fwrite(block, 1, size, out) != size) bench_fail("writing %s failed: %s", to, strerror(errno));
  }
  if (ferror(in) != 0) bench_fail("reading %s failed: %s", from, strerror(errno));
  (void)fclose(in);
  if (fclose(out) != 0) bench_fail("writing %s failed: %s", to, strerror(errno));
}

char *instructions_file_new(const char *directory, const char *name) {
  char *filled = path_of(directory, "filled");
  if (access(filled, F_OK) != 0) {
    tuplet_db *db;
    tuplet_error error;
    instructions_check(tuplet_open(filled, NULL, &db, &error), &error);
    fill(db);
    tuplet_close(db);
  }
  char *path = path_of(directory, name);
  copy(filled, path);
  free(filled);
  return path;
}

/* ---- The program ---- */

#if defined(__x86_64__)
#define ARCHITECTURE "x86_64"
#elif defined(__aarch64__)
#define ARCHITECTURE "aarch64"
#else
#define ARCHITECTURE "another architecture"
#endif

/* What the numbers depend on that the compiler knows. */
static _Noreturn void about(void) {
#ifdef __clang__
  (void)printf(ARCHITECTURE ", clang %d\n", __clang_major__);
#else
  (void)printf(ARCHITECTURE ", gcc %d\n", __GNUC__);
#endif
  exit(EXIT_SUCCESS);
}

static _Noreturn void help(void) {
  (void)printf("Usage: instructions [OPTION...]\n"
               "Does a fixed amount of work for each workload, and tells how many operations that was.\n"
               "bench/instructions.py runs it under callgrind.\n\n"
               "  --dir DIR        make the data in a new directory below DIR (default: .)\n"
               "  --only WORKLOAD  one of them alone\n"
               "  --about          what the program was compiled for and by\n"
               "  --help           this\n");
  exit(EXIT_SUCCESS);
}

int main(int argc, char **argv) {
  static const struct option known[] = {{"dir", required_argument, NULL, 'd'},
                                        {"only", required_argument, NULL, 'o'},
                                        {"about", no_argument, NULL, 'a'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};
  const char *parent = ".", *only = NULL;
  int letter;
  while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
    switch (letter) {
    case 'd': parent = optarg; break;
    case 'o': only = optarg; break;
    case 'a': about();
    case 'h': help();
    default: exit(EXIT_FAILURE); /* getopt_long has told why */
    }
  }
  if (optind < argc) bench_fail("%s: no such argument; --help lists the options", argv[optind]);
  char *directory = bench_directory_new(parent);
  instructions_codec(only);
  instructions_library(directory, only);
  instructions_server(directory, only);
  free(directory);
  return EXIT_SUCCESS;
}
