/* value.h: keys and values as the command line writes them, turned into what the library takes. */
#ifndef TP_CLI_VALUE_H
#define TP_CLI_VALUE_H

#include <tuplet.h>

#include "command.h"

/* How the text or the bytes of a value that is given are to be read. */
typedef enum tp_cli_format {
  TP_CLI_FORMAT_TEXT,  /* JavaScript */
  TP_CLI_FORMAT_JSON,  /* JSON */
  TP_CLI_FORMAT_V8,    /* bytes: V8's serialization format */
  TP_CLI_FORMAT_LE64,  /* bytes: 8 of them, little-endian */
  TP_CLI_FORMAT_BYTES, /* bytes: those of a Uint8Array */
} tp_cli_format;

/* "text", "json", "v8", "le64" or "bytes". False when the name is none of them. */
bool tp_cli_format_parse(const char *name, tp_cli_format *ret_format);

/* Whether a format is bytes and not text. */
bool tp_cli_format_is_binary(tp_cli_format format);

/* "v8", "le64", "bytes"; "unknown". Static. */
const char *tp_cli_encoding_name(tuplet_encoding encoding);

/* A value and the memory it points into. A zeroed one may be ended. */
typedef struct tp_cli_value {
  tuplet_value value;
  tuplet_owned owned;
  char *input; /* what was read from a file */
} tp_cli_value;

void tp_cli_value_done(tp_cli_value *value);

/* A key from its text, encoded. Errors are reported, `where` before them. */
tp_cli_exit tp_cli_key_read(const char *where, const char *text, tuplet_owned *ret_key);

/* A value. The result of a binary format borrows `data`. Errors are reported, `where` before them. */
tp_cli_exit tp_cli_value_read(const char *where, const void *data, size_t size, tp_cli_format format,
                              tp_cli_value *ret_value);

/* A counter's number from text: 5n, 5 or new Deno.KvU64(5n). Errors are reported, `where` before them. */
tp_cli_exit tp_cli_u64_read(const char *where, const char *text, size_t size, uint64_t *ret_number);

/* The JSON array of a key that is given as text. Errors: those of tuplet_tree_print_json. */
tuplet_status tp_cli_key_to_json(const char *text, size_t size, tuplet_owned *ret_json, tuplet_error *error);

#endif
