/* listener.h: listening to the queue, and the messages that come of it. */
#ifndef TP_JS_LISTENER_H
#define TP_JS_LISTENER_H

#include "database.h"

#include <tuplet.h>

typedef struct tp_js_listener {
  tp_js_child child;      /* first; held by itself until it has ended */
  tuplet_listener *inner; /* jobs begin and end it; NULL: it could not begin */
  uint32_t in_flight_max;
  napi_ref deliver, end; /* functions */
  bool is_under_way;     /* keeps the event loop alive, and has an end to tell of */
  tp_js_job close_job;
  tp_js_event end_event;
} tp_js_listener;

/* A message has come; `context` is the listener. On a thread of the library's. */
void tp_js_message_receive(void *context, tuplet_message *inner);

/* The addon's functions. */
napi_value tp_js_listen(napi_env env, napi_callback_info info);
napi_value tp_js_listen_close(napi_env env, napi_callback_info info);
napi_value tp_js_payload(napi_env env, napi_callback_info info);
napi_value tp_js_finish(napi_env env, napi_callback_info info);

#endif
