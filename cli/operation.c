/* operation.c: one operation of `tuplet atomic`. */
#include "operation.h"

#include <string.h>

#include "options.h"
#include "report.h"

static const struct {
  const char *name;
  tp_cli_operation_type type;
  const char *operands; /* for the message when they are missing */
} kinds[] = {
    {"check", TP_CLI_OPERATION_CHECK, "a key and a versionstamp or null"},
    {"set", TP_CLI_OPERATION_SET, "a key and a value"},
    {"set-versionstamped", TP_CLI_OPERATION_SET_VERSIONSTAMPED, "a prefix and a value"},
    {"delete", TP_CLI_OPERATION_DELETE, "a key"},
    {"sum", TP_CLI_OPERATION_SUM, "a key and a number"},
    {"min", TP_CLI_OPERATION_MIN, "a key and a number"},
    {"max", TP_CLI_OPERATION_MAX, "a key and a number"},
    {"sum-value", TP_CLI_OPERATION_SUM_VALUE, "a key and a value"},
    {"enqueue", TP_CLI_OPERATION_ENQUEUE, "a value"},
};

void tp_cli_operation_done(tp_cli_operation *operation) {
  tuplet_owned_free(&operation->key);
  tp_cli_value_done(&operation->value);
  tp_cli_value_done(&operation->minimum);
  tp_cli_value_done(&operation->maximum);
  tp_cli_delivery_done(&operation->delivery);
}

static char *word_next(tp_cli_words *words) {
  return words->next < words->count ? words->items[words->next++] : NULL;
}

/* Takes "NAME=ARGUMENT" or "NAME" and the word after it. 0: the next word is something else; 1: taken;
 * -1: the argument is missing. */
static int option_next(tp_cli_words *words, const char *name, const char **ret_argument) {
  if (words->next == words->count) return 0;
  const char *word = words->items[words->next];
  size_t size = strlen(name);
  if (strncmp(word, name, size) != 0) return 0;
  if (word[size] == '=') {
    words->next++;
    *ret_argument = word + size + 1;
    return 1;
  }
  if (word[size] != '\0') return 0;
  words->next++;
  *ret_argument = word_next(words);
  return *ret_argument != NULL ? 1 : -1;
}

static tp_cli_exit missing_argument(const char *where, const char *option) {
  return tp_cli_fail_usage(&tp_cli_atomic, "%s: %s needs an argument", where, option);
}

static tp_cli_exit parse_expire_in(const char *where, tp_cli_words *words, tp_cli_operation *operation) {
  const char *argument = NULL;
  operation->expire_in_ms = TUPLET_NEVER;
  int taken = option_next(words, "--expire-in", &argument);
  if (taken < 0) return missing_argument(where, "--expire-in");
  if (taken == 0) return TP_CLI_EXIT_OK;
  bool parsed = tp_cli_duration_parse(&tp_cli_atomic, "--expire-in", argument, &operation->expire_in_ms);
  return parsed ? TP_CLI_EXIT_OK : TP_CLI_EXIT_USAGE;
}

static tp_cli_exit parse_bound(const char *where, const char *name, tp_cli_words *words, bool *ret_given,
                               tp_cli_value *ret_value) {
  const char *argument = NULL;
  int taken = option_next(words, name, &argument);
  if (taken < 0) return missing_argument(where, name);
  if (taken == 0) return TP_CLI_EXIT_OK;
  tp_cli_value_done(ret_value);
  *ret_value = (tp_cli_value){0};
  *ret_given = true;
  return tp_cli_value_read(where, argument, strlen(argument), TP_CLI_FORMAT_TEXT, ret_value);
}

static tp_cli_exit parse_bounds(const char *where, tp_cli_words *words, tp_cli_operation *operation) {
  for (size_t before = SIZE_MAX; before != words->next;) {
    before = words->next;
    tp_cli_exit code = parse_bound(where, "--min", words, &operation->has_minimum, &operation->minimum);
    if (code == TP_CLI_EXIT_OK) {
      code = parse_bound(where, "--max", words, &operation->has_maximum, &operation->maximum);
    }
    if (code != TP_CLI_EXIT_OK) return code;
    if (words->next < words->count && strcmp(words->items[words->next], "--clamp") == 0) {
      operation->clamp = true;
      words->next++;
    }
  }
  return TP_CLI_EXIT_OK;
}

static tp_cli_exit parse_delivery(const char *where, tp_cli_words *words, tp_cli_delivery *delivery) {
  for (size_t before = SIZE_MAX; before != words->next;) {
    before = words->next;
    const char *argument = NULL;
    tp_cli_exit code = TP_CLI_EXIT_OK;
    int taken = option_next(words, "--delay", &argument);
    if (taken < 0) return missing_argument(where, "--delay");
    if (taken > 0) code = tp_cli_delivery_set_delay(&tp_cli_atomic, argument, delivery);
    if (code != TP_CLI_EXIT_OK) return code;
    taken = option_next(words, "--undelivered", &argument);
    if (taken < 0) return missing_argument(where, "--undelivered");
    if (taken > 0) code = tp_cli_delivery_add_key(where, argument, delivery);
    if (code != TP_CLI_EXIT_OK) return code;
    taken = option_next(words, "--backoff", &argument);
    if (taken < 0) return missing_argument(where, "--backoff");
    if (taken > 0) code = tp_cli_delivery_set_backoff(&tp_cli_atomic, argument, delivery);
    if (code != TP_CLI_EXIT_OK) return code;
  }
  return TP_CLI_EXIT_OK;
}

