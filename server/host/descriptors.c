/* descriptors.c: how many descriptors the process may have, and how many of them connections may take. */
#include "server/host/descriptors.h"

#include <sys/resource.h>

enum {
  OWN = 256, /* loops, logs, readers of the server's own database, connections that are being refused */
  PER_DATABASE =
      8 /* a database that is open: the file and its log for its writer, its reader and its checkpoints */
};

uint64_t tp_descriptors_raise(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return UINT64_MAX;
  if (limit.rlim_cur < limit.rlim_max) {
    struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
}

uint32_t tp_descriptors_bound(uint64_t limit, uint32_t connections_max, uint32_t open_databases_max) {
  uint64_t others = OWN + (uint64_t)PER_DATABASE * open_databases_max;
  uint64_t room = others < limit / 2 ? limit - others : limit / 2;
  return connections_max < room ? connections_max : (uint32_t)room;
}
