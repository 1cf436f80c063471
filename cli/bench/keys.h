/* keys.h: the keys that a run uses, and which of them comes next.
 *
 * A run's keys are ["tuplet-bench", NAME, NUMBER], with numbers from 0; nothing else is written. */
#ifndef TP_CLI_BENCH_KEYS_H
#define TP_CLI_BENCH_KEYS_H

#include "base/buffer.h"
#include "plan.h"

/* ---- Numbers drawn at random ---- */

/* SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014): quick, and the
 * same for the same seed. */
typedef struct tp_bench_random {
  uint64_t state;
} tp_bench_random;

uint64_t tp_bench_random_next(tp_bench_random *random);
/* At least 0 and less than 1. */
double tp_bench_random_share(tp_bench_random *random);
/* Less than `bound`, which is positive. */
uint64_t tp_bench_random_below(tp_bench_random *random, uint64_t bound);

/* Ranks from 1 to `count`, rank k as often as 1 / k^exponent says, by rejection-inversion (Hörmann and
 * Derflinger: "Rejection-inversion to generate variates from monotone discrete distributions", 1996): no
 * table, whatever the count, and little more than one draw on average. */
typedef struct tp_bench_zipf {
  uint64_t count;
  double exponent;
  double integral_low, integral_high, threshold;
} tp_bench_zipf;

/* count > 0, exponent > 0. */
void tp_bench_zipf_init(tp_bench_zipf *zipf, uint64_t count, double exponent);
uint64_t tp_bench_zipf_next(const tp_bench_zipf *zipf, tp_bench_random *random);

/* ---- Which key is next ---- */

typedef struct tp_bench_chooser {
  tp_bench_random random;
  tp_bench_zipf zipf;
  bool is_zipf;
  uint64_t count;
  uint64_t stride; /* without a divisor in common with count: spreads the ranks over the keys */
} tp_bench_chooser;

/* Different streams of one seed have nothing to do with each other. */
void tp_bench_chooser_init(tp_bench_chooser *chooser, const tp_bench_plan *plan, uint64_t stream);
/* A key's number. With zipf the popular ones lie anywhere, the same for every chooser. */
uint64_t tp_bench_chooser_next(tp_bench_chooser *chooser);

/* ---- Keys and values as bytes ---- */

/* A name that no other run has: "run-" and 16 hex digits. Errors: TUPLET_IO. */
tuplet_status tp_bench_name_make(char ret_name[TP_BENCH_NAME_SIZE], tuplet_error *error);

/* What all threads of a run share and none changes. */
typedef struct tp_bench_data {
  const tp_bench_plan *plan;
  tp_buffer prefix; /* encoded: what all keys have in common */
  tp_buffer noise;  /* values are taken from it, at any place */
} tp_bench_data;

enum { TP_BENCH_KEY_TAIL_SIZE = 9 }; /* of the encoded number */

/* A zeroed one is fine for tp_bench_data_done. Errors: TUPLET_INVALID (the name), TUPLET_NOMEM. */
tuplet_status tp_bench_data_init(tp_bench_data *data, const tp_bench_plan *plan, tuplet_error *error);
void tp_bench_data_done(tp_bench_data *data);

/* Appends a key, encoded. */
void tp_bench_data_put_key(const tp_bench_data *data, uint64_t number, tp_buffer *out);

/* value_size bytes, which live as long as `data`. */
tuplet_bytes tp_bench_data_value(const tp_bench_data *data, tp_bench_random *random);

/* How many keys go into one write when they are filled in. */
uint32_t tp_bench_data_fill_count(const tp_bench_data *data);

#endif
