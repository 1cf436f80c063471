/* db.c: `tuplet db`, the databases of a data directory: made, listed, looked into, renamed, deleted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "output.h"
#include "report.h"
#include "server/databases/catalog_survey.h"

/* How long a server has to let go of a database; it takes one about half a second. */
enum { TIMEOUT_MS = 10000, TIMEOUT_MS_MAX = 24 * 60 * 60 * 1000 };

typedef struct db_request {
  const char *data_dir;
  const char *from; /* of create; NULL: not given */
  int64_t timeout_ms;
  bool has_timeout;
  char **names; /* the operands behind the action's */
  int name_count;
} db_request;

/* ---- The command line ---- */

static tp_cli_exit parse(tp_cli_context *context, int argc, char **argv, db_request *request,
                         const char **ret_action) {
  enum { DATA_DIR = TP_CLI_OPTION_LONG_ONLY, FROM, TIMEOUT };
  static const struct option long_options[] = {{"data-dir", required_argument, NULL, DATA_DIR},
                                               {"from", required_argument, NULL, FROM},
                                               {"timeout", required_argument, NULL, TIMEOUT},
                                               {"json", no_argument, NULL, 'j'},
                                               {"quiet", no_argument, NULL, 'q'},
                                               {"help", no_argument, NULL, 'h'},
                                               {0}};
  tp_cli_options options;
  request->data_dir = getenv("TUPLET_DATA_DIR");
  request->timeout_ms = TIMEOUT_MS;
  tp_cli_options_init(&options, &tp_cli_db, context, argc, argv, long_options, "+:jqh");
  for (int option; (option = tp_cli_options_next(&options)) != TP_CLI_OPTION_END;) {
    switch (option) {
    case DATA_DIR: request->data_dir = optarg; break;
    case FROM: request->from = optarg; break;
    case TIMEOUT:
      request->has_timeout = true;
      if (!tp_cli_duration_parse(&tp_cli_db, "--timeout", optarg, &request->timeout_ms))
        return TP_CLI_EXIT_USAGE;
      break;
    default: return options.exit;
    }
  }
  if (options.operand_count == 0)
    return tp_cli_fail_usage(&tp_cli_db, "list, create, delete, rename or stats is missing");
  if (context->db_path != NULL)
    return tp_cli_fail_usage(&tp_cli_db, "--data-dir is what it works on, not --db");
  if (request->data_dir == NULL || request->data_dir[0] == '\0')
    return tp_cli_fail_usage(&tp_cli_db, "--data-dir or TUPLET_DATA_DIR has to name the data directory");
  if (request->timeout_ms > TIMEOUT_MS_MAX) request->timeout_ms = TIMEOUT_MS_MAX;
  request->names = tp_cli_operands(&options) + 1;
  request->name_count = options.operand_count - 1;
  *ret_action = request->names[-1];
  return TP_CLI_EXIT_OK;
}

/* Names must be given, and be names, before anything is done to the first. */
static tp_cli_exit check_names(const db_request *request, int count_min, int count_max, const char *missing) {
  tuplet_error error = {0};
  if (request->name_count < count_min) return tp_cli_fail_usage(&tp_cli_db, "%s is missing", missing);
  if (request->name_count > count_max)
    return tp_cli_fail_usage(&tp_cli_db, "there is no room for '%s'", request->names[count_max]);
  for (int i = 0; i < request->name_count; i++) {
    const char *name = request->names[i];
    if (tp_database_name_check((tuplet_bytes){name, strlen(name)}, &error) != TUPLET_OK)
      return tp_cli_fail(NULL, &error);
  }
  return TP_CLI_EXIT_OK;
}

static tp_cli_exit check_options(const db_request *request, bool takes_from, bool takes_timeout) {
  if (request->from != NULL && !takes_from) return tp_cli_fail_usage(&tp_cli_db, "--from belongs to create");
  if (request->has_timeout && !takes_timeout)
    return tp_cli_fail_usage(&tp_cli_db, "--timeout belongs to rename and delete");
  return TP_CLI_EXIT_OK;
}

