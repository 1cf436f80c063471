/* server_target.c: a server, over the network. */
#include "target.h"

#include "base/status.h"

tuplet_status tp_bench_server_open(const tp_bench_place *place, const tp_bench_data *data,
                                   tp_bench_target **ret_target, tuplet_error *error) {
  (void)data;
  (void)ret_target;
  return tp_fail(error, TUPLET_UNSUPPORTED, "%s is no file", place->path);
}
