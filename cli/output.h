/* output.h: what the commands write to standard output, as text or as JSON lines.
 *
 * Nothing here reports a failure to write: it is kept in the context, commands that write much look at it,
 * and main.c reports it at the end. */
#ifndef TP_CLI_OUTPUT_H
#define TP_CLI_OUTPUT_H

#include <tuplet.h>

#include "command.h"

void tp_cli_write(tp_cli_context *context, const void *data, size_t size);
void tp_cli_write_text(tp_cli_context *context, const char *text);
void tp_cli_write_hex_line(tp_cli_context *context, const void *data, size_t size);

/* Hands what was written to the operating system, so that the reader of a pipe sees it now. */
void tp_cli_flush(tp_cli_context *context);

/* A text (WTF-8) as a JSON string, in memory. Errors are reported. */
tp_cli_exit tp_cli_json_quote(const char *text, size_t size, tuplet_owned *ret_json);

/* Whether a conversion to JSON failed because JSON has no such value. */
bool tp_cli_json_cannot(tuplet_status status);

/* Writes a text (WTF-8) as a JSON string. */
tp_cli_exit tp_cli_write_json_string(tp_cli_context *context, const char *text, size_t size);

/* Writes a commit's versionstamp: the text alone, {"ok":true,"versionstamp":"…"}, or nothing when quiet. */
void tp_cli_write_commit(tp_cli_context *context, const tuplet_versionstamp *versionstamp);

/* How an entry is written. */
typedef enum tp_cli_entry_form {
  TP_CLI_ENTRY_WHOLE, /* KEY, tab, VALUE; nothing after the tab when absent */
  TP_CLI_ENTRY_KEY,   /* KEY */
  TP_CLI_ENTRY_VALUE, /* VALUE; nothing at all when absent */
  TP_CLI_ENTRY_STAMP, /* VERSIONSTAMP; nothing at all when absent */
} tp_cli_entry_form;

/* Writes an entry as a line, or, when JSON is wanted, as an object (of which TP_CLI_ENTRY_KEY leaves the
 * value out): "key"           the key as a JSON array, when JSON can say it "keyText"       the key as
 * JavaScript text "value"         the value, when JSON can say it; null when absent "valueText"     the value
 * as JavaScript text, unless absent "encoding"      "v8", "le64" or "bytes", unless absent "versionstamp"  20
 * hex digits; null when absent Errors, reported: a key or a value that is damaged; then nothing is written.
 */
tp_cli_exit tp_cli_write_entry(tp_cli_context *context, const tuplet_entry *entry, tp_cli_entry_form form);

#endif
