/* enqueue.h: what is to be put into the queue, from JavaScript. */
#ifndef TP_JS_ENQUEUE_H
#define TP_JS_ENQUEUE_H

#include "key.h"

/* An Enqueue of src/native.ts. The options live as long as the scratch, the payload until code of the user's
 * may run. */
napi_status tp_js_enqueue_read(napi_env env, napi_value message, tp_js_scratch *scratch,
                               tuplet_enqueue_options *ret_options, tuplet_value *ret_payload);

#endif
