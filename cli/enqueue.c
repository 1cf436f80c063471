/* enqueue.c: `tuplet enqueue`, puts a message into the queue. */
#include "database.h"
#include "delivery.h"
#include "options.h"
#include "output.h"
#include "report.h"
#include "source.h"

typedef struct enqueue_request {
  tp_cli_source payload;
  tp_cli_delivery delivery;
} enqueue_request;

static tp_cli_exit parse(tp_cli_context *context, int argc, char **argv, enqueue_request *request,
                         bool *ret_go) {
  enum { DELAY = TP_CLI_OPTION_LONG_ONLY, UNDELIVERED, BACKOFF };
  static const struct option long_options[] = {TP_CLI_COMMON_LONG,
                                               TP_CLI_SOURCE_LONG,
                                               {"delay", required_argument, NULL, DELAY},
                                               {"undelivered", required_argument, NULL, UNDELIVERED},
                                               {"backoff", required_argument, NULL, BACKOFF},
                                               {0}};
  tp_cli_options options;
  tp_cli_options_init(&options, &tp_cli_enqueue, context, argc, argv, long_options, TP_CLI_COMMON_SHORT);
  for (int option; (option = tp_cli_options_next(&options)) != TP_CLI_OPTION_END;) {
    tp_cli_exit code = TP_CLI_EXIT_OK;
    switch (option) {
    case DELAY: code = tp_cli_delivery_set_delay(&tp_cli_enqueue, optarg, &request->delivery); break;
    case UNDELIVERED: code = tp_cli_delivery_add_key("--undelivered", optarg, &request->delivery); break;
    case BACKOFF: code = tp_cli_delivery_set_backoff(&tp_cli_enqueue, optarg, &request->delivery); break;
    case TP_CLI_OPTION_STOP: return options.exit;
    default:
      if (!tp_cli_source_option(&tp_cli_enqueue, option, &request->payload)) code = TP_CLI_EXIT_USAGE;
      break;
    }
    if (code != TP_CLI_EXIT_OK) return code;
  }
  tp_cli_exit code = tp_cli_source_operands(&tp_cli_enqueue, tp_cli_operands(&options), options.operand_count,
                                            &request->payload);
  *ret_go = code == TP_CLI_EXIT_OK;
  return code;
}

static tp_cli_exit run(tp_cli_context *context, int argc, char **argv) {
  enqueue_request request = {0};
  bool go = false;
  tuplet_error error = {0};
  tuplet_db *db = NULL;
  tp_cli_value payload = {0};
  tuplet_versionstamp versionstamp = {{0}};
  tp_cli_exit code = parse(context, argc, argv, &request, &go);
  if (!go) goto out;
  code = tp_cli_source_read(&request.payload, &payload);
  if (code != TP_CLI_EXIT_OK) goto out;
  code = tp_cli_database_open(context, TP_CLI_WRITE, &db);
  if (code != TP_CLI_EXIT_OK) goto out;
  const tuplet_enqueue_options options = tp_cli_delivery_options(&request.delivery);
  if (tuplet_enqueue(db, payload.value, &options, &versionstamp, &error) != TUPLET_OK) {
    code = tp_cli_fail(NULL, &error);
    goto out;
  }
  tp_cli_write_commit(context, &versionstamp);
out:
  tuplet_close(db);
  tp_cli_value_done(&payload);
  tp_cli_delivery_done(&request.delivery);
  return code;
}

const tp_cli_command tp_cli_enqueue = {
    .name = "enqueue",
    .summary = "put a message into the queue",
    .help = "Usage: tuplet enqueue [OPTION]... VALUE\n"
            "       tuplet enqueue [OPTION]... --value-file FILE\n"
            "\n"
            "Puts a message into the database's queue, for tuplet listen and every program\n"
            "that listens to it, and prints the commit's versionstamp once the message is on\n"
            "disk. VALUE is JavaScript text, - reads it from standard input. Any value but a\n"
            "counter may be sent, of up to 65536 bytes.\n"
            "\n" TP_CLI_DATABASE_HELP "\n"
            "      --delay TIME       deliver it after this time, at most 30d: 500ms, 10s, 5m,\n"
            "                         2h, 7d, or milliseconds\n"
            "      --undelivered KEY  store it under KEY when nobody could handle it; may be\n"
            "                         there up to 10 times\n"
            "      --backoff LIST     the delays before it comes again when it was not handled:\n"
            "                         up to 5 of at most 1h each, as in 100ms,1s,5s, which end\n"
            "                         it after four attempts; none: there is only one attempt.\n"
            "                         When not given: 100ms,1s,5s,30s,60s\n"
            "      --value-file FILE  read the value from FILE; - is standard input\n"
            "      --encoding ENC     how to read the value: text (JavaScript, the default),\n"
            "                         json, bytes (a Uint8Array of the bytes of FILE) or v8\n"
            "                         (bytes of FILE that are encoded already)\n"
            "      --raw              the same as --encoding bytes\n"
            "  -j, --json             print the outcome as a JSON object\n"
            "  -q, --quiet            print nothing\n"
            "  -h, --help             print this\n"
            "\n"
            "Exit status: 0 it is in the queue, 2 usage, 4 invalid value, key or delay, 5 the\n"
            "database cannot be written.\n"
            "\n"
            "  tuplet enqueue -d app.sqlite3 '{job: \"resize\", id: 7n}' --delay 10s\n",
    .run = run,
};
