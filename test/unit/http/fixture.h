/* fixture.h: a server's side of one HTTP connection in memory: bytes in, bytes out, and a handler whose
 * answers depend on the target.
 *
 *   /echo    at once: METHOD, target, authority and body, one to a line
 *   /empty   at once: 204
 *   /big     at once: BIG_SIZE bytes
 *   /split   at once, with a header value that holds a line break
 *   others   kept, for the test to answer
 *
 * /refused is answered with 401 at its head, if it has a body.
 */
#ifndef TEST_HTTP_FIXTURE_H
#define TEST_HTTP_FIXTURE_H

#include "base/buffer.h"
#include "http/http.h"

enum { KEPT_MAX = 4096, BIG_SIZE = 200000 };

/* An allocator that counts, and fails the allocation number `fail_at` (from 1; 0: none). */
typedef struct fault_allocator {
  tuplet_allocator allocator;
  size_t count;
  size_t fail_at;
  size_t live;
  size_t size, size_peak; /* bytes held, and the most that ever were */
} fault_allocator;

void fault_allocator_init(fault_allocator *faults, size_t fail_at);

typedef struct fixture {
  tp_http_budget budget; /* outlives the connection, for tests that use one */
  fault_allocator faults;
  tp_http_conn_config config;
  tp_http_conn *conn;
  tp_buffer output;                /* everything the connection has sent */
  tp_http_request *kept[KEPT_MAX]; /* NULL once finished */
  size_t kept_count;
  size_t head_count; /* calls of on_head */
  size_t request_count;
  size_t abort_count;
  size_t writable_count;
  size_t wake_count;
  bool finishes_aborted; /* on_abort finishes the request */
} fixture;

/* Then change config as the test needs, and open. */
void fixture_init(fixture *f);
void fixture_open(fixture *f);
/* Finishes what is kept and closes; asserts that no memory is left. */
void fixture_done(fixture *f);

/* Feeds text and collects the output. */
void fixture_receive(fixture *f, const char *text);
void fixture_receive_bytes(fixture *f, const void *data, size_t size);
/* Takes the output, `step` bytes at a time (0: all). */
void fixture_collect(fixture *f, size_t step);
/* The output as text. */
const char *fixture_text(fixture *f);
void fixture_clear(fixture *f);

bool fixture_output_has(fixture *f, const char *text);
/* How often text occurs in the output. */
size_t fixture_output_count(fixture *f, const char *text);

/* Answers kept request number `index`; forgets it. */
void fixture_respond(fixture *f, size_t index, int status, const char *body);

/* For cmocka: a test whose state is a fixture of its own. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

#endif
