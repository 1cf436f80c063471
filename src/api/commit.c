/* commit.c: committing what an atomic operation gathered; tuplet_set and tuplet_delete are such operations
 * too. */
#include "api/atomic.h"
#include "api/waiter.h"
#include "base/status.h"

#include <string.h>

static tuplet_atomic *atomic_of(tp_write *write) {
  return (tuplet_atomic *)(void *)((char *)write - offsetof(tuplet_atomic, write));
}

static void on_written(tp_write *write) {
  tuplet_atomic *atomic = atomic_of(write);
  tuplet_commit commit = {.failed_check_count = 0};
  if (write->status == TUPLET_OK) commit.versionstamp = write->versionstamp;
  if (write->status == TUPLET_CONFLICT) {
    commit.failed_check_count = (uint32_t)write->failed_check_count;
    memcpy(commit.failed_checks, write->failed_checks,
           write->failed_check_count * sizeof *write->failed_checks);
  }
  atomic->callback(atomic->context, write->status, &commit, &write->error);
}

/* Starts the commit; on_written calls the callback, which disposes of the operation. */
static tuplet_status start(tuplet_atomic *atomic, bool caller_waits, tuplet_commit_callback callback,
                           void *context, tuplet_error *error) {
  if (atomic == NULL) return tp_fail(error, TUPLET_MISUSE, "atomic is NULL");
  tuplet_status status = tp_db_check(atomic->db, error);
  if (status != TUPLET_OK) return status;
  if (atomic->spent) return tp_fail(error, TUPLET_MISUSE, "the atomic operation was committed already");
  atomic->spent = true;
  if (atomic->first_error.status != TUPLET_OK) {
    if (error != NULL) *error = atomic->first_error;
    return atomic->first_error.status;
  }
  uint32_t *failed_checks =
      tp_arena_alloc_array_zeroed(&atomic->arena, atomic->check_count, sizeof *failed_checks);
  if (failed_checks == NULL) return tp_fail_nomem(error);
  atomic->callback = callback;
  atomic->context = context;
  atomic->write = (tp_write){.checks = atomic->checks,
                             .check_count = atomic->check_count,
                             .mutations = atomic->mutations,
                             .mutation_count = atomic->mutation_count,
                             .enqueues = atomic->enqueues,
                             .enqueue_count = atomic->enqueue_count,
                             .arena = &atomic->arena,
                             .submitter_waits = caller_waits,
                             .on_done = on_written,
                             .failed_checks = failed_checks};
  tp_store_write(atomic->db->store, &atomic->write);
  return TUPLET_OK;
}

/* ---- Blocking ---- */

typedef struct blocking_commit {
  tp_waiter waiter;
  tuplet_status status;
  tuplet_commit *commit;
  tuplet_error *error;
} blocking_commit;

static void finish_blocking_commit(void *context, tuplet_status status, const tuplet_commit *commit,
                                   const tuplet_error *error) {
  blocking_commit *blocking = context;
  blocking->status = status;
  if (status >= 0 && blocking->commit != NULL) *blocking->commit = *commit;
  if (status < 0 && blocking->error != NULL) *blocking->error = *error;
  tp_waiter_finish(&blocking->waiter);
}

tuplet_status tuplet_atomic_commit(tuplet_atomic *atomic, tuplet_commit *ret_commit, tuplet_error *error) {
  blocking_commit blocking = {.waiter = TP_WAITER_INIT, .commit = ret_commit, .error = error};
  tuplet_status status = start(atomic, true, finish_blocking_commit, &blocking, error);
  if (status != TUPLET_OK) return status;
  tp_waiter_wait(&blocking.waiter);
  return blocking.status;
}

tuplet_status tp_commit_single(tuplet_atomic *atomic, tuplet_status status,
                               tuplet_versionstamp *ret_versionstamp, tuplet_error *error) {
  tuplet_commit commit = {.failed_check_count = 0};
  if (status == TUPLET_OK) status = tuplet_atomic_commit(atomic, &commit, error);
  if (status == TUPLET_OK && ret_versionstamp != NULL) *ret_versionstamp = commit.versionstamp;
  tuplet_atomic_free(atomic);
  return status;
}

