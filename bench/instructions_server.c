/* instructions_server.c: the server's whole way, from a socket to the file and back, by HTTP/1.1 and HTTP/2;
 * requests one at a time, and as many at once as a busy server finds in a turn of its loop.
 *
 * What is done together decides what it costs, so it is not left to chance: requests that are to be in one
 * turn are sent while the loop is kept, and writes that are to be in one group while the committer is. */
#include "instructions.h"

#include "api/open.h"
#include "codec/key.h"
#include "instructions_client.h"
#include "server/databases/database_id.h"
#include "server/server.h"
#include "wire/client.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t secret[TP_AUTH_SECRET_SIZE] = "a secret of bench's instructions";
static const uint8_t database_id[TP_AUTH_DATABASE_ID_SIZE] = "the database's i";
static const tp_log silent = {-1, TP_LOG_ERROR};

/* A write that keeps the committer from the next group until it may go on. */
typedef struct hold {
  tp_write write; /* first, so that the one is found from the other */
  tp_mutation mutation;
  tp_arena arena;
  sem_t holds, goes_on;
} hold;

typedef struct server_side {
  tp_auth *auth;
  tp_server *server;
  tp_store *store; /* the server's */
  char bearer[TP_AUTH_SESSION_TOKEN_SIZE_MAX + 8];
  char id[TP_DATABASE_ID_TEXT_SIZE];
  tp_bench_head head;
  client *client;
  uint64_t random;
  hold holds[2]; /* used by turns */
  size_t held;   /* which of them holds */
} server_side;

static void hold_init(hold *h) {
  tp_arena_init(&h->arena, NULL, 1024);
  if (sem_init(&h->holds, 0, 0) != 0 || sem_init(&h->goes_on, 0, 0) != 0)
    bench_fail("making a semaphore failed: %s", strerror(errno));
}

static void hold_done(hold *h) {
  tp_arena_done(&h->arena);
  (void)sem_destroy(&h->holds);
  (void)sem_destroy(&h->goes_on);
}

/* ---- The server ---- */

static server_side *server_open(const char *directory, const char *name) {
  server_side *s = calloc(1, sizeof *s);
  if (s == NULL) bench_fail("out of memory");
  for (size_t i = 0; i < 2; i++) hold_init(&s->holds[i]);
  tuplet_error error;
  tp_server_config config = tp_server_config_default();
  static const char *const any_port[] = {"127.0.0.1:0"};
  config.addresses = any_port;
  config.address_count = 1;
  config.worker_count = 1;
  config.log = &silent;
  memcpy(config.database_id, database_id, sizeof database_id);
  instructions_check(tp_auth_new(NULL, "token-of-the-benchmark", secret, &s->auth, &error), &error);
  config.auth = s->auth;

  const tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  char *path = instructions_file_new(directory, name);
  instructions_check(tp_open_store(path, &options, config.clock, &config.store, NULL, &error), &error);
  free(path);
  s->store = config.store;
  instructions_check(tp_server_start(&config, &s->server, &error), &error);

  tp_session session = {.may_write = true, .expires_at_ms = INT64_MAX};
  memcpy(session.database_id, database_id, sizeof database_id);
  char token[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  instructions_check(tp_auth_session_sign(s->auth, &session, token, &error), &error);
  (void)snprintf(s->bearer, sizeof s->bearer, "Bearer %s", token);
  tp_database_id_to_text(database_id, s->id);
  s->head = (tp_bench_head){
      .scheme = "http",
      .authority = tp_server_address(s->server, 0),
      .paths = {[TP_BENCH_SNAPSHOT_READ] = "/v2/snapshot_read", [TP_BENCH_ATOMIC_WRITE] = "/v2/atomic_write"},
      .headers = {{"authorization", s->bearer}, {"x-denokv-version", "3"}, {"x-denokv-database-id", s->id}}};
  return s;
}

static void server_close(server_side *s) {
  tp_server_stop(s->server); /* and with it the committer, which a hold may just have let go */
  for (size_t i = 0; i < 2; i++) hold_done(&s->holds[i]);
  tp_auth_free(s->auth);
  free(s);
}

/* ---- Requests ---- */

static void write_key(server_side *s, tp_buffer *key) {
  tuplet_error error;
  tp_buffer_init(key, NULL);
  uint32_t row = bench_random(&s->random, INSTRUCTIONS_WRITTEN_ROWS);
  instructions_check(tp_key_encode(TUPLET_KEY(INSTRUCTIONS_PREFIX, row), key, &error), &error);
}

static void write_read(tp_buffer *body, void *context) {
  tp_buffer key;
  write_key(context, &key);
  tp_buffer_append_byte(&key, 0);
  const tp_read_range range = {.start = {key.data, key.size - 1}, .end = tp_buffer_view(&key), .limit = 1};
  tp_snapshot_read_encode(body, &range, 1);
  tp_buffer_done(&key);
}

static void write_set(tp_buffer *body, void *context) {
  server_side *s = context;
  tp_buffer key;
  write_key(s, &key);
  uint8_t value[BENCH_VALUE_SIZE] = {0};
  memcpy(value, &s->random, sizeof s->random);
  const tp_mutation mutation = {.key = tp_buffer_view(&key),
                                .value = {value, sizeof value},
                                .expires_at_ms = TP_EXPIRES_NEVER,
                                .type = TP_MUTATION_SET,
                                .encoding = TUPLET_ENCODING_BYTES};
  const tp_write write = {.mutations = &mutation, .mutation_count = 1};
  tp_atomic_write_encode(body, &write);
  tp_buffer_done(&key);
}

/* ---- Keeping the committer ---- */

static void wait_for(sem_t *semaphore) {
  while (sem_wait(semaphore) != 0) {
    if (errno != EINTR) bench_fail("waiting failed: %s", strerror(errno));
  }
}

static void post(sem_t *semaphore) {
  if (sem_post(semaphore) != 0) bench_fail("a semaphore overflowed");
}

static void on_held(tp_write *write) {
  hold *h = (hold *)(void *)write;
  instructions_check(write->status, &write->error);
  post(&h->holds);
  wait_for(&h->goes_on);
}

static void submit_hold(const server_side *s, hold *h) {
  static const uint8_t key[] = "\x02hold"; /* a string's tag; the NUL ends it */
  tp_arena_clear(&h->arena);
  h->mutation = (tp_mutation){.key = {key, sizeof key},
                              .value = {key, sizeof key},
                              .expires_at_ms = TP_EXPIRES_NEVER,
                              .type = TP_MUTATION_SET,
                              .encoding = TUPLET_ENCODING_BYTES};
  h->write =
      (tp_write){.mutations = &h->mutation, .mutation_count = 1, .arena = &h->arena, .on_done = on_held};
  tp_store_write(s->store, &h->write);
}

static void hold_begin(server_side *s) {
  s->held = 0;
  submit_hold(s, &s->holds[0]);
  wait_for(&s->holds[0].holds);
}

/* What was submitted since is committed, as one group, and the committer held again. */
static void hold_next(void *context) {
  server_side *s = context;
  hold *before = &s->holds[s->held];
  s->held = 1 - s->held;
  submit_hold(s, &s->holds[s->held]);
  post(&before->goes_on);
  wait_for(&s->holds[s->held].holds);
}

static void run_nothing(void *context) {
  (void)context;
}

/* ---- One at a time, and many in one turn ---- */

static void read_alone(server_side *s) {
  client_send(s->client, TP_BENCH_SNAPSHOT_READ, write_read, s);
  client_receive(s->client);
}

static void set_alone(server_side *s) {
  client_send(s->client, TP_BENCH_ATOMIC_WRITE, write_set, s);
  client_receive(s->client);
}

static void send_reads(void *context) {
  server_side *s = context;
  client_send(s->client, TP_BENCH_SNAPSHOT_READ, write_read, s);
}

static void send_sets(void *context) {
  server_side *s = context;
  client_send(s->client, TP_BENCH_ATOMIC_WRITE, write_set, s);
}

/* Something uncounted, on the loop's thread. */
typedef struct aside {
  void (*run)(void *context);
  void *context;
} aside;

static void run_aside(void *context) {
  const aside *a = context;
  instructions_aside(a->run, a->context);
}

static void call_aside(const server_side *s, void (*run)(void *context), server_side *context) {
  aside a = {run, context};
  tp_loop_call(tp_server_loop(s->server, 0), run_aside, &a);
}

static void read_together(server_side *s) {
  call_aside(s, send_reads, s);
  client_receive(s->client);
}

static void set_together(server_side *s) {
  enum { LOOK_EVERY_NS = 200 * 1000 };
  call_aside(s, send_sets, s);
  while (tp_server_request_count(s->server) < INSTRUCTIONS_PARALLEL)
    (void)nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_NS}, NULL);
  call_aside(s, run_nothing, s); /* the last of them has been submitted, too */
  call_aside(s, hold_next, s);   /* all have completed before the loop goes on */
  client_receive(s->client);
}

