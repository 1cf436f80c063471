/* target.h: what carries out a workload's requests: a file through the library, or a server. */
#ifndef TP_CLI_BENCH_TARGET_H
#define TP_CLI_BENCH_TARGET_H

#include "crew.h"

typedef struct tp_bench_target tp_bench_target;

typedef struct tp_bench_target_ops {
  /* How many threads a crew needs here for a workload; of those the first *ret_pacer_count begin operations.
   */
  unsigned (*worker_count)(const tp_bench_target *target, tp_bench_workload workload,
                           unsigned *ret_pacer_count);
  /* Before a crew works for about needed_ms. Errors: those of opening; TUPLET_UNSUPPORTED when that is longer
   * than a server's sessions last. */
  tuplet_status (*prepare)(tp_bench_target *target, int64_t needed_ms, tuplet_error *error);
  /* A crew's work, with the target as its context. */
  void (*work)(void *target, tp_bench_worker *worker);
  /* "library", "HTTP/1.1", "HTTP/2", "HTTP/2, TLS"; of a server once it was connected to. */
  const char *(*describe)(const tp_bench_target *target);
  void (*close)(tp_bench_target *target);
} tp_bench_target_ops;

struct tp_bench_target {
  const tp_bench_target_ops *ops;
  const tp_bench_place *place;
  const tp_bench_data *data;
};

/* All arguments outlive the target, which ends with tp_bench_target_close. Errors: those of tuplet_open. */
tuplet_status tp_bench_file_open(const tp_bench_place *place, const tp_bench_data *data,
                                 tp_bench_target **ret_target, tuplet_error *error);
/* Nothing is connected to yet but for the metadata exchange. Errors: TUPLET_IO (cannot be reached),
 * TUPLET_DENIED, TUPLET_MALFORMED, TUPLET_UNSUPPORTED, TUPLET_INVALID, TUPLET_NOMEM. */
tuplet_status tp_bench_server_open(const tp_bench_place *place, const tp_bench_data *data,
                                   tp_bench_target **ret_target, tuplet_error *error);

/* By the form of the path. */
tuplet_status tp_bench_target_open(const tp_bench_place *place, const tp_bench_data *data,
                                   tp_bench_target **ret_target, tuplet_error *error);
/* NULL is fine. */
void tp_bench_target_close(tp_bench_target *target);

#endif
