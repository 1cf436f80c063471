/* process.c: what the process as a whole takes of the machine. */
#include "server/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static double seconds_of(struct timeval time) {
  return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static uint64_t count_descriptors(void) {
  uint64_t count = 0;
  DIR *folder = opendir("/proc/self/fd");
  if (folder == NULL) return 0;
  while (readdir(folder) != NULL) count++;
  (void)closedir(folder);
  return count > 3 ? count - 3 : 0; /* ".", ".." and the folder's own */
}

static void read_memory(tp_process_usage *usage) {
  FILE *file = fopen("/proc/self/statm", "re");
  if (file == NULL) return;
  uint64_t virtual_pages = 0, resident_pages = 0;
  if (fscanf(file, "%" SCNu64 " %" SCNu64, &virtual_pages, &resident_pages) == 2) {
    uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
    usage->virtual_size = virtual_pages * page_size;
    usage->resident_size = resident_pages * page_size;
  }
  (void)fclose(file);
}

tp_process_usage tp_process_usage_now(void) {
  tp_process_usage usage = {0};
  struct rusage spent;
  struct rlimit limit;
  if (getrusage(RUSAGE_SELF, &spent) == 0)
    usage.cpu_seconds = seconds_of(spent.ru_utime) + seconds_of(spent.ru_stime);
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) usage.descriptor_max = limit.rlim_cur;
  usage.descriptor_count = count_descriptors();
  read_memory(&usage);
  return usage;
}
