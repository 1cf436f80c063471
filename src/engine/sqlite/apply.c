/* apply.c: one atomic write, inside the transaction of its group. */
#include "engine/sqlite/apply.h"

#include "base/buffer.h"
#include "base/hex.h"
#include "base/random.h"
#include "base/status.h"
#include "codec/limits.h"
#include "codec/sum.h"
#include "engine/sqlite/failure.h"
#include "engine/sqlite/queue.h"
#include "engine/sqlite/read.h"
#include "engine/sqlite/rows.h"

#include <string.h>

static bool is_same_key(tuplet_bytes a, tuplet_bytes b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* ---- Checks ---- */

/* The versionstamp of a key's row; *ret_found is false when there is none or its expiry has come. */
static tuplet_status current_versionstamp(tp_sqlite_connection *connection, tuplet_bytes key, int64_t now_ms,
                                          tuplet_versionstamp *ret_versionstamp, bool *ret_found,
                                          tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  sqlite3_stmt *statement = tp_sqlite_prepared(connection, TP_SQL_CHECK, &status, error);
  if (statement == NULL) return status;
  *ret_found = false;
  int rc = tp_sqlite_bind_bytes(statement, 1, key);
  if (rc == SQLITE_OK) rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW) {
    *ret_found = !tp_sqlite_is_expired(tp_sqlite_column_expiry(statement, 1), now_ms);
    *ret_versionstamp = tp_sqlite_versionstamp(sqlite3_column_int64(statement, 0));
  } else if (rc != SQLITE_DONE) {
    status = tp_sqlite_fail(connection->db, rc, connection->location->path, "checking a versionstamp", error);
  }
  (void)sqlite3_reset(statement); /* repeats the step's result */
  return status;
}

static tuplet_status run_checks(tp_sqlite_connection *connection, tp_write *write, int64_t now_ms) {
  write->failed_check_count = 0;
  for (size_t i = 0; i < write->check_count; i++) {
    const tp_check *check = &write->checks[i];
    tuplet_versionstamp current = {{0}};
    bool found = false;
    tuplet_status status =
        current_versionstamp(connection, check->key, now_ms, &current, &found, &write->error);
    if (status != TUPLET_OK) return status;
    bool holds =
        check->must_be_absent ? !found : found && memcmp(&current, &check->versionstamp, sizeof current) == 0;
    if (!holds) write->failed_checks[write->failed_check_count++] = (uint32_t)i;
  }
  return TUPLET_OK;
}

/* ---- Results of sum, min and max ---- */

static bool is_computed(const tp_mutation *mutation) {
  return mutation->type == TP_MUTATION_SUM || mutation->type == TP_MUTATION_MIN ||
         mutation->type == TP_MUTATION_MAX;
}

/* The write's own last change of a key, or NULL. */
static tp_change *last_change(tp_change *changes, size_t count, tuplet_bytes key) {
  for (size_t i = count; i-- > 0;) {
    if (is_same_key(changes[i].key, key)) return &changes[i];
  }
  return NULL;
}

static tuplet_status stored_value(tp_sqlite_connection *connection, tuplet_bytes key, int64_t now_ms,
                                  tp_arena *arena, tp_sum_value *ret_value, bool *ret_found,
                                  tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  sqlite3_stmt *statement = tp_sqlite_prepared(connection, TP_SQL_GET, &status, error);
  if (statement == NULL) return status;
  *ret_found = false;
  int rc = tp_sqlite_bind_bytes(statement, 1, key);
  if (rc == SQLITE_OK) rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW) {
    if (!tp_sqlite_is_expired(tp_sqlite_column_expiry(statement, 3), now_ms)) {
      *ret_found = true;
      ret_value->encoding = (uint32_t)sqlite3_column_int64(statement, 1);
      ret_value->data = tp_arena_copy(arena, tp_sqlite_column_bytes(statement, 0));
      if (ret_value->data.data == NULL) status = tp_fail_nomem(error);
    }
  } else if (rc != SQLITE_DONE) {
    status = tp_sqlite_fail(connection->db, rc, connection->location->path, "reading", error);
  }
  (void)sqlite3_reset(statement); /* repeats the step's result */
  return status;
}

