/* bench.h: what the parts of the benchmark share: what is measured, and how long it took. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum {
  BENCH_HOT_KEYS = 10000,   /* rows of the file that gets and sets go to */
  BENCH_LIST_ROWS = 100000, /* rows of the file that is listed */
  BENCH_VALUE_SIZE = 100,
  BENCH_THREADS = 64,            /* that submit at once */
  BENCH_IN_FLIGHT = 64,          /* writes of one thread that does not wait for each */
  BENCH_LOOK_AT_CLOCK_EVERY = 64 /* gets, which are hardly longer than looking at the clock */
};

/* What one slice of measuring came to. */
typedef struct bench_slice {
  uint64_t operations;
  int64_t duration_ns;
  uint64_t checksum; /* of a list: what one traversal read; both sides must come to the same */
} bench_slice;

static inline int64_t bench_now_ns(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The next of a fixed sequence of numbers below `bound`, the same for both sides (splitmix64). */
static inline uint32_t bench_random(uint64_t *state, uint32_t bound) {
  uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  z ^= z >> 31;
  return (uint32_t)(z % bound);
}

/* Reads bytes as a program would that has a use for them: both ends and the size go into the checksum. */
static inline uint64_t bench_touch(uint64_t checksum, const void *data, size_t size) {
  const uint8_t *bytes = data;
  checksum = checksum * 31 + size;
  return size == 0 ? checksum : (checksum * 31 + bytes[0]) * 31 + bytes[size - 1];
}

/* Prints the message to standard error and ends the program: a benchmark that met an error measured nothing.
 */
void bench_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* The command as it was given; the caller frees it. */
char *bench_command(int argc, char **argv);

/* Makes a directory below `parent`, once in a run; it goes away with the program. The caller frees its path.
 */
char *bench_directory_new(const char *parent);

#endif
