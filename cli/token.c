/* token.c: `tuplet token`, the tokens of a server: made, listed, revoked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "options.h"
#include "output.h"
#include "report.h"
#include "server/access/tokens_file.h"

typedef struct token_request {
  const char *file;
  char databases[TP_TOKEN_DATABASES_MAX];
  size_t database_count;
  bool read_only;
  const char *expires; /* NULL: never */
  char **operands;
  int operand_count;
} token_request;

static int64_t now_ms(void) {
  return (int64_t)time(NULL) * 1000;
}

/* ---- The command line ---- */

static bool add_database(token_request *request, const char *pattern) {
  size_t size = strlen(request->databases);
  if (!tp_token_pattern_is_valid((tuplet_bytes){pattern, strlen(pattern)})) {
    (void)tp_cli_fail_usage(
        &tp_cli_token,
        "--database takes the name of one database (lower-case letters, digits, - and _), in "
        "which a * stands for any characters, or :memory:, not '%s'",
        pattern);
    return false;
  }
  if (request->database_count == TP_TOKEN_PATTERNS_MAX) {
    (void)tp_cli_fail_usage(&tp_cli_token, "--database is there more than %d times", TP_TOKEN_PATTERNS_MAX);
    return false;
  }
  (void)snprintf(request->databases + size, sizeof request->databases - size, "%s%s", size > 0 ? "," : "",
                 pattern);
  request->database_count++;
  return true;
}

static tp_cli_exit parse(tp_cli_context *context, int argc, char **argv, token_request *request,
                         bool *ret_go) {
  enum { TOKENS_FILE = TP_CLI_OPTION_LONG_ONLY, DATABASE, READ_ONLY, EXPIRES };
  static const struct option long_options[] = {{"tokens-file", required_argument, NULL, TOKENS_FILE},
                                               {"database", required_argument, NULL, DATABASE},
                                               {"read-only", no_argument, NULL, READ_ONLY},
                                               {"expires", required_argument, NULL, EXPIRES},
                                               {"json", no_argument, NULL, 'j'},
                                               {"quiet", no_argument, NULL, 'q'},
                                               {"help", no_argument, NULL, 'h'},
                                               {0}};
  tp_cli_options options;
  request->file = getenv("TUPLET_TOKENS_FILE");
  tp_cli_options_init(&options, &tp_cli_token, context, argc, argv, long_options, "+:jqh");
  for (int option; (option = tp_cli_options_next(&options)) != TP_CLI_OPTION_END;) {
    switch (option) {
    case TOKENS_FILE: request->file = optarg; break;
    case DATABASE:
      if (!add_database(request, optarg)) return TP_CLI_EXIT_USAGE;
      break;
    case READ_ONLY: request->read_only = true; break;
    case EXPIRES: request->expires = optarg; break;
    default: return options.exit;
    }
  }
  request->operands = tp_cli_operands(&options);
  request->operand_count = options.operand_count;
  if (request->operand_count == 0)
    return tp_cli_fail_usage(&tp_cli_token, "create, list or revoke is missing");
  if (request->file == NULL || request->file[0] == '\0')
    return tp_cli_fail_usage(&tp_cli_token,
                             "--tokens-file or TUPLET_TOKENS_FILE has to name the file of tokens");
  *ret_go = true;
  return TP_CLI_EXIT_OK;
}

/* The one operand behind the name of the action, or none; a mistake is reported. */
static tp_cli_exit check_operands(const token_request *request, const char *what) {
  int count = what != NULL ? 2 : 1;
  if (what != NULL && request->operand_count < count)
    return tp_cli_fail_usage(&tp_cli_token, "%s is missing", what);
  if (request->operand_count > count)
    return tp_cli_fail_usage(&tp_cli_token, "there is no room for '%s'", request->operands[count]);
  return TP_CLI_EXIT_OK;
}

static tp_cli_exit check_no_rights(const token_request *request) {
  if (request->database_count == 0 && !request->read_only && request->expires == NULL) return TP_CLI_EXIT_OK;
  return tp_cli_fail_usage(&tp_cli_token, "--database, --read-only and --expires belong to create");
}

