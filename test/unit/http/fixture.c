/* fixture.c: a server's side of one HTTP connection in memory. */
#include "fixture.h"

#include "base/alloc.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void *fault_reallocate(void *context, void *pointer, size_t size) {
  fault_allocator *faults = context;
  size_t old_size = pointer == NULL ? 0 : malloc_usable_size(pointer);
  if (size == 0) {
    faults->live -= pointer != NULL;
    faults->size -= old_size;
    free(pointer);
    return NULL;
  }
  if (++faults->count == faults->fail_at) return NULL;
  void *moved = realloc(pointer, size);
  if (moved == NULL) return NULL;
  faults->live += pointer == NULL;
  faults->size = faults->size - old_size + malloc_usable_size(moved);
  if (faults->size > faults->size_peak) faults->size_peak = faults->size;
  return moved;
}

void fault_allocator_init(fault_allocator *faults, size_t fail_at) {
  *faults = (fault_allocator){.allocator = {fault_reallocate, faults}, .fail_at = fail_at};
}

static void on_writable(void *context, tp_http_request *request) {
  (void)request;
  ((fixture *)context)->writable_count++;
}

static void forget(fixture *f, const tp_http_request *request) {
  for (size_t i = 0; i < f->kept_count; i++) {
    if (f->kept[i] == request) f->kept[i] = NULL;
  }
}

static void on_abort(void *context, tp_http_request *request) {
  fixture *f = context;
  f->abort_count++;
  if (!f->finishes_aborted) return;
  forget(f, request);
  tp_http_respond_abort(request);
}

static bool view_is(tuplet_bytes view, const char *text) {
  return view.size == strlen(text) && memcmp(view.data, text, view.size) == 0;
}

static void respond_echo(tp_http_request *request) {
  tuplet_bytes parts[] = {tp_http_request_method(request), tp_http_request_target(request),
                          tp_http_request_authority(request), tp_http_request_body(request)};
  size_t size = 0;
  for (size_t i = 0; i < 4; i++) size += parts[i].size + 1;
  char *text = tp_arena_alloc(tp_http_request_arena(request), size);
  if (text == NULL) {
    tp_http_respond_abort(request);
    return;
  }
  size_t used = 0;
  for (size_t i = 0; i < 4; i++) {
    if (parts[i].size > 0) memcpy(text + used, parts[i].data, parts[i].size);
    used += parts[i].size;
    text[used++] = '\n';
  }
  tuplet_bytes tag = tp_http_request_header(request, "x-tag");
  tuplet_bytes copy = tp_arena_copy(tp_http_request_arena(request), tag);
  tp_http_header headers[] = {{"content-type", "text/plain"}, {"x-tag", copy.data}};
  size_t header_count = tag.data != NULL && copy.data != NULL ? 2 : 1;
  tp_http_respond(request, 200, headers, header_count, (tuplet_bytes){text, used});
}

static void respond_big(tp_http_request *request) {
  char *text = tp_arena_alloc(tp_http_request_arena(request), BIG_SIZE);
  if (text == NULL) {
    tp_http_respond_abort(request);
    return;
  }
  memset(text, 'b', BIG_SIZE);
  tp_http_respond(request, 200, NULL, 0, (tuplet_bytes){text, BIG_SIZE});
}

static void on_head(void *context, tp_http_request *request) {
  ((fixture *)context)->head_count++;
  if (view_is(tp_http_request_target(request), "/refused")) tp_http_respond_text(request, 401, "Not you.");
  if (view_is(tp_http_request_target(request), "/echo/skipped")) tp_http_request_skip_body(request);
}

static void on_request(void *context, tp_http_request *request) {
  fixture *f = context;
  f->request_count++;
  tuplet_bytes target = tp_http_request_target(request);
  if (target.size >= 5 && memcmp(target.data, "/echo", 5) == 0) {
    respond_echo(request);
  } else if (view_is(target, "/empty")) {
    tp_http_respond(request, 204, NULL, 0, (tuplet_bytes){0});
  } else if (view_is(target, "/big")) {
    respond_big(request);
  } else if (view_is(target, "/split")) {
    tp_http_header header = {"x-split", "a\r\nx-injected: b"};
    tp_http_respond(request, 200, &header, 1, (tuplet_bytes){0});
  } else {
    tp_http_request_events events = {f, on_writable, on_abort};
    tp_http_request_set_events(request, &events);
    assert_true(f->kept_count < KEPT_MAX);
    f->kept[f->kept_count++] = request;
  }
}

static bool is_exempt(void *context, const tp_http_request *request) {
  (void)context;
  return view_is(tp_http_request_target(request), "/echo/exempt");
}

static void on_wake(void *context, tp_http_conn *conn) {
  (void)conn;
  ((fixture *)context)->wake_count++;
}

void fixture_init(fixture *f) {
  memset(f, 0, sizeof *f);
  fault_allocator_init(&f->faults, 0);
  tp_buffer_init(&f->output, NULL);
  f->config = (tp_http_conn_config){.allocator = &f->faults.allocator,
                                    .limits = tp_http_limits_default(),
                                    .on_head = on_head,
                                    .on_request = on_request,
                                    .is_exempt = is_exempt,
                                    .context = f,
                                    .on_wake = on_wake,
                                    .wake_context = f};
}

void fixture_open(fixture *f) {
  assert_int_equal(tp_http_conn_new(&f->config, &f->conn, NULL), TUPLET_OK);
}

void fixture_done(fixture *f) {
  tp_http_conn_free(f->conn);
  for (size_t i = 0; i < f->kept_count; i++) {
    if (f->kept[i] != NULL) tp_http_respond_abort(f->kept[i]);
  }
  tp_buffer_done(&f->output);
  assert_int_equal(f->faults.live, 0);
}

void fixture_collect(fixture *f, size_t step) {
  for (;;) {
    tuplet_bytes output = tp_http_conn_output(f->conn);
    if (output.size == 0) break;
    size_t size = step != 0 && step < output.size ? step : output.size;
    tp_buffer_append(&f->output, output.data, size);
    tp_http_conn_output_written(f->conn, size);
  }
}

void fixture_receive_bytes(fixture *f, const void *data, size_t size) {
  tp_http_conn_receive(f->conn, (tuplet_bytes){data, size});
  fixture_collect(f, 0);
}

void fixture_receive(fixture *f, const char *text) {
  fixture_receive_bytes(f, text, strlen(text));
}

const char *fixture_text(fixture *f) {
  tp_buffer_append_byte(&f->output, 0);
  assert_false(f->output.failed);
  f->output.size--;
  return (const char *)f->output.data;
}

void fixture_clear(fixture *f) {
  tp_buffer_clear(&f->output);
}

bool fixture_output_has(fixture *f, const char *text) {
  return strstr(fixture_text(f), text) != NULL;
}

size_t fixture_output_count(fixture *f, const char *text) {
  size_t count = 0;
  for (const char *at = fixture_text(f); (at = strstr(at, text)) != NULL; at += strlen(text)) count++;
  return count;
}

void fixture_respond(fixture *f, size_t index, int status, const char *body) {
  assert_true(index < f->kept_count);
  assert_non_null(f->kept[index]);
  tp_http_request *request = f->kept[index];
  f->kept[index] = NULL;
  tp_http_respond(request, status, NULL, 0, (tuplet_bytes){body, strlen(body)});
}

int fixture_setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  assert_non_null(f);
  fixture_init(f);
  *state = f;
  return 0;
}

int fixture_teardown(void **state) {
  fixture *f = *state;
  fixture_done(f);
  free(f);
  return 0;
}
