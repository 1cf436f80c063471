/* tls_context_test.c: certificates from files: what is taken, what is refused and how it is said, reloading,
 * sessions. */
#include "../../support/fault_allocator.h"
#include "tls_wire.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static int setup_state(void **state) {
  tls_setup *setup = malloc(sizeof *setup);
  assert_non_null(setup);
  tls_setup_init(setup);
  *state = setup;
  return 0;
}

static int teardown_state(void **state) {
  tls_setup_done(*state);
  free(*state);
  return 0;
}

static const identity_options other_options = {.name = "other"};

/* The CN that a new client is shown; it lives as long as `wire`. */
static void name_shown(const tls_wire *wire, char ret_name[64]) {
  X509 *shown = SSL_get0_peer_certificate(wire->client);
  assert_non_null(shown);
  assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName, ret_name, 64) > 0);
}

static void expect_shown(const tls_setup *setup, const char *name) {
  tls_wire wire;
  char shown[64];
  tls_wire_open(&wire, setup);
  assert_true(tls_wire_run(&wire));
  name_shown(&wire, shown);
  assert_string_equal(shown, name);
  tls_wire_close(&wire);
}

/* ---- Files ---- */

static void expect_refused(const tls_setup *setup, tuplet_status status, const char *file, const char *why) {
  tp_tls_context *context = NULL;
  tuplet_error error = {0};
  assert_int_equal(tp_tls_context_new(NULL, &setup->config, &context, &error), status);
  if (strstr(error.message, file) == NULL || strstr(error.message, why) == NULL)
    fail_msg("\"%s\" names neither %s nor \"%s\"", error.message, file, why);
}

static void describes_the_certificate(void **state) {
  tls_setup *setup = *state;
  tls_setup_start(setup);
  tp_tls_certificate certificate;
  tp_tls_context_certificate(setup->context, &certificate);
  assert_string_equal(certificate.subject, "CN=localhost");
  assert_true(certificate.is_valid_now);
  assert_false(certificate.key_is_exposed);
  int64_t now_ms = tp_clock_unix_ms(&setup->config.clock);
  assert_true(certificate.not_before_ms < now_ms && now_ms < certificate.not_after_ms);
  assert_int_equal(chmod(setup->key_file, 0644), 0);
  assert_int_equal(tp_tls_context_reload(setup->context, NULL), TUPLET_OK);
  tp_tls_context_certificate(setup->context, &certificate);
  assert_true(certificate.key_is_exposed);
}

static void takes_an_expired_certificate_and_says_so(void **state) {
  tls_setup *setup = *state;
  tls_setup_replace(setup, &(identity_options){.name = "old", .begins_in_s = -7200, .ends_in_s = -3600});
  tls_setup_start(setup);
  tp_tls_certificate certificate;
  tp_tls_context_certificate(setup->context, &certificate);
  assert_false(certificate.is_valid_now);
  tls_setup_replace(setup, &(identity_options){.name = "new", .begins_in_s = 3600, .ends_in_s = 7200});
  tls_setup_start(setup);
  tp_tls_context_certificate(setup->context, &certificate);
  assert_false(certificate.is_valid_now);
}

static void names_files_that_are_missing(void **state) {
  tls_setup *setup = *state;
  setup->config.cert_file = "/nowhere/cert.pem";
  expect_refused(setup, TUPLET_IO, "/nowhere/cert.pem", "No such file");
  setup->config.cert_file = setup->cert_file;
  setup->config.key_file = "/nowhere/key.pem";
  expect_refused(setup, TUPLET_IO, "/nowhere/key.pem", "No such file");
  setup->config.key_file = setup->key_file;
  setup->config.client_ca_file = "/nowhere/ca.pem";
  expect_refused(setup, TUPLET_IO, "/nowhere/ca.pem", "No such file");
  setup->config.client_ca_file = setup->files.folder;
  expect_refused(setup, TUPLET_IO, setup->files.folder, "directory");
}

