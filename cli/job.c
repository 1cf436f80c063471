/* job.c: a command that runs for one message. */
#include "job.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report.h"

#define ID_NAME      "TUPLET_MESSAGE_ID="
#define ATTEMPT_NAME "TUPLET_ATTEMPT="

extern char **environ;

static bool begins_with(const char *text, const char *start) {
  return strncmp(text, start, strlen(start)) == 0;
}

/* Our environment and the message's variables, in one block that borrows the former; NULL: out of memory. */
static char **new_environment(const tp_cli_letter *letter) {
  enum { ATTEMPT_SIZE = sizeof ATTEMPT_NAME + 10 };
  size_t count = 0;
  while (environ[count] != NULL) count++;
  size_t id_size = sizeof ID_NAME + strlen(letter->id);
  size_t pointers_size = (count + 3) * sizeof(char *);
  char *block = malloc(pointers_size + id_size + ATTEMPT_SIZE);
  if (block == NULL) return NULL;
  char **variables = (char **)(void *)block;
  char *id = block + pointers_size;
  char *attempt = id + id_size;
  (void)snprintf(id, id_size, ID_NAME "%s", letter->id);
  (void)snprintf(attempt, ATTEMPT_SIZE, ATTEMPT_NAME "%" PRIu32, letter->message->attempt);
  size_t used = 0;
  for (size_t i = 0; i < count; i++) {
    if (begins_with(environ[i], ID_NAME) || begins_with(environ[i], ATTEMPT_NAME)) continue;
    variables[used++] = environ[i];
  }
  variables[used++] = id;
  variables[used++] = attempt;
  variables[used] = NULL;
  return variables;
}

/* What posix_spawn is told; 0 or an error number. */
static int set_attributes(posix_spawnattr_t *attributes, const sigset_t *mask) {
  sigset_t defaults;
  (void)sigemptyset(&defaults);
  (void)sigaddset(&defaults, SIGPIPE); /* which we ignore */
  int rc = posix_spawnattr_setsigmask(attributes, mask);
  if (rc == 0) rc = posix_spawnattr_setsigdefault(attributes, &defaults);
  if (rc != 0) return rc;
  return posix_spawnattr_setflags(attributes,
                                  POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
}

static int spawn(const char *command, const sigset_t *mask, int input_fd, char **variables, pid_t *ret_pid) {
  char shell[] = "sh";
  char option[] = "-c";
  char end[] = "--";
  char *text = strdup(command);
  char *arguments[] = {shell, option, end, text, NULL};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int rc = text != NULL ? posix_spawn_file_actions_init(&actions) : ENOMEM;
  if (rc != 0) goto out;
  rc = posix_spawnattr_init(&attributes);
  if (rc != 0) goto out_actions;
  rc = posix_spawn_file_actions_adddup2(&actions, input_fd, STDIN_FILENO);
  if (rc == 0) rc = set_attributes(&attributes, mask);
  if (rc == 0) rc = posix_spawn(ret_pid, "/bin/sh", &actions, &attributes, arguments, variables);
  (void)posix_spawnattr_destroy(&attributes);
out_actions:
  (void)posix_spawn_file_actions_destroy(&actions);
out:
  free(text);
  return rc;
}

tp_cli_exit tp_cli_job_start(tp_cli_job *job, const char *command, const sigset_t *mask,
                             tp_cli_letter *letter, char *input, size_t input_size) {
  int ends[2] = {-1, -1};
  char **variables = new_environment(letter);
  if (variables == NULL) return tp_cli_fail_memory();
  pid_t pid = 0;
  int rc = pipe2(ends, O_CLOEXEC) == 0 && fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0 ? 0 : errno;
  if (rc == 0) rc = spawn(command, mask, ends[0], variables, &pid);
  free(variables);
  if (ends[0] >= 0) (void)close(ends[0]);
  if (rc != 0) {
    if (ends[1] >= 0) (void)close(ends[1]);
    return tp_cli_fail_as(TP_CLI_EXIT_SYSTEM, "starting the command: %s", strerror(rc));
  }
  *job = (tp_cli_job){.pid = pid, .letter = letter, .input_fd = ends[1], .input_size = input_size};
  job->input = input;
  tp_cli_job_feed(job);
  return TP_CLI_EXIT_OK;
}

static void end_input(tp_cli_job *job) {
  if (job->input_fd >= 0) (void)close(job->input_fd);
  free(job->input);
  job->input_fd = -1;
  job->input = NULL;
}

void tp_cli_job_feed(tp_cli_job *job) {
  while (job->input_fd >= 0 && job->input_done < job->input_size) {
    ssize_t written = write(job->input_fd, job->input + job->input_done, job->input_size - job->input_done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) return;
    if (written < 0) break; /* it does not read on; how it ends is what counts */
    job->input_done += (size_t)written;
  }
  end_input(job);
}

bool tp_cli_job_reap(tp_cli_job *job, int *ret_status) {
  if (job->pid == 0 || waitpid(job->pid, ret_status, WNOHANG) != job->pid) return false;
  end_input(job);
  job->pid = 0;
  return true;
}

void tp_cli_job_signal(const tp_cli_job *job, int number) {
  if (job->pid != 0) (void)kill(-job->pid, number); /* it has not been waited for, so it is still that one */
}
