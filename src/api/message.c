/* message.c: the end of a message's handling. */
#include "api/listen.h"
#include "api/waiter.h"
#include "base/alloc.h"
#include "base/status.h"

static void free_item(tp_message_item *item) {
  tuplet_listener *listener = item->listener;
  tp_free(listener->db->allocator, item);
  tp_listener_unref(listener);
}

static void on_ended(void *context, tuplet_status status, const tuplet_error *error) {
  tp_message_item *item = context;
  if (item->callback != NULL) item->callback(item->context, status, error);
  free_item(item);
}

static tuplet_status end(tuplet_message *message, tp_finish_outcome outcome, tuplet_end_callback callback,
                         void *context, tuplet_error *error) {
  if (message == NULL) return tp_fail(error, TUPLET_MISUSE, "message is NULL");
  tp_message_item *item = (tp_message_item *)(void *)message;
  tuplet_listener *listener = item->listener;
  item->callback = callback;
  item->context = context;
  (void)pthread_mutex_lock(&listener->mutex);
  tp_delivery *delivery = item->delivery;
  item->delivery = NULL;
  tp_listener_let_go(listener, item);
  (void)pthread_mutex_unlock(&listener->mutex);
  if (delivery != NULL) {
    tp_delivery_finish(delivery, outcome, on_ended, item);
  } else { /* the listener has given it back */
    tuplet_error none = {0};
    on_ended(item, TUPLET_NOT_FOUND, &none);
  }
  return TUPLET_OK;
}

tuplet_status tuplet_message_ack_async(tuplet_message *message, tuplet_end_callback callback, void *context,
                                       tuplet_error *error) {
  return end(message, TP_FINISH_DONE, callback, context, error);
}

tuplet_status tuplet_message_nack_async(tuplet_message *message, tuplet_end_callback callback, void *context,
                                        tuplet_error *error) {
  return end(message, TP_FINISH_FAILED, callback, context, error);
}

/* ---- Blocking ---- */

typedef struct blocking_end {
  tp_waiter waiter;
  tuplet_status status;
  tuplet_error *error;
} blocking_end;

static void finish_blocking_end(void *context, tuplet_status status, const tuplet_error *error) {
  blocking_end *blocking = context;
  blocking->status = status;
  if (status < 0 && blocking->error != NULL) *blocking->error = *error;
  tp_waiter_finish(&blocking->waiter);
}

static tuplet_status end_and_wait(tuplet_message *message, tp_finish_outcome outcome, tuplet_error *error) {
  blocking_end blocking = {.waiter = TP_WAITER_INIT, .error = error};
  tuplet_status status = end(message, outcome, finish_blocking_end, &blocking, error);
  if (status != TUPLET_OK) return status;
  tp_waiter_wait(&blocking.waiter);
  return blocking.status;
}

tuplet_status tuplet_message_ack(tuplet_message *message, tuplet_error *error) {
  return end_and_wait(message, TP_FINISH_DONE, error);
}

tuplet_status tuplet_message_nack(tuplet_message *message, tuplet_error *error) {
  return end_and_wait(message, TP_FINISH_FAILED, error);
}