static tp_cli_exit open_catalog(const db_request *request, tp_catalog_mode mode, tp_catalog **ret_catalog) {
  tuplet_error error = {0};
  if (tp_catalog_open(NULL, request->data_dir, mode, ret_catalog, &error) == TUPLET_OK) return TP_CLI_EXIT_OK;
  return tp_cli_fail_as(TP_CLI_EXIT_SYSTEM, "%s", error.message);
}

static tp_cli_exit fail_absent(const tp_catalog *catalog, const char *name) {
  return tp_cli_fail_as(TP_CLI_EXIT_ABSENT, "There is no database %s in %s.", name, tp_catalog_path(catalog));
}

static tp_cli_exit fail_taken(const tp_catalog *catalog, const char *name) {
  return tp_cli_fail_as(TP_CLI_EXIT_DATA, "The name %s is taken in %s.", name, tp_catalog_path(catalog));
}

/* A line about what was done. */
static void tell(tp_cli_context *context, const char *line) {
  if (!context->quiet || context->json) tp_cli_write_text(context, line);
}

enum { LINE_SIZE = 512 };

/* ---- list ---- */

/* What is no database is told of, and the rest listed. */
static void on_damaged(void *context, const tuplet_error *reason) {
  tp_cli_exit *code = context;
  *code = tp_cli_fail_as(TP_CLI_EXIT_SYSTEM, "%s", reason->message);
}

static int name_width(const tp_catalog_entry *entries, size_t count) {
  size_t width = sizeof "NAME" - 1;
  for (size_t i = 0; i < count; i++) {
    if (strlen(entries[i].name) > width) width = strlen(entries[i].name);
  }
  return (int)width;
}

static tp_cli_exit list(tp_cli_context *context, const db_request *request) {
  tp_catalog *catalog;
  tp_catalog_entry *entries;
  size_t count;
  tuplet_error error = {0};
  tp_cli_exit code = check_names(request, 0, 0, NULL);
  if (code == TP_CLI_EXIT_OK) code = check_options(request, false, false);
  if (code == TP_CLI_EXIT_OK) code = open_catalog(request, TP_CATALOG_READ, &catalog);
  if (code != TP_CLI_EXIT_OK) return code;
  if (tp_catalog_list(catalog, on_damaged, &code, &entries, &count, &error) != TUPLET_OK) {
    code = tp_cli_fail(NULL, &error);
    goto out;
  }
  int width = name_width(entries, count);
  char line[LINE_SIZE];
  if (!context->json && count > 0) {
    (void)snprintf(line, sizeof line, "%-*s  ID\n", width, "NAME");
    tp_cli_write_text(context, line);
  }
  for (size_t i = 0; i < count; i++) {
    char id[TP_DATABASE_ID_TEXT_SIZE];
    tp_database_id_to_text(entries[i].id, id);
    if (context->json)
      (void)snprintf(line, sizeof line, "{\"name\":\"%s\",\"id\":\"%s\"}\n", entries[i].name, id);
    else
      (void)snprintf(line, sizeof line, "%-*s  %s\n", width, entries[i].name, id);
    tp_cli_write_text(context, line);
  }
  tp_catalog_list_free(catalog, entries);
out:
  tp_catalog_close(catalog);
  return code;
}

/* ---- create ---- */

static tp_cli_exit create(tp_cli_context *context, const db_request *request) {
  tp_catalog *catalog;
  tuplet_error error = {0};
  uint8_t id[TP_AUTH_DATABASE_ID_SIZE];
  char id_text[TP_DATABASE_ID_TEXT_SIZE];
  char line[LINE_SIZE];
  tp_cli_exit code = check_names(request, 1, 1, "the database's name");
  if (code == TP_CLI_EXIT_OK) code = check_options(request, true, false);
  if (code == TP_CLI_EXIT_OK) code = open_catalog(request, TP_CATALOG_MAKE, &catalog);
  if (code != TP_CLI_EXIT_OK) return code;
  const char *name = request->names[0];
  tuplet_status status = tp_catalog_create(catalog, name, request->from, id, &error);
  if (status == TUPLET_CONFLICT) {
    code = fail_taken(catalog, name);
  } else if (status != TUPLET_OK) {
    code = tp_cli_fail(NULL, &error);
  } else {
    tp_database_id_to_text(id, id_text);
    const char *format = context->json ? "{\"created\":\"%s\",\"id\":\"%s\"}\n" : "Made %s (id %s).\n";
    (void)snprintf(line, sizeof line, format, name, id_text);
    tell(context, line);
  }
  tp_catalog_close(catalog);
  return code;
}