static tp_sum_operation sum_operation(tp_mutation_type type) {
  return type == TP_MUTATION_MIN ? TP_SUM_MIN : type == TP_MUTATION_MAX ? TP_SUM_MAX : TP_SUM_SUM;
}

/* The value that a sum, min or max acts on: what the write itself made of the key before, else what is
 * stored. */
static tuplet_status base_value(tp_sqlite_connection *connection, tp_write *write, const tp_change *earlier,
                                tuplet_bytes key, int64_t now_ms, tp_sum_value *ret_value, bool *ret_found) {
  if (earlier == NULL) {
    return stored_value(connection, key, now_ms, write->arena, ret_value, ret_found, &write->error);
  }
  *ret_found = !earlier->removed && !tp_sqlite_is_expired(earlier->expires_at_ms, now_ms);
  *ret_value = (tp_sum_value){earlier->encoding, earlier->value};
  return TUPLET_OK;
}

/* Puts a result into `change`, over the memory of the result before it where that is large enough: a thousand
 * sums of one large number take the memory of one. */
static tuplet_status keep_result(tp_arena *arena, tuplet_bytes result, tp_change *change,
                                 tuplet_error *error) {
  uint8_t *room = (uint8_t *)(uintptr_t)change->value.data; /* the arena's, if there is a capacity */
  if (change->value_capacity < result.size) {
    size_t capacity = result.size + result.size / 8;
    room = tp_arena_alloc(arena, capacity);
    if (room == NULL) return tp_fail_nomem(error);
    change->value_capacity = capacity;
  }
  if (result.size > 0) memcpy(room, result.data, result.size);
  change->value = tuplet_view(room, result.size);
  return TUPLET_OK;
}

/* Computes what a sum, min or max comes to. `computed_size` adds up all results of the write: few bytes can
 * ask for many sums of large numbers. */
static tuplet_status compute(tp_write *write, const tp_mutation *mutation, const tp_sum_value *base,
                             size_t *computed_size, tp_change *change) {
  tp_buffer result;
  tp_buffer_init(&result, write->arena->allocator);
  tp_sum_bounds bounds = {mutation->sum_min, mutation->sum_max, mutation->sum_clamp};
  tp_sum_value operand = {mutation->encoding, mutation->value};
  uint32_t encoding = 0;
  tuplet_status status =
      tp_sum(sum_operation(mutation->type), base, &operand, &bounds, &result, &encoding, &write->error);
  *computed_size += result.size;
  if (status == TUPLET_OK && result.size > TP_LIMIT_VALUE_SIZE_MAX) {
    status =
        tp_fail(&write->error, TUPLET_LIMIT, "Value too large (max %d bytes)", (int)TP_LIMIT_VALUE_SIZE_MAX);
  }
  if (status == TUPLET_OK && *computed_size > TP_LIMIT_ATOMIC_SIZE_MAX) {
    status = tp_fail(&write->error, TUPLET_LIMIT, "Total mutation size too large (max %d bytes)",
                     (int)TP_LIMIT_ATOMIC_SIZE_MAX);
  }
  if (status == TUPLET_OK) {
    status = keep_result(write->arena, tp_buffer_view(&result), change, &write->error);
  }
  if (status == TUPLET_OK) {
    change->key = mutation->key;
    change->removed = false;
    change->encoding = encoding;
    change->expires_at_ms = TP_EXPIRES_NEVER;
  }
  tp_buffer_done(&result);
  return status;
}

/* ---- Writing ---- */

