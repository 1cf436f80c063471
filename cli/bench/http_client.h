/* http_client.h: HTTP from the client's side, as bytes in and bytes out: one connection's requests, all POST,
 * and their answers.
 *
 *   tp_bench_http_start ──► out ──► the server        the server ──► receive ──► call->on_done
 *
 * Made for load: nothing is parsed that is not needed, and requests are built from heads that are made once.
 */
#ifndef TP_CLI_BENCH_HTTP_CLIENT_H
#define TP_CLI_BENCH_HTTP_CLIENT_H

#include "base/buffer.h"

typedef enum tp_bench_path {
  TP_BENCH_SNAPSHOT_READ,
  TP_BENCH_ATOMIC_WRITE,
  TP_BENCH_WATCH_STREAM,
  TP_BENCH_QUEUE_LISTEN,
  TP_BENCH_QUEUE_FINISH,
  TP_BENCH_PATH_COUNT
} tp_bench_path;

enum { TP_BENCH_HEADERS_MAX = 3 };

typedef struct tp_bench_header {
  const char *name; /* lower case */
  const char *value;
} tp_bench_header;

/* What all requests to a server begin with. */
typedef struct tp_bench_head {
  const char *scheme;    /* "http" */
  const char *authority; /* "127.0.0.1:4512" */
  const char *paths[TP_BENCH_PATH_COUNT];
  tp_bench_header headers[TP_BENCH_HEADERS_MAX]; /* those of the session */
} tp_bench_head;

/* A request and its answer. */
typedef struct tp_bench_call tp_bench_call;
struct tp_bench_call {
  tp_bench_path path;
  tuplet_bytes body; /* until on_done */
  size_t body_sent;
  size_t answer_size_max;
  unsigned status; /* of HTTP; 0: no answer has begun */
  tp_buffer answer;
  /* Takes a stream's bytes as they come, with the status filled in; they are not gathered then. False: they
   * make no sense. NULL: they become `answer`. */
  bool (*on_data)(tp_bench_call *call, tuplet_bytes bytes);
  /* Once, unless the connection ends before. problem: why the answer is not whole; NULL: it is. It may start
   * calls. */
  void (*on_done)(tp_bench_call *call, const char *problem);
};

typedef struct tp_bench_http_client tp_bench_http_client;

typedef struct tp_bench_http_ops {
  bool (*start)(tp_bench_http_client *client, tp_bench_call *call);
  const char *(*receive)(tp_bench_http_client *client, tuplet_bytes bytes);
  const char *(*produce)(tp_bench_http_client *client);
  bool (*is_at_end)(const tp_bench_http_client *client);
  void (*free)(tp_bench_http_client *client);
} tp_bench_http_ops;

struct tp_bench_http_client {
  const tp_bench_http_ops *ops;
  const tp_bench_head *head;
  tp_buffer *out; /* bytes for the server are appended to it */
};

/* head and out outlive the client. NULL: out of memory. */
tp_bench_http_client *tp_bench_http1_new(const tp_bench_head *head, tp_buffer *out);
tp_bench_http_client *tp_bench_http2_new(const tp_bench_head *head, tp_buffer *out);

/* Calls that are under way are forgotten. NULL is fine. */
static inline void tp_bench_http_free(tp_bench_http_client *client) {
  if (client != NULL) client->ops->free(client);
}

/* False: this connection takes no more of them, or there is no memory. HTTP/1.1 takes one at a time. */
static inline bool tp_bench_http_start(tp_bench_http_client *client, tp_bench_call *call) {
  return client->ops->start(client, call);
}

/* Bytes from the server. NULL, or why the connection is of no use any more: a text that lives on. */
static inline const char *tp_bench_http_receive(tp_bench_http_client *client, tuplet_bytes bytes) {
  return client->ops->receive(client, bytes);
}

/* Appends what is to be sent by now. NULL, or why the connection is of no use any more: a text that lives on.
 */
static inline const char *tp_bench_http_produce(tp_bench_http_client *client) {
  return client->ops->produce(client);
}

/* Whether nothing is under way, and the server wants no further requests here. */
static inline bool tp_bench_http_is_at_end(const tp_bench_http_client *client) {
  return client->ops->is_at_end(client);
}

#endif
