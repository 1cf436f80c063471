/* machine.h: what the numbers were measured on. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stdio.h>

typedef struct bench_machine {
  char cpu[128];
  long cores;
  char kernel[160];
  char file_system[256]; /* of the data: "ext4 on /dev/sda1" */
  char date[16];         /* 2026-01-31 */
  double load;           /* how many others wanted the processors, over the minute before */
  double sync_us;        /* one fdatasync of 8 KiB written in place */
} bench_machine;

/* Looks at the machine; `directory` is where the data is. Ends the program when that is no disk, on which
 * nothing is durable. */
void machine_look(bench_machine *ret_machine, const char *directory);

/* In three lines, each after `bullet`. */
void machine_write(const bench_machine *machine, FILE *out, const char *bullet);

/* The SQLite that runs, and what compiled the program. */
const char *machine_sqlite_version(void);
const char *machine_compiler(void);

#endif
