/* process.h: what the process as a whole takes of the machine. */
#ifndef TP_SERVER_PROCESS_H
#define TP_SERVER_PROCESS_H

#include <stdint.h>

typedef struct tp_process_usage {
  double cpu_seconds;        /* of all threads, in user and kernel mode, since the start */
  uint64_t resident_size;    /* bytes of memory that are its own or mapped, and present */
  uint64_t virtual_size;     /* bytes of address space */
  uint64_t descriptor_count; /* open */
  uint64_t descriptor_max;
  int64_t started_at_ms; /* unix */
} tp_process_usage;

/* What cannot be told (no /proc) is 0. started_at_ms is left to the caller, who was there. Any thread; takes
 * some microseconds, and more with thousands of descriptors. */
tp_process_usage tp_process_usage_now(void);

#endif
