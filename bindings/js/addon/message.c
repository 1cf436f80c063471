/* message.c: messages of the queue, from the thread that brings them to their end.
 *
 * A message that is collected unfinished has not been handled, and comes again. Once its listener is closed
 * its lease has been given back: then ending it frees it and no more, which is a job, so that it comes after
 * that. */
#include "error.h"
#include "listener.h"
#include "task.h"
#include "value.h"

#include <stdlib.h>

typedef struct message {
  tp_js_handle handle; /* first; held by itself until it has been delivered */
  tp_js_event event;
  tp_js_job end_job;
  tp_js_listener *listener; /* a reference */
  tuplet_message *inner;    /* NULL: finished */
  tuplet_message *left;     /* what end_job frees */
} message;

/* ---- Its end ---- */

static void run_end(tp_js_job *job) {
  message *ended = (message *)(void *)((char *)job - offsetof(message, end_job));
  (void)tuplet_message_nack_async(ended->left, NULL, NULL, NULL);
  tp_js_handle_unref(&ended->handle);
}

/* Frees what nobody will finish, after its listener's end. Any thread. */
static void end_later(message *unfinished) {
  unfinished->left = unfinished->inner;
  unfinished->inner = NULL;
  unfinished->end_job.run = run_end;
  tp_js_handle_ref(&unfinished->handle);
  tp_js_job_submit(&unfinished->listener->child.database->jobs, &unfinished->end_job);
}

static void give_back(message *unfinished) {
  if (unfinished->inner == NULL) return;
  if (unfinished->listener->child.is_closed) {
    end_later(unfinished);
  } else {
    (void)tuplet_message_nack_async(unfinished->inner, NULL, NULL, NULL);
    unfinished->inner = NULL;
  }
}

static void on_unused(tp_js_handle *handle) {
  give_back((message *)(void *)handle); /* its first member */
}

static void discard(tp_js_handle *handle) {
  tp_js_handle_unref(&((message *)(void *)handle)->listener->child.handle);
}

static const tp_js_kind message_kind = {"expected a message", on_unused, discard};

/* ---- Its way to JavaScript ---- */

static napi_status deliver(message *delivered, napi_env env) {
  napi_value function, undefined, ignored, arguments[3];
  const tuplet_message *inner = delivered->inner;
  napi_status status = napi_get_reference_value(env, delivered->listener->deliver, &function);
  if (status == napi_ok) status = napi_get_undefined(env, &undefined);
  if (status == napi_ok) status = napi_create_string_utf8(env, inner->id, NAPI_AUTO_LENGTH, &arguments[1]);
  if (status == napi_ok) status = napi_create_uint32(env, inner->attempt, &arguments[2]);
  if (status == napi_ok) status = tp_js_handle_wrap(&delivered->handle, env, &arguments[0]);
  return status == napi_ok ? napi_call_function(env, undefined, function, 3, arguments, &ignored) : status;
}

static void settle_delivery(tp_js_event *event, napi_env env) {
  message *delivered = (message *)(void *)((char *)event - offsetof(message, event));
  if (env == NULL) {
    end_later(delivered);
    tp_js_handle_unref(&delivered->handle);
    return;
  }
  if (!delivered->listener->child.is_closed) {
    napi_status status = deliver(delivered, env);
    if (status != napi_ok) {
      tp_js_report(env, status);
      give_back(delivered);
    }
  }
  tp_js_handle_let_go(&delivered->handle);
}

void tp_js_message_receive(void *context, tuplet_message *inner) {
  tp_js_listener *listener = context;
  message *received = calloc(1, sizeof *received);
  if (received == NULL) { /* it comes again */
    (void)tuplet_message_nack_async(inner, NULL, NULL, NULL);
    return;
  }
  tp_js_handle_init(&received->handle, &message_kind, listener->child.handle.environment);
  received->inner = inner;
  received->listener = listener;
  tp_js_handle_ref(&listener->child.handle);
  received->event.settle = settle_delivery;
  tp_js_environment_post(received->handle.environment, &received->event);
}

/* ---- What JavaScript does with it ---- */

/* The message that an argument is; NULL with an exception pending, also when it has been finished. */
static message *unfinished_message_of(tp_js_environment *environment, napi_env env, napi_value value) {
  message *found = (message *)(void *)tp_js_handle_of(environment, env, &message_kind, value);
  if (found == NULL || found->inner != NULL) return found;
  tp_js_throw_status(environment, env, TUPLET_MISUSE, "the message has been finished already");
  return NULL;
}

napi_value tp_js_payload(napi_env env, napi_callback_info info) {
  napi_value argument, value = NULL;
  tp_js_environment *environment = tp_js_arguments(env, info, 1, &argument);
  message *asked = environment == NULL ? NULL : unfinished_message_of(environment, env, argument);
  if (asked == NULL) return NULL;
  napi_status status = tp_js_value_make(environment, env, asked->inner->payload, false, &value);
  if (status == napi_ok) return value;
  tp_js_throw_napi(env, status);
  return NULL;
}

static void on_end(void *context, tuplet_status status, const tuplet_error *error) {
  tp_js_task_complete(context, status, error);
}

static napi_status make_end(tp_js_task *task, napi_env env, napi_value *ret_value) {
  return napi_get_boolean(env, task->status == TUPLET_OK, ret_value);
}

napi_value tp_js_finish(napi_env env, napi_callback_info info) {
  static const tp_js_task_kind kind = {make_end, NULL};
  napi_value arguments[2];
  bool is_handled;
  tp_js_environment *environment = tp_js_arguments(env, info, 2, arguments);
  if (environment == NULL) return NULL;
  napi_status status = napi_get_value_bool(env, arguments[1], &is_handled);
  if (status != napi_ok) {
    tp_js_throw_napi(env, status);
    return NULL;
  }
  message *finished = unfinished_message_of(environment, env, arguments[0]);
  tp_js_task *task = finished == NULL ? NULL : tp_js_task_new(&finished->handle, &kind, env);
  if (task == NULL) return NULL;
  if (finished->listener->child.is_closed) {
    end_later(finished);
    tp_js_task_complete(task, TUPLET_NOT_FOUND, NULL);
    return tp_js_task_answer_later(task, env);
  }
  tuplet_message *inner = finished->inner;
  finished->inner = NULL;
  tuplet_error error;
  tuplet_status ended = is_handled ? tuplet_message_ack_async(inner, on_end, task, &error)
                                   : tuplet_message_nack_async(inner, on_end, task, &error);
  if (ended == TUPLET_OK) return tp_js_task_answer_later(task, env);
  tp_js_task_drop(task);
  tp_js_throw(environment, env, &error);
  return NULL;
}
