/* private.h: what the files of this folder share. Included by nothing else (but the tests of this folder).
 *
 * A connection keeps its requests in a list and speaks through a codec, of which there are two. Codecs never
 * call handlers from inside a parser: they note an event at the request, and conn.c delivers the events in
 * order when the parser has returned. That is why a handler may do anything to any request at any time.
 *
 * States of a request:
 *
 *   RECEIVING -> READY -> HANDLING -> STREAMING -> FINISHED
 *       |          |          '----------------------^
 *       '----------'-- refused by the codec itself --^
 *
 *   RECEIVING  the codec fills it
 *   READY      complete; the event EVENT_READY waits for delivery
 *   HANDLING   the handler has it and has not answered
 *   STREAMING  tp_http_respond_start was called
 *   FINISHED   the handler's pointer is spent; HTTP/2 keeps it until its bytes are sent
 *
 * Invariants:
 *   1. A request with `aborted` set is HANDLING or STREAMING, and no codec refers to it.
 *   2. A request with conn == NULL is aborted, and in no list.
 *   3. conn->handling counts the requests that are HANDLING or STREAMING, aborted ones included: a peer that
 * resets its requests does not get more of them worked on.
 *   4. conn->bodies_size counts request->body_charged of all requests, conn->bodies_free what of it is free,
 * and the budget's memory the rest.
 *   5. A request with is_counted set is in the budget's requests, and HANDLING or STREAMING.
 *   6. conn->held_charged, a multiple of HELD_STEP, is in the budget's memory, for output, input and heads
 * beyond limits.held_size_free.
 */
#ifndef TP_HTTP_PRIVATE_H
#define TP_HTTP_PRIVATE_H

#include "base/buffer.h"
#include "http/http.h"

#include <stdalign.h>
#include <stddef.h>

typedef enum tp_http_state {
  STATE_RECEIVING,
  STATE_READY,
  STATE_HANDLING,
  STATE_STREAMING,
  STATE_FINISHED
} tp_http_state;

typedef enum tp_http_event { EVENT_NONE, EVENT_READY, EVENT_WRITABLE, EVENT_ABORT } tp_http_event;

/* A piece of request->text. size 0 and offset 0: absent. */
typedef struct tp_http_span {
  size_t offset;
  size_t size;
} tp_http_span;

typedef struct tp_http_field {
  tp_http_span name;
  tp_http_span value;
} tp_http_field;

struct tp_http_request {
  tp_http_conn *conn;
  const tuplet_allocator *quick; /* the connection's */
  tp_http_budget *budget;
  tp_http_request *previous, *next;             /* in conn->requests, by number */
  tp_http_request *event_previous, *event_next; /* in conn->events, while event != EVENT_NONE */
  tp_http_event event;
  tp_http_state state;
  bool aborted;
  bool is_head; /* the method is HEAD */
  bool has_authority;
  uint64_t number; /* from 1, in order of arrival */
  tp_arena arena;
  void *arena_room; /* what it has been lent; NULL: nothing yet */
  tp_buffer text;   /* method, target, names and values, one behind the other */
  tp_buffer fields; /* of tp_http_field */
  tp_http_span method, target, authority;
  tp_buffer body;
  size_t body_charged; /* of the body's size, to the connection */
  size_t body_free;    /* of that, not to the budget */
  bool is_at_head;     /* on_head is running */
  bool is_body_skipped;
  bool is_counted;     /* among the requests of the budget */
  bool is_surplus;     /* handled although there was no room among them */
  bool has_head;       /* the head is complete, */
  size_t head_charged; /* and so many bytes */
  tp_http_request_events events;
  void *user;
  /* As in the connection's config, which may be gone when the request ends: */
  void (*on_finish)(void *context, const tp_http_request *request, const tp_http_outcome *outcome);
  void *context;
  tp_http_header response_header; /* name NULL: none */
  uint64_t response_size;
  int status;         /* of the response, once it has begun */
  bool is_cut;        /* it ends without having been answered wholly */
  bool is_discarding; /* answered, and the peer still sends: curl 7 forgets the answer when it is stopped */
  bool is_seen;       /* by tp_http_conn_expire_receiving, */
  uint64_t seen_ms;   /* then for the first time */
  size_t discarded_size;

  /* HTTP/1.1 */
  bool keep_alive; /* as far as the request is concerned */
  bool is_http10;
  bool is_chunked;  /* the streaming response */
  bool is_bodiless; /* the streaming response has no body: HEAD, 204, 304 */
  bool is_endless;  /* the streaming response */

  /* HTTP/2 */
  int32_t stream_id;
  int refusal; /* the status that the head earned before it was complete; 0: none */
  size_t head_size;
  tp_buffer output; /* of the response, from output_offset on not yet in frames */
  size_t output_offset;
  bool output_ended;
  bool output_deferred; /* nghttp2 waits to be told of new output */
};

