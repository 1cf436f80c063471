/* main.c: the `tuplet` program: finds the command and runs it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "output.h"
#include "report.h"

/* A standard file that is closed would lend its number to the next file that is opened, the database perhaps,
 * and what is printed would go there. So each is opened, such that using it fails. */
static bool reserve_standard_files(void) {
  for (int fd = 0; fd <= 2; fd++) {
    if (fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
    if (open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd) return false;
  }
  return true;
}

/* Flushes standard output; output that was lost makes a failure of a success. */
static tp_cli_exit finish(tp_cli_context *context, tp_cli_exit code) {
  tp_cli_flush(context);
  if (context->write_errno == 0) return code;
  /* Who closed the pipe has seen enough; no need to tell. */
  if (context->write_errno == EPIPE) return TP_CLI_EXIT_SYSTEM;
  return tp_cli_fail_as(TP_CLI_EXIT_SYSTEM, "writing to standard output: %s%s",
                        strerror(context->write_errno),
                        context->committed ? "; the change is stored, only its versionstamp is lost" : "");
}

static tp_cli_exit run(tp_cli_context *context, int argc, char **argv) {
  static const struct option long_options[] = {TP_CLI_COMMON_LONG, {"version", no_argument, NULL, 'V'}, {0}};
  tp_cli_options options;
  tp_cli_options_init(&options, NULL, context, argc, argv, long_options, TP_CLI_COMMON_SHORT "V");
  options.operands_last = true;
  for (int option; (option = tp_cli_options_next(&options)) != TP_CLI_OPTION_END;) {
    if (option == 'V') {
      char *version_argv[] = {argv[0], NULL};
      return tp_cli_version.run(context, 1, version_argv);
    }
    return options.exit;
  }
  int skipped = (int)(tp_cli_operands(&options) - argv);
  if (skipped >= argc) return tp_cli_fail_usage(NULL, "a command is missing");
  const tp_cli_command *command = tp_cli_command_find(argv[skipped]);
  if (command == NULL) return tp_cli_fail_usage(NULL, "'%s' is not a command", argv[skipped]);
  return command->run(context, argc - skipped, argv + skipped);
}

int main(int argc, char **argv) {
  tp_cli_context context = {0};
  if (!reserve_standard_files()) return TP_CLI_EXIT_SYSTEM;
  (void)signal(SIGPIPE, SIG_IGN); /* a closed pipe is to be noticed as a failed write */
  return (int)finish(&context, run(&context, argc, argv));
}
