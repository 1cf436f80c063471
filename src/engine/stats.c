/* stats.c: what engines count. */
#include "engine/engine.h"

enum {
  GROUP_SIZE_MAX = 1023, /* writes */
  MINUTE_BITS = 36       /* of a minute in nanoseconds */
};

tuplet_status tp_engine_stats_init(tp_engine_stats *stats, const tuplet_allocator *allocator,
                                   tuplet_error *error) {
  const uint64_t minute_ns = (UINT64_C(1) << MINUTE_BITS) - 1;
  *stats = (tp_engine_stats){0};
  tuplet_status status = tp_histogram_init(&stats->group_size, allocator, GROUP_SIZE_MAX, error);
  if (status == TUPLET_OK) status = tp_histogram_init(&stats->commit_ns, allocator, minute_ns, error);
  if (status == TUPLET_OK) status = tp_histogram_init(&stats->checkpoint_ns, allocator, minute_ns, error);
  if (status != TUPLET_OK) tp_engine_stats_done(stats);
  return status;
}

void tp_engine_stats_done(tp_engine_stats *stats) {
  tp_histogram_done(&stats->group_size);
  tp_histogram_done(&stats->commit_ns);
  tp_histogram_done(&stats->checkpoint_ns);
}
