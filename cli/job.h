/* job.h: a command that runs for one message: what it finds on its standard input, and how it ends.
 *
 * It runs in a session of its own, so that ending it ends what it has started, too. */
#ifndef TP_CLI_JOB_H
#define TP_CLI_JOB_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "command.h"
#include "inbox.h"

/* A zeroed one does not run. */
typedef struct tp_cli_job {
  pid_t pid; /* 0: none runs */
  tp_cli_letter *letter;
  int input_fd; /* where its input goes; -1: it has had everything */
  char *input;
  size_t input_size;
  size_t input_done;
} tp_cli_job;

/* Starts COMMAND under sh, with the signal mask given. Takes the letter and `input` (from malloc) over when
 * it succeeds. Errors are reported. */
tp_cli_exit tp_cli_job_start(tp_cli_job *job, const char *command, const sigset_t *mask,
                             tp_cli_letter *letter, char *input, size_t input_size);

/* Goes on with its input, to be called when input_fd is writable. Never waits. */
void tp_cli_job_feed(tp_cli_job *job);

/* Whether it has ended; then *ret_status is what waitpid gives, and the job may be started again. The letter
 * is the caller's. Never waits. */
bool tp_cli_job_reap(tp_cli_job *job, int *ret_status);

/* Sends a signal to it and to what it has started. */
void tp_cli_job_signal(const tp_cli_job *job, int number);

#endif
