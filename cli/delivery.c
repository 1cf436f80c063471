/* delivery.c: how a message is to be delivered. */
#include "delivery.h"

#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "report.h"
#include "value.h"

void tp_cli_delivery_done(tp_cli_delivery *delivery) {
  for (size_t i = 0; i < delivery->key_count; i++) tuplet_owned_free(&delivery->encoded[i]);
  free(delivery->encoded);
  free(delivery->keys);
  free(delivery->backoff_ms);
}

tp_cli_exit tp_cli_delivery_set_delay(const tp_cli_command *command, const char *text,
                                      tp_cli_delivery *delivery) {
  bool parsed = tp_cli_duration_parse(command, "--delay", text, &delivery->delay_ms);
  return parsed ? TP_CLI_EXIT_OK : TP_CLI_EXIT_USAGE;
}

tp_cli_exit tp_cli_delivery_add_key(const char *where, const char *text, tp_cli_delivery *delivery) {
  size_t count = delivery->key_count + 1;
  tuplet_owned *encoded = realloc(delivery->encoded, count * sizeof *encoded);
  if (encoded == NULL) return tp_cli_fail_memory();
  delivery->encoded = encoded;
  tuplet_key *keys = realloc(delivery->keys, count * sizeof *keys);
  if (keys == NULL) return tp_cli_fail_memory();
  delivery->keys = keys;
  tuplet_owned key = {0};
  tp_cli_exit code = tp_cli_key_read(where, text, &key);
  if (code != TP_CLI_EXIT_OK) return code;
  encoded[count - 1] = key;
  keys[count - 1] = tuplet_key_of(tuplet_view(key.data, key.size));
  delivery->key_count = count;
  return TP_CLI_EXIT_OK;
}

/* One delay of the schedule. */
static bool parse_step(const tp_cli_command *command, const char *text, uint32_t *ret_ms) {
  int64_t duration_ms = 0;
  if (!tp_cli_duration_parse(command, "--backoff", text, &duration_ms)) return false;
  if (duration_ms > UINT32_MAX) {
    (void)tp_cli_fail_usage(command, "--backoff: a delay may be up to 1h, not %s", text);
    return false;
  }
  *ret_ms = (uint32_t)duration_ms;
  return true;
}

tp_cli_exit tp_cli_delivery_set_backoff(const tp_cli_command *command, const char *text,
                                        tp_cli_delivery *delivery) {
  size_t count_max = 1;
  for (const char *c = text; *c != '\0'; c++) count_max += *c == ',';
  free(delivery->backoff_ms);
  delivery->backoff_count = 0;
  delivery->backoff_ms = calloc(count_max, sizeof *delivery->backoff_ms);
  char *copy = strdup(text);
  bool parsed = delivery->backoff_ms != NULL && copy != NULL;
  tp_cli_exit code = parsed ? TP_CLI_EXIT_OK : tp_cli_fail_memory();
  char *rest = strcmp(text, "none") == 0 ? NULL : copy;
  for (char *step; parsed && (step = strsep(&rest, ",")) != NULL;) {
    parsed = parse_step(command, step, &delivery->backoff_ms[delivery->backoff_count++]);
    if (!parsed) code = TP_CLI_EXIT_USAGE;
  }
  free(copy);
  return code;
}

tuplet_enqueue_options tp_cli_delivery_options(const tp_cli_delivery *delivery) {
  tuplet_enqueue_options options = TUPLET_ENQUEUE_OPTIONS_INIT;
  options.delay_ms = delivery->delay_ms;
  options.keys_if_undelivered = delivery->keys;
  options.keys_if_undelivered_count = delivery->key_count;
  options.backoff_ms = delivery->backoff_ms;
  options.backoff_count = delivery->backoff_count;
  return options;
}
