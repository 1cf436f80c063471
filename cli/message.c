/* message.c: a message of the queue as `tuplet listen` shows it. */
#include "message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "report.h"

typedef struct message_texts {
  tuplet_owned payload;
  tuplet_owned payload_json; /* empty when JSON cannot say it */
  tuplet_owned quoted_id;
  tuplet_owned quoted_payload;
} message_texts;

static tp_cli_exit fail(const tuplet_message *message, const tuplet_error *error) {
  return tp_cli_fail_as(tp_cli_exit_of(error->status), "message %s: %s", message->id, error->message);
}

static tp_cli_exit texts_init(const tuplet_message *message, bool json, message_texts *texts) {
  tuplet_error error = {0};
  if (tuplet_value_to_text(message->payload, NULL, &texts->payload, &error) != TUPLET_OK) {
    return fail(message, &error);
  }
  if (!json) return TP_CLI_EXIT_OK;
  tuplet_status status = tuplet_value_to_json(message->payload, NULL, &texts->payload_json, &error);
  if (status != TUPLET_OK && !tp_cli_json_cannot(status)) return fail(message, &error);
  tp_cli_exit code = tp_cli_json_quote(message->id, strlen(message->id), &texts->quoted_id);
  if (code != TP_CLI_EXIT_OK) return code;
  return tp_cli_json_quote(texts->payload.data, texts->payload.size, &texts->quoted_payload);
}

static void texts_done(message_texts *texts) {
  tuplet_owned_free(&texts->payload);
  tuplet_owned_free(&texts->payload_json);
  tuplet_owned_free(&texts->quoted_id);
  tuplet_owned_free(&texts->quoted_payload);
}

static void print(FILE *file, const tuplet_owned *text) {
  (void)fwrite(text->data, 1, text->size, file); /* into memory: fclose tells what fails */
}

static void print_json(FILE *file, const tuplet_message *message, const message_texts *texts) {
  (void)fputs("{\"id\":", file);
  print(file, &texts->quoted_id);
  (void)fprintf(file, ",\"attempt\":%" PRIu32, message->attempt);
  if (texts->payload_json.size > 0) {
    (void)fputs(",\"payload\":", file);
    print(file, &texts->payload_json);
  }
  (void)fputs(",\"payloadText\":", file);
  print(file, &texts->quoted_payload);
  (void)fputs("}\n", file);
}

tp_cli_exit tp_cli_message_to_text(const tuplet_message *message, tp_cli_message_form form, char **ret_text,
                                   size_t *ret_size) {
  message_texts texts = {0};
  char *text = NULL;
  size_t size = 0;
  FILE *file = NULL;
  tp_cli_exit code = texts_init(message, form == TP_CLI_MESSAGE_JSON, &texts);
  if (code != TP_CLI_EXIT_OK) goto out;
  file = open_memstream(&text, &size);
  if (file == NULL) {
    code = tp_cli_fail_memory();
    goto out;
  }
  if (form == TP_CLI_MESSAGE_JSON) {
    print_json(file, message, &texts);
  } else {
    if (form == TP_CLI_MESSAGE_LINE) (void)fprintf(file, "%s\t%" PRIu32 "\t", message->id, message->attempt);
    print(file, &texts.payload);
    (void)fputc('\n', file);
  }
  bool failed = ferror(file) != 0;
  if (fclose(file) != 0) failed = true;
  if (failed) {
    free(text);
    code = tp_cli_fail_memory();
    goto out;
  }
  *ret_text = text;
  *ret_size = size;
out:
  texts_done(&texts);
  return code;
}
