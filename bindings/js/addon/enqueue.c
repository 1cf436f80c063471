/* enqueue.c: what is to be put into the queue, from JavaScript. */
#include "enqueue.h"

#include "property.h"
#include "value.h"

enum { BACKOFF_MAX = 64 }; /* far more than the library takes */

static napi_status read_backoff(napi_env env, napi_value array, tp_js_scratch *scratch,
                                tuplet_enqueue_options *options) {
  if (tp_js_is_nullish(env, array)) return napi_ok;
  uint32_t count;
  napi_status status = napi_get_array_length(env, array, &count);
  if (status != napi_ok) return status;
  if (count > BACKOFF_MAX) count = BACKOFF_MAX;
  uint32_t *backoff_ms = tp_js_scratch_allocate(scratch, (count + 1) * sizeof *backoff_ms);
  if (backoff_ms == NULL) return napi_generic_failure;
  for (uint32_t i = 0; i < count; i++) {
    napi_value element;
    int64_t ms = 0;
    status = napi_get_element(env, array, i, &element);
    if (status == napi_ok) status = tp_js_milliseconds(env, element, &ms);
    if (status == napi_ok && ms < 0) status = napi_invalid_arg;
    if (status != napi_ok) return status;
    backoff_ms[i] = ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
  }
  options->backoff_ms = backoff_ms;
  options->backoff_count = count;
  return napi_ok;
}

napi_status tp_js_enqueue_read(napi_env env, napi_value message, tp_js_scratch *scratch,
                               tuplet_enqueue_options *ret_options, tuplet_value *ret_payload) {
  napi_value members[4];
  tuplet_enqueue_options options = TUPLET_ENQUEUE_OPTIONS_INIT;
  tuplet_key *keys;
  napi_status status = napi_ok;
  for (uint32_t i = 0; status == napi_ok && i < 4; i++)
    status = napi_get_element(env, message, i, &members[i]);
  if (status == napi_ok) status = tp_js_milliseconds(env, members[1], &options.delay_ms);
  if (status == napi_ok && options.delay_ms < 0) status = napi_invalid_arg;
  if (status == napi_ok)
    status = tp_js_keys_read(env, members[2], scratch, &keys, &options.keys_if_undelivered_count);
  if (status == napi_ok) options.keys_if_undelivered = keys;
  if (status == napi_ok) status = read_backoff(env, members[3], scratch, &options);
  if (status == napi_ok) status = tp_js_value_read(env, members[0], ret_payload);
  if (status == napi_ok) *ret_options = options;
  return status;
}