/* A moment to come, from a time from now on or a date. */
static tp_cli_exit parse_expiry(const char *text, int64_t *ret_expires_at_ms) {
  int64_t at_ms, duration_ms;
  if (text == NULL || strcmp(text, "never") == 0) {
    *ret_expires_at_ms = TP_TOKEN_NEVER;
    return TP_CLI_EXIT_OK;
  }
  if (strchr(text, '-') != NULL) {
    if (!tp_token_time_parse((tuplet_bytes){text, strlen(text)}, &at_ms))
      return tp_cli_fail_usage(&tp_cli_token, "--expires takes a date such as 2027-01-31, not '%s'", text);
  } else {
    if (!tp_cli_duration_parse(&tp_cli_token, "--expires", text, &duration_ms)) return TP_CLI_EXIT_USAGE;
    at_ms =
        duration_ms < TP_TOKEN_TIME_MS_MAX - now_ms() ? now_ms() + duration_ms : TP_TOKEN_TIME_MS_MAX + 1000;
    at_ms = at_ms / 1000 * 1000;
  }
  if (at_ms <= now_ms() || at_ms > TP_TOKEN_TIME_MS_MAX)
    return tp_cli_fail_usage(&tp_cli_token,
                             "--expires must be to come, and before the year 10000, unlike '%s'", text);
  *ret_expires_at_ms = at_ms;
  return TP_CLI_EXIT_OK;
}

/* ---- JSON ---- */

static tp_cli_exit write_member(tp_cli_context *context, const char *name, const char *text) {
  tp_cli_write_text(context, name);
  return tp_cli_write_json_string(context, text, strlen(text));
}

static tp_cli_exit write_json_time(tp_cli_context *context, const char *name, bool is_known,
                                   int64_t unix_ms) {
  char text[TP_TOKEN_TIME_SIZE];
  tp_token_time_print(unix_ms, text);
  if (is_known) return write_member(context, name, text);
  tp_cli_write_text(context, name);
  tp_cli_write_text(context, "null");
  return TP_CLI_EXIT_OK;
}

/* text: the token itself; NULL: it is not known. */
static tp_cli_exit write_json(tp_cli_context *context, const tp_token *token, const char *text) {
  char id[TP_TOKEN_ID_SIZE];
  tp_token_id_print(token->id, id);
  tp_cli_exit code = write_member(context, "{\"name\":", token->name);
  if (code == TP_CLI_EXIT_OK) code = write_member(context, ",\"id\":", id);
  if (code == TP_CLI_EXIT_OK && text != NULL) code = write_member(context, ",\"token\":", text);
  const char *pattern = token->databases.data;
  size_t left = token->databases.size;
  const char *lead = ",\"databases\":[";
  while (code == TP_CLI_EXIT_OK && pattern != NULL) {
    const char *comma = memchr(pattern, ',', left);
    size_t size = comma != NULL ? (size_t)(comma - pattern) : left;
    tp_cli_write_text(context, lead);
    code = tp_cli_write_json_string(context, pattern, size);
    lead = ",";
    left -= comma != NULL ? size + 1 : size;
    pattern = comma != NULL ? comma + 1 : NULL;
  }
  if (code != TP_CLI_EXIT_OK) return code;
  tp_cli_write_text(context, token->may_write ? "],\"rights\":\"read-write\"" : "],\"rights\":\"read-only\"");
  code = write_json_time(context, ",\"created\":", token->created_at_ms > 0, token->created_at_ms);
  if (code == TP_CLI_EXIT_OK)
    code = write_json_time(context, ",\"expires\":", token->expires_at_ms != TP_TOKEN_NEVER,
                           token->expires_at_ms);
  tp_cli_write_text(context,
                    token->expires_at_ms <= now_ms() ? ",\"expired\":true}\n" : ",\"expired\":false}\n");
  return code;
}

/* ---- create ---- */

static void print_hint(const tp_token *token) {
  char id[TP_TOKEN_ID_SIZE], expires[TP_TOKEN_TIME_SIZE] = "";
  tp_token_id_print(token->id, id);
  if (token->expires_at_ms != TP_TOKEN_NEVER) tp_token_time_print(token->expires_at_ms, expires);
  fprintf(stderr, "%s (id %s) may %s: %.*s. %s%s. The token is shown this once.\n", token->name, id,
          token->may_write ? "read and write" : "read", (int)token->databases.size,
          (const char *)token->databases.data, expires[0] != '\0' ? "It expires at " : "It does not expire",
          expires);
}