static tp_cli_exit parse_versionstamp(const char *where, const char *text, tp_cli_operation *operation) {
  tuplet_error error = {0};
  operation->absent = strcmp(text, "null") == 0;
  if (operation->absent) return TP_CLI_EXIT_OK;
  if (tuplet_versionstamp_from_text(text, &operation->versionstamp, &error) == TUPLET_OK)
    return TP_CLI_EXIT_OK;
  return tp_cli_fail(where, &error);
}

/* The last operand and the options after it. */
static tp_cli_exit parse_rest(const char *where, const char *operand, tp_cli_words *words,
                              tp_cli_operation *operation) {
  tp_cli_exit code = TP_CLI_EXIT_OK;
  switch (operation->type) {
  case TP_CLI_OPERATION_CHECK: return parse_versionstamp(where, operand, operation);
  case TP_CLI_OPERATION_SET:
  case TP_CLI_OPERATION_SET_VERSIONSTAMPED:
    code = tp_cli_value_read(where, operand, strlen(operand), TP_CLI_FORMAT_TEXT, &operation->value);
    return code != TP_CLI_EXIT_OK ? code : parse_expire_in(where, words, operation);
  case TP_CLI_OPERATION_SUM:
  case TP_CLI_OPERATION_MIN:
  case TP_CLI_OPERATION_MAX: return tp_cli_u64_read(where, operand, strlen(operand), &operation->operand);
  case TP_CLI_OPERATION_SUM_VALUE:
    code = tp_cli_value_read(where, operand, strlen(operand), TP_CLI_FORMAT_TEXT, &operation->value);
    return code != TP_CLI_EXIT_OK ? code : parse_bounds(where, words, operation);
  case TP_CLI_OPERATION_ENQUEUE:
    code = tp_cli_value_read(where, operand, strlen(operand), TP_CLI_FORMAT_TEXT, &operation->value);
    return code != TP_CLI_EXIT_OK ? code : parse_delivery(where, words, &operation->delivery);
  case TP_CLI_OPERATION_DELETE: break;
  }
  return code;
}

tp_cli_exit tp_cli_operation_parse(const char *where, tp_cli_words *words, tp_cli_operation *ret_operation) {
  const size_t kind_count = sizeof kinds / sizeof kinds[0];
  *ret_operation = (tp_cli_operation){0};
  const char *name = word_next(words);
  if (name == NULL) return tp_cli_fail_usage(&tp_cli_atomic, "%s: an operation is missing", where);
  size_t kind = 0;
  while (kind < kind_count && strcmp(name, kinds[kind].name) != 0) kind++;
  if (kind == kind_count)
    return tp_cli_fail_usage(&tp_cli_atomic, "%s: '%s' is not an operation", where, name);

  ret_operation->type = kinds[kind].type;
  bool has_key = ret_operation->type != TP_CLI_OPERATION_ENQUEUE;
  bool has_more = ret_operation->type != TP_CLI_OPERATION_DELETE;
  const char *key = has_key ? word_next(words) : NULL;
  const char *operand = has_more ? word_next(words) : NULL;
  if ((has_key && key == NULL) || (has_more && operand == NULL)) {
    return tp_cli_fail_usage(&tp_cli_atomic, "%s: %s needs %s", where, name, kinds[kind].operands);
  }
  tp_cli_exit code = has_key ? tp_cli_key_read(where, key, &ret_operation->key) : TP_CLI_EXIT_OK;
  return code != TP_CLI_EXIT_OK || !has_more ? code : parse_rest(where, operand, words, ret_operation);
}

tuplet_status tp_cli_operation_add(const tp_cli_operation *operation, tuplet_atomic *atomic,
                                   tuplet_error *error) {
  tuplet_key key = tuplet_key_of(tuplet_view(operation->key.data, operation->key.size));
  switch (operation->type) {
  case TP_CLI_OPERATION_CHECK:
    return tuplet_atomic_check(atomic, key, operation->absent ? NULL : &operation->versionstamp, error);
  case TP_CLI_OPERATION_SET:
    return tuplet_atomic_set(atomic, key, operation->value.value, operation->expire_in_ms, error);
  case TP_CLI_OPERATION_SET_VERSIONSTAMPED:
    return tuplet_atomic_set_versionstamped(atomic, key, operation->value.value, operation->expire_in_ms,
                                            error);
  case TP_CLI_OPERATION_DELETE: return tuplet_atomic_delete(atomic, key, error);
  case TP_CLI_OPERATION_SUM: return tuplet_atomic_sum(atomic, key, operation->operand, error);
  case TP_CLI_OPERATION_MIN: return tuplet_atomic_min(atomic, key, operation->operand, error);
  case TP_CLI_OPERATION_MAX: return tuplet_atomic_max(atomic, key, operation->operand, error);
  case TP_CLI_OPERATION_ENQUEUE: {
    const tuplet_enqueue_options options = tp_cli_delivery_options(&operation->delivery);
    return tuplet_atomic_enqueue(atomic, operation->value.value, &options, error);
  }
  case TP_CLI_OPERATION_SUM_VALUE: break;
  }
  return tuplet_atomic_sum_value(
      atomic, key, operation->value.value, operation->has_minimum ? &operation->minimum.value : NULL,
      operation->has_maximum ? &operation->maximum.value : NULL, operation->clamp, error);
}
