/* transfer.h: one request to a server and its answer, through libcurl. On the loop's thread.
 *
 * libcurl sends a request again by itself when a connection that was open already ends without an answer.
 * That must not happen to a write, which may have been carried out: unless a request is repeatable, it is not
 * sent again once its body has begun to leave. */
#ifndef TP_ENGINE_REMOTE_TRANSFER_H
#define TP_ENGINE_REMOTE_TRANSFER_H

#include "base/buffer.h"
#include "engine/remote/loop.h"

enum { TP_REMOTE_HEADERS_MAX = 6 };

/* What all requests of an engine have in common. */
typedef struct tp_remote_client {
  tp_remote_loop *loop;
  const tuplet_allocator *allocator;
  const char *ca_file; /* NULL: the system's authorities only */
  tuplet_http http;
  unsigned generation; /* of connections: those of an older one get no new request; see transfer.c */
} tp_remote_client;

typedef struct tp_remote_request {
  const char *url;
  const char *headers[TP_REMOTE_HEADERS_MAX]; /* whole lines; NULL: none */
  size_t body_size;
  const uint8_t *body;    /* kept until the end of the transfer */
  int64_t timeout_ms;     /* for everything; 0: none */
  size_t answer_size_max; /* of an answer of status 200 */
  bool is_repeatable;     /* it does no harm to carry it out twice */
  bool follows_redirects;
} tp_remote_request;

typedef struct tp_remote_transfer tp_remote_transfer;
struct tp_remote_transfer {
  /* Filled by its owner. on_begin (may be NULL) tells that an answer of status 200 begins, on_data (NULL:
   * gathered in `answer`) gets the body of an answer of status 200 as it
   * comes; false ends the transfer. on_end comes once, when the transfer has ended by itself. */
  void (*on_begin)(tp_remote_transfer *transfer);
  bool (*on_data)(tp_remote_transfer *transfer, tuplet_bytes data);
  void (*on_end)(tp_remote_transfer *transfer);

  /* What came of it: */
  CURLcode code;
  long http_status; /* 0: there was no answer */
  tp_buffer answer; /* the body; of another status than 200 its beginning */
  bool answer_is_too_large;
  bool was_sent;        /* the server may have all of the request */
  bool has_queue;       /* it says that it has the extension queue/1, */
  bool has_watch_range; /* and watch-range/1 */
  bool is_http2;
  int64_t retry_after_ms; /* -1: it does not say */
  int64_t latency_us;     /* from the request's end to the answer's beginning */
  const char *url;        /* where it came from in the end, after redirects; during on_end only */
  char problem[CURL_ERROR_SIZE];

  /* Its own: */
  tp_remote_client *client;
  tp_remote_request request;
  unsigned generation;
  CURL *easy; /* NULL: not running */
  struct curl_slist *headers;
  size_t body_taken;
  bool has_head; /* all headers of the answer have come */
};

/* Begins it. Errors: TUPLET_NOMEM, TUPLET_INVALID (the URL): then on_end does not come. */
tuplet_status tp_remote_transfer_start(tp_remote_transfer *transfer, tp_remote_client *client,
                                       const tp_remote_request *request, tuplet_error *error);

static inline bool tp_remote_transfer_is_running(const tp_remote_transfer *transfer) {
  return transfer->easy != NULL;
}

/* Nothing comes over its connection: others are not to use that. */
void tp_remote_transfer_distrust(tp_remote_transfer *transfer);

/* Ends it without on_end. Not from on_data. Fine when it is not running. */
void tp_remote_transfer_cancel(tp_remote_transfer *transfer);

/* Frees the answer. It is not running. */
void tp_remote_transfer_done(tp_remote_transfer *transfer);

/* The loop's on_end. */
void tp_remote_transfer_ended(void *easy_private, CURLcode code);

#endif
