/* instructions_client.c: the client of the server that is measured, on sockets that block. */
#include "instructions_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_SIZE_MAX = 4096 };

/* A request, again and again. */
typedef struct exchange {
  tp_bench_call call; /* first, so that the one is found from the other */
  struct connection *connection;
  tp_buffer body;
} exchange;

typedef struct connection {
  int socket;
  tp_bench_http_client *http;
  tp_buffer out;
  size_t waiting; /* for answers */
  exchange exchanges[INSTRUCTIONS_PARALLEL];
} connection;

struct client {
  size_t connection_count;
  size_t parallel;
  connection connections[];
};

static int connect_to(const char *authority) {
  const char *colon = strrchr(authority, ':');
  if (colon == NULL) bench_fail("%s has no port", authority);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10)),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0 || connect(descriptor, (const struct sockaddr *)&address, sizeof address) != 0)
    bench_fail("connecting to %s failed: %s", authority, strerror(errno));
  return descriptor;
}

static void on_done(tp_bench_call *call, const char *problem) {
  exchange *e = (exchange *)(void *)call;
  if (problem != NULL) bench_fail("a request failed: %s", problem);
  if (call->status != 200) bench_fail("a request was answered with %u", call->status);
  e->connection->waiting--;
}

client *client_open(const tp_bench_head *head, bool is_http2, size_t connection_count, size_t parallel) {
  client *c = calloc(1, sizeof *c + connection_count * sizeof(connection));
  if (c == NULL) bench_fail("out of memory");
  c->connection_count = connection_count;
  c->parallel = parallel;
  for (size_t i = 0; i < connection_count; i++) {
    connection *one = &c->connections[i];
    tp_buffer_init(&one->out, NULL);
    one->socket = connect_to(head->authority);
    one->http = is_http2 ? tp_bench_http2_new(head, &one->out) : tp_bench_http1_new(head, &one->out);
    if (one->http == NULL) bench_fail("out of memory");
    for (size_t j = 0; j < parallel; j++) {
      exchange *e = &one->exchanges[j];
      *e = (exchange){.call = {.answer_size_max = ANSWER_SIZE_MAX, .on_done = on_done}, .connection = one};
      tp_buffer_init(&e->call.answer, NULL);
      tp_buffer_init(&e->body, NULL);
    }
  }
  return c;
}

void client_close(client *c) {
  for (size_t i = 0; i < c->connection_count; i++) {
    connection *one = &c->connections[i];
    (void)close(one->socket);
    tp_bench_http_free(one->http);
    tp_buffer_done(&one->out);
    for (size_t j = 0; j < c->parallel; j++) {
      tp_buffer_done(&one->exchanges[j].call.answer);
      tp_buffer_done(&one->exchanges[j].body);
    }
  }
  free(c);
}

static void check_http(const char *problem) {
  if (problem != NULL) bench_fail("talking HTTP failed: %s", problem);
}

/* In one piece, as far as it is up to us. */
static void send_out(connection *one) {
  check_http(tp_bench_http_produce(one->http));
  for (size_t sent = 0; sent < one->out.size;) {
    ssize_t size = send(one->socket, one->out.data + sent, one->out.size - sent, MSG_NOSIGNAL);
    if (size <= 0) bench_fail("sending failed: %s", strerror(errno));
    sent += (size_t)size;
  }
  tp_buffer_clear(&one->out);
}

void client_send(client *c, tp_bench_path path, void (*write_body)(tp_buffer *body, void *context),
                 void *context) {
  for (size_t i = 0; i < c->connection_count; i++) {
    connection *one = &c->connections[i];
    for (size_t j = 0; j < c->parallel; j++) {
      exchange *e = &one->exchanges[j];
      tp_buffer_clear(&e->body);
      tp_buffer_clear(&e->call.answer);
      write_body(&e->body, context);
      if (e->body.failed) bench_fail("out of memory");
      e->call.path = path;
      e->call.body = tp_buffer_view(&e->body);
      if (!tp_bench_http_start(one->http, &e->call)) bench_fail("the connection takes no request");
      one->waiting++;
    }
    send_out(one);
  }
}

void client_receive(client *c) {
  static char room[64 * 1024];
  for (size_t i = 0; i < c->connection_count; i++) {
    connection *one = &c->connections[i];
    while (one->waiting > 0) {
      ssize_t size = recv(one->socket, room, sizeof room, 0);
      if (size <= 0) bench_fail("the server closed a connection");
      check_http(tp_bench_http_receive(one->http, tuplet_view(room, (size_t)size)));
    }
    send_out(one); /* what HTTP/2 acknowledges */
  }
}
