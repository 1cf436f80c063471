/* status.c: the names and texts of statuses, and errors with messages. */
#include "base/status.h"

#include <stdio.h>

static void vset_message(tuplet_error *error, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void vset_message(tuplet_error *error, const char *format, va_list arguments) {
  int length = vsnprintf(error->message, sizeof error->message, format, arguments);
  if (length < 0) {
    error->message[0] = '\0';
    return;
  }
  if ((size_t)length < sizeof error->message) return;
  /* The message was cut: do not leave half a UTF-8 sequence at its end. */
  size_t end = sizeof error->message - 1;
  size_t start = end;
  while (start > 0 && ((unsigned char)error->message[start - 1] & 0xC0) == 0x80) start--;
  if (start > 0 && ((unsigned char)error->message[start - 1] & 0x80) != 0) {
    unsigned char lead = (unsigned char)error->message[start - 1];
    size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (end - (start - 1) < need) error->message[start - 1] = '\0';
  }
}

void tp_error_set(tuplet_error *error, tuplet_status status, const char *format, ...) {
  if (error == NULL) return;
  error->status = status;
  va_list arguments;
  va_start(arguments, format);
  vset_message(error, format, arguments);
  va_end(arguments);
}

const char *tuplet_status_name(tuplet_status status) {
  switch (status) {
#define NAME_CASE(name, code, text)                                                                          \
  case (code): return "TUPLET_" #name;
    TUPLET_STATUS_MAP(NAME_CASE)
#undef NAME_CASE
  default: return "TUPLET_?";
  }
}

const char *tuplet_status_text(tuplet_status status) {
  switch (status) {
#define TEXT_CASE(name, code, text)                                                                          \
  case (code): return text;
    TUPLET_STATUS_MAP(TEXT_CASE)
#undef TEXT_CASE
  default: return "unknown status";
  }
}
