/* config.c: what the command line and the environment say about how to serve. */
#include "server/config.h"

#include "base/status.h"
#include "codec/limits.h"
#include "net/address.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

const char tp_serve_help[] =
    "Usage: tuplet serve [OPTION]... [PATH]\n"
    "\n"
    "Serves a database to Deno and Node programs: Deno.openKv(\"http://HOST:PORT\").\n"
    "The database is the file PATH, made when it is not there, or :memory:. Without PATH it is\n"
    "the file that DENO_KV_DEFAULT_PATH names, or else one of the working directory's own, kept\n"
    "below $XDG_DATA_HOME/tuplet or ~/.local/share/tuplet.\n"
    "\n"
    "      --sqlite-path PATH    the same as PATH\n"
    "      --access-token TOKEN  what clients have to know (their DENO_KV_ACCESS_TOKEN), at least 12\n"
    "                            characters. Without it a token is made, kept in PATH.secrets for the\n"
    "                            owner alone to read, and printed\n"
    "      --addr HOST:PORT      where to listen (" TP_SERVE_ADDRESS_DEFAULT "); port 0 takes any free one\n"
    "      --read-only           refuse writes; the file must exist\n"
    "      --num-workers N       threads that serve clients (one for each processor)\n"
    "      --atomic-write-batch-timeout-ms N\n"
    "                            accepted for denokv's sake, without effect: writes that come while\n"
    "                            another is being made durable are committed together, none waits\n"
    "                            for more to come\n"
    "  -h, --help                show this text\n"
    "\n"
    "Environment, where the option is not given: DENO_KV_SQLITE_PATH, DENO_KV_ACCESS_TOKEN,\n"
    "DENO_KV_NUM_WORKERS, DENO_KV_ATOMIC_WRITE_BATCH_TIMEOUT_MS.\n"
    "\n"
    "http://HOST:PORT/:memory: gives every client that opens it a private database in memory, which\n"
    "goes away when it is not used any more: for tests.\n"
    "\n"
    "SIGTERM and SIGINT finish what was accepted and end the server; a second one ends it at once.\n";

enum {
  OPTION_SQLITE_PATH = 'd',
  OPTION_HELP = 'h',
  OPTION_ACCESS_TOKEN = 256,
  OPTION_ADDR,
  OPTION_READ_ONLY,
  OPTION_NUM_WORKERS,
  OPTION_BATCH_TIMEOUT
};

static const struct option options[] = {
    {"sqlite-path", required_argument, NULL, OPTION_SQLITE_PATH},
    {"db", required_argument, NULL, OPTION_SQLITE_PATH},
    {"access-token", required_argument, NULL, OPTION_ACCESS_TOKEN},
    {"addr", required_argument, NULL, OPTION_ADDR},
    {"read-only", no_argument, NULL, OPTION_READ_ONLY},
    {"num-workers", required_argument, NULL, OPTION_NUM_WORKERS},
    {"atomic-write-batch-timeout-ms", required_argument, NULL, OPTION_BATCH_TIMEOUT},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static tuplet_status read_number(const char *name, const char *text, uint32_t minimum, uint32_t maximum,
                                 uint32_t *ret_number, tuplet_error *error) {
  char *end;
  errno = 0;
  unsigned long long number = strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || number < minimum || number > maximum)
    return tp_fail(error, TUPLET_INVALID, "%s is '%s'; it must be a number from %u to %u.", name, text,
                   minimum, maximum);
  *ret_number = (uint32_t)number;
  return TUPLET_OK;
}

static tuplet_status read_worker_count(const char *name, const char *text, tp_serve_config *config,
                                       tuplet_error *error) {
  return read_number(name, text, 1, TP_SERVE_WORKERS_MAX, &config->worker_count, error);
}

static tuplet_status read_batch_timeout(const char *name, const char *text, tuplet_error *error) {
  uint32_t unused;
  return read_number(name, text, 0, UINT32_MAX, &unused, error);
}

