/* codec.c: `tuplet codec`, keys and values from text to the bytes that are stored, in hex, and back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "options.h"
#include "output.h"
#include "report.h"
#include "value.h"

typedef struct codec_request {
  bool key; /* a key, not a value */
  bool from_hex;
  bool lines;             /* every line of standard input is one */
  tuplet_encoding forced; /* of values; 0: not given */
  char **operands;
  int operand_count;
} codec_request;

static bool parse_encoding(const char *name, tuplet_encoding *ret_encoding) {
  static const tuplet_encoding encodings[] = {TUPLET_ENCODING_V8, TUPLET_ENCODING_LE64,
                                              TUPLET_ENCODING_BYTES};
  for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++) {
    if (strcmp(name, tp_cli_encoding_name(encodings[i])) != 0) continue;
    *ret_encoding = encodings[i];
    return true;
  }
  return false;
}

static tp_cli_exit parse(tp_cli_context *context, int argc, char **argv, codec_request *request,
                         bool *ret_go) {
  enum { FROM_HEX = TP_CLI_OPTION_LONG_ONLY, LINES, ENCODING };
  static const struct option long_options[] = {TP_CLI_COMMON_LONG,
                                               {"from-hex", no_argument, NULL, FROM_HEX},
                                               {"lines", no_argument, NULL, LINES},
                                               {"encoding", required_argument, NULL, ENCODING},
                                               {0}};
  tp_cli_options options;
  tp_cli_options_init(&options, &tp_cli_codec, context, argc, argv, long_options, TP_CLI_COMMON_SHORT);
  for (int option; (option = tp_cli_options_next(&options)) != TP_CLI_OPTION_END;) {
    switch (option) {
    case FROM_HEX: request->from_hex = true; break;
    case LINES: request->lines = true; break;
    case ENCODING:
      if (!parse_encoding(optarg, &request->forced)) {
        return tp_cli_fail_usage(&tp_cli_codec, "--encoding must be v8, le64 or bytes, not '%s'", optarg);
      }
      break;
    default: return options.exit;
    }
  }
  char **operands = tp_cli_operands(&options);
  if (options.operand_count == 0) return tp_cli_fail_usage(&tp_cli_codec, "key or value is missing");
  request->key = strcmp(operands[0], "key") == 0;
  if (!request->key && strcmp(operands[0], "value") != 0) {
    return tp_cli_fail_usage(&tp_cli_codec, "expected key or value, not '%s'", operands[0]);
  }
  if (request->key && request->forced != 0) {
    return tp_cli_fail_usage(&tp_cli_codec, "--encoding is for values; keys have one encoding");
  }
  request->operands = operands + 1;
  request->operand_count = options.operand_count - 1;
  if (request->lines ? request->operand_count != 0 : request->operand_count == 0) {
    return tp_cli_fail_usage(&tp_cli_codec, "%s",
                             request->lines      ? "with --lines everything is read from standard input"
                             : request->from_hex ? "the hex is missing"
                                                 : "the text is missing");
  }
  *ret_go = true;
  return TP_CLI_EXIT_OK;
}

/* Writes a key, given as bytes, as text or JSON. */
static tp_cli_exit write_key(tp_cli_context *context, const char *where, tuplet_bytes encoded) {
  tuplet_error error = {0};
  tuplet_owned text = {0};
  tuplet_owned json = {0};
  tuplet_status status = tuplet_key_to_text(tuplet_key_of(encoded), NULL, &text, &error);
  if (status == TUPLET_OK && context->json) status = tp_cli_key_to_json(text.data, text.size, &json, &error);
  if (status == TUPLET_OK) {
    const tuplet_owned *line = context->json ? &json : &text;
    tp_cli_write(context, line->data, line->size);
    tp_cli_write_text(context, "\n");
  }
  tuplet_owned_free(&json);
  tuplet_owned_free(&text);
  return status == TUPLET_OK ? TP_CLI_EXIT_OK : tp_cli_fail(where, &error);
}

static tp_cli_exit write_value(tp_cli_context *context, const char *where, tuplet_encoding encoding,
                               tuplet_bytes bytes) {
  static const tp_cli_format formats[] = {[TUPLET_ENCODING_V8] = TP_CLI_FORMAT_V8,
                                          [TUPLET_ENCODING_LE64] = TP_CLI_FORMAT_LE64,
                                          [TUPLET_ENCODING_BYTES] = TP_CLI_FORMAT_BYTES};
  tuplet_error error = {0};
  tuplet_owned text = {0};
  tp_cli_value value = {0};
  tp_cli_exit code = tp_cli_value_read(where, bytes.data, bytes.size, formats[encoding], &value);
  if (code != TP_CLI_EXIT_OK) return code;
  tuplet_status status = context->json ? tuplet_value_to_json(value.value, NULL, &text, &error)
                                       : tuplet_value_to_text(value.value, NULL, &text, &error);
  if (status == TUPLET_OK) {
    tp_cli_write(context, text.data, text.size);
    tp_cli_write_text(context, "\n");
  } else {
    code = tp_cli_fail(where, &error);
  }
  tuplet_owned_free(&text);
  tp_cli_value_done(&value);
  return code;
}

static tp_cli_exit decode(tp_cli_context *context, const codec_request *request, const char *where, char *hex,
                          size_t hex_size) {
  size_t size = 0;
  if (!tp_cli_hex_decode(hex, hex_size, &size)) {
    return tp_cli_fail_as(TP_CLI_EXIT_DATA, "%s: the hex is not pairs of hexadecimal digits", where);
  }
  tuplet_bytes bytes = tuplet_view(hex, size);
  if (request->key) return write_key(context, where, bytes);
  return write_value(context, where, request->forced != 0 ? request->forced : TUPLET_ENCODING_V8, bytes);
}

