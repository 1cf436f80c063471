/* listen.c: `tuplet listen`, the messages of the queue, printed or each given to a command. */
#include "listening.h"
#include "options.h"
#include "report.h"

static bool parse_number(const char *what, uint32_t maximum, uint32_t *ret_number) {
  uint64_t number = 0;
  if (!tp_cli_number_parse(&tp_cli_listen, what, optarg, 1, maximum, &number)) return false;
  *ret_number = (uint32_t)number;
  return true;
}

static tp_cli_exit complete(const tp_cli_options *options, tp_cli_listen_request *request) {
  if (options->operand_count > 0) {
    return tp_cli_fail_usage(&tp_cli_listen, "'%s' is one argument too many", tp_cli_operands(options)[0]);
  }
  if (request->command == NULL && request->job_count != 0) {
    return tp_cli_fail_usage(&tp_cli_listen, "--jobs goes with --exec");
  }
  if (request->command != NULL && request->job_count == 0) request->job_count = 1;
  /* What waits here for a command to end is kept from others who would have time for it. */
  if (request->in_flight_max == 0) {
    request->in_flight_max = request->command != NULL ? request->job_count : TUPLET_LISTEN_IN_FLIGHT_DEFAULT;
  }
  return TP_CLI_EXIT_OK;
}

static tp_cli_exit parse(tp_cli_context *context, int argc, char **argv, tp_cli_listen_request *request,
                         bool *ret_go) {
  enum { COUNT = TP_CLI_OPTION_LONG_ONLY, TIMEOUT, MAX_IN_FLIGHT, EXEC, JOBS };
  static const struct option long_options[] = {TP_CLI_COMMON_LONG,
                                               {"count", required_argument, NULL, COUNT},
                                               {"timeout", required_argument, NULL, TIMEOUT},
                                               {"max-in-flight", required_argument, NULL, MAX_IN_FLIGHT},
                                               {"exec", required_argument, NULL, EXEC},
                                               {"jobs", required_argument, NULL, JOBS},
                                               {0}};
  tp_cli_options options;
  tp_cli_options_init(&options, &tp_cli_listen, context, argc, argv, long_options, TP_CLI_COMMON_SHORT);
  for (int option; (option = tp_cli_options_next(&options)) != TP_CLI_OPTION_END;) {
    bool parsed = true;
    switch (option) {
    case COUNT:
      parsed = tp_cli_number_parse(&tp_cli_listen, "--count", optarg, 1, INT64_MAX, &request->count);
      break;
    case TIMEOUT:
      parsed = tp_cli_duration_parse(&tp_cli_listen, "--timeout", optarg, &request->timeout_ms);
      break;
    case MAX_IN_FLIGHT:
      parsed = parse_number("--max-in-flight", TUPLET_LISTEN_IN_FLIGHT_MAX, &request->in_flight_max);
      break;
    case EXEC: request->command = optarg; break;
    case JOBS: parsed = parse_number("--jobs", TP_CLI_JOBS_MAX, &request->job_count); break;
    default: return options.exit;
    }
    if (!parsed) return TP_CLI_EXIT_USAGE;
  }
  tp_cli_exit code = complete(&options, request);
  *ret_go = code == TP_CLI_EXIT_OK;
  return code;
}

static tp_cli_exit run(tp_cli_context *context, int argc, char **argv) {
  tp_cli_listen_request request = {.timeout_ms = TUPLET_FOREVER};
  bool go = false;
  tp_cli_exit code = parse(context, argc, argv, &request, &go);
  return go ? tp_cli_listening_run(context, &request) : code;
}

const tp_cli_command tp_cli_listen = {
    .name = "listen",
    .summary = "print the queue's messages, or run a command for each",
    .help = "Usage: tuplet listen [OPTION]...\n"
            "\n"
            "Listens to the database's queue and prints a line for each message: id, tab,\n"
            "attempt (1 the first time), tab, payload as JavaScript text. A message is deleted\n"
            "once its line is written out. Any number of programs may listen; each message\n"
            "goes to one of them, and again to another when that one dies.\n"
            "\n" TP_CLI_DATABASE_HELP "\n"
            "      --count N          end when N messages were handled\n"
            "      --timeout TIME     end after this time: 500ms, 10s, 5m, 2h, 7d, or\n"
            "                         milliseconds; commands that run may end first\n"
            "      --exec COMMAND     run COMMAND with sh for each message, and print nothing.\n"
            "                         It finds the payload on standard input (with --json, the\n"
            "                         object that would be printed), and TUPLET_MESSAGE_ID and\n"
            "                         TUPLET_ATTEMPT in its environment. When it exits with 0,\n"
            "                         the message is deleted; else it comes again as whoever\n"
            "                         sent it has said. 126 and 127, as sh has it when there\n"
            "                         is no such command, end the listening\n"
            "      --jobs N           commands that run at a time, up to 64; otherwise 1\n"
            "      --max-in-flight N  messages to take before they are handled, up to 1000;\n"
            "                         otherwise 100, or as many as commands run at a time\n"
            "  -j, --json             print a JSON object on a line for each message: id,\n"
            "                         attempt, payload (if JSON can say it), payloadText\n"
            "  -q, --quiet            do not report commands that fail\n"
            "  -h, --help             print this\n"
            "\n"
            "SIGINT, SIGTERM and SIGHUP end it: commands are sent SIGTERM, and SIGKILL at the\n"
            "second signal; messages that are not handled go back into the queue at once.\n"
            "\n"
            "Exit status: 0 success, 1 it ended before the count was reached, 2 usage, 4 the\n"
            "payload of a message is damaged, 5 the database, output or the command failed.\n"
            "\n"
            "  tuplet listen -d app.sqlite3 --json | jq .payload\n"
            "  tuplet listen -d app.sqlite3 --exec 'node resize.js' --jobs 4\n",
    .run = run,
};
