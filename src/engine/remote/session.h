/* session.h: what the metadata exchange brings: where requests go, with which token, and for how long. */
#ifndef TP_ENGINE_REMOTE_SESSION_H
#define TP_ENGINE_REMOTE_SESSION_H

#include "base/arena.h"

enum { TP_REMOTE_ENDPOINTS_MAX = 64, TP_REMOTE_METADATA_SIZE_MAX = 64 * 1024 };

/* What is sent in the exchange. */
#define TP_REMOTE_EXCHANGE_BODY "{\"supportedVersions\":[2,3]}"

typedef struct tp_remote_endpoint {
  const char *url; /* without a slash at its end */
  bool is_strong;
  int64_t latency_us;      /* a moving average; 0: not measured */
  int64_t measured_at_ns;  /* monotonic */
  int64_t failed_until_ns; /* monotonic; others are preferred before */
} tp_remote_endpoint;

typedef struct tp_remote_session {
  tp_arena arena;            /* holds the session, too */
  const char *authorization; /* header lines */
  const char *version_header;
  const char *database_header;
  int64_t lifetime_ms;           /* by the clock that was given; may be negative where clocks differ */
  tp_remote_endpoint *endpoints; /* at least one is strong */
  size_t endpoint_count;
  bool has_queue;       /* the extensions queue/1, */
  bool has_watch_range; /* and watch-range/1 */
} tp_remote_session;

/* url: of the exchange, to which those of the endpoints are relative. An endpoint in clear is not taken from
 * an exchange over TLS. Errors: TUPLET_MALFORMED, TUPLET_UNSUPPORTED (the version), TUPLET_NOMEM. */
tuplet_status tp_remote_session_parse(tuplet_bytes metadata, const char *url, int64_t now_ms,
                                      const tuplet_allocator *allocator, tp_remote_session **ret_session,
                                      tuplet_error *error);
/* NULL is fine. */
void tp_remote_session_free(tp_remote_session *session);

/* Takes over what another session's endpoints have measured. */
void tp_remote_session_inherit(tp_remote_session *session, const tp_remote_session *from);

/* Where the next request goes. eventual: any endpoint will do, not only strong ones. */
tp_remote_endpoint *tp_remote_session_choose(tp_remote_session *session, bool eventual, int64_t now_ns);

void tp_remote_endpoint_measured(tp_remote_endpoint *endpoint, int64_t latency_us, int64_t now_ns);
void tp_remote_endpoint_failed(tp_remote_endpoint *endpoint, int64_t now_ns);

/* RFC 3339, as "2026-01-01T00:00:00.5Z" or with an offset, as Unix milliseconds; false when it is not. */
bool tp_remote_time_parse(const char *text, int64_t *ret_unix_ms);

#endif
