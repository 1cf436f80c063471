/* value.c: keys and values as the command line writes them, turned into what the library takes. */
#include "value.h"

#include <stdlib.h>
#include <string.h>

#include "report.h"

static const struct {
  const char *name;
  tp_cli_format format;
} formats[] = {{"text", TP_CLI_FORMAT_TEXT},
               {"json", TP_CLI_FORMAT_JSON},
               {"v8", TP_CLI_FORMAT_V8},
               {"le64", TP_CLI_FORMAT_LE64},
               {"bytes", TP_CLI_FORMAT_BYTES}};

bool tp_cli_format_parse(const char *name, tp_cli_format *ret_format) {
  for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
    if (strcmp(name, formats[i].name) != 0) continue;
    *ret_format = formats[i].format;
    return true;
  }
  return false;
}

bool tp_cli_format_is_binary(tp_cli_format format) {
  return format != TP_CLI_FORMAT_TEXT && format != TP_CLI_FORMAT_JSON;
}

const char *tp_cli_encoding_name(tuplet_encoding encoding) {
  switch (encoding) {
  case TUPLET_ENCODING_V8: return "v8";
  case TUPLET_ENCODING_LE64: return "le64";
  case TUPLET_ENCODING_BYTES: return "bytes";
  }
  return "unknown";
}

void tp_cli_value_done(tp_cli_value *value) {
  tuplet_owned_free(&value->owned);
  free(value->input);
}

tp_cli_exit tp_cli_key_read(const char *where, const char *text, tuplet_owned *ret_key) {
  tuplet_error error = {0};
  if (tuplet_key_from_text(text, strlen(text), NULL, ret_key, &error) == TUPLET_OK) return TP_CLI_EXIT_OK;
  return tp_cli_fail(where, &error);
}

/* Bytes that claim to be a V8 value are decoded once, so that nothing is stored that no one can read. */
static tp_cli_exit check_v8(const char *where, tuplet_value value) {
  tuplet_error error = {0};
  tuplet_node *root = NULL;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  if (tree == NULL) return tp_cli_fail_memory();
  tuplet_status status = tuplet_tree_decode(tree, value, &root, &error);
  tuplet_tree_free(tree);
  return status == TUPLET_OK ? TP_CLI_EXIT_OK : tp_cli_fail(where, &error);
}

static tp_cli_exit read_le64(const char *where, const uint8_t *data, size_t size, tuplet_value *ret_value) {
  if (size != 8) {
    return tp_cli_fail_as(TP_CLI_EXIT_DATA, "%s: le64 takes 8 bytes, not %zu", where, size);
  }
  uint64_t number = 0;
  for (size_t i = 8; i-- > 0;) number = number << 8 | data[i];
  *ret_value = tuplet_value_u64(number);
  ret_value->data = tuplet_view(data, size);
  return TP_CLI_EXIT_OK;
}

tp_cli_exit tp_cli_value_read(const char *where, const void *data, size_t size, tp_cli_format format,
                              tp_cli_value *ret_value) {
  tuplet_error error = {0};
  tuplet_status status = TUPLET_OK;
  switch (format) {
  case TP_CLI_FORMAT_TEXT:
    status = tuplet_value_from_text(data, size, NULL, &ret_value->value, &ret_value->owned, &error);
    break;
  case TP_CLI_FORMAT_JSON:
    status = tuplet_value_from_json(data, size, NULL, &ret_value->value, &ret_value->owned, &error);
    break;
  case TP_CLI_FORMAT_V8:
    ret_value->value = tuplet_value_v8(tuplet_view(data, size));
    return check_v8(where, ret_value->value);
  case TP_CLI_FORMAT_LE64: return read_le64(where, data, size, &ret_value->value);
  case TP_CLI_FORMAT_BYTES: ret_value->value = tuplet_value_bytes(data, size); return TP_CLI_EXIT_OK;
  }
  return status == TUPLET_OK ? TP_CLI_EXIT_OK : tp_cli_fail(where, &error);
}

/* The number of a node that stands for a counter; false when it does not. */
static bool u64_of_node(const tuplet_node *node, uint64_t *ret_number) {
  if (node->type == TUPLET_NODE_KVU64) {
    *ret_number = node->as.u64;
    return true;
  }
  if (node->type == TUPLET_NODE_NUMBER) {
    double number = node->as.number;
    if (!(number >= 0 && number <= 9007199254740991.0) || number != (double)(uint64_t)number) return false;
    *ret_number = (uint64_t)number;
    return true;
  }
  if (node->type != TUPLET_NODE_BIGINT || node->as.bigint.negative) return false;
  const tuplet_bytes magnitude = node->as.bigint.little_endian;
  if (magnitude.size > 8) return false;
  uint64_t number = 0;
  for (size_t i = magnitude.size; i-- > 0;) number = number << 8 | ((const uint8_t *)magnitude.data)[i];
  *ret_number = number;
  return true;
}

tp_cli_exit tp_cli_u64_read(const char *where, const char *text, size_t size, uint64_t *ret_number) {
  tuplet_error error = {0};
  tp_cli_exit code = TP_CLI_EXIT_OK;
  tuplet_node *root = NULL;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  if (tree == NULL) return tp_cli_fail_memory();
  if (tuplet_tree_parse(tree, text, size, &root, &error) != TUPLET_OK) {
    code = tp_cli_fail(where, &error);
  } else if (!u64_of_node(root, ret_number)) {
    code = tp_cli_fail_as(TP_CLI_EXIT_DATA,
                          "%s: expected an integer from 0n to 18446744073709551615n, not '%.*s'", where,
                          size < 100 ? (int)size : 100, text);
  }
  tuplet_tree_free(tree);
  return code;
}

tuplet_status tp_cli_key_to_json(const char *text, size_t size, tuplet_owned *ret_json, tuplet_error *error) {
  /* A key's text is also that of an array with the same parts. */
  tuplet_node *root = NULL;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_status status = TUPLET_NOMEM;
  if (tree != NULL) status = tuplet_tree_parse(tree, text, size, &root, error);
  if (status == TUPLET_OK) status = tuplet_tree_print_json(root, NULL, ret_json, error);
  tuplet_tree_free(tree);
  return status;
}
