/* remote_session_test.c: what the metadata exchange brings, and which endpoint is asked. */
#include "engine/remote/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1700000000000) /* 2023-11-14T22:13:20Z */
#define SECOND INT64_C(1000000000)
#define METADATA(endpoints)                                                                                  \
  "{\"version\":3,\"databaseId\":\"an-id\",\"endpoints\":" endpoints                                         \
  ",\"token\":\"a-token\",\"expiresAt\":\"2023-11-14T22:13:50Z\"}"

static tuplet_status parse(const char *metadata, const char *url, tp_remote_session **ret_session) {
  tuplet_error error;
  return tp_remote_session_parse((tuplet_bytes){metadata, strlen(metadata)}, url, NOW_MS, NULL, ret_session,
                                 &error);
}

static void a_session_has_what_requests_need(void **state) {
  (void)state;
  tp_remote_session *session;
  assert_int_equal(
      parse(METADATA("[{\"url\":\"/v2/\",\"consistency\":\"strong\"}]"), "https://host/db", &session),
      TUPLET_OK);
  assert_string_equal(session->authorization, "Authorization: Bearer a-token");
  assert_string_equal(session->version_header, "x-denokv-version: 3");
  assert_string_equal(session->database_header, "x-denokv-database-id: an-id");
  assert_int_equal(session->lifetime_ms, 30000);
  assert_int_equal(session->endpoint_count, 1);
  assert_string_equal(session->endpoints[0].url, "https://host/v2");
  tp_remote_session_free(session);
}

static void endpoints_are_relative_to_the_exchange(void **state) {
  (void)state;
  static const char *const cases[][3] = {
      {"http://host:4512/a/b", "./v2", "http://host:4512/a/v2"},
      {"http://host:4512/", "data", "http://host:4512/data"},
      {"http://host", "https://other/v2", "https://other/v2"},
      {"http://[::1]:1/x", "/v2#part", "http://[::1]:1/v2"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char metadata[512];
    tp_remote_session *session;
    (void)snprintf(metadata, sizeof metadata, METADATA("[{\"url\":\"%s\",\"consistency\":\"strong\"}]"),
                   cases[i][1]);
    assert_int_equal(parse(metadata, cases[i][0], &session), TUPLET_OK);
    assert_string_equal(session->endpoints[0].url, cases[i][2]);
    tp_remote_session_free(session);
  }
}

static void an_endpoint_in_clear_is_not_taken_from_an_exchange_over_tls(void **state) {
  (void)state;
  tp_remote_session *session;
  assert_int_equal(
      parse(METADATA("[{\"url\":\"http://host/v2\",\"consistency\":\"strong\"}]"), "https://host", &session),
      TUPLET_MALFORMED);
  assert_int_equal(parse(METADATA("[{\"url\":\"http://near/v2\",\"consistency\":\"eventual\"},"
                                  "{\"url\":\"/v2\",\"consistency\":\"strong\"}]"),
                         "https://host", &session),
                   TUPLET_OK);
  assert_int_equal(session->endpoint_count, 1);
  tp_remote_session_free(session);
  assert_int_equal(
      parse(METADATA("[{\"url\":\"file:///v2\",\"consistency\":\"strong\"}]"), "http://host", &session),
      TUPLET_MALFORMED);
}

static void metadata_that_cannot_be_used_is_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "",
      "[]",
      "{}",
      "null",
      METADATA("[]"),
      METADATA("{}"),
      METADATA("[1]"),
      METADATA("[{\"url\":1,\"consistency\":\"strong\"}]"),
      METADATA("[{\"url\":\"/v2\",\"consistency\":\"eventual\"}]"),
      METADATA("[{\"url\":\"http://:x\",\"consistency\":\"strong\"}]"),
      "{\"version\":3,\"databaseId\":\"a b\",\"endpoints\":[{\"url\":\"/\",\"consistency\":\"strong\"}],"
      "\"token\":\"t\",\"expiresAt\":\"2023-11-14T22:13:50Z\"}",
      "{\"version\":3,\"databaseId\":\"i\",\"endpoints\":[{\"url\":\"/\",\"consistency\":\"strong\"}],"
      "\"token\":\"t\\r\\nx: y\",\"expiresAt\":\"2023-11-14T22:13:50Z\"}",
      "{\"version\":3,\"databaseId\":\"i\",\"endpoints\":[{\"url\":\"/\",\"consistency\":\"strong\"}],"
      "\"token\":\"t\",\"expiresAt\":1}",
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    tp_remote_session *session = NULL;
    assert_int_equal(parse(wrong[i], "http://host", &session), TUPLET_MALFORMED);
    assert_null(session);
  }
  tp_remote_session *session;
  assert_int_equal(parse("{\"version\":1}", "http://host", &session), TUPLET_UNSUPPORTED);
}