/* ---- rename and delete ---- */

/* Has a database alone; whoever serves it is made to let go. */
static tp_cli_exit hold(const tp_catalog *catalog, const db_request *request, const char *name,
                        tp_catalog_hold *ret_hold, char ret_id[TP_DATABASE_ID_TEXT_SIZE]) {
  tuplet_error error = {0};
  tuplet_status status =
      tp_catalog_hold_alone(catalog, name, (uint32_t)request->timeout_ms, ret_hold, &error);
  if (status == TUPLET_NOT_FOUND) return fail_absent(catalog, name);
  if (status != TUPLET_OK) return tp_cli_fail(NULL, &error);
  tp_database_id_to_text(ret_hold->entry.id, ret_id);
  return TP_CLI_EXIT_OK;
}

static tp_cli_exit rename_one(tp_cli_context *context, const db_request *request) {
  tp_catalog *catalog;
  tp_catalog_hold held = {0};
  tuplet_error error = {0};
  char id[TP_DATABASE_ID_TEXT_SIZE];
  char line[LINE_SIZE];
  tp_cli_exit code = check_names(request, 2, 2, "the old or the new name");
  if (code == TP_CLI_EXIT_OK) code = check_options(request, false, true);
  if (code == TP_CLI_EXIT_OK) code = open_catalog(request, TP_CATALOG_CHANGE, &catalog);
  if (code != TP_CLI_EXIT_OK) return code;
  const char *name = request->names[0];
  const char *new_name = request->names[1];
  code = hold(catalog, request, name, &held, id);
  if (code != TP_CLI_EXIT_OK) goto out;
  tuplet_status status = tp_catalog_rename(&held, new_name, &error);
  if (status == TUPLET_CONFLICT) {
    code = fail_taken(catalog, new_name);
  } else if (status != TUPLET_OK) {
    code = tp_cli_fail(NULL, &error);
  } else {
    const char *format = context->json ? "{\"renamed\":\"%s\",\"name\":\"%s\",\"id\":\"%s\"}\n"
                                       : "Renamed %s to %s (id %s).\n";
    (void)snprintf(line, sizeof line, format, name, new_name, id);
    tell(context, line);
  }
out:
  tp_catalog_release(&held);
  tp_catalog_close(catalog);
  return code;
}

static tp_cli_exit delete_one(tp_cli_context *context, const tp_catalog *catalog, const db_request *request,
                              const char *name) {
  tp_catalog_hold held = {0};
  tuplet_error error = {0};
  char id[TP_DATABASE_ID_TEXT_SIZE];
  char line[LINE_SIZE];
  tp_cli_exit code = hold(catalog, request, name, &held, id);
  if (code != TP_CLI_EXIT_OK) return code;
  if (tp_catalog_delete(&held, &error) != TUPLET_OK) {
    code = tp_cli_fail(NULL, &error);
  } else {
    const char *format = context->json ? "{\"deleted\":\"%s\",\"id\":\"%s\"}\n" : "Deleted %s (id %s).\n";
    (void)snprintf(line, sizeof line, format, name, id);
    tell(context, line);
  }
  tp_catalog_release(&held);
  return code;
}

