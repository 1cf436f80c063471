/* config_file.c: the file of options. */
#include "server/config/config_file.h"

#include "base/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

tuplet_status tp_config_file_load(const char *path, size_t size_max, tp_arena *arena, char **ret_text,
                                  tuplet_error *error) {
  FILE *file = fopen(path, "re");
  if (file == NULL) return tp_fail(error, TUPLET_IO, "Cannot open %s: %s.", path, strerror(errno));
  tuplet_status status = TUPLET_OK;
  char *text = tp_arena_alloc(arena, size_max + 1);
  if (text == NULL) {
    status = tp_fail_nomem(error);
    goto out;
  }
  errno = 0;
  size_t size = fread(text, 1, size_max + 1, file);
  if (ferror(file))
    status = tp_fail(error, TUPLET_IO, "Cannot read %s: %s.", path, strerror(errno != 0 ? errno : EIO));
  else if (size > size_max)
    status = tp_fail(error, TUPLET_IO, "%s is too long; it may have %zu bytes.", path, size_max);
  else if (memchr(text, '\0', size) != NULL)
    status = tp_fail(error, TUPLET_IO, "%s is not a text: it holds a NUL.", path);
  if (status == TUPLET_OK) {
    text[size] = '\0';
    *ret_text = text;
  }
out:
  (void)fclose(file); /* it was only read */
  return status;
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

/* Without blanks at its ends, of which the latter is cut off. */
static char *trim(char *text) {
  while (is_blank(*text)) text++;
  char *end = text + strlen(text);
  while (end > text && is_blank(end[-1])) end--;
  *end = '\0';
  return text;
}

tuplet_status tp_config_file_parse(const char *path, char *text,
                                   tuplet_status (*on_setting)(void *context, const char *where,
                                                               const char *name, const char *value,
                                                               tuplet_error *error),
                                   void *context, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  size_t number = 1;
  for (char *line = text; line != NULL && status == TUPLET_OK; number++) {
    char *next = strchr(line, '\n');
    if (next != NULL) *next++ = '\0';
    char *name = trim(line);
    line = next;
    if (*name == '\0' || *name == '#') continue;

    char where[512];
    (void)snprintf(where, sizeof where, "%s, line %zu", path, number);
    char *equals = strchr(name, '=');
    if (equals == NULL)
      return tp_fail(error, TUPLET_SYNTAX, "%s: '%s' is not of the form NAME = VALUE.", where, name);
    *equals = '\0';
    status = on_setting(context, where, trim(name), trim(equals + 1), error);
  }
  return status;
}