/* The key of a versionstamped set: its prefix and a string part of 20 hex digits. */
static tuplet_bytes versionstamped_key(tp_arena *arena, tuplet_bytes prefix, int64_t version) {
  enum { SUFFIX_SIZE = 1 + 2 * sizeof(tuplet_versionstamp) + 1, STRING_TAG = 0x02 };
  uint8_t *key = tp_arena_alloc(arena, prefix.size + SUFFIX_SIZE);
  if (key == NULL) return (tuplet_bytes){0};
  if (prefix.size > 0) memcpy(key, prefix.data, prefix.size);
  tuplet_versionstamp versionstamp = tp_sqlite_versionstamp(version);
  key[prefix.size] = STRING_TAG;
  tp_hex_write(&versionstamp, sizeof versionstamp, (char *)key + prefix.size + 1);
  key[prefix.size + SUFFIX_SIZE - 1] = 0;
  return (tuplet_bytes){key, prefix.size + SUFFIX_SIZE};
}

/* What a write comes to, before anything of it is written. */
typedef struct write_plan {
  tp_change *changes;
  size_t count;
  size_t computed_size;
  tp_sqlite_lease_end *ends;
  size_t end_count;
  bool storage_failed; /* tells a failure of the storage from a refusal */
} write_plan;

static tuplet_status plan_result(tp_sqlite_connection *connection, tp_write *write,
                                 const tp_mutation *mutation, int64_t now_ms, write_plan *plan) {
  tp_change *change = last_change(plan->changes, plan->count, mutation->key);
  tp_sum_value base = {0};
  bool found = false;
  tuplet_status status = base_value(connection, write, change, mutation->key, now_ms, &base, &found);
  plan->storage_failed = status != TUPLET_OK;
  if (status != TUPLET_OK) return status;
  bool added = change == NULL;
  if (added) change = &plan->changes[plan->count];
  status = compute(write, mutation, found ? &base : NULL, &plan->computed_size, change);
  if (status == TUPLET_OK && added) plan->count++;
  return status;
}

static tuplet_status plan_mutation(tp_write *write, const tp_mutation *mutation, int64_t version,
                                   write_plan *plan) {
  tuplet_bytes key = mutation->key;
  if (mutation->type == TP_MUTATION_SET_SUFFIX_VERSIONSTAMPED_KEY) {
    key = versionstamped_key(write->arena, key, version);
    if (key.data == NULL) return tp_fail_nomem(&write->error);
  }
  plan->changes[plan->count++] = (tp_change){.key = key,
                                             .removed = mutation->type == TP_MUTATION_DELETE,
                                             .encoding = mutation->encoding,
                                             .value = mutation->value,
                                             .expires_at_ms = mutation->expires_at_ms};
  return TUPLET_OK;
}

static tuplet_status plan_mutations(tp_sqlite_connection *connection, tp_write *write, int64_t version,
                                    int64_t now_ms, size_t undelivered_count, write_plan *plan) {
  plan->changes =
      tp_arena_alloc_array_zeroed(write->arena, write->mutation_count + undelivered_count, sizeof(tp_change));
  if (plan->changes == NULL) return tp_fail_nomem(&write->error);
  tuplet_status status = TUPLET_OK;
  for (size_t i = 0; status == TUPLET_OK && i < write->mutation_count; i++) {
    const tp_mutation *mutation = &write->mutations[i];
    status = is_computed(mutation) ? plan_result(connection, write, mutation, now_ms, plan)
                                   : plan_mutation(write, mutation, version, plan);
  }
  return status;
}

/* TUPLET_CONFLICT when a lease has been lost. */
static tuplet_status plan_finishes(tp_sqlite_connection *connection, tp_write *write, int64_t now_ms,
                                   write_plan *plan, size_t *ret_undelivered_count) {
  *ret_undelivered_count = 0;
  if (write->finish_count == 0) return TUPLET_OK;
  plan->ends = tp_arena_alloc_array_zeroed(write->arena, write->finish_count, sizeof *plan->ends);
  if (plan->ends == NULL) return tp_fail_nomem(&write->error);
  for (size_t i = 0; i < write->finish_count; i++) {
    tuplet_status status = tp_sqlite_lease_end_plan(connection, &write->finishes[i], now_ms, write->arena,
                                                    &plan->ends[i], &write->error);
    write->lease_lost = status == TUPLET_NOT_FOUND;
    if (write->lease_lost) return TUPLET_CONFLICT;
    plan->storage_failed = status != TUPLET_OK && status != TUPLET_NOMEM;
    if (status != TUPLET_OK) return status;
    *ret_undelivered_count += plan->ends[i].undelivered_key_count;
    plan->end_count++;
  }
  return TUPLET_OK;
}

