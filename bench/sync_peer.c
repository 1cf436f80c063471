/* sync_peer.c: pages written in place, each synced by itself. */
#include "sync_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, PAGES = 1024 };

struct sync_peer {
  int file;
  uint64_t written; /* pages so far */
};

static void write_page(sync_peer *side) {
  uint8_t page[PAGE_BYTES] = {0};
  memcpy(page, &side->written, sizeof side->written);
  off_t offset = (off_t)(side->written++ % PAGES) * PAGE_BYTES;
  if (pwrite(side->file, page, sizeof page, offset) != PAGE_BYTES) {
    bench_fail("writing a page failed: %s", strerror(errno));
  }
}

sync_peer *sync_peer_open(const dataset *data) {
  sync_peer *side = calloc(1, sizeof *side);
  char *path;
  if (side == NULL || asprintf(&path, "%s/pages", data->directory) < 0) bench_fail("out of memory");
  side->file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (side->file < 0) bench_fail("%s: %s", path, strerror(errno));
  free(path);
  for (int i = 0; i < PAGES; i++) write_page(side);
  if (fsync(side->file) != 0) bench_fail("fsync failed: %s", strerror(errno));
  return side;
}

void sync_peer_close(sync_peer *side) {
  if (side == NULL) return;
  (void)close(side->file);
  free(side);
}

bench_slice sync_peer_write(sync_peer *side, int64_t duration_ns) {
  bench_slice slice = {0};
  int64_t start_ns = bench_now_ns();
  do {
    write_page(side);
    if (fdatasync(side->file) != 0) bench_fail("fdatasync failed: %s", strerror(errno));
    slice.operations++;
    slice.duration_ns = bench_now_ns() - start_ns;
  } while (slice.duration_ns < duration_ns);
  return slice;
}
