/* budget.c: what all connections of a server may take together.
 *
 * The counts are independent of each other and of everything else, so that no order between them and other
 * memory matters; what a moment's overlap of threads charges beyond the bound is taken back at once. */
#include "http/private.h"

#include <assert.h>

void tp_http_budget_init(tp_http_budget *budget, size_t memory_max, size_t requests_max) {
  atomic_init(&budget->memory, 0);
  atomic_init(&budget->requests, 0);
  budget->memory_max = memory_max;
  budget->requests_max = requests_max;
}

bool tp_http_budget_charge(tp_http_budget *budget, size_t size) {
  if (budget == NULL || size == 0) return true;
  if (size > budget->memory_max) return false;
  size_t before = atomic_fetch_add_explicit(&budget->memory, size, memory_order_relaxed);
  if (before <= budget->memory_max && size <= budget->memory_max - before) return true;
  tp_http_budget_discharge(budget, size);
  return false;
}

void tp_http_budget_discharge(tp_http_budget *budget, size_t size) {
  if (budget == NULL || size == 0) return;
  size_t before = atomic_fetch_sub_explicit(&budget->memory, size, memory_order_relaxed);
  assert(before >= size);
}

void tp_http_budget_force(tp_http_budget *budget, size_t size) {
  if (budget == NULL || size == 0) return;
  (void)atomic_fetch_add_explicit(&budget->memory, size, memory_order_relaxed);
}

bool tp_http_budget_is_exceeded(const tp_http_budget *budget) {
  return budget != NULL && atomic_load_explicit(&budget->memory, memory_order_relaxed) >= budget->memory_max;
}

bool tp_http_budget_take_request(tp_http_budget *budget) {
  if (budget == NULL) return true;
  if (atomic_fetch_add_explicit(&budget->requests, 1, memory_order_relaxed) < budget->requests_max)
    return true;
  tp_http_budget_return_request(budget);
  return false;
}

void tp_http_budget_return_request(tp_http_budget *budget) {
  if (budget == NULL) return;
  size_t before = atomic_fetch_sub_explicit(&budget->requests, 1, memory_order_relaxed);
  assert(before > 0);
}
