/* watch.c: `tuplet watch`, the changes of some keys, or of a range, as they happen. */
#include <stdlib.h>
#include <string.h>

#include "database.h"
#include "deadline.h"
#include "options.h"
#include "output.h"
#include "range.h"
#include "range_copy.h"
#include "report.h"
#include "value.h"

/* The state of a key that was printed last. */
typedef struct watch_state {
  bool exists;
  tuplet_versionstamp versionstamp;
} watch_state;

typedef struct watch_request {
  char **keys;
  size_t key_count;
  tp_cli_range_texts range; /* instead of keys */
  uint64_t count;           /* states to print; 0: no end */
  int64_t timeout_ms;       /* TUPLET_FOREVER: none */
} watch_request;

static bool is_range(const watch_request *request) {
  const tp_cli_range_texts *range = &request->range;
  return range->prefix != NULL || range->start != NULL || range->end != NULL;
}

static tp_cli_exit parse(tp_cli_context *context, int argc, char **argv, watch_request *ret_request,
                         bool *ret_go) {
  enum { COUNT = TP_CLI_OPTION_LONG_ONLY, TIMEOUT, PREFIX, START, END };
  static const struct option long_options[] = {TP_CLI_COMMON_LONG,
                                               {"count", required_argument, NULL, COUNT},
                                               {"timeout", required_argument, NULL, TIMEOUT},
                                               {"prefix", required_argument, NULL, PREFIX},
                                               {"start", required_argument, NULL, START},
                                               {"end", required_argument, NULL, END},
                                               {0}};
  watch_request request = {.timeout_ms = TUPLET_FOREVER};
  tp_cli_options options;
  tp_cli_options_init(&options, &tp_cli_watch, context, argc, argv, long_options, TP_CLI_COMMON_SHORT);
  for (int option; (option = tp_cli_options_next(&options)) != TP_CLI_OPTION_END;) {
    switch (option) {
    case COUNT:
      if (!tp_cli_number_parse(&tp_cli_watch, "--count", optarg, 1, INT64_MAX, &request.count)) {
        return TP_CLI_EXIT_USAGE;
      }
      break;
    case TIMEOUT:
      if (!tp_cli_duration_parse(&tp_cli_watch, "--timeout", optarg, &request.timeout_ms)) {
        return TP_CLI_EXIT_USAGE;
      }
      break;
    case PREFIX: request.range.prefix = optarg; break;
    case START: request.range.start = optarg; break;
    case END: request.range.end = optarg; break;
    default: return options.exit;
    }
  }
  request.keys = tp_cli_operands(&options);
  request.key_count = (size_t)options.operand_count;
  bool has_range = is_range(&request);
  if (request.key_count == 0 && !has_range)
    return tp_cli_fail_usage(&tp_cli_watch, "a key, or a range, is missing");
  if (request.key_count > 0 && has_range)
    return tp_cli_fail_usage(&tp_cli_watch, "keys and a range cannot be watched together");
  *ret_request = request;
  *ret_go = true;
  return TP_CLI_EXIT_OK;
}

/* Prints the entries that differ from what was printed last; all of them the first time. */
static tp_cli_exit write_changes(tp_cli_context *context, const tuplet_entries *entries, bool first,
                                 watch_state *states) {
  tp_cli_exit result = TP_CLI_EXIT_OK;
  for (size_t i = 0; i < entries->count; i++) {
    const tuplet_entry *entry = &entries->items[i];
    watch_state *state = &states[i];
    bool same = entry->exists == state->exists &&
                memcmp(&entry->versionstamp, &state->versionstamp, sizeof state->versionstamp) == 0;
    if (same && !first) continue;
    *state = (watch_state){.exists = entry->exists, .versionstamp = entry->versionstamp};
    tp_cli_exit code = tp_cli_write_entry(context, entry, TP_CLI_ENTRY_WHOLE);
    if (code != TP_CLI_EXIT_OK) result = code;
  }
  tp_cli_flush(context);
  return result;
}

static tp_cli_exit follow(tp_cli_context *context, const watch_request *request, tuplet_watch *watch,
                          watch_state *states) {
  int64_t deadline_ms = tp_cli_deadline_in(request->timeout_ms);
  tp_cli_exit result = TP_CLI_EXIT_OK;
  for (uint64_t given = 0; request->count == 0 || given < request->count; given++) {
    tuplet_error error = {0};
    const tuplet_entries *entries = NULL;
    tuplet_status status = tuplet_watch_next(watch, tp_cli_deadline_left_ms(deadline_ms), &entries, &error);
    if (status == TUPLET_TIMEOUT) {
      bool enough = request->count == 0 || result != TP_CLI_EXIT_OK;
      return enough ? result : TP_CLI_EXIT_ABSENT;
    }
    if (status != TUPLET_OK) return status == TUPLET_DONE ? result : tp_cli_fail(NULL, &error);
    tp_cli_exit code = write_changes(context, entries, given == 0, states);
    if (code != TP_CLI_EXIT_OK) result = code;
    if (context->write_errno != 0) break;
  }
  return result;
}

/* ---- Ranges ---- */

