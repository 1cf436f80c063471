/* page.c: the measured part of a Markdown page. */
#include "page.h"

#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A whole file, ended by a NUL; the caller frees it. */
static char *read_file(const char *path) {
  FILE *file = fopen(path, "re");
  if (file == NULL) bench_fail("%s: %s", path, strerror(errno));
  struct stat status;
  if (fstat(fileno(file), &status) != 0) bench_fail("%s: %s", path, strerror(errno));
  size_t size = (size_t)status.st_size;
  char *text = calloc(1, size + 1);
  if (text == NULL) bench_fail("out of memory");
  if (fread(text, 1, size, file) != size) bench_fail("%s: it cannot be read", path);
  (void)fclose(file);
  return text;
}

void page_rewrite(const char *path, const char *name, void (*write)(FILE *out, const void *context),
                  const void *context) {
  char begin_marker[64], end_marker[64];
  (void)snprintf(begin_marker, sizeof begin_marker, "<!-- %s: begin -->\n", name);
  (void)snprintf(end_marker, sizeof end_marker, "<!-- %s: end -->\n", name);
  char *page = read_file(path);
  char *begin = strstr(page, begin_marker);
  const char *end = begin == NULL ? NULL : strstr(begin, end_marker);
  if (begin == NULL || end == NULL)
    bench_fail("%s: it lacks the lines \"<!-- %s: begin -->\" and \"<!-- %s: end -->\"", path, name, name);
  FILE *out = fopen(path, "we");
  if (out == NULL) bench_fail("%s: %s", path, strerror(errno));
  (void)fwrite(page, 1, (size_t)(begin - page) + strlen(begin_marker), out); /* fclose tells of failures */
  write(out, context);
  (void)fprintf(out, "%s", end);
  if (fclose(out) != 0) bench_fail("%s: %s", path, strerror(errno));
  free(page);
}
