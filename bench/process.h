/* process.h: another program that a benchmark runs, one at a time; none is left behind when the benchmark
 * fails. Errors end the program. */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/* Starts words[0], looked for in PATH; the words end with NULL. What it prints can be read from *ret_output,
 * which the caller closes; its messages of errors, too, if with_errors. */
pid_t process_start(const char *const *words, bool with_errors, int *ret_output);

/* Waits for its end; as waitpid() tells it. */
int process_wait(pid_t process);

/* The same, after sending it a signal. */
int process_end(pid_t process, int signal_number);

#endif