static tuplet_status make_plan(tp_sqlite_connection *connection, tp_write *write, int64_t version,
                               int64_t now_ms, write_plan *ret_plan) {
  size_t undelivered_count;
  *ret_plan = (write_plan){0};
  tuplet_status status = plan_finishes(connection, write, now_ms, ret_plan, &undelivered_count);
  if (status == TUPLET_OK)
    status = plan_mutations(connection, write, version, now_ms, undelivered_count, ret_plan);
  if (status != TUPLET_OK) return status;
  for (size_t i = 0; i < ret_plan->end_count; i++) {
    for (size_t k = 0; k < ret_plan->ends[i].undelivered_key_count; k++)
      ret_plan->changes[ret_plan->count++] = tp_sqlite_undelivered_change(&ret_plan->ends[i], k);
  }
  return TUPLET_OK;
}

static tuplet_status write_rows(tp_sqlite_connection *connection, tp_write *write, const write_plan *plan,
                                int64_t version) {
  tuplet_status status = TUPLET_OK;
  for (size_t i = 0; status == TUPLET_OK && i < plan->count; i++)
    status = tp_sqlite_write_row(connection, &plan->changes[i], version, &write->error);
  for (size_t i = 0; status == TUPLET_OK && i < write->enqueue_count; i++)
    status = tp_sqlite_enqueue(connection, &write->enqueues[i], write->arena->allocator, &write->error);
  for (size_t i = 0; status == TUPLET_OK && i < plan->end_count; i++)
    status = tp_sqlite_lease_end_write(connection, &plan->ends[i], &write->error);
  return status;
}

/* When the first of the messages that go back into the queue is due. */
static int64_t first_requeued_ms(const write_plan *plan) {
  int64_t first_ms = TP_EXPIRES_NEVER;
  for (size_t i = 0; i < plan->end_count; i++) {
    const tp_sqlite_lease_end *end = &plan->ends[i];
    if (end->waits && (first_ms == TP_EXPIRES_NEVER || end->due_at_ms < first_ms)) first_ms = end->due_at_ms;
  }
  return first_ms;
}

tp_sqlite_applied tp_sqlite_apply(tp_sqlite_connection *connection, tp_write *write, int64_t version,
                                  int64_t now_ms) {
  write->error = (tuplet_error){0}; /* of an attempt in a group that failed */
  write->lease_lost = false;
  write->requeued_due_ms = TP_EXPIRES_NEVER;
  write->status = run_checks(connection, write, now_ms);
  if (write->status != TUPLET_OK) return TP_SQLITE_STORAGE_FAILED;
  if (write->failed_check_count > 0) {
    write->status = TUPLET_CONFLICT;
    return TP_SQLITE_REFUSED;
  }
  write_plan plan;
  write->status = make_plan(connection, write, version, now_ms, &plan);
  if (write->status != TUPLET_OK) return plan.storage_failed ? TP_SQLITE_STORAGE_FAILED : TP_SQLITE_REFUSED;
  write->changes = plan.changes;
  write->change_count = plan.count;

  write->status = write_rows(connection, write, &plan, version);
  if (write->status != TUPLET_OK) return TP_SQLITE_STORAGE_FAILED;
  write->requeued_due_ms = first_requeued_ms(&plan);
  bool is_unseen = write->finish_count > 0 && plan.count == 0 && write->enqueue_count == 0 &&
                   write->requeued_due_ms == TP_EXPIRES_NEVER;
  return is_unseen ? TP_SQLITE_APPLIED_UNSEEN : TP_SQLITE_APPLIED;
}
