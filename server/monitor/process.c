/* process.c: what the process as a whole takes of the machine. */
#include "server/monitor/process.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

void tp_process_init(tp_process *process) {
  process->descriptors = opendir("/proc/self/fd");
  process->memory = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
}

void tp_process_done(tp_process *process) {
  if (process->descriptors != NULL) (void)closedir(process->descriptors);
  if (process->memory >= 0) (void)close(process->memory);
  *process = (tp_process){.memory = -1};
}

static double seconds_of(struct timeval time) {
  return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static uint64_t count_descriptors(DIR *folder) {
  uint64_t count = 0;
  if (folder == NULL) return 0;
  rewinddir(folder);
  for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) count += entry->d_name[0] != '.';
  return count;
}

static void read_memory(int memory, tp_process_usage *usage) {
  char text[128];
  ssize_t size = memory < 0 ? -1 : pread(memory, text, sizeof text - 1, 0);
  if (size <= 0) return;
  text[size] = '\0';
  char *rest; /* two numbers, and more */
  uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
  uint64_t virtual_pages = strtoull(text, &rest, 10);
  uint64_t resident_pages = strtoull(rest, &rest, 10);
  usage->virtual_size = virtual_pages * page_size;
  usage->resident_size = resident_pages * page_size;
}

tp_process_usage tp_process_usage_now(tp_process *process) {
  tp_process_usage usage = {0};
  struct rusage spent;
  struct rlimit limit;
  if (getrusage(RUSAGE_SELF, &spent) == 0)
    usage.cpu_seconds = seconds_of(spent.ru_utime) + seconds_of(spent.ru_stime);
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) usage.descriptor_max = limit.rlim_cur;
  usage.descriptor_count = count_descriptors(process->descriptors);
  read_memory(process->memory, &usage);
  return usage;
}