tuplet_status tuplet_set(tuplet_db *db, tuplet_key key, tuplet_value value, int64_t expire_in_ms,
                         tuplet_versionstamp *ret_versionstamp, tuplet_error *error) {
  tuplet_status status = tp_db_check(db, error);
  if (status != TUPLET_OK) return status;
  tuplet_atomic *atomic = tuplet_atomic_new(db);
  if (atomic == NULL) return tp_fail_nomem(error);
  status = tuplet_atomic_set(atomic, key, value, expire_in_ms, error);
  return tp_commit_single(atomic, status, ret_versionstamp, error);
}

tuplet_status tuplet_delete(tuplet_db *db, tuplet_key key, tuplet_versionstamp *ret_versionstamp,
                            tuplet_error *error) {
  tuplet_status status = tp_db_check(db, error);
  if (status != TUPLET_OK) return status;
  tuplet_atomic *atomic = tuplet_atomic_new(db);
  if (atomic == NULL) return tp_fail_nomem(error);
  status = tuplet_atomic_delete(atomic, key, error);
  return tp_commit_single(atomic, status, ret_versionstamp, error);
}

/* ---- With a callback ---- */

/* The caller's callback, kept in the operation's arena. */
typedef struct owned_commit {
  tuplet_atomic *atomic;
  tuplet_commit_callback callback;
  void *context;
} owned_commit;

static void finish_owned_commit(void *context, tuplet_status status, const tuplet_commit *commit,
                                const tuplet_error *error) {
  owned_commit *owned = context;
  owned->callback(owned->context, status, commit, error);
  tuplet_atomic_free(owned->atomic);
}

tuplet_status tuplet_atomic_commit_async(tuplet_atomic *atomic, tuplet_commit_callback callback,
                                         void *context, tuplet_error *error) {
  if (atomic == NULL || callback == NULL) return tp_fail(error, TUPLET_MISUSE, "atomic or callback is NULL");
  owned_commit *owned = tp_arena_alloc(&atomic->arena, sizeof *owned);
  if (owned == NULL) return tp_fail_nomem(error);
  *owned = (owned_commit){atomic, callback, context};
  return start(atomic, false, finish_owned_commit, owned, error);
}

tuplet_status tp_commit_single_async(tuplet_atomic *atomic, tuplet_status status,
                                     tuplet_commit_callback callback, void *context, tuplet_error *error) {
  if (status == TUPLET_OK) status = tuplet_atomic_commit_async(atomic, callback, context, error);
  if (status != TUPLET_OK) tuplet_atomic_free(atomic);
  return status;
}

tuplet_status tuplet_set_async(tuplet_db *db, tuplet_key key, tuplet_value value, int64_t expire_in_ms,
                               tuplet_commit_callback callback, void *context, tuplet_error *error) {
  tuplet_status status = tp_db_check(db, error);
  if (status != TUPLET_OK) return status;
  tuplet_atomic *atomic = tuplet_atomic_new(db);
  if (atomic == NULL) return tp_fail_nomem(error);
  status = tuplet_atomic_set(atomic, key, value, expire_in_ms, error);
  return tp_commit_single_async(atomic, status, callback, context, error);
}

tuplet_status tuplet_delete_async(tuplet_db *db, tuplet_key key, tuplet_commit_callback callback,
                                  void *context, tuplet_error *error) {
  tuplet_status status = tp_db_check(db, error);
  if (status != TUPLET_OK) return status;
  tuplet_atomic *atomic = tuplet_atomic_new(db);
  if (atomic == NULL) return tp_fail_nomem(error);
  status = tuplet_atomic_delete(atomic, key, error);
  return tp_commit_single_async(atomic, status, callback, context, error);
}