/* The token travels in a header, so that it must be visible ASCII. It is not repeated in messages. */
static tuplet_status check_access_token(const char *name, const char *token, tuplet_error *error) {
  size_t size = strlen(token);
  if (size < TP_LIMIT_ACCESS_TOKEN_SIZE_MIN || size > TP_SERVE_ACCESS_TOKEN_SIZE_MAX)
    return tp_fail(error, TUPLET_INVALID, "%s has %zu characters; it must have %d to %d.", name, size,
                   TP_LIMIT_ACCESS_TOKEN_SIZE_MIN, TP_SERVE_ACCESS_TOKEN_SIZE_MAX);
  for (size_t i = 0; i < size; i++) {
    if (token[i] <= ' ' || token[i] > '~')
      return tp_fail(error, TUPLET_INVALID, "Character %zu of %s is not a visible ASCII character.", i + 1,
                     name);
  }
  return TUPLET_OK;
}

/* A variable that is set to nothing counts as not set. */
static const char *read_variable(const char *(*lookup)(const char *name), const char *name) {
  const char *text = lookup(name);
  return text != NULL && *text != '\0' ? text : NULL;
}

static tuplet_status read_environment(const char *(*lookup)(const char *name), tp_serve_config *config,
                                      tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  if (config->path == NULL) config->path = read_variable(lookup, "DENO_KV_SQLITE_PATH");

  static const char token_name[] = "DENO_KV_ACCESS_TOKEN";
  const char *token = config->access_token == NULL ? read_variable(lookup, token_name) : NULL;
  if (token != NULL) {
    status = check_access_token(token_name, token, error);
    config->access_token = token;
  }
  static const char workers_name[] = "DENO_KV_NUM_WORKERS";
  const char *workers = config->worker_count == 0 ? read_variable(lookup, workers_name) : NULL;
  if (status == TUPLET_OK && workers != NULL)
    status = read_worker_count(workers_name, workers, config, error);

  static const char timeout_name[] = "DENO_KV_ATOMIC_WRITE_BATCH_TIMEOUT_MS";
  const char *timeout = read_variable(lookup, timeout_name);
  if (status == TUPLET_OK && timeout != NULL) status = read_batch_timeout(timeout_name, timeout, error);
  return status;
}

static tuplet_status read_path(const char *path, tp_serve_config *config, tuplet_error *error) {
  if (*path == '\0') return tp_fail(error, TUPLET_INVALID, "The path of the database is empty.");
  config->path = path;
  return TUPLET_OK;
}

static tuplet_status read_option(int option, const char *name, tp_serve_config *config, tuplet_error *error) {
  switch (option) {
  case OPTION_SQLITE_PATH: return read_path(optarg, config, error);
  case OPTION_ACCESS_TOKEN:
    config->access_token = optarg;
    return check_access_token("--access-token", optarg, error);
  case OPTION_ADDR: config->address = optarg; return tp_address_check(optarg, error);
  case OPTION_READ_ONLY: config->read_only = true; return TUPLET_OK;
  case OPTION_NUM_WORKERS: return read_worker_count("--num-workers", optarg, config, error);
  case OPTION_BATCH_TIMEOUT: return read_batch_timeout("--atomic-write-batch-timeout-ms", optarg, error);
  case OPTION_HELP: config->help = true; return TUPLET_OK;
  case ':': return tp_fail(error, TUPLET_INVALID, "The option %s needs an argument.", name);
  default: return tp_fail(error, TUPLET_INVALID, "There is no option %s.", name);
  }
}

tuplet_status tp_serve_config_read(int argc, char **argv, const char *(*lookup)(const char *name),
                                   tp_serve_config *ret_config, tuplet_error *error) {
  tp_serve_config config = {.address = TP_SERVE_ADDRESS_DEFAULT};
  tuplet_status status = TUPLET_OK;
  optind = 0; /* starts getopt anew */
  opterr = 0;
  for (;;) {
    int option = getopt_long(argc, argv, ":d:h", options, NULL);
    if (option == -1) break;
    status = read_option(option, optind > 0 ? argv[optind - 1] : "", &config, error);
    if (status != TUPLET_OK) return status;
    if (config.help) {
      *ret_config = config;
      return TUPLET_OK;
    }
  }
  if (argc - optind > 1)
    return tp_fail(error, TUPLET_INVALID, "One database can be served, not both '%s' and '%s'.", argv[optind],
                   argv[optind + 1]);
  if (argc - optind == 1) {
    if (config.path != NULL)
      return tp_fail(error, TUPLET_INVALID, "The database is given twice, as '%s' and as '%s'.", config.path,
                     argv[optind]);
    status = read_path(argv[optind], &config, error);
  }
  if (status == TUPLET_OK) status = read_environment(lookup, &config, error);
  if (status == TUPLET_OK) *ret_config = config;
  return status;
}
