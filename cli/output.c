/* output.c: what the commands write to standard output. */
#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "report.h"
#include "value.h"

void tp_cli_write(tp_cli_context *context, const void *data, size_t size) {
  if (context->write_errno != 0 || size == 0) return;
  errno = 0;
  if (fwrite(data, 1, size, stdout) != size) context->write_errno = errno != 0 ? errno : EIO;
}

void tp_cli_write_text(tp_cli_context *context, const char *text) {
  tp_cli_write(context, text, strlen(text));
}

void tp_cli_write_hex_line(tp_cli_context *context, const void *data, size_t size) {
  static const char digits[] = "0123456789abcdef";
  const uint8_t *bytes = data;
  for (size_t i = 0; i < size; i++) {
    char pair[2] = {digits[bytes[i] >> 4], digits[bytes[i] & 15]};
    tp_cli_write(context, pair, sizeof pair);
  }
  tp_cli_write_text(context, "\n");
}

void tp_cli_flush(tp_cli_context *context) {
  if (context->write_errno != 0) return;
  errno = 0;
  if (fflush(stdout) != 0) context->write_errno = errno != 0 ? errno : EIO;
}

tp_cli_exit tp_cli_json_quote(const char *text, size_t size, tuplet_owned *ret_json) {
  tuplet_error error = {0};
  tp_cli_exit code = TP_CLI_EXIT_OK;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *string = tree != NULL ? tuplet_node_string(tree, text, size) : NULL;
  if (string == NULL) {
    code = tp_cli_fail_memory();
  } else if (tuplet_tree_print_json(string, NULL, ret_json, &error) != TUPLET_OK) {
    code = tp_cli_fail(NULL, &error);
  }
  tuplet_tree_free(tree);
  return code;
}

tp_cli_exit tp_cli_write_json_string(tp_cli_context *context, const char *text, size_t size) {
  tuplet_owned json = {0};
  tp_cli_exit code = tp_cli_json_quote(text, size, &json);
  if (code == TP_CLI_EXIT_OK) tp_cli_write(context, json.data, json.size);
  tuplet_owned_free(&json);
  return code;
}

void tp_cli_write_commit(tp_cli_context *context, const tuplet_versionstamp *versionstamp) {
  char text[TUPLET_VERSIONSTAMP_TEXT_SIZE];
  context->committed = true;
  if (context->quiet) return;
  tuplet_versionstamp_to_text(versionstamp, text);
  if (context->json) tp_cli_write_text(context, "{\"ok\":true,\"versionstamp\":\"");
  tp_cli_write_text(context, text);
  tp_cli_write_text(context, context->json ? "\"}\n" : "\n");
}

/* The texts of an entry; those that are not wanted, or that JSON cannot say, stay empty. */
typedef struct entry_texts {
  tuplet_owned key;
  tuplet_owned key_json;
  tuplet_owned value;
  tuplet_owned value_json;
  tuplet_owned quoted_key;
  tuplet_owned quoted_value;
} entry_texts;

static void entry_texts_done(entry_texts *texts) {
  tuplet_owned_free(&texts->key);
  tuplet_owned_free(&texts->key_json);
  tuplet_owned_free(&texts->value);
  tuplet_owned_free(&texts->value_json);
  tuplet_owned_free(&texts->quoted_key);
  tuplet_owned_free(&texts->quoted_value);
}

bool tp_cli_json_cannot(tuplet_status status) {
  return status == TUPLET_INVALID || status == TUPLET_LIMIT;
}

static tp_cli_exit entry_texts_init(const tuplet_entry *entry, bool key, bool value, bool json,
                                    entry_texts *texts) {
  tuplet_error error = {0};
  tuplet_status status = TUPLET_OK;
  if (key) {
    status = tuplet_key_to_text(tuplet_key_of(entry->key), NULL, &texts->key, &error);
    if (status != TUPLET_OK) return tp_cli_fail("key", &error);
  }
  value = value && entry->exists;
  if (value) {
    status = tuplet_value_to_text(entry->value, NULL, &texts->value, &error);
    if (status != TUPLET_OK) return tp_cli_fail("value", &error);
  }
  if (!json) return TP_CLI_EXIT_OK;

  status = tp_cli_key_to_json(texts->key.data, texts->key.size, &texts->key_json, &error);
  if (status != TUPLET_OK && !tp_cli_json_cannot(status)) return tp_cli_fail("key", &error);
  tp_cli_exit code = tp_cli_json_quote(texts->key.data, texts->key.size, &texts->quoted_key);
  if (code != TP_CLI_EXIT_OK || !value) return code;
  status = tuplet_value_to_json(entry->value, NULL, &texts->value_json, &error);
  if (status != TUPLET_OK && !tp_cli_json_cannot(status)) return tp_cli_fail("value", &error);
  return tp_cli_json_quote(texts->value.data, texts->value.size, &texts->quoted_value);
}

/* Writes a member of an object unless it is empty. */
static void write_member(tp_cli_context *context, const char *name, const tuplet_owned *json, bool *first) {
  if (json->size == 0) return;
  tp_cli_write_text(context, *first ? "{" : ",");
  *first = false;
  tp_cli_write_text(context, name);
  tp_cli_write(context, json->data, json->size);
}

static void write_object(tp_cli_context *context, const tuplet_entry *entry, const entry_texts *texts,
                         bool with_value, const char *stamp) {
  bool first = true;
  write_member(context, "\"key\":", &texts->key_json, &first);
  write_member(context, "\"keyText\":", &texts->quoted_key, &first);
  write_member(context, "\"value\":", &texts->value_json, &first);
  write_member(context, "\"valueText\":", &texts->quoted_value, &first);
  if (entry->exists) {
    if (with_value) {
      tp_cli_write_text(context, ",\"encoding\":\"");
      tp_cli_write_text(context, tp_cli_encoding_name(entry->value.encoding));
      tp_cli_write_text(context, "\"");
    }
    tp_cli_write_text(context, ",\"versionstamp\":\"");
    tp_cli_write_text(context, stamp);
    tp_cli_write_text(context, "\"}\n");
  } else {
    tp_cli_write_text(context, ",\"value\":null,\"versionstamp\":null}\n");
  }
}

tp_cli_exit tp_cli_write_entry(tp_cli_context *context, const tuplet_entry *entry, tp_cli_entry_form form) {
  bool json = context->json;
  bool key = json || form == TP_CLI_ENTRY_WHOLE || form == TP_CLI_ENTRY_KEY;
  bool value =
      form == TP_CLI_ENTRY_WHOLE || form == TP_CLI_ENTRY_VALUE || (json && form == TP_CLI_ENTRY_STAMP);
  char stamp[TUPLET_VERSIONSTAMP_TEXT_SIZE] = "";
  entry_texts texts = {0};
  tp_cli_exit code = entry_texts_init(entry, key, value, json, &texts);
  if (code != TP_CLI_EXIT_OK) goto out;

  if (entry->exists) tuplet_versionstamp_to_text(&entry->versionstamp, stamp);
  if (json) {
    write_object(context, entry, &texts, value, stamp);
    goto out;
  }
  tp_cli_write(context, texts.key.data, texts.key.size);
  if (form == TP_CLI_ENTRY_WHOLE) tp_cli_write_text(context, "\t");
  tp_cli_write(context, texts.value.data, texts.value.size);
  if (form == TP_CLI_ENTRY_STAMP) tp_cli_write_text(context, stamp);
  if (key || entry->exists) tp_cli_write_text(context, "\n");
out:
  entry_texts_done(&texts);
  return code;
}
