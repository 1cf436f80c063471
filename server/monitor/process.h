/* process.h: what the process as a whole takes of the machine. */
#ifndef TP_SERVER_PROCESS_H
#define TP_SERVER_PROCESS_H

#include <dirent.h>
#include <stdint.h>

typedef struct tp_process_usage {
  double cpu_seconds;        /* of all threads, in user and kernel mode, since the start */
  uint64_t resident_size;    /* bytes of memory that are its own or mapped, and present */
  uint64_t virtual_size;     /* bytes of address space */
  uint64_t descriptor_count; /* open */
  uint64_t descriptor_max;
} tp_process_usage;

/* What it is seen through. The system's files stay open, so that a process that has run out of descriptors
 * can still be seen to have. */
typedef struct tp_process {
  DIR *descriptors; /* NULL: not to be had */
  int memory;       /* -1: likewise */
} tp_process;

/* Never fails: what cannot be told (no /proc) is 0 in tp_process_usage_now. */
void tp_process_init(tp_process *process);
void tp_process_done(tp_process *process);

/* One thread at a time; takes some microseconds, and more with thousands of descriptors. */
tp_process_usage tp_process_usage_now(tp_process *process);

#endif