/* All that can be; the first failure is what the exit status tells. */
static tp_cli_exit delete_all(tp_cli_context *context, const db_request *request) {
  tp_catalog *catalog;
  tp_cli_exit code = check_names(request, 1, request->name_count, "the database's name");
  if (code == TP_CLI_EXIT_OK) code = check_options(request, false, true);
  if (code == TP_CLI_EXIT_OK) code = open_catalog(request, TP_CATALOG_CHANGE, &catalog);
  if (code != TP_CLI_EXIT_OK) return code;
  for (int i = 0; i < request->name_count; i++) {
    tp_cli_exit outcome = delete_one(context, catalog, request, request->names[i]);
    if (code == TP_CLI_EXIT_OK) code = outcome;
  }
  tp_catalog_close(catalog);
  return code;
}

/* ---- stats ---- */

static void write_stats_head(tp_cli_context *context, int width) {
  char line[LINE_SIZE];
  if (context->json) return;
  (void)snprintf(line, sizeof line, "%-*s  %-36s  %10s  %10s  %10s  %12s  %12s  %-20s  %s\n", width, "NAME",
                 "ID", "ENTRIES", "EXPIRING", "QUEUED", "BYTES", "LOG BYTES", "LAST COMMIT", "SERVED");
  tp_cli_write_text(context, line);
}

static void write_stats(tp_cli_context *context, int width, const tp_catalog_survey *survey) {
  long long in_queue = (long long)survey->queued + (long long)survey->delivering;
  char id[TP_DATABASE_ID_TEXT_SIZE];
  char stamp[TUPLET_VERSIONSTAMP_TEXT_SIZE];
  char line[LINE_SIZE];
  tp_database_id_to_text(survey->entry.id, id);
  tuplet_versionstamp_to_text(&survey->last_commit, stamp);
  if (context->json)
    (void)snprintf(
        line, sizeof line,
        "{\"name\":\"%s\",\"id\":\"%s\",\"entries\":%lld,\"expiring\":%lld,\"queued\":%lld,"
        "\"delivering\":%lld,\"bytes\":%llu,\"logBytes\":%llu,\"lastCommit\":\"%s\",\"served\":%s}\n",
        survey->entry.name, id, (long long)survey->entries, (long long)survey->expiring,
        (long long)survey->queued, (long long)survey->delivering, (unsigned long long)survey->size,
        (unsigned long long)survey->log_size, stamp, survey->is_served ? "true" : "false");
  else
    (void)snprintf(line, sizeof line, "%-*s  %s  %10lld  %10lld  %10lld  %12llu  %12llu  %s  %s\n", width,
                   survey->entry.name, id, (long long)survey->entries, (long long)survey->expiring, in_queue,
                   (unsigned long long)survey->size, (unsigned long long)survey->log_size, stamp,
                   survey->is_served ? "yes" : "no");
  tp_cli_write_text(context, line);
}

static tp_cli_exit show_one(tp_cli_context *context, const tp_catalog *catalog, int width, const char *name) {
  tp_catalog_survey survey;
  tuplet_error error = {0};
  tuplet_status status = tp_catalog_survey_take(catalog, name, &survey, &error);
  if (status == TUPLET_NOT_FOUND) return fail_absent(catalog, name);
  if (status != TUPLET_OK) return tp_cli_fail(NULL, &error);
  write_stats(context, width, &survey);
  return TP_CLI_EXIT_OK;
}

/* One that was deleted since it was listed is no failure. */
static tp_cli_exit show_listed(tp_cli_context *context, const tp_catalog *catalog) {
  tp_catalog_entry *entries;
  size_t count;
  tuplet_error error = {0};
  tp_cli_exit code = TP_CLI_EXIT_OK;
  if (tp_catalog_list(catalog, on_damaged, &code, &entries, &count, &error) != TUPLET_OK)
    return tp_cli_fail(NULL, &error);
  int width = name_width(entries, count);
  if (count > 0) write_stats_head(context, width);
  for (size_t i = 0; i < count; i++) {
    tp_cli_exit outcome = show_one(context, catalog, width, entries[i].name);
    if (outcome != TP_CLI_EXIT_OK && outcome != TP_CLI_EXIT_ABSENT) code = outcome;
  }
  tp_catalog_list_free(catalog, entries);
  return code;
}