/* ---- All of them ---- */

typedef struct workload {
  const char *name;
  void (*operate)(server_side *s);
  size_t connection_count;
  size_t parallel;
  int warm_up;
  int count;
  bool is_http2;
  bool holds; /* the committer, between one group and the next */
} workload;

static const workload workloads[] = {
    {"http1-get", read_alone, 1, 1, 100, 300, false, false},
    {"http1-get-64", read_together, INSTRUCTIONS_PARALLEL, 1, 4, 8, false, false},
    {"http2-get", read_alone, 1, 1, 100, 300, true, false},
    {"http2-get-64", read_together, 1, INSTRUCTIONS_PARALLEL, 4, 8, true, false},
    {"http1-set", set_alone, 1, 1, 50, 200, false, false},
    {"http1-set-64", set_together, INSTRUCTIONS_PARALLEL, 1, 8, 8, false, true},
    {"http2-set", set_alone, 1, 1, 50, 200, true, false},
    {"http2-set-64", set_together, 1, INSTRUCTIONS_PARALLEL, 8, 8, true, true},
};

enum { WORKLOAD_COUNT = sizeof workloads / sizeof workloads[0] };

typedef struct turns {
  server_side *side;
  const workload *workload;
  int count;
} turns;

static void operate(void *context) {
  const turns *t = context;
  for (int i = 0; i < t->count; i++) t->workload->operate(t->side);
}

static void run(server_side *s, const workload *w) {
  s->random = 1;
  s->client = client_open(&s->head, w->is_http2, w->connection_count, w->parallel);
  if (w->holds) hold_begin(s);
  operate(&(turns){s, w, w->warm_up});
  instructions_settle();
  instructions_begin();
  instructions_aside(operate, &(turns){s, w, w->count}); /* this thread is the client */
  instructions_end(w->name, (uint64_t)w->count * w->connection_count * w->parallel);
  if (w->holds) post(&s->holds[s->held].goes_on);
  client_close(s->client);
}

void instructions_server(const char *directory, const char *only) {
  for (size_t i = 0; i < WORKLOAD_COUNT; i++) {
    if (!instructions_wants(only, workloads[i].name)) continue;
    server_side *s = server_open(directory, workloads[i].name);
    run(s, &workloads[i]);
    server_close(s);
  }
}
