/* machine.c: what the numbers were measured on, from Linux's own tables. */
#include "machine.h"

#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifdef __clang__
#define COMPILER "clang"
#else
#define COMPILER "gcc"
#endif

static void look_at_processor(bench_machine *machine) {
  (void)snprintf(machine->cpu, sizeof machine->cpu, "unknown");
  machine->cores = sysconf(_SC_NPROCESSORS_ONLN);
  if (getloadavg(&machine->load, 1) != 1) machine->load = -1;
  FILE *file = fopen("/proc/cpuinfo", "re");
  if (file == NULL) return;
  char line[256];
  while (fgets(line, sizeof line, file) != NULL) {
    const char *value = strchr(line, ':');
    if (value == NULL || strncmp(line, "model name", strlen("model name")) != 0) continue;
    (void)snprintf(machine->cpu, sizeof machine->cpu, "%.*s", (int)strcspn(value + 2, "\n"), value + 2);
    break;
  }
  (void)fclose(file);
}

/* Whether `path` is `directory` or lies below it. */
static int is_below(const char *path, const char *directory) {
  size_t size = strlen(directory);
  if (strcmp(directory, "/") == 0) return 1;
  return strncmp(path, directory, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

/* The mount that the directory is on: of those above it the one with the longest path, the last made of
 * equals. */
static void look_at_file_system(bench_machine *machine, const char *directory) {
  char *path = realpath(directory, NULL);
  FILE *mounts = setmntent("/proc/self/mounts", "r");
  if (path == NULL || mounts == NULL) bench_fail("%s: %s", directory, strerror(errno));
  size_t longest = 0;
  const struct mntent *mount;
  while ((mount = getmntent(mounts)) != NULL) {
    size_t size = strlen(mount->mnt_dir);
    if (size < longest || !is_below(path, mount->mnt_dir)) continue;
    longest = size;
    (void)snprintf(machine->file_system, sizeof machine->file_system, "%s on %s", mount->mnt_type,
                   mount->mnt_fsname);
  }
  (void)endmntent(mounts);
  free(path);
  if (longest == 0) bench_fail("%s is on no file system that is known", directory);
  if (strncmp(machine->file_system, "tmpfs ", 6) == 0 || strncmp(machine->file_system, "ramfs ", 6) == 0) {
    bench_fail("%s is memory (%s): durable writes need a disk, give one with --dir", directory,
               machine->file_system);
  }
}

/* What every durable commit waits for at the least. */
static double sync_us_of(const char *directory) {
  enum { BLOCK_SIZE = 8192, BLOCKS = 128, SYNCS = 256 };
  static uint8_t block[BLOCK_SIZE];
  char path[4096];
  (void)snprintf(path, sizeof path, "%s/sync", directory);
  int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) bench_fail("%s: %s", path, strerror(errno));
  int64_t start_ns = 0;
  for (int i = 0; i < BLOCKS + SYNCS; i++) {
    if (i == BLOCKS) {
      if (fsync(file) != 0) bench_fail("%s: %s", path, strerror(errno));
      start_ns = bench_now_ns();
    }
    memset(block, i, sizeof block);
    if (pwrite(file, block, sizeof block, (off_t)(i % BLOCKS) * BLOCK_SIZE) != BLOCK_SIZE ||
        (i >= BLOCKS && fdatasync(file) != 0)) {
      bench_fail("%s: %s", path, strerror(errno));
    }
  }
  double total_us = (double)(bench_now_ns() - start_ns) / 1000;
  (void)close(file);
  (void)unlink(path);
  return total_us / SYNCS;
}

void machine_look(bench_machine *ret_machine, const char *directory) {
  *ret_machine = (bench_machine){0};
  look_at_processor(ret_machine);
  look_at_file_system(ret_machine, directory);
  struct utsname system;
  if (uname(&system) != 0) bench_fail("uname failed: %s", strerror(errno));
  (void)snprintf(ret_machine->kernel, sizeof ret_machine->kernel, "%s %s", system.sysname, system.release);
  time_t now = time(NULL);
  struct tm date;
  if (gmtime_r(&now, &date) == NULL ||
      strftime(ret_machine->date, sizeof ret_machine->date, "%Y-%m-%d", &date) == 0) {
    bench_fail("the clock is wrong");
  }
  ret_machine->sync_us = sync_us_of(directory);
}

void machine_write(const bench_machine *machine, FILE *out, const char *bullet) {
  (void)fprintf(out, "%s%s, %ld cores, %s, load %.1f when it began\n", bullet, machine->cpu, machine->cores,
                machine->kernel, machine->load);
  (void)fprintf(out, "%sdata on %s; one fdatasync of 8 KiB there takes %.0f µs\n", bullet,
                machine->file_system, machine->sync_us);
  (void)fprintf(out, "%sSQLite %s, compiled by %s, %s\n", bullet, machine_sqlite_version(),
                machine_compiler(), machine->date);
}

const char *machine_sqlite_version(void) {
  return sqlite3_libversion();
}

const char *machine_compiler(void) {
  return COMPILER " " __VERSION__;
}
