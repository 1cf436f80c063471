/* input.c: what the commands read from files and standard input. */
#include "input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

static tp_cli_exit read_stream(FILE *file, const char *name, char **ret_data, size_t *ret_size) {
  size_t capacity = 4096;
  size_t size = 0;
  char *data = malloc(capacity);
  if (data == NULL) return tp_cli_fail_memory();
  for (;;) {
    errno = 0;
    size += fread(data + size, 1, capacity - size - 1, file);
    if (ferror(file)) {
      free(data);
      return tp_cli_fail_as(TP_CLI_EXIT_SYSTEM, "reading %s: %s", name, strerror(errno));
    }
    if (feof(file)) break;
    if (capacity > TP_CLI_INPUT_SIZE_MAX) {
      free(data);
      return tp_cli_fail_as(TP_CLI_EXIT_DATA, "%s is larger than %zu bytes", name, TP_CLI_INPUT_SIZE_MAX);
    }
    if (capacity - size > 1) continue;
    char *larger = realloc(data, capacity * 2);
    if (larger == NULL) {
      free(data);
      return tp_cli_fail_memory();
    }
    data = larger;
    capacity *= 2;
  }
  data[size] = '\0';
  *ret_data = data;
  *ret_size = size;
  return TP_CLI_EXIT_OK;
}

tp_cli_exit tp_cli_input_read(const char *path, char **ret_data, size_t *ret_size) {
  if (strcmp(path, "-") == 0) return read_stream(stdin, "standard input", ret_data, ret_size);
  FILE *file = fopen(path, "rbe");
  if (file == NULL) return tp_cli_fail_as(TP_CLI_EXIT_SYSTEM, "opening %s: %s", path, strerror(errno));
  tp_cli_exit code = read_stream(file, path, ret_data, ret_size);
  (void)fclose(file); /* it was only read */
  return code;
}

char *tp_cli_line_next(char **rest, size_t *rest_size, size_t *ret_size) {
  if (*rest_size == 0) return NULL;
  char *line = *rest;
  char *end = memchr(line, '\n', *rest_size);
  size_t size = end != NULL ? (size_t)(end - line) : *rest_size;
  size_t taken = end != NULL ? size + 1 : size;
  *rest += taken;
  *rest_size -= taken;
  if (size > 0 && line[size - 1] == '\r') size--;
  line[size] = '\0';
  *ret_size = size;
  return line;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool tp_cli_hex_decode(char *text, size_t size, size_t *ret_size) {
  if (size % 2 != 0) return false;
  for (size_t i = 0; i < size; i += 2) {
    int high = hex_digit(text[i]);
    int low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return false;
    text[i / 2] = (char)(unsigned char)(high << 4 | low);
  }
  *ret_size = size / 2;
  return true;
}
