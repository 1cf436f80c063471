/* page.h: the measured part of a Markdown page, between two marker lines. */
#ifndef BENCH_PAGE_H
#define BENCH_PAGE_H

#include <stdio.h>

/* Rewrites what stands between "<!-- NAME: begin -->" and "<!-- NAME: end -->"; ends the program if they are
 * not there. */
void page_rewrite(const char *path, const char *name, void (*write)(FILE *out, const void *context),
                  const void *context);

#endif
