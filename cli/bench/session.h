/* session.h: one workload on one database, from its keys to what is left at the end. */
#ifndef TP_CLI_BENCH_SESSION_H
#define TP_CLI_BENCH_SESSION_H

#include "target.h"

/* What one measurement came to. */
typedef struct tp_bench_result {
  double seconds;
  double rate; /* operations a second */
  tp_bench_tally tally;
} tp_bench_result;

/* A zeroed one is fine. */
void tp_bench_result_done(tp_bench_result *result);

typedef struct tp_bench_session {
  tp_bench_target *target;
  const tp_bench_data *data;
  tp_bench_workload workload;
  const tp_bench_observer *observer;
  bool has_keys; /* something may have been written */
} tp_bench_session;

/* Writes the keys that the workload needs. Errors: of the target; TUPLET_IO when not all could be written. */
tuplet_status tp_bench_session_fill(tp_bench_session *session, tuplet_error *error);

/* Measures. *ret_result is the caller's to end, whatever is returned; operations that failed are in its
 * tally. Errors: why it could not go on. */
tuplet_status tp_bench_session_measure(tp_bench_session *session, int64_t warm_up_ms, int64_t duration_ms,
                                       double rate, tp_bench_result *ret_result, tuplet_error *error);

/* After transfers: whether the accounts hold together what they did before. TUPLET_OK, or TUPLET_CORRUPT,
 * which names both sums. Errors: of the target. */
tuplet_status tp_bench_session_verify(tp_bench_session *session, tuplet_error *error);

/* Removes the keys, however many of them there are. Errors: of the target. */
tuplet_status tp_bench_session_clear(tp_bench_session *session, tuplet_error *error);

#endif
