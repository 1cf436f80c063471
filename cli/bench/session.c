/* session.c: one workload on one database, from its keys to what is left at the end. */
#include "session.h"

#include "base/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

tuplet_status tp_bench_target_open(const tp_bench_place *place, const tp_bench_data *data,
                                   tp_bench_target **ret_target, tuplet_error *error) {
  bool is_url = strncmp(place->path, "http://", 7) == 0 || strncmp(place->path, "https://", 8) == 0;
  return is_url ? tp_bench_server_open(place, data, ret_target, error)
                : tp_bench_file_open(place, data, ret_target, error);
}

void tp_bench_target_close(tp_bench_target *target) {
  if (target != NULL) target->ops->close(target);
}

void tp_bench_result_done(tp_bench_result *result) {
  tp_bench_tally_done(&result->tally);
}

static tp_bench_crew crew_for(const tp_bench_session *session, tp_bench_workload workload) {
  return (tp_bench_crew){.data = session->data,
                         .workload = workload,
                         .next_workload = session->workload,
                         .work = session->target->ops->work,
                         .context = session->target,
                         .observer = session->observer};
}

static tuplet_status run_crew(const tp_bench_session *session, tp_bench_crew *crew, tp_bench_tally *tally,
                              double *ret_seconds, tuplet_error *error) {
  const tp_bench_target_ops *ops = session->target->ops;
  tuplet_status status = ops->prepare(session->target, crew->warm_up_ms + crew->duration_ms, error);
  if (status != TUPLET_OK) return status;
  unsigned count = ops->worker_count(session->target, crew->workload, &crew->pacer_count);
  return tp_bench_crew_run(crew, count, tally, ret_seconds, error);
}

/* FILL, AUDIT or CLEAR: all of it, and any failure counts. */
static tuplet_status run_whole(const tp_bench_session *session, tp_bench_crew *crew, const char *what,
                               tuplet_error *error) {
  tp_bench_tally tally;
  tuplet_status status = tp_bench_tally_init(&tally, error);
  double seconds;
  if (status == TUPLET_OK) status = run_crew(session, crew, &tally, &seconds, error);
  if (status == TUPLET_OK && tally.fault_count > 0)
    status = tp_fail(error, TUPLET_IO, "%s failed: %s", what, tally.faults[0].first);
  tp_bench_tally_done(&tally);
  return status;
}

tuplet_status tp_bench_session_fill(tp_bench_session *session, tuplet_error *error) {
  if (!tp_bench_workload_needs_keys(session->workload)) return TUPLET_OK;
  tp_bench_crew crew = crew_for(session, TP_BENCH_FILL);
  crew.is_interruptible = true;
  session->has_keys = true;
  return run_whole(session, &crew, "writing the keys", error);
}

tuplet_status tp_bench_session_measure(tp_bench_session *session, int64_t warm_up_ms, int64_t duration_ms,
                                       double rate, tp_bench_result *ret_result, tuplet_error *error) {
  *ret_result = (tp_bench_result){0};
  tuplet_status status = tp_bench_tally_init(&ret_result->tally, error);
  if (status != TUPLET_OK) return status;
  tp_bench_crew crew = crew_for(session, session->workload);
  crew.warm_up_ms = warm_up_ms;
  crew.duration_ms = duration_ms;
  crew.rate = rate;
  crew.is_interruptible = true;
  session->has_keys = true;
  status = run_crew(session, &crew, &ret_result->tally, &ret_result->seconds, error);
  if (status == TUPLET_OK && ret_result->seconds > 0)
    ret_result->rate = (double)ret_result->tally.completed / ret_result->seconds;
  return status;
}

tuplet_status tp_bench_session_verify(tp_bench_session *session, tuplet_error *error) {
  tp_bench_crew crew = crew_for(session, TP_BENCH_AUDIT);
  tuplet_status status = run_whole(session, &crew, "reading the accounts", error);
  if (status != TUPLET_OK) return status;
  uint64_t expected = TP_BENCH_ACCOUNT * session->data->plan->key_count;
  uint64_t sum = atomic_load(&crew.sum);
  if (sum == expected) return TUPLET_OK;
  return tp_fail(error, TUPLET_CORRUPT,
                 "the accounts hold %" PRIu64 " and should hold %" PRIu64 ": transfers were not atomic", sum,
                 expected);
}

tuplet_status tp_bench_session_clear(tp_bench_session *session, tuplet_error *error) {
  if (!session->has_keys) return TUPLET_OK;
  tp_bench_crew crew = crew_for(session, TP_BENCH_CLEAR);
  tuplet_status status = run_whole(session, &crew, "removing the keys", error);
  if (status == TUPLET_OK) session->has_keys = false;
  return status;
}
