/* tokens_reload.c: the file of tokens while a server runs. */
#include "server/access/tokens_reload.h"

#include "base/status.h"

static void warn_if_exposed(const tp_tokens_reload *reload, const tp_tokens_file *found) {
  if (found->is_exposed)
    tp_log_write(reload->log, TP_LOG_WARNING,
                 "%s can be read by everybody on this machine; run: chmod o= '%s'", reload->file,
                 reload->file);
}

tuplet_status tp_tokens_reload_init(tp_tokens_reload *reload, const tuplet_allocator *allocator,
                                    const char *file, tp_auth *auth, const tp_log *log, tuplet_error *error) {
  *reload = (tp_tokens_reload){.allocator = allocator, .file = file, .auth = auth, .log = log};
  if (file == NULL) return TUPLET_OK;
  tp_tokens_file found;
  tuplet_status status = tp_tokens_file_read(allocator, file, &found, error);
  if (status == TUPLET_NOT_FOUND)
    return tp_fail(
        error, TUPLET_NOT_FOUND,
        "The file of tokens %s is not there; make it with: tuplet token create --tokens-file '%s' NAME", file,
        file);
  if (status != TUPLET_OK) return status;
  warn_if_exposed(reload, &found);
  reload->stamp = found.stamp;
  tp_auth_set_tokens(auth, found.tokens);
  return TUPLET_OK;
}

/* Whether the file is another than when it was last looked at, of which a note is made: what is wrong with it
 * is said once. */
static bool has_changed(tp_tokens_reload *reload) {
  tp_tokens_stamp stamp;
  bool is_missing = !tp_tokens_file_stamp(reload->file, &stamp);
  bool changed =
      is_missing != reload->is_missing || (!is_missing && !tp_tokens_stamp_equals(&stamp, &reload->stamp));
  reload->is_missing = is_missing;
  if (!is_missing) reload->stamp = stamp;
  return changed;
}

bool tp_tokens_reload_run(tp_tokens_reload *reload, bool anyway) {
  if (reload->file == NULL) return false;
  bool changed = has_changed(reload);
  if (!changed && !anyway) return false;
  tuplet_error error = {0};
  tp_tokens_file found;
  if (tp_tokens_file_read(reload->allocator, reload->file, &found, &error) != TUPLET_OK) {
    tp_log_write(reload->log, TP_LOG_ERROR, "the tokens stay as they were: %s", error.message);
    return false;
  }
  warn_if_exposed(reload, &found);
  reload->stamp = found.stamp;
  tp_log_write(reload->log, TP_LOG_INFO, "Tokens read again: %zu", tp_tokens_count(found.tokens));
  tp_auth_set_tokens(reload->auth, found.tokens);
  return true;
}