static void times_are_read_as_rfc_3339_has_them(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t unix_ms;
  } right[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"2023-11-14T22:13:20Z", NOW_MS},
      {"2023-11-14T22:13:20.5Z", NOW_MS + 500},
      {"2023-11-14T22:13:20.123456789Z", NOW_MS + 123},
      {"2023-11-15T00:13:20+02:00", NOW_MS},
      {"2023-11-14 20:43:20-01:30", NOW_MS},
  };
  static const char *const wrong[] = {
      "",
      "2023",
      "2023-11-14",
      "2023-11-14T22:13:20",
      "2023-13-14T22:13:20Z",
      "2023-11-14T22:13:20Zx",
      "soon",
      "-2023-1",
      "T",
      "2023-11-14T22:13:20.Z",
      "2023-11-14T22:13:20+2",
      "2023-11-14T25:13:20Z",
  };
  int64_t unix_ms;
  for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
    assert_true(tp_remote_time_parse(right[i].text, &unix_ms));
    assert_int_equal(unix_ms, right[i].unix_ms);
  }
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    assert_false(tp_remote_time_parse(wrong[i], &unix_ms));
}

/* ---- Endpoints ---- */

static tp_remote_session *three_endpoints(void) {
  tp_remote_session *session;
  assert_int_equal(parse(METADATA("[{\"url\":\"http://far/v2\",\"consistency\":\"strong\"},"
                                  "{\"url\":\"http://near/v2\",\"consistency\":\"eventual\"},"
                                  "{\"url\":\"http://between/v2\",\"consistency\":\"eventual\"}]"),
                         "http://far", &session),
                   TUPLET_OK);
  return session;
}

static void strong_reads_go_to_the_strong_endpoint_and_others_to_the_nearest(void **state) {
  (void)state;
  tp_remote_session *session = three_endpoints();
  int64_t now_ns = 5 * SECOND;
  tp_remote_endpoint *asked[3];
  for (int i = 0; i < 3; i++)
    asked[i] = tp_remote_session_choose(session, true, now_ns + i); /* each is tried */
  assert_true(asked[0] != NULL);
  tp_remote_endpoint_measured(&session->endpoints[0], 90000, now_ns);
  tp_remote_endpoint_measured(&session->endpoints[1], 2000, now_ns);
  tp_remote_endpoint_measured(&session->endpoints[2], 30000, now_ns);
  for (int i = 0; i < 10; i++) {
    assert_ptr_equal(tp_remote_session_choose(session, false, now_ns), &session->endpoints[0]);
    assert_ptr_equal(tp_remote_session_choose(session, true, now_ns), &session->endpoints[1]);
  }
  tp_remote_session_free(session);
}

static void an_endpoint_that_fails_is_left_alone_for_a_while(void **state) {
  (void)state;
  tp_remote_session *session = three_endpoints();
  int64_t now_ns = 5 * SECOND;
  for (size_t i = 0; i < 3; i++)
    tp_remote_endpoint_measured(&session->endpoints[i], i == 1 ? 2000 : 30000, now_ns);
  tp_remote_endpoint_failed(&session->endpoints[1], now_ns);
  assert_ptr_not_equal(tp_remote_session_choose(session, true, now_ns), &session->endpoints[1]);
  assert_ptr_equal(tp_remote_session_choose(session, true, now_ns + 20 * SECOND), &session->endpoints[1]);
  tp_remote_endpoint_failed(&session->endpoints[0], now_ns); /* the only strong one: there is no other */
  assert_ptr_equal(tp_remote_session_choose(session, false, now_ns), &session->endpoints[0]);
  tp_remote_session_free(session);
}

static void another_session_keeps_what_was_measured(void **state) {
  (void)state;
  tp_remote_session *before = three_endpoints(), *after = three_endpoints();
  for (size_t i = 0; i < 3; i++)
    tp_remote_endpoint_measured(&before->endpoints[i], 3000 - (int64_t)i * 1000, SECOND);
  tp_remote_session_inherit(after, before);
  tp_remote_session_free(before);
  assert_ptr_equal(tp_remote_session_choose(after, true, 2 * SECOND), &after->endpoints[2]);
  tp_remote_session_free(after);
}

static void an_endpoint_is_measured_again_after_a_while(void **state) {
  (void)state;
  tp_remote_session *session = three_endpoints();
  for (size_t i = 0; i < 3; i++)
    tp_remote_endpoint_measured(&session->endpoints[i], i == 0 ? 1000 : 2000, SECOND);
  int64_t later_ns = 120 * SECOND;
  tp_remote_endpoint_measured(&session->endpoints[0], 1000, later_ns);
  assert_ptr_not_equal(tp_remote_session_choose(session, true, later_ns), &session->endpoints[0]);
  assert_ptr_not_equal(tp_remote_session_choose(session, true, later_ns), &session->endpoints[0]);
  assert_ptr_equal(tp_remote_session_choose(session, true, later_ns), &session->endpoints[0]);
  tp_remote_session_free(session);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_session_has_what_requests_need),
      cmocka_unit_test(endpoints_are_relative_to_the_exchange),
      cmocka_unit_test(an_endpoint_in_clear_is_not_taken_from_an_exchange_over_tls),
      cmocka_unit_test(metadata_that_cannot_be_used_is_refused),
      cmocka_unit_test(times_are_read_as_rfc_3339_has_them),
      cmocka_unit_test(strong_reads_go_to_the_strong_endpoint_and_others_to_the_nearest),
      cmocka_unit_test(an_endpoint_that_fails_is_left_alone_for_a_while),
      cmocka_unit_test(another_session_keeps_what_was_measured),
      cmocka_unit_test(an_endpoint_is_measured_again_after_a_while),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