static tp_cli_exit encode_key(tp_cli_context *context, const char *where, const char *text, size_t size) {
  tuplet_error error = {0};
  tuplet_owned encoded = {0};
  tuplet_status status = TUPLET_OK;
  if (context->json) {
    /* JSON is a part of JavaScript: being JSON is one more condition. */
    tuplet_node *root = NULL;
    tuplet_tree *tree = tuplet_tree_new(NULL);
    if (tree == NULL) return tp_cli_fail_memory();
    status = tuplet_tree_parse_json(tree, text, size, &root, &error);
    tuplet_tree_free(tree);
  }
  if (status == TUPLET_OK) status = tuplet_key_from_text(text, size, NULL, &encoded, &error);
  if (status != TUPLET_OK) return tp_cli_fail(where, &error);
  tp_cli_write_hex_line(context, encoded.data, encoded.size);
  tuplet_owned_free(&encoded);
  return TP_CLI_EXIT_OK;
}

static tp_cli_exit encode_value(tp_cli_context *context, tuplet_encoding forced, const char *where,
                                const char *text, size_t size) {
  if (forced == TUPLET_ENCODING_LE64) {
    uint64_t number = 0;
    tp_cli_exit code = tp_cli_u64_read(where, text, size, &number);
    if (code != TP_CLI_EXIT_OK) return code;
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(number >> (8 * i));
    tp_cli_write_hex_line(context, bytes, sizeof bytes);
    return TP_CLI_EXIT_OK;
  }
  tp_cli_value value = {0};
  tp_cli_format format = context->json ? TP_CLI_FORMAT_JSON : TP_CLI_FORMAT_TEXT;
  tp_cli_exit code = tp_cli_value_read(where, text, size, format, &value);
  if (code == TP_CLI_EXIT_OK && forced != 0 && value.value.encoding != forced) {
    code = tp_cli_fail_as(TP_CLI_EXIT_DATA, "%s: this value is stored as %s, not as %s", where,
                          tp_cli_encoding_name(value.value.encoding), tp_cli_encoding_name(forced));
  }
  if (code == TP_CLI_EXIT_OK && value.value.encoding == TUPLET_ENCODING_LE64) {
    code = encode_value(context, TUPLET_ENCODING_LE64, where, text, size);
  } else if (code == TP_CLI_EXIT_OK) {
    tp_cli_write_hex_line(context, value.value.data.data, value.value.data.size);
  }
  tp_cli_value_done(&value);
  return code;
}

static tp_cli_exit convert(tp_cli_context *context, const codec_request *request, const char *where,
                           char *data, size_t size) {
  if (request->from_hex) return decode(context, request, where, data, size);
  if (request->key) return encode_key(context, where, data, size);
  return encode_value(context, request->forced, where, data, size);
}

/* The whole of standard input, or each of its lines. */
static tp_cli_exit convert_input(tp_cli_context *context, const codec_request *request, const char *name) {
  char *data = NULL;
  size_t size = 0;
  tp_cli_exit code = tp_cli_input_read("-", &data, &size);
  if (code != TP_CLI_EXIT_OK) return code;
  if (request->lines) {
    char *rest = data;
    size_t line_size = 0;
    size_t number = 1;
    for (char *line; code == TP_CLI_EXIT_OK && (line = tp_cli_line_next(&rest, &size, &line_size)) != NULL;) {
      char where[40];
      snprintf(where, sizeof where, "line %zu", number++);
      code = convert(context, request, where, line, line_size);
    }
  } else {
    while (size > 0 && (data[size - 1] == '\n' || data[size - 1] == '\r')) size--;
    code = convert(context, request, name, data, size);
  }
  free(data);
  return code;
}

static tp_cli_exit run(tp_cli_context *context, int argc, char **argv) {
  codec_request request = {0};
  bool go = false;
  tp_cli_exit code = parse(context, argc, argv, &request, &go);
  if (!go) return code;

  const char *name = request.key ? "key" : "value";
  if (request.lines) return convert_input(context, &request, name);
  for (int i = 0; i < request.operand_count && code == TP_CLI_EXIT_OK; i++) {
    char *operand = request.operands[i];
    if (strcmp(operand, "-") == 0) {
      code = convert_input(context, &request, name);
    } else {
      code = convert(context, &request, name, operand, strlen(operand));
    }
  }
  return code;
}

const tp_cli_command tp_cli_codec = {
    .name = "codec",
    .summary = "turn keys and values into the hex of what is stored, and back",
    .help = "Usage: tuplet codec key|value [OPTION]... TEXT...\n"
            "       tuplet codec key|value [OPTION]... --from-hex HEX...\n"
            "\n"
            "Prints the bytes that stand for a key or a value in a database, in hex, or the\n"
            "JavaScript text of such bytes; a line for each argument. An argument of - is read\n"
            "from standard input. No database is used.\n"
            "\n"
            "      --from-hex         from hex to text\n"
            "      --encoding ENC     of a value: v8 (V8's serialization), le64 (Deno.KvU64) or\n"
            "                         bytes (a Uint8Array). From hex: what the bytes are, v8\n"
            "                         when not given. To hex: it must be stored as this (a\n"
            "                         bigint may be made le64); not given: as it would be\n"
            "      --lines            convert each line of standard input\n"
            "  -j, --json             the text is JSON\n"
            "  -h, --help             print this\n"
            "\n"
            "Exit status: 0 success, 2 usage, 4 invalid text or hex.\n"
            "\n"
            "  tuplet codec key '[\"a\", 1n]'\n"
            "  tuplet codec value --from-hex ff0f4902\n",
    .run = run,
};