/* Prints what the range holds, and then what changes; a delivery that brings no line is no state. */
static tp_cli_exit follow_range(tp_cli_context *context, const watch_request *request, tuplet_db *db,
                                const tuplet_selector *selector, tuplet_range_watch *watch) {
  int64_t deadline_ms = tp_cli_deadline_in(request->timeout_ms);
  tp_cli_exit result = TP_CLI_EXIT_OK;
  tp_cli_range_copy copy = {0};
  bool is_first = true;
  for (uint64_t given = 0; (request->count == 0 || given < request->count) && context->write_errno == 0;) {
    tuplet_error error = {0};
    const tuplet_changes *changes = NULL;
    tuplet_status status =
        tuplet_range_watch_next(watch, tp_cli_deadline_left_ms(deadline_ms), &changes, &error);
    if (status != TUPLET_OK) {
      if (status != TUPLET_TIMEOUT)
        result = tp_cli_fail(NULL, &error);
      else if (request->count != 0 && result == TP_CLI_EXIT_OK)
        result = TP_CLI_EXIT_ABSENT;
      break;
    }
    size_t printed = 0;
    tp_cli_exit code = changes->must_reread ? tp_cli_range_copy_list(context, db, selector, &copy, &printed)
                                            : tp_cli_range_copy_apply(context, changes, &copy, &printed);
    if (code != TP_CLI_EXIT_OK) result = code;
    if (code == TP_CLI_EXIT_SYSTEM) break;
    tp_cli_flush(context);
    if (printed > 0 || is_first) given++;
    is_first = false;
  }
  tp_cli_range_copy_done(&copy);
  return result;
}

static tp_cli_exit run_range(tp_cli_context *context, const watch_request *request) {
  tuplet_error error = {0};
  tp_cli_range range = {0};
  tuplet_db *db = NULL;
  tuplet_range_watch *watch = NULL;
  tp_cli_exit code = tp_cli_range_init(&request->range, &range);
  if (code == TP_CLI_EXIT_OK) code = tp_cli_database_open(context, TP_CLI_READ, &db);
  if (code == TP_CLI_EXIT_OK) {
    if (tuplet_range_watch_open(db, &range.selector, NULL, &watch, &error) == TUPLET_OK)
      code = follow_range(context, request, db, &range.selector, watch);
    else
      code = tp_cli_fail(NULL, &error);
  }
  tuplet_range_watch_close(watch);
  tuplet_close(db);
  tp_cli_range_done(&range);
  return code;
}

/* ---- Both ---- */

static tp_cli_exit run(tp_cli_context *context, int argc, char **argv) {
  watch_request request = {0};
  bool go = false;
  tp_cli_exit code = parse(context, argc, argv, &request, &go);
  if (!go) return code;
  if (is_range(&request)) return run_range(context, &request);

  tuplet_error error = {0};
  tuplet_db *db = NULL;
  tuplet_watch *watch = NULL;
  tuplet_owned *encoded = calloc(request.key_count, sizeof *encoded);
  tuplet_key *keys = calloc(request.key_count, sizeof *keys);
  watch_state *states = calloc(request.key_count, sizeof *states);
  if (encoded == NULL || keys == NULL || states == NULL) {
    code = tp_cli_fail_memory();
    goto out;
  }
  for (size_t i = 0; i < request.key_count; i++) {
    code = tp_cli_key_read("key", request.keys[i], &encoded[i]);
    if (code != TP_CLI_EXIT_OK) goto out;
    keys[i] = tuplet_key_of(tuplet_view(encoded[i].data, encoded[i].size));
  }
  code = tp_cli_database_open(context, TP_CLI_READ, &db);
  if (code != TP_CLI_EXIT_OK) goto out;
  if (tuplet_watch_open(db, keys, request.key_count, &watch, &error) != TUPLET_OK) {
    code = tp_cli_fail(NULL, &error);
    goto out;
  }
  code = follow(context, &request, watch, states);
out:
  tuplet_watch_close(watch);
  tuplet_close(db);
  if (encoded != NULL) {
    for (size_t i = 0; i < request.key_count; i++) tuplet_owned_free(&encoded[i]);
  }
  free(encoded);
  free(keys);
  free(states);
  return code;
}

const tp_cli_command tp_cli_watch = {
    .name = "watch",
    .summary = "print keys' values, and again whenever they change",
    .help = "Usage: tuplet watch [OPTION]... KEY...\n"
            "       tuplet watch [OPTION]... --prefix KEY | --start KEY --end KEY\n"
            "\n"
            "Prints a line for each key (at most 10): key, tab, value; nothing stands after\n"
            "the tab when there is no such entry. Then prints the line of a key again whenever\n"
            "it changes, whoever changes it. Changes that come faster than they can be printed\n"
            "are merged: what is printed last is what holds.\n"
            "\n" TP_CLI_DATABASE_HELP "\n"
            "      --prefix KEY       watch all keys that begin with this one's parts, instead of\n"
            "                         single keys: prints the entries that are there, and then\n"
            "                         what changes\n"
            "      --start KEY        watch the keys from this one on\n"
            "      --end KEY          and before this one\n"
            "      --count N          end after N states; what holds at the start is the first\n"
            "      --timeout TIME     end after this time: 500ms, 10s, 5m, 2h, 7d, or\n"
            "                         milliseconds\n"
            "  -j, --json             print a JSON object on a line for each change\n"
            "  -h, --help             print this\n"
            "\n"
            "Exit status: 0 success, 1 the time was over before the count was reached, 2 usage,\n"
            "4 invalid key or a damaged value, 5 the database cannot be read.\n"
            "\n"
            "  tuplet watch -d app.sqlite3 '[\"config\"]' --json\n",
    .run = run,
};