/* A token that could not be handed over is of no use to anybody. */
static tp_cli_exit take_back(const token_request *request, const tp_token *token) {
  char id[TP_TOKEN_ID_SIZE];
  tp_token removed;
  tp_token_id_print(token->id, id);
  (void)tp_tokens_file_remove(request->file, id, &removed, NULL);
  return TP_CLI_EXIT_SYSTEM; /* main.c says why */
}

static tp_cli_exit create(tp_cli_context *context, const token_request *request) {
  static const char any[] = "*";
  tp_token token = {.may_write = !request->read_only, .created_at_ms = now_ms()};
  tp_cli_exit code = check_operands(request, "the token's name");
  if (code == TP_CLI_EXIT_OK) code = parse_expiry(request->expires, &token.expires_at_ms);
  if (code != TP_CLI_EXIT_OK) return code;
  const char *name = request->operands[1];
  if (!tp_token_name_is_valid((tuplet_bytes){name, strlen(name)}))
    return tp_cli_fail_usage(
        &tp_cli_token,
        "a name has at most 63 letters, digits and . _ @ -, begins with a letter or digit, and "
        "does not look like an id, unlike '%s'",
        name);
  (void)snprintf(token.name, sizeof token.name, "%s", name);
  const char *databases = request->database_count > 0 ? request->databases : any;
  token.databases = (tuplet_bytes){databases, strlen(databases)};

  char text[TP_TOKEN_TEXT_SIZE];
  tuplet_error error = {0};
  if (tp_tokens_file_add(request->file, &token, text, &error) != TUPLET_OK) return tp_cli_fail(NULL, &error);
  if (context->json) {
    code = write_json(context, &token, text);
  } else {
    tp_cli_write_text(context, text);
    tp_cli_write_text(context, "\n");
  }
  tp_cli_flush(context);
  explicit_bzero(text, sizeof text);
  if (code != TP_CLI_EXIT_OK || context->write_errno != 0) return take_back(request, &token);
  if (!context->quiet && !context->json) print_hint(&token);
  return TP_CLI_EXIT_OK;
}

/* ---- list ---- */

/* How wide the columns are whose width varies. */
typedef struct list_widths {
  int name, databases;
} list_widths;

static void widen(int *width, size_t size) {
  if ((size_t)*width < size) *width = (int)size;
}

static void write_row(tp_cli_context *context, const list_widths *widths, const tp_token *token) {
  char id[TP_TOKEN_ID_SIZE], created[TP_TOKEN_TIME_SIZE] = "unknown", expires[TP_TOKEN_TIME_SIZE] = "never";
  char line[TP_TOKEN_NAME_SIZE + TP_TOKEN_DATABASES_MAX + 128];
  tp_token_id_print(token->id, id);
  if (token->created_at_ms > 0) tp_token_time_print(token->created_at_ms, created);
  if (token->expires_at_ms != TP_TOKEN_NEVER) tp_token_time_print(token->expires_at_ms, expires);
  (void)snprintf(line, sizeof line, "%-*s  %s  %-10s  %-*.*s  %-20s  %s%s\n", widths->name, token->name, id,
                 token->may_write ? "read-write" : "read-only", widths->databases, (int)token->databases.size,
                 (const char *)token->databases.data, created, expires,
                 token->expires_at_ms <= now_ms() ? " (expired)" : "");
  tp_cli_write_text(context, line);
}

static void write_table(tp_cli_context *context, const tp_tokens *tokens) {
  list_widths widths = {.name = sizeof "NAME" - 1, .databases = sizeof "DATABASES" - 1};
  size_t count = tp_tokens_count(tokens);
  if (count == 0) return;
  for (size_t i = 0; i < count; i++) {
    const tp_token *token = tp_tokens_at(tokens, i);
    widen(&widths.name, strlen(token->name));
    widen(&widths.databases, token->databases.size);
  }
  char line[TP_TOKEN_NAME_SIZE + TP_TOKEN_DATABASES_MAX + 128];
  (void)snprintf(line, sizeof line, "%-*s  %-12s  %-10s  %-*s  %-20s  %s\n", widths.name, "NAME", "ID",
                 "RIGHTS", widths.databases, "DATABASES", "CREATED", "EXPIRES");
  tp_cli_write_text(context, line);
  for (size_t i = 0; i < count; i++) write_row(context, &widths, tp_tokens_at(tokens, i));
}

