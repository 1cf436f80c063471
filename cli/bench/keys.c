/* keys.c: the keys that a run uses, and which of them comes next. */
#include "keys.h"

#include "base/random.h"
#include "base/status.h"
#include "codec/key.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum {
  NOISE_EXTRA = 256,      /* so many different values there are */
  FILL_SIZE = 256 * 1024, /* bytes of values in one write: a third of what a server has to take */
};

__extension__ typedef unsigned __int128 uint128;

/* ---- Numbers drawn at random ---- */

uint64_t tp_bench_random_next(tp_bench_random *random) {
  uint64_t mixed = random->state += UINT64_C(0x9e3779b97f4a7c15);
  mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
  return mixed ^ mixed >> 31;
}

double tp_bench_random_share(tp_bench_random *random) {
  return (double)(tp_bench_random_next(random) >> 11) * 0x1p-53;
}

uint64_t tp_bench_random_below(tp_bench_random *random, uint64_t bound) {
  assert(bound > 0);
  return (uint64_t)(((uint128)tp_bench_random_next(random) * bound) >> 64);
}

/* The integral of 1 / x^exponent, up to a constant, and its inverse. */
static double integral(const tp_bench_zipf *zipf, double x) {
  double rest = 1 - zipf->exponent;
  return fabs(rest) < 1e-9 ? log(x) : expm1(rest * log(x)) / rest;
}

static double integral_inverse(const tp_bench_zipf *zipf, double y) {
  double rest = 1 - zipf->exponent;
  if (fabs(rest) < 1e-9) return exp(y);
  double scaled = y * rest;
  return exp(log1p(scaled > -1 ? scaled : -1) / rest);
}

void tp_bench_zipf_init(tp_bench_zipf *zipf, uint64_t count, double exponent) {
  assert(count > 0 && exponent > 0);
  *zipf = (tp_bench_zipf){.count = count, .exponent = exponent};
  zipf->integral_low = integral(zipf, 1.5) - 1;
  zipf->integral_high = integral(zipf, (double)count + 0.5);
  zipf->threshold = 2 - integral_inverse(zipf, integral(zipf, 2.5) - pow(2, -exponent));
}

uint64_t tp_bench_zipf_next(const tp_bench_zipf *zipf, tp_bench_random *random) {
  for (;;) {
    double y =
        zipf->integral_high + tp_bench_random_share(random) * (zipf->integral_low - zipf->integral_high);
    double x = integral_inverse(zipf, y);
    double rounded = floor(x + 0.5);
    if (rounded < 1) rounded = 1;
    if (rounded > (double)zipf->count) rounded = (double)zipf->count;
    if (rounded - x <= zipf->threshold ||
        y >= integral(zipf, rounded + 0.5) - exp(-zipf->exponent * log(rounded))) {
      uint64_t rank = (uint64_t)rounded;
      return rank < zipf->count ? rank : zipf->count; /* beyond 2^53 a double is not exact */
    }
  }
}

/* ---- Which key is next ---- */

static uint64_t common_divisor(uint64_t a, uint64_t b) {
  while (b != 0) {
    uint64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

void tp_bench_chooser_init(tp_bench_chooser *chooser, const tp_bench_plan *plan, uint64_t stream) {
  *chooser = (tp_bench_chooser){.random = {plan->seed},
                                .count = plan->key_count,
                                .is_zipf = plan->zipf_exponent > 0,
                                .stride = UINT64_C(2654435761) % plan->key_count};
  chooser->random.state = tp_bench_random_next(&chooser->random) + stream * UINT64_C(0xd1342543de82ef95);
  if (chooser->is_zipf) tp_bench_zipf_init(&chooser->zipf, plan->key_count, plan->zipf_exponent);
  while (common_divisor(chooser->stride, chooser->count) != 1) chooser->stride++;
}

uint64_t tp_bench_chooser_next(tp_bench_chooser *chooser) {
  if (!chooser->is_zipf) return tp_bench_random_below(&chooser->random, chooser->count);
  uint64_t rank = tp_bench_zipf_next(&chooser->zipf, &chooser->random) - 1;
  return (uint64_t)((uint128)rank * chooser->stride % chooser->count);
}

/* ---- Keys and values as bytes ---- */

tuplet_status tp_bench_name_make(char ret_name[TP_BENCH_NAME_SIZE], tuplet_error *error) {
  uint64_t number;
  tuplet_status status = tp_random_fill(&number, sizeof number, error);
  if (status == TUPLET_OK) (void)snprintf(ret_name, TP_BENCH_NAME_SIZE, "run-%016" PRIx64, number);
  return status;
}

tuplet_status tp_bench_data_init(tp_bench_data *data, const tp_bench_plan *plan, tuplet_error *error) {
  *data = (tp_bench_data){.plan = plan};
  tp_buffer_init(&data->prefix, NULL);
  tp_buffer_init(&data->noise, NULL);
  tuplet_status status =
      tp_key_encode(TUPLET_KEY("tuplet-bench", (const char *)plan->name), &data->prefix, error);
  if (status != TUPLET_OK) return status;
  tp_bench_random random = {plan->seed};
  for (size_t size = 0; size < plan->value_size + NOISE_EXTRA; size += sizeof random.state) {
    uint64_t bits = tp_bench_random_next(&random);
    tp_buffer_append(&data->noise, &bits, sizeof bits);
  }
  return data->prefix.failed || data->noise.failed ? tp_fail_nomem(error) : TUPLET_OK;
}

void tp_bench_data_done(tp_bench_data *data) {
  tp_buffer_done(&data->prefix);
  tp_buffer_done(&data->noise);
}

void tp_bench_data_put_key(const tp_bench_data *data, uint64_t number, tp_buffer *out) {
  tp_buffer_append(out, data->prefix.data, data->prefix.size);
  size_t before = out->size;
  if (tp_key_encode(TUPLET_KEY(tuplet_part_number((double)number)), out, NULL) != TUPLET_OK)
    out->failed = true;
  assert(out->failed || out->size - before == TP_BENCH_KEY_TAIL_SIZE);
}

tuplet_bytes tp_bench_data_value(const tp_bench_data *data, tp_bench_random *random) {
  return tuplet_view(data->noise.data + tp_bench_random_next(random) % NOISE_EXTRA, data->plan->value_size);
}

uint32_t tp_bench_data_fill_count(const tp_bench_data *data) {
  size_t count = FILL_SIZE / (data->plan->value_size + 1);
  return count < 1 ? 1 : count > TP_BENCH_FILL_COUNT ? TP_BENCH_FILL_COUNT : (uint32_t)count;
}
