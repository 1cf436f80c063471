/* http2_client.h: a real HTTP/2 client, nghttp2's, that talks to a fixture in memory. */
#ifndef TEST_HTTP2_CLIENT_H
#define TEST_HTTP2_CLIENT_H

#include "fixture.h"

#include <nghttp2/nghttp2.h>

enum { STREAMS = 64 };

/* What the client has seen of one of its streams. */
typedef struct answer {
  int status;
  bool had_continue;
  bool is_closed;
  uint32_t close_code;
  tp_buffer body;
  char tag[32];
  char length[16];
} answer;

typedef struct client {
  fixture f;
  nghttp2_session *session;
  answer answers[STREAMS]; /* of stream 2 * index + 1 */
  bool has_goaway;
  uint32_t goaway_code;
  size_t chunk; /* bytes are passed on in pieces of that size; 0: as they come */
} client;

typedef struct upload {
  const char *data;
  size_t left;
  bool never_ends;
} upload;

/* A client whose fixture is not open yet, so that the test can change its configuration; and its end. */
int client_setup(void **state);
int client_teardown(void **state);

/* Opens the fixture and the client. window: the client's for a stream, which the test then moves itself; 0:
 * the default, moved as data comes. */
void client_open(client *c, uint32_t window);
/* The client alone. */
void client_open_session(client *c, uint32_t window);

/* Lets the two talk until both are silent. */
void client_talk(client *c);

nghttp2_nv client_header(const char *name, const char *value);

/* Submits a request, with a header of one's choice, or with "x-tag: a tag"; returns the index of its answer.
 */
size_t client_ask_with(client *c, const char *method, const char *path, const char *name, const char *value,
                       upload *u);
size_t client_ask(client *c, const char *method, const char *path, upload *u);

#endif