static tp_cli_exit show_named(tp_cli_context *context, const tp_catalog *catalog, const db_request *request) {
  size_t width = sizeof "NAME" - 1;
  tp_cli_exit code = TP_CLI_EXIT_OK;
  for (int i = 0; i < request->name_count; i++) {
    if (strlen(request->names[i]) > width) width = strlen(request->names[i]);
  }
  write_stats_head(context, (int)width);
  for (int i = 0; i < request->name_count; i++) {
    tp_cli_exit outcome = show_one(context, catalog, (int)width, request->names[i]);
    if (code == TP_CLI_EXIT_OK) code = outcome;
  }
  return code;
}

static tp_cli_exit stats(tp_cli_context *context, const db_request *request) {
  tp_catalog *catalog;
  tp_cli_exit code = check_names(request, 0, request->name_count, NULL);
  if (code == TP_CLI_EXIT_OK) code = check_options(request, false, false);
  if (code == TP_CLI_EXIT_OK) code = open_catalog(request, TP_CATALOG_READ, &catalog);
  if (code != TP_CLI_EXIT_OK) return code;
  code = request->name_count == 0 ? show_listed(context, catalog) : show_named(context, catalog, request);
  tp_catalog_close(catalog);
  return code;
}

/* ---- The command ---- */

static tp_cli_exit run(tp_cli_context *context, int argc, char **argv) {
  static const struct {
    const char *name;
    tp_cli_exit (*run)(tp_cli_context *context, const db_request *request);
  } actions[] = {
      {"list", list}, {"create", create}, {"delete", delete_all}, {"rename", rename_one}, {"stats", stats}};
  db_request request = {0};
  const char *action = NULL;
  tp_cli_exit code = parse(context, argc, argv, &request, &action);
  if (action == NULL) return code;
  for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
    if (strcmp(action, actions[i].name) == 0) return actions[i].run(context, &request);
  }
  return tp_cli_fail_usage(&tp_cli_db, "expected list, create, delete, rename or stats, not '%s'", action);
}

const tp_cli_command tp_cli_db = {
    .name = "db",
    .summary = "make, list, rename and delete the databases of a server",
    .help = "Usage: tuplet db list [OPTION]...\n"
            "       tuplet db create [OPTION]... NAME\n"
            "       tuplet db rename [OPTION]... OLD NEW\n"
            "       tuplet db delete [OPTION]... NAME...\n"
            "       tuplet db stats [OPTION]... [NAME]...\n"
            "\n"
            "Keeps the databases of a data directory, as `tuplet serve --data-dir` serves them,\n"
            "also while it does: a server lets go of a database that is to be renamed or\n"
            "deleted within about a second, and its watches end. A renamed database keeps its\n"
            "id, and clients that have it open keep it. delete asks nothing and takes names as\n"
            "they are; what it deletes is gone.\n"
            "\n"
            "      --data-dir DIR     the data directory; create makes it when it is not there.\n"
            "                         Without it, the one that TUPLET_DATA_DIR names\n"
            "      --from FILE        of create: copy a Deno KV file, as it is now, entries with\n"
            "                         their versionstamps; others may use it meanwhile\n"
            "      --timeout TIME     of rename and delete: how long those who use the database\n"
            "                         have to let go of it (default: 10s)\n"
            "  -j, --json             print JSON, one object on a line\n"
            "  -q, --quiet            do not print what was done\n"
            "  -h, --help             print this\n"
            "\n"
            "A name has 1 to 63 of a-z, 0-9, - and _, and begins with a letter or a digit.\n"
            "\n"
            "Exit status: 0 success, 1 no such database, 2 usage, 4 the name is not valid or is\n"
            "taken, 5 a database or the data directory cannot be used, or is in use.\n"
            "\n"
            "  export TUPLET_DATA_DIR=/var/lib/tuplet\n"
            "  tuplet db create --from app.sqlite3 app\n"
            "  tuplet db stats\n",
    .run = run,
};