static tp_cli_exit list(tp_cli_context *context, const token_request *request) {
  tp_cli_exit code = check_operands(request, NULL);
  if (code == TP_CLI_EXIT_OK) code = check_no_rights(request);
  if (code != TP_CLI_EXIT_OK) return code;
  tp_tokens_file found;
  tuplet_error error = {0};
  if (tp_tokens_file_read(NULL, request->file, &found, &error) != TUPLET_OK)
    return tp_cli_fail_as(TP_CLI_EXIT_SYSTEM, "%s", error.message);
  if (!context->json) {
    write_table(context, found.tokens);
  } else {
    for (size_t i = 0; i < tp_tokens_count(found.tokens) && code == TP_CLI_EXIT_OK; i++)
      code = write_json(context, tp_tokens_at(found.tokens, i), NULL);
  }
  tp_tokens_free(found.tokens);
  return code;
}

/* ---- revoke ---- */

static tp_cli_exit revoke(tp_cli_context *context, const token_request *request) {
  tp_cli_exit code = check_operands(request, "the token's name or id");
  if (code == TP_CLI_EXIT_OK) code = check_no_rights(request);
  if (code != TP_CLI_EXIT_OK) return code;
  tp_token token;
  tuplet_error error = {0};
  if (tp_tokens_file_remove(request->file, request->operands[1], &token, &error) != TUPLET_OK)
    return tp_cli_fail(request->operands[1], &error);
  char id[TP_TOKEN_ID_SIZE], line[TP_TOKEN_NAME_SIZE + 64];
  tp_token_id_print(token.id, id);
  const char *format = context->json ? "{\"revoked\":\"%s\",\"id\":\"%s\"}\n"
                                     : "Revoked %s (id %s).\n"; /* names need no quoting */
  (void)snprintf(line, sizeof line, format, token.name, id);
  if (!context->quiet || context->json) tp_cli_write_text(context, line);
  return TP_CLI_EXIT_OK;
}

static tp_cli_exit run(tp_cli_context *context, int argc, char **argv) {
  static const struct {
    const char *name;
    tp_cli_exit (*run)(tp_cli_context *context, const token_request *request);
  } actions[] = {{"create", create}, {"list", list}, {"revoke", revoke}};
  token_request request = {0};
  bool go = false;
  tp_cli_exit code = parse(context, argc, argv, &request, &go);
  if (!go) return code;
  for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
    if (strcmp(request.operands[0], actions[i].name) == 0) return actions[i].run(context, &request);
  }
  return tp_cli_fail_usage(&tp_cli_token, "expected create, list or revoke, not '%s'", request.operands[0]);
}

const tp_cli_command tp_cli_token = {
    .name = "token",
    .summary = "make, list and revoke the tokens of a server",
    .help = "Usage: tuplet token create [OPTION]... NAME\n"
            "       tuplet token list [OPTION]...\n"
            "       tuplet token revoke [OPTION]... NAME|ID\n"
            "\n"
            "Keeps the file of tokens that `tuplet serve --tokens-file` reads. create prints a\n"
            "new token, the only time that it can be seen: the file has its hash alone. A\n"
            "running server notices changes within about a second; what a revoked token has\n"
            "opened ends then, watches too.\n"
            "\n"
            "      --tokens-file FILE  the file; create makes it when it is not there.\n"
            "                          Without it, the one that TUPLET_TOKENS_FILE names\n"
            "      --database PATTERN  of create: what the token may open: a database's name,\n"
            "                          in which a * stands for any characters (default: *).\n"
            "                          Several: repeat it\n"
            "      --read-only         of create: the token may read and watch, not write\n"
            "      --expires WHEN      of create: 90d, 12h, 2027-01-31, never (default: never)\n"
            "  -j, --json              print JSON, one object on a line\n"
            "  -q, --quiet             print the token and nothing else\n"
            "  -h, --help              print this\n"
            "\n"
            "Exit status: 0 success, 1 no such token, 2 usage, 4 the name is taken,\n"
            "5 the file cannot be used.\n"
            "\n"
            "  export TUPLET_TOKENS_FILE=/etc/tuplet/tokens\n"
            "  tuplet token create --database 'orders' --expires 90d orders-api\n",
    .run = run,
};
