/* remote_engine.h: a database on a server, reached over KV Connect (Deno's protocol), as an engine.
 *
 *   any thread: submit ──► [ posted ] ──► tp-remote: session there? ──► libcurl ──► judged ──► on_done
 *                                            ▲ no: exchange                 │
 *                                            └────────── again, later ◄─────┘
 *
 * One thread per engine holds all connections; completions run on it. What the server did with a request that
 * failed is judged in outcome.c; only what was not carried out, or does no harm twice, is tried again.
 *
 * It does not tell the observer of commits, does not sweep, and gives rows without their expiry: all that is
 * the server's. */
#ifndef TP_ENGINE_REMOTE_REMOTE_ENGINE_H
#define TP_ENGINE_REMOTE_REMOTE_ENGINE_H

#include "base/clock.h"
#include "engine/engine.h"

typedef struct tp_remote_config {
  const tuplet_allocator *allocator;
  tp_clock clock;
  const char *url;          /* http:// or https:// */
  const char *access_token; /* NULL: there is none, which is an error */
  const char *ca_file;      /* PEM, of authorities trusted besides the system's; NULL: none */
  uint32_t timeout_ms;      /* of an operation, with all that is tried again; 0: TUPLET_TIMEOUT_MS_DEFAULT */
  tuplet_http http;
} tp_remote_config;

/* Opens it: the metadata exchange is made, so that a wrong URL or token is told here. Blocks. Errors:
 * TUPLET_INVALID (the URL, the token's characters; no database there), TUPLET_DENIED, TUPLET_IO, TUPLET_BUSY,
 * TUPLET_UNSUPPORTED (the server's version), TUPLET_MALFORMED, TUPLET_NOMEM. */
tuplet_status tp_remote_engine_open(const tp_remote_config *config, tp_engine **ret_engine,
                                    tuplet_error *error);

#endif
