/* process.c: another program that a benchmark runs. */
#include "process.h"

#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* For the exit handler, which takes no argument. */
static pid_t process_to_kill;

static void kill_process(void) {
  if (process_to_kill > 0) (void)kill(process_to_kill, SIGKILL);
}

pid_t process_start(const char *const *words, bool with_errors, int *ret_output) {
  static bool has_handler;
  if (process_to_kill > 0) bench_fail("%s: another program runs", words[0]);
  if (!has_handler && atexit(kill_process) != 0) bench_fail("out of memory");
  has_handler = true;
  int ends[2];
  posix_spawn_file_actions_t actions;
  if (pipe2(ends, O_CLOEXEC) != 0 || posix_spawn_file_actions_init(&actions) != 0 ||
      posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO) != 0 ||
      (with_errors && posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO) != 0))
    bench_fail("making a pipe failed: %s", strerror(errno));
  char *const *arguments = (char *const *)(uintptr_t)words; /* which are only read */
  pid_t process;
  int rc = posix_spawnp(&process, words[0], &actions, NULL, arguments, environ);
  if (rc != 0) bench_fail("%s: %s", words[0], strerror(rc));
  process_to_kill = process;
  (void)posix_spawn_file_actions_destroy(&actions);
  (void)close(ends[1]);
  *ret_output = ends[0];
  return process;
}

int process_wait(pid_t process) {
  int status = 0;
  while (waitpid(process, &status, 0) != process) {
    if (errno != EINTR) bench_fail("waiting for a program failed: %s", strerror(errno));
  }
  process_to_kill = 0;
  return status;
}

int process_end(pid_t process, int signal_number) {
  if (kill(process, signal_number) != 0) bench_fail("ending a program failed: %s", strerror(errno));
  return process_wait(process);
}