static void names_files_that_hold_something_else(void **state) {
  tls_setup *setup = *state;
  certificates_write_text(&setup->files, "cert.pem", "");
  expect_refused(setup, TUPLET_INVALID, "cert.pem", "holds no certificate");
  certificates_write_key(&setup->files, "cert.pem", setup->server.key, NULL); /* the two mixed up */
  expect_refused(setup, TUPLET_INVALID, "cert.pem", "holds no certificate");
  certificates_write_text(&setup->files, "cert.pem",
                          "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  expect_refused(setup, TUPLET_INVALID, "cert.pem", "cannot be read");
  certificates_write(&setup->files, "cert.pem", &setup->server.certificate, 1);
  certificates_write(&setup->files, "key.pem", &setup->server.certificate, 1);
  expect_refused(setup, TUPLET_INVALID, "key.pem", "holds no private key");
  certificates_write_key(&setup->files, "key.pem", setup->server.key, "secret");
  expect_refused(setup, TUPLET_INVALID, "key.pem", "is encrypted");
  certificates_write_key(&setup->files, "key.pem", setup->server.key, NULL);
  setup->config.client_ca_file = setup->key_file;
  expect_refused(setup, TUPLET_INVALID, "key.pem", "holds no certificate");
}

static void refuses_a_key_of_another_certificate(void **state) {
  tls_setup *setup = *state;
  identity other = identity_make(&other_options);
  certificates_write_key(&setup->files, "key.pem", other.key, NULL);
  expect_refused(setup, TUPLET_INVALID, "key.pem", "is not that of");
  identity_done(&other);
  other = identity_make(&(identity_options){.name = "other", .rsa_bits = 2048});
  certificates_write_key(&setup->files, "key.pem", other.key, NULL);
  expect_refused(setup, TUPLET_INVALID, "cert.pem", "is not that of");
  identity_done(&other);
}

static void refuses_weak_keys(void **state) {
  tls_setup *setup = *state;
  tls_setup_replace(setup, &(identity_options){.name = "weak", .rsa_bits = 1024});
  expect_refused(setup, TUPLET_INVALID, "cert.pem", "too small");
}

static void refuses_files_without_end(void **state) {
  tls_setup *setup = *state;
  setup->config.cert_file = "/dev/zero";
  expect_refused(setup, TUPLET_INVALID, "/dev/zero", "larger than");
}

static void sends_the_chain(void **state) {
  tls_setup *setup = *state;
  identity middle =
      identity_make(&(identity_options){.name = "Middle", .issuer = &setup->authority, .is_authority = true});
  tls_setup_replace(setup, &(identity_options){.name = "localhost", .issuer = &middle});
  X509 *chain[] = {setup->server.certificate, middle.certificate};
  certificates_write(&setup->files, "cert.pem", chain, 2);
  tls_setup_start(setup);
  expect_shown(setup, "localhost");
  identity_done(&middle);
}

static void serves_a_certificate_with_an_rsa_key(void **state) {
  tls_setup *setup = *state;
  tls_setup_replace(setup, &(identity_options){.name = "rsa", .issuer = &setup->authority, .rsa_bits = 2048});
  tls_setup_start(setup);
  expect_shown(setup, "rsa");
  SSL_CTX_set_max_proto_version(setup->client, TLS1_2_VERSION);
  expect_shown(setup, "rsa");
}

static void survives_a_lack_of_memory(void **state) {
  tls_setup *setup = *state;
  setup->config.client_ca_file = setup->ca_file;
  for (size_t fail_at = 1;; fail_at++) {
    fault_allocator faults;
    fault_allocator_init(&faults, fail_at);
    tp_tls_context *context = NULL;
    tuplet_status status = tp_tls_context_new(&faults.allocator, &setup->config, &context, NULL);
    bool is_last = !fault_allocator_fired(&faults);
    assert_int_equal(status, is_last ? TUPLET_OK : TUPLET_NOMEM);
    if (is_last) {
      faults.fail_at = faults.count + 1;
      assert_int_equal(tp_tls_context_reload(context, NULL), TUPLET_NOMEM);
    }
    tp_tls_context_free(context);
    assert_int_equal(faults.live, 0);
    if (is_last) break;
  }
}

/* ---- Reload ---- */

static void reloads_for_new_connections_only(void **state) {
  tls_setup *setup = *state;
  tls_wire old;
  char shown[64];
  tls_setup_start(setup);
  tls_wire_open(&old, setup);
  assert_true(tls_wire_run(&old));
  tls_setup_replace(setup, &(identity_options){.name = "new", .issuer = &setup->authority});
  assert_int_equal(tp_tls_context_reload(setup->context, NULL), TUPLET_OK);
  expect_shown(setup, "new");
  tls_wire_client_write(&old, "still", 5);
  assert_true(tls_wire_run(&old));
  tls_wire_server_write(&old, "here", 4);
  assert_true(tls_wire_run(&old));
  assert_memory_equal(old.to_server.data, "still", 5);
  assert_memory_equal(old.to_client.data, "here", 4);
  name_shown(&old, shown);
  assert_string_equal(shown, "localhost");
  tls_wire_close(&old);
}

static void keeps_what_it_has_when_a_reload_fails(void **state) {
  tls_setup *setup = *state;
  tuplet_error error = {0};
  tls_setup_start(setup);
  identity other = identity_make(&other_options);
  certificates_write_key(&setup->files, "key.pem", other.key, NULL);
  assert_int_equal(tp_tls_context_reload(setup->context, &error), TUPLET_INVALID);
  assert_non_null(strstr(error.message, "key.pem"));
  expect_shown(setup, "localhost");
  assert_int_equal(remove(setup->cert_file), 0);
  assert_int_equal(tp_tls_context_reload(setup->context, &error), TUPLET_IO);
  expect_shown(setup, "localhost");
  identity_done(&other);
}

static void does_not_reload_what_is_not_valid_in_place_of_what_is(void **state) {
  tls_setup *setup = *state;
  tuplet_error error = {0};
  tls_setup_start(setup);
  tls_setup_replace(setup, &(identity_options){.name = "old", .begins_in_s = -7200, .ends_in_s = -3600});
  assert_int_equal(tp_tls_context_reload(setup->context, &error), TUPLET_INVALID);
  assert_non_null(strstr(error.message, "has expired"));
  tls_setup_replace(setup, &(identity_options){.name = "early", .begins_in_s = 3600, .ends_in_s = 7200});
  assert_int_equal(tp_tls_context_reload(setup->context, &error), TUPLET_INVALID);
  assert_non_null(strstr(error.message, "becomes valid only"));
  expect_shown(setup, "localhost");
  /* But any is as good as one that has expired itself. */
  tls_setup_replace(setup, &(identity_options){.name = "old", .begins_in_s = -7200, .ends_in_s = -3600});
  tls_setup_start(setup);
  assert_int_equal(tp_tls_context_reload(setup->context, &error), TUPLET_OK);
}

typedef struct reloader {
  tls_setup *setup;
  atomic_bool is_over;
} reloader;

static void *reload_again_and_again(void *context) {
  reloader *r = context;
  while (!atomic_load(&r->is_over))
    assert_int_equal(tp_tls_context_reload(r->setup->context, NULL), TUPLET_OK);
  return NULL;
}

static void reloads_while_others_connect(void **state) {
  reloader r = {.setup = *state};
  pthread_t thread;
  tls_setup_start(r.setup);
  assert_int_equal(pthread_create(&thread, NULL, reload_again_and_again, &r), 0);
  for (int i = 0; i < 20; i++) expect_shown(r.setup, "localhost");
  atomic_store(&r.is_over, true);
  assert_int_equal(pthread_join(thread, NULL), 0);
}

/* ---- Sessions ---- */

enum { MINUTE_MS = 60 * 1000 };

static int64_t late_by_ms; /* as each test sets it */

static int64_t late_unix_ms(void *context) {
  const tp_clock *real = context;
  return tp_clock_unix_ms(real);
}

static int64_t late_monotonic_ns(void *context) {
  const tp_clock *real = context;
  return tp_clock_monotonic_ns(real) + late_by_ms * 1000000;
}

/* Connects with the session, if any, and gives the newest one. Whether it was resumed. */
static bool connect_again(const tls_setup *setup, SSL_SESSION **session) {
  tls_wire wire;
  tls_wire_open(&wire, setup);
  if (*session != NULL) assert_int_equal(SSL_set_session(wire.client, *session), 1);
  assert_true(tls_wire_run(&wire));
  bool is_resumed = tp_tls_conn_is_resumed(wire.conn);
  assert_int_equal(SSL_session_reused(wire.client), is_resumed);
  SSL_SESSION_free(*session);
  *session = SSL_get1_session(wire.client);
  (void)SSL_shutdown(wire.client); /* or OpenSSL takes the session for spoilt */
  tls_wire_close(&wire);
  return is_resumed;
}

static void check_sessions(tls_setup *setup, int version) {
  SSL_SESSION *session = NULL;
  SSL_CTX_set_max_proto_version(setup->client, version);
  late_by_ms = 0;
  assert_false(connect_again(setup, &session));
  assert_true(connect_again(setup, &session));
  late_by_ms += (int64_t)90 * MINUTE_MS; /* the key is the previous one now */
  assert_true(connect_again(setup, &session));
  late_by_ms += (int64_t)90 * MINUTE_MS; /* gone, but the ticket has been renewed */
  assert_true(connect_again(setup, &session));
  late_by_ms += (int64_t)150 * MINUTE_MS;
  assert_false(connect_again(setup, &session));
  assert_true(connect_again(setup, &session));
  assert_int_equal(tp_tls_context_reload(setup->context, NULL), TUPLET_OK);
  assert_false(connect_again(setup, &session));
  assert_true(connect_again(setup, &session));
  SSL_SESSION_free(session);
}

static void resumes_sessions_until_their_key_is_gone(void **state) {
  tls_setup *setup = *state;
  tp_clock real = tp_clock_system();
  setup->config.clock = (tp_clock){late_unix_ms, late_monotonic_ns, &real};
  tls_setup_start(setup);
  check_sessions(setup, TLS1_3_VERSION);
  tls_setup_start(setup);
  check_sessions(setup, TLS1_2_VERSION);
}

static void resumes_sessions_with_client_certificates(void **state) {
  tls_setup *setup = *state;
  SSL_SESSION *session = NULL;
  identity shown = identity_make(
      &(identity_options){.name = "client", .issuer = &setup->authority, .is_for_clients = true});
  setup->config.client_ca_file = setup->ca_file;
  tls_setup_start(setup);
  tls_setup_show(setup, &shown);
  assert_false(connect_again(setup, &session));
  assert_true(connect_again(setup, &session));
  SSL_SESSION_free(session);
  identity_done(&shown);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(describes_the_certificate, setup_state, teardown_state),
      cmocka_unit_test_setup_teardown(takes_an_expired_certificate_and_says_so, setup_state, teardown_state),
      cmocka_unit_test_setup_teardown(names_files_that_are_missing, setup_state, teardown_state),
      cmocka_unit_test_setup_teardown(names_files_that_hold_something_else, setup_state, teardown_state),
      cmocka_unit_test_setup_teardown(refuses_a_key_of_another_certificate, setup_state, teardown_state),
      cmocka_unit_test_setup_teardown(refuses_weak_keys, setup_state, teardown_state),
      cmocka_unit_test_setup_teardown(refuses_files_without_end, setup_state, teardown_state),
      cmocka_unit_test_setup_teardown(sends_the_chain, setup_state, teardown_state),
      cmocka_unit_test_setup_teardown(serves_a_certificate_with_an_rsa_key, setup_state, teardown_state),
      cmocka_unit_test_setup_teardown(survives_a_lack_of_memory, setup_state, teardown_state),
      cmocka_unit_test_setup_teardown(reloads_for_new_connections_only, setup_state, teardown_state),
      cmocka_unit_test_setup_teardown(keeps_what_it_has_when_a_reload_fails, setup_state, teardown_state),
      cmocka_unit_test_setup_teardown(does_not_reload_what_is_not_valid_in_place_of_what_is, setup_state,
                                      teardown_state),
      cmocka_unit_test_setup_teardown(reloads_while_others_connect, setup_state, teardown_state),
      cmocka_unit_test_setup_teardown(resumes_sessions_until_their_key_is_gone, setup_state, teardown_state),
      cmocka_unit_test_setup_teardown(resumes_sessions_with_client_certificates, setup_state, teardown_state),
  };
  return cmocka_run_group_tests_name("tls_context", tests, NULL, NULL);
}
