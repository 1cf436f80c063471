/* queue_leases.c: which messages are with which listeners. */
#include "server/protocol/queue_leases.h"

#include "base/alloc.h"
#include "base/status.h"

#include <assert.h>
#include <string.h>

enum { BUCKET_COUNT = 4096 };

struct tp_queue_leases {
  const tuplet_allocator *allocator;
  pthread_mutex_t mutex; /* guards what follows, and what is in lists */
  tp_queue_lease *buckets[BUCKET_COUNT];
};

tuplet_status tp_queue_leases_new(const tuplet_allocator *allocator, tp_queue_leases **ret_leases,
                                  tuplet_error *error) {
  tp_queue_leases *leases = tp_alloc_array_zeroed(allocator, 1, sizeof *leases);
  if (leases == NULL) return tp_fail_nomem(error);
  leases->allocator = allocator;
  if (pthread_mutex_init(&leases->mutex, NULL) != 0) {
    tp_free(allocator, leases);
    return tp_fail_nomem(error);
  }
  *ret_leases = leases;
  return TUPLET_OK;
}

void tp_queue_leases_free(tp_queue_leases *leases) {
  if (leases == NULL) return;
  for (size_t i = 0; i < BUCKET_COUNT; i++) assert(leases->buckets[i] == NULL);
  (void)pthread_mutex_destroy(&leases->mutex);
  tp_free(leases->allocator, leases);
}

/* Ids are ours, or Deno's, and random: a client can ask for one, but not make one. */
static tp_queue_lease **bucket_of(tp_queue_leases *leases, tuplet_bytes id) {
  const uint8_t *bytes = id.data;
  uint32_t hash = 2166136261u; /* FNV-1a */
  for (size_t i = 0; i < id.size; i++) hash = (hash ^ bytes[i]) * 16777619u;
  return &leases->buckets[hash % BUCKET_COUNT];
}

/* With the mutex held. */
static void remove_lease(tp_queue_leases *leases, tp_queue_lease *lease) {
  tp_queue_lease **link = bucket_of(leases, lease->delivery->id);
  while (*link != lease) link = &(*link)->same_bucket;
  *link = lease->same_bucket;
  *(lease->previous != NULL ? &lease->previous->next : &lease->list->first) = lease->next;
  if (lease->next != NULL) lease->next->previous = lease->previous;
}

void tp_queue_leases_add(tp_queue_leases *leases, tp_queue_lease *lease, const tp_session *session,
                         tp_queue_lease_list *list) {
  memcpy(lease->database_id, session->database_id, sizeof lease->database_id);
  lease->token_id = session->token_id;
  lease->list = list;
  lease->previous = NULL;
  (void)pthread_mutex_lock(&leases->mutex);
  tp_queue_lease **bucket = bucket_of(leases, lease->delivery->id);
  lease->same_bucket = *bucket;
  *bucket = lease;
  lease->next = list->first;
  if (lease->next != NULL) lease->next->previous = lease;
  list->first = lease;
  (void)pthread_mutex_unlock(&leases->mutex);
}

static bool is_it(const tp_queue_lease *lease, tuplet_bytes id, uint32_t attempt, const tp_session *session) {
  tuplet_bytes own = lease->delivery->id;
  return own.size == id.size && memcmp(own.data, id.data, id.size) == 0 &&
         (attempt == 0 || lease->delivery->attempt == attempt) && lease->token_id == session->token_id &&
         memcmp(lease->database_id, session->database_id, sizeof lease->database_id) == 0;
}

tp_queue_lease *tp_queue_leases_take(tp_queue_leases *leases, tuplet_bytes id, uint32_t attempt,
                                     const tp_session *session) {
  (void)pthread_mutex_lock(&leases->mutex);
  tp_queue_lease *lease = *bucket_of(leases, id);
  while (lease != NULL && !is_it(lease, id, attempt, session)) lease = lease->same_bucket;
  if (lease != NULL) remove_lease(leases, lease);
  (void)pthread_mutex_unlock(&leases->mutex);
  return lease;
}

tp_queue_lease *tp_queue_leases_take_any(tp_queue_leases *leases, const tp_queue_lease_list *list) {
  (void)pthread_mutex_lock(&leases->mutex);
  tp_queue_lease *lease = list->first;
  if (lease != NULL) remove_lease(leases, lease);
  (void)pthread_mutex_unlock(&leases->mutex);
  return lease;
}