/* A response, checked, as the codecs take it. */
typedef struct tp_http_response {
  int status;
  const tp_http_header *headers;
  size_t header_count;
  bool is_bodiless; /* nothing follows the head */
} tp_http_response;

/* The two protocols. `respond` and `end` finish the request: its state is FINISHED already, and the codec
 * frees it when it needs it no longer. */
typedef struct tp_http_codec {
  void (*receive)(tp_http_conn *conn, tuplet_bytes bytes);
  void (*receive_end)(tp_http_conn *conn);
  /* Does what was left undone and puts output, up to about OUTPUT_CHUNK bytes, into conn->back. */
  void (*pump)(tp_http_conn *conn);
  void (*respond)(tp_http_request *request, const tp_http_response *response, tuplet_bytes body);
  void (*start)(tp_http_request *request, const tp_http_response *response);
  void (*write)(tp_http_request *request, tuplet_bytes chunk);
  void (*end)(tp_http_request *request);
  void (*abort)(tp_http_request *request);
  size_t (*buffered)(const tp_http_request *request);
  void (*shutdown)(tp_http_conn *conn);
  /* Ends `request`, which is RECEIVING or being discarded, with a 408 if it has had no answer. */
  void (*expire)(tp_http_conn *conn, tp_http_request *request);
  /* What depends on time beside requests. Comes now and then. */
  void (*pass_time)(tp_http_conn *conn, uint64_t now_ms, uint64_t head_timeout_ms);
  /* The peer has had its time to do its part of the shutdown. */
  void (*expire_shutdown)(tp_http_conn *conn);
  bool (*wants_receive)(const tp_http_conn *conn);
  /* Bytes received and not looked at. */
  size_t (*waiting)(const tp_http_conn *conn);
  void (*free)(tp_http_conn *conn);
} tp_http_codec;

extern const tp_http_codec tp_http1_codec;
extern const tp_http_codec tp_http2_codec;

enum {
  OUTPUT_CHUNK = 64 * 1024,    /* how much is taken from HTTP/2's streams at a time */
  BUFFER_KEEP_MAX = 16 * 1024, /* an empty output buffer larger than that is given back */
  HELD_STEP = 16 * 1024,       /* in which waiting output is charged */
  RESPONSE_HEADERS_MAX = 16,   /* of a response, as far as handlers give them */
  PREFACE_SIZE = 24
};

typedef struct tp_http1 tp_http1;
typedef struct tp_http2 tp_http2;

struct tp_http_conn {
  tp_http_conn_config config;
  uint32_t tally; /* see tp_http_request_tally */
  alignas(max_align_t) uint8_t memo[TP_HTTP_MEMO_SIZE];
  const tp_http_codec *codec; /* NULL until the protocol is known */
  tp_http1 *http1;
  tp_http2 *http2;
  uint8_t preface[PREFACE_SIZE]; /* what came while the protocol was not known */
  size_t preface_size;
  tp_http_request *oldest, *newest;             /* requests */
  tp_http_request *event_oldest, *event_newest; /* those with an event */
  uint64_t number_last;
  size_t handling;
  size_t bodies_size;
  size_t bodies_free;      /* of that, not charged to the budget */
  size_t streams_buffered; /* sum of what the requests' outputs hold */
  size_t heads_size;       /* sum of the requests' head_charged */
  size_t held_charged;
  /* Output is written from front while back collects what comes next, so that a view of front stays in place.
   */
  tp_buffer front;
  size_t front_written;
  tp_buffer back;
  size_t front_data, back_data; /* HTTP/2: what of it is the responses' bodies */
  uint64_t sent;
  int depth;     /* calls of the transport that are running */
  bool woken;    /* on_wake was called, and output not yet */
  bool failed;   /* out of memory, or the peer misbehaves beyond an answer: close at once */
  bool closing;  /* close when the output is empty; nothing is received any more */
  bool draining; /* tp_http_conn_shutdown was called */
};

/* budget.c */
/* Charges what is there already, even if it is too much. */
void tp_http_budget_force(tp_http_budget *budget, size_t size);
/* Whether no more may be charged. */
bool tp_http_budget_is_exceeded(const tp_http_budget *budget);
/* One more request for a handler; false when there are enough. */
bool tp_http_budget_take_request(tp_http_budget *budget);
void tp_http_budget_return_request(tp_http_budget *budget);

/* conn.c */
void tp_http_conn_fail(tp_http_conn *conn);
void tp_http_conn_wake(tp_http_conn *conn);
size_t tp_http_conn_unsent(const tp_http_conn *conn);
/* Whether handlers may get more to do. */
bool tp_http_conn_has_room(const tp_http_conn *conn);
/* Delivers the events that can be; whether there was one. */
bool tp_http_conn_run_events(tp_http_conn *conn);
/* Notes an event in place of the one that waits already, if any; EVENT_ABORT stays. EVENT_NONE takes any
 * back. */
void tp_http_conn_add_event(tp_http_request *request, tp_http_event event);

/* request.c */
tp_http_request *tp_http_request_new(tp_http_conn *conn);
void tp_http_request_free(tp_http_request *request);
/* Takes its body out of the connection's sums. */
void tp_http_request_uncharge_conn(const tp_http_request *request);
/* Gives back all but the response's output. */
void tp_http_request_release(tp_http_request *request);
void tp_http_request_enter(tp_http_request *request, tp_http_state state);
/* To the handler, unless the budget has no room for one more: then it is refused. */
void tp_http_request_hand_over(tp_http_request *request);
/* The budget's requests are one less, if this one was among them. */
void tp_http_request_uncount(tp_http_request *request);
/* The codec forgets the request. One that the handler has is aborted, any other is freed. */
void tp_http_request_drop(tp_http_request *request);
tuplet_bytes tp_http_request_view(const tp_http_request *request, tp_http_span span);
/* Adds to request->text; false when out of memory. */
bool tp_http_request_add_text(tp_http_request *request, tuplet_bytes bytes, tp_http_span *ret_span);
/* A header whose name and value are in request->text already; name is lower-case. The ones that concern the
 * connection alone and cookies are left out. False when out of memory. */
bool tp_http_request_add_field(tp_http_request *request, tp_http_span name, tp_http_span value);
/* The head is complete: what both protocols ask of it. Returns 0, or the status that refuses the request. */
int tp_http_request_check_head(tp_http_request *request, bool has_length, uint64_t length);
/* A body is to come: asks the handler, if it wants to be asked. Whether it has answered: the rest of the
 * request is then to be discarded. */
bool tp_http_request_ask(tp_http_request *request);
/* 0, or the status that refuses the request; sets conn->failed when out of memory. */
int tp_http_request_add_body(tp_http_request *request, tuplet_bytes bytes);
/* It is refused by the codec, with `status`. request may be NULL. */
void tp_http_conn_tell_refusal(const tp_http_conn *conn, const tp_http_request *request, int status);
/* More of the body of a request that is answered. False when it is more than is worth reading. */
bool tp_http_request_discard(tp_http_request *request, size_t size);
/* Complete: on its way to the handler. */
void tp_http_request_complete(tp_http_request *request);

/* response.c */
enum { TP_HTTP_NUMBER_SIZE = 20 };
/* Writes a number in decimal digits, without a NUL; returns how many. */
size_t tp_http_number_write(size_t number, char ret_text[TP_HTTP_NUMBER_SIZE]);
const char *tp_http_status_reason(int status);
/* The sentence that goes with a refusal. */
const char *tp_http_refusal_text(int status);
/* The headers that go with a refusal: the text's, and when to come again if that makes sense. */
const tp_http_header *tp_http_refusal_headers(int status, size_t *ret_count);

/* http1_lines.c */
typedef struct tp_http1_lines {
  uint8_t state;
  uint8_t version_size; /* of "HTTP/1.1\r", what has come */
  bool is_foreign;      /* another word stands in its place */
} tp_http1_lines;

void tp_http1_lines_start_head(tp_http1_lines *lines);
void tp_http1_lines_start_trailers(tp_http1_lines *lines);
/* Whether the end is still to come. */
bool tp_http1_lines_are_open(const tp_http1_lines *lines);
/* Whether the request line is still to end. */
bool tp_http1_lines_are_in_first(const tp_http1_lines *lines);
/* Whether the request line broke the rules in place of its version: by a word that is none. */
bool tp_http1_lines_are_foreign(const tp_http1_lines *lines);
/* Takes bytes up to the end, or up to the one that breaks the rules: then false. Says how many. */
bool tp_http1_lines_check(tp_http1_lines *lines, const char *data, size_t size, size_t *ret_size);

/* http1_response.c */
void tp_http1_write_refusal(tp_http_conn *conn, int status, bool without_body);
void tp_http1_respond(tp_http_request *request, const tp_http_response *response, tuplet_bytes body);
void tp_http1_start(tp_http_request *request, const tp_http_response *response);
void tp_http1_write(tp_http_request *request, tuplet_bytes chunk);
void tp_http1_end(tp_http_request *request);
/* http1.c: the current request has been answered. */
void tp_http1_finished(tp_http_request *request);

/* http2_response.c */
struct nghttp2_session;
void tp_http2_respond(tp_http_request *request, const tp_http_response *response, tuplet_bytes body);
void tp_http2_start(tp_http_request *request, const tp_http_response *response);
void tp_http2_write(tp_http_request *request, tuplet_bytes chunk);
void tp_http2_end(tp_http_request *request);
void tp_http2_refuse(tp_http_request *request, int status);
/* http2.c */
struct nghttp2_session *tp_http2_session(tp_http_conn *conn);
/* Response bytes have gone into a frame; is_all: there was room for all that waited. */
void tp_http2_sent_data(tp_http_conn *conn, size_t size, bool is_all);

#endif
