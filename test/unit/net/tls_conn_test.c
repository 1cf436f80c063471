/* tls_conn_test.c: TLS connections against OpenSSL's client: what is agreed on, what is refused, what
 * arrives, and that nothing a peer sends makes one crash, grow or go on for ever. */
#include "../../support/fault_allocator.h"
#include "tls_wire.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BIG_SIZE = 1 << 20 };

static int setup_state(void **state) {
  tls_setup *setup = malloc(sizeof *setup);
  assert_non_null(setup);
  tls_setup_init(setup);
  tls_setup_start(setup);
  *state = setup;
  return 0;
}

static int teardown_state(void **state) {
  tls_setup_done(*state);
  free(*state);
  return 0;
}

/* Whether a new client and a new connection come to an agreement. failure: what is to be said if not; "":
 * they do. */
static bool connects(const tls_setup *setup, const char *failure) {
  tls_wire wire;
  tls_wire_open(&wire, setup);
  bool is_done = tls_wire_run(&wire);
  if (!is_done) {
    assert_int_equal(tp_tls_conn_state(wire.conn), TP_TLS_FAILED);
    if (failure[0] == '\0' || strstr(tp_tls_conn_failure(wire.conn), failure) == NULL)
      fail_msg("\"%s\" instead of \"%s\"", tp_tls_conn_failure(wire.conn), failure);
  }
  tls_wire_close(&wire);
  return is_done;
}

static void set_versions(tls_setup *setup, int min, int max) {
  assert_int_equal(SSL_CTX_set_min_proto_version(setup->client, min), 1);
  assert_int_equal(SSL_CTX_set_max_proto_version(setup->client, max), 1);
}

static void set_groups(tls_setup *setup, const char *names) {
  char copy[64]; /* OpenSSL takes it without const */
  (void)snprintf(copy, sizeof copy, "%s", names);
  assert_int_equal(SSL_CTX_set1_groups_list(setup->client, copy), 1);
}

/* ---- What is agreed on ---- */

static void check_exchange(tls_setup *setup, size_t step, const char *version) {
  tls_wire wire;
  tls_wire_open(&wire, setup);
  wire.step = step;
  assert_true(tls_wire_run(&wire));
  assert_string_equal(tp_tls_conn_version(wire.conn), version);
  tls_wire_client_write(&wire, "a question", 10);
  assert_true(tls_wire_run(&wire));
  assert_int_equal(wire.to_server.size, 10);
  assert_memory_equal(wire.to_server.data, "a question", 10);
  tls_wire_server_write(&wire, "an answer", 9);
  assert_true(tls_wire_run(&wire));
  assert_int_equal(wire.to_client.size, 9);
  assert_memory_equal(wire.to_client.data, "an answer", 9);
  assert_int_equal(wire.gone, 9);
  tls_wire_close(&wire);
}

static void speaks_both_versions(void **state) {
  tls_setup *setup = *state;
  check_exchange(setup, 0, "TLSv1.3");
  set_versions(setup, TLS1_2_VERSION, TLS1_2_VERSION);
  check_exchange(setup, 0, "TLSv1.2");
}

static void takes_bytes_one_at_a_time(void **state) {
  tls_setup *setup = *state;
  check_exchange(setup, 1, "TLSv1.3");
  check_exchange(setup, 7, "TLSv1.3");
  set_versions(setup, TLS1_2_VERSION, TLS1_2_VERSION);
  check_exchange(setup, 1, "TLSv1.2");
}

static void refuses_older_versions(void **state) {
  tls_setup *setup = *state;
  assert_int_equal(SSL_CTX_set_cipher_list(setup->client, "ALL:@SECLEVEL=0"), 1);
  set_versions(setup, TLS1_VERSION, TLS1_1_VERSION);
  assert_false(connects(setup, "unsupported protocol"));
  setup->config.version_min = TP_TLS_VERSION_1_3;
  tls_setup_start(setup);
  set_versions(setup, TLS1_VERSION, TLS1_2_VERSION);
  assert_false(connects(setup, "unsupported protocol"));
  set_versions(setup, TLS1_VERSION, TLS1_3_VERSION);
  assert_true(connects(setup, ""));
}

static void refuses_ciphers_without_forward_secrecy_or_aead(void **state) {
  tls_setup *setup = *state;
  tls_setup_replace(setup, &(identity_options){.name = "rsa", .issuer = &setup->authority, .rsa_bits = 2048});
  tls_setup_start(setup);
  set_versions(setup, TLS1_2_VERSION, TLS1_2_VERSION);
  static const char *const refused[] = {"AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA256",
                                        "ECDHE-RSA-AES256-SHA", "DHE-RSA-AES128-GCM-SHA256"};
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    assert_int_equal(SSL_CTX_set_cipher_list(setup->client, refused[i]), 1);
    assert_false(connects(setup, "no shared cipher"));
  }
  assert_int_equal(SSL_CTX_set_cipher_list(setup->client, "AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305"),
                   1);
  assert_true(connects(setup, ""));
}

/* A client whose guess is wrong is asked again (HelloRetryRequest). */
static void asks_again_for_another_group(void **state) {
  tls_setup *setup = *state;
  set_groups(setup, "P-521:P-384");
  check_exchange(setup, 0, "TLSv1.3");
  check_exchange(setup, 1, "TLSv1.3");
  set_groups(setup, "P-521:ffdhe2048");
  assert_false(connects(setup, "no suitable key share"));
}

static void check_alpn(tls_setup *setup, const char *offer, size_t offer_size, tp_tls_alpn expected) {
  tls_wire wire;
  assert_int_equal(SSL_CTX_set_alpn_protos(setup->client, (const uint8_t *)offer, (unsigned)offer_size), 0);
  tls_wire_open(&wire, setup);
  assert_true(tls_wire_run(&wire));
  assert_int_equal(tp_tls_conn_alpn(wire.conn), expected);
  tls_wire_close(&wire);
}

#define OFFER(text) text, sizeof(text) - 1

static void chooses_the_protocol(void **state) {
  tls_setup *setup = *state;
  check_alpn(setup, OFFER(""), TP_TLS_ALPN_NONE);
  check_alpn(setup, OFFER("\x02h2"), TP_TLS_ALPN_H2);
  check_alpn(setup, OFFER("\x08http/1.1"), TP_TLS_ALPN_HTTP_1_1);
  check_alpn(setup, OFFER("\x08http/1.1\x02h2"), TP_TLS_ALPN_H2);
  check_alpn(setup, OFFER("\x08http/1.0"), TP_TLS_ALPN_HTTP_1_0);
  check_alpn(setup, OFFER("\x06spdy/3\x08http/1.1"), TP_TLS_ALPN_HTTP_1_1);
}

static void refuses_protocols_that_it_does_not_speak(void **state) {
  tls_setup *setup = *state;
  tls_wire wire;
  assert_int_equal(SSL_CTX_set_alpn_protos(setup->client, (const uint8_t *)"\x06spdy/3\x08http/0.9", 16), 0);
  tls_wire_open(&wire, setup);
  assert_false(tls_wire_run(&wire));
  assert_int_equal(wire.client_reason, SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
  tls_wire_close(&wire);
}

/* ---- Client certificates ---- */

static bool connects_as(tls_setup *setup, const identity_options *options, const char *failure) {
  identity shown = identity_make(options);
  tls_setup_show(setup, &shown);
  bool is_done = connects(setup, failure);
  identity_done(&shown);
  return is_done;
}

static void check_client_certificates(tls_setup *setup) {
  identity stranger = identity_make(&(identity_options){.name = "Stranger", .is_authority = true});
  const identity_options good = {.name = "client", .issuer = &setup->authority, .is_for_clients = true};
  identity_options expired = good, early = good, of_stranger = good, for_servers = good;
  expired.begins_in_s = -7200, expired.ends_in_s = -3600;
  early.begins_in_s = 3600, early.ends_in_s = 7200;
  of_stranger.issuer = &stranger;
  for_servers.is_for_clients = false;
  assert_true(connects_as(setup, &good, ""));
  assert_false(connects_as(setup, &expired, "has expired"));
  assert_false(connects_as(setup, &early, "not yet valid"));
  assert_false(connects_as(setup, &of_stranger, "unable to get local issuer"));
  assert_false(connects_as(setup, &for_servers, "purpose"));
  identity_done(&stranger);
}

static void asks_for_client_certificates(void **state) {
  tls_setup *setup = *state;
  setup->config.client_ca_file = setup->ca_file;
  tls_setup_start(setup);
  assert_false(connects(setup, "peer did not return a certificate"));
  check_client_certificates(setup);
  set_versions(setup, TLS1_2_VERSION, TLS1_2_VERSION);
  check_client_certificates(setup);
}

static void takes_clients_without_certificates_when_they_are_optional(void **state) {
  tls_setup *setup = *state;
  setup->config.client_ca_file = setup->ca_file;
  setup->config.client_is_optional = true;
  tls_setup_start(setup);
  assert_true(connects(setup, ""));
  check_client_certificates(setup);
}

/* ---- What arrives ---- */

static uint8_t *make_big(void) {
  uint8_t *big = malloc(BIG_SIZE);
  assert_non_null(big);
  for (size_t i = 0; i < BIG_SIZE; i++) big[i] = (uint8_t)(i * 7 + (i >> 9));
  return big;
}

static void carries_much_both_ways(void **state) {
  tls_setup *setup = *state;
  tls_wire wire;
  uint8_t *big = make_big();
  tls_wire_open(&wire, setup);
  assert_true(tls_wire_run(&wire));
  tls_wire_client_write(&wire, big, BIG_SIZE);
  wire.step = 70001;
  tls_wire_server_write(&wire, big, BIG_SIZE);
  assert_true(tls_wire_run(&wire));
  assert_int_equal(wire.to_server.size, BIG_SIZE);
  assert_memory_equal(wire.to_server.data, big, BIG_SIZE);
  assert_int_equal(wire.to_client.size, BIG_SIZE);
  assert_memory_equal(wire.to_client.data, big, BIG_SIZE);
  assert_int_equal(wire.gone, BIG_SIZE);
  tls_wire_close(&wire);
  free(big);
}

static void seals_no_more_than_the_peer_takes(void **state) {
  tls_setup *setup = *state;
  tls_wire wire;
  uint8_t *big = make_big();
  tls_wire_open(&wire, setup);
  assert_true(tls_wire_run(&wire));
  assert_int_equal(tp_tls_conn_write(wire.conn, (tuplet_bytes){big, BIG_SIZE}), TP_TLS_SEAL_SIZE_MAX);
  assert_int_equal(tp_tls_conn_write(wire.conn, (tuplet_bytes){big, BIG_SIZE}), 0);
  tuplet_bytes output = tp_tls_conn_output(wire.conn);
  assert_true(output.size > TP_TLS_SEAL_SIZE_MAX && output.size < TP_TLS_SEAL_SIZE_MAX + 1024);
  /* Byte by byte what has gone, and in the end all of it. */
  assert_int_equal(tp_tls_conn_output_written(wire.conn, 1000), 1000);
  assert_int_equal(tp_tls_conn_write(wire.conn, (tuplet_bytes){big, BIG_SIZE}), 0);
  assert_int_equal(tp_tls_conn_output_written(wire.conn, output.size - 1000), TP_TLS_SEAL_SIZE_MAX - 1000);
  assert_int_equal(tp_tls_conn_output(wire.conn).size, 0);
  tls_wire_close(&wire);
  free(big);
}

static void says_goodbye(void **state) {
  tls_setup *setup = *state;
  tls_wire wire;
  tls_wire_open(&wire, setup);
  assert_true(tls_wire_run(&wire));
  assert_false(tp_tls_conn_is_closed(wire.conn));
  tp_tls_conn_close(wire.conn);
  tp_tls_conn_close(wire.conn);
  assert_int_equal(tp_tls_conn_write(wire.conn, (tuplet_bytes){"x", 1}), 0);
  (void)tls_wire_run(&wire);
  assert_int_equal(wire.client_error, SSL_ERROR_ZERO_RETURN);
  assert_true(tp_tls_conn_is_closed(wire.conn));
  assert_int_equal(tp_tls_conn_state(wire.conn), TP_TLS_OPEN);
  tls_wire_close(&wire);
}

static void hears_goodbye_and_may_still_answer(void **state) {
  tls_setup *setup = *state;
  tls_wire wire;
  tls_wire_open(&wire, setup);
  assert_true(tls_wire_run(&wire));
  tls_wire_client_write(&wire, "last", 4);
  assert_int_equal(SSL_shutdown(wire.client), 0);
  (void)tls_wire_run(&wire);
  assert_true(tp_tls_conn_has_peer_closed(wire.conn));
  assert_memory_equal(wire.to_server.data, "last", 4);
  tls_wire_give(&wire, "what comes after it is nothing", 30);
  tls_wire_server_write(&wire, "answer", 6);
  (void)tls_wire_run(&wire);
  assert_int_equal(wire.to_server.size, 4);
  assert_memory_equal(wire.to_client.data, "answer", 6);
  tls_wire_close(&wire);
}

/* ---- Peers that mean no good ---- */

static void tells_who_speaks_http(void **state) {
  tls_setup *setup = *state;
  tls_wire wire;
  tls_wire_open(&wire, setup);
  tls_wire_give(&wire, "GET / HTTP/1.1\r\n\r\n", 18);
  assert_int_equal(tp_tls_conn_state(wire.conn), TP_TLS_FAILED);
  tuplet_bytes output = tp_tls_conn_output(wire.conn);
  char text[512] = "";
  assert_true(output.size < sizeof text);
  memcpy(text, output.data, output.size);
  assert_non_null(strstr(text, "HTTP/1.1 400 "));
  const char *body = strstr(text, "\r\n\r\n");
  assert_non_null(body);
  assert_non_null(strstr(text, "content-length: 58\r\n"));
  assert_int_equal(strlen(body + 4), 58);
  tls_wire_close(&wire);
}

static void ends_who_speaks_something_else(void **state) {
  tls_setup *setup = *state;
  static const char *const others[] = {"\x80\x2e\x01", "SSH-2.0-x\r\n", "\xff\xff", "\n",
                                       "\x16\x03\x01garbage"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    tls_wire wire;
    tls_wire_open(&wire, setup);
    tls_wire_give(&wire, others[i], strlen(others[i]));
    assert_int_equal(tp_tls_conn_state(wire.conn), TP_TLS_FAILED);
    assert_true(strlen(tp_tls_conn_failure(wire.conn)) > 5);
    assert_int_equal(tp_tls_conn_write(wire.conn, (tuplet_bytes){"x", 1}), 0);
    tls_wire_close(&wire);
  }
}

/* A record that begins a message of `size` bytes. */
static void make_hello_head(uint8_t type, uint32_t size, uint8_t ret_head[9]) {
  const uint8_t head[] = {22,           3, 1, 0x10, 0, type, (uint8_t)(size >> 16), (uint8_t)(size >> 8),
                          (uint8_t)size};
  memcpy(ret_head, head, sizeof head);
}

static void refuses_greetings_that_are_too_large(void **state) {
  tls_setup *setup = *state;
  static const uint32_t sizes[] = {16 * 1024, 16 * 1024 + 1, 100000, 0xffffff};
  for (size_t step = 0; step < 2; step++) {
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      tls_wire wire;
      uint8_t head[9];
      tls_wire_open(&wire, setup);
      wire.step = step;
      make_hello_head(1, sizes[i], head);
      tls_wire_give(&wire, head, sizeof head);
      assert_int_equal(tp_tls_conn_state(wire.conn), i == 0 ? TP_TLS_HANDSHAKING : TP_TLS_FAILED);
      tls_wire_close(&wire);
    }
  }
  tls_wire wire;
  uint8_t head[9];
  tls_wire_open(&wire, setup);
  make_hello_head(11, 100, head); /* a Certificate */
  tls_wire_give(&wire, head, sizeof head);
  assert_int_equal(tp_tls_conn_state(wire.conn), TP_TLS_FAILED);
  tls_wire_close(&wire);
}

static void refuses_a_second_greeting_that_is_too_large(void **state) {
  tls_setup *setup = *state;
  tls_wire wire;
  uint8_t *hello = NULL, head[9];
  static const uint8_t change_cipher_spec[] = {20, 3, 3, 0, 1, 1};
  set_groups(setup, "P-521:P-384");
  tls_wire_open(&wire, setup);
  size_t size = tls_wire_take(&wire, &hello);
  tls_wire_give(&wire, hello, size);
  assert_int_equal(tp_tls_conn_state(wire.conn), TP_TLS_HANDSHAKING);
  assert_true(tp_tls_conn_output(wire.conn).size > 0); /* asks for another */
  tls_wire_give(&wire, change_cipher_spec, sizeof change_cipher_spec);
  assert_int_equal(tp_tls_conn_state(wire.conn), TP_TLS_HANDSHAKING);
  make_hello_head(1, 100000, head);
  tls_wire_give(&wire, head, sizeof head);
  assert_int_equal(tp_tls_conn_state(wire.conn), TP_TLS_FAILED);
  assert_string_equal(tp_tls_conn_failure(wire.conn), "the greeting is too large, or none");
  free(hello);
  tls_wire_close(&wire);
}

static void survives_spoilt_greetings(void **state) {
  tls_setup *setup = *state;
  tls_wire model;
  uint8_t *hello = NULL;
  tls_wire_open(&model, setup);
  size_t size = tls_wire_take(&model, &hello);
  for (size_t i = 0; i < size; i++) {
    tls_wire wire;
    tls_wire_open(&wire, setup);
    uint8_t before = hello[i];
    hello[i] ^= (uint8_t)(1u << (i % 8));
    tls_wire_give(&wire, hello, size);
    (void)tls_wire_run(&wire); /* whatever comes of it */
    hello[i] = before;
    tls_wire_close(&wire);
    tls_wire_open(&wire, setup);
    tls_wire_give(&wire, hello, i);
    assert_int_equal(tp_tls_conn_state(wire.conn), TP_TLS_HANDSHAKING);
    tls_wire_close(&wire);
  }
  free(hello);
  tls_wire_close(&model);
}

static void fails_when_a_record_is_spoilt(void **state) {
  tls_setup *setup = *state;
  static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
  for (size_t i = 0; i < 2; i++) {
    tls_wire wire;
    uint8_t *bytes = NULL;
    set_versions(setup, versions[i], versions[i]);
    tls_wire_open(&wire, setup);
    assert_true(tls_wire_run(&wire));
    tls_wire_client_write(&wire, "some words", 10);
    size_t size = tls_wire_take(&wire, &bytes);
    bytes[size - 1] ^= 1;
    tls_wire_give(&wire, bytes, size);
    assert_int_equal(tp_tls_conn_state(wire.conn), TP_TLS_FAILED);
    assert_int_equal(wire.to_server.size, 0);
    assert_true(tp_tls_conn_output(wire.conn).size > 0); /* an alert */
    free(bytes);
    tls_wire_close(&wire);
  }
}

static void refuses_to_renegotiate(void **state) {
  tls_setup *setup = *state;
  tls_wire wire;
  set_versions(setup, TLS1_2_VERSION, TLS1_2_VERSION);
  tls_wire_open(&wire, setup);
  assert_true(tls_wire_run(&wire));
  assert_int_equal(SSL_renegotiate(wire.client), 1);
  assert_false(tls_wire_run(&wire));
  assert_int_equal(wire.client_reason, SSL_R_NO_RENEGOTIATION);
  tls_wire_close(&wire);
}

/* Key updates that ask for one in return, `count` of them, each with data if that is wanted. */
static void update_keys(tls_wire *wire, int count, bool with_data) {
  for (int i = 0; i < count; i++) {
    assert_int_equal(SSL_key_update(wire->client, SSL_KEY_UPDATE_REQUESTED), 1);
    if (with_data) {
      tls_wire_client_write(wire, "x", 1);
    } else {
      ERR_clear_error();
      assert_int_equal(SSL_do_handshake(wire->client), 1);
    }
    (void)tls_wire_run(wire);
    if (tp_tls_conn_state(wire->conn) == TP_TLS_FAILED) return;
  }
}

static void updates_keys_but_not_for_ever(void **state) {
  tls_setup *setup = *state;
  tls_wire wire;
  set_versions(setup, TLS1_3_VERSION, TLS1_3_VERSION);
  tls_wire_open(&wire, setup);
  assert_true(tls_wire_run(&wire));
  update_keys(&wire, 100, true);
  assert_int_equal(tp_tls_conn_state(wire.conn), TP_TLS_OPEN);
  assert_int_equal(wire.to_server.size, 100);
  update_keys(&wire, 10, false);
  assert_int_equal(tp_tls_conn_state(wire.conn), TP_TLS_OPEN);
  update_keys(&wire, 100, false);
  assert_int_equal(tp_tls_conn_state(wire.conn), TP_TLS_FAILED);
  assert_string_equal(tp_tls_conn_failure(wire.conn), "too many messages without data");
  tls_wire_close(&wire);
}

/* Who does not read what he makes us answer is not read from. */
static void does_not_read_from_who_takes_no_answers(void **state) {
  tls_setup *setup = *state;
  tls_wire wire;
  set_versions(setup, TLS1_3_VERSION, TLS1_3_VERSION);
  tls_wire_open(&wire, setup);
  assert_true(tls_wire_run(&wire));
  int count = 0;
  for (; tp_tls_conn_wants_receive(wire.conn); count++) {
    uint8_t *bytes = NULL;
    assert_true(count < 100000);
    assert_int_equal(SSL_key_update(wire.client, SSL_KEY_UPDATE_REQUESTED), 1);
    tls_wire_client_write(&wire, "x", 1);
    size_t size = tls_wire_take(&wire, &bytes);
    tls_wire_give(&wire, bytes, size);
    free(bytes);
  }
  assert_int_equal(tp_tls_conn_state(wire.conn), TP_TLS_OPEN);
  assert_true(tp_tls_conn_output(wire.conn).size > TP_TLS_SEAL_SIZE_MAX);
  assert_true(tls_wire_run(&wire));
  assert_true(tp_tls_conn_wants_receive(wire.conn));
  tls_wire_close(&wire);
}

static void run_with_faults(const tls_setup *setup, fault_allocator *faults) {
  tls_wire wire;
  tls_wire_open(&wire, setup);
  tp_tls_conn_free(wire.conn);
  wire.conn = NULL;
  tuplet_status status = tp_tls_conn_new(setup->context, &faults->allocator, &wire.conn, NULL);
  assert_int_equal(status, wire.conn != NULL ? TUPLET_OK : TUPLET_NOMEM);
  if (wire.conn != NULL && tls_wire_run(&wire)) {
    tls_wire_client_write(&wire, "question", 8);
    (void)tls_wire_run(&wire);
    (void)tp_tls_conn_write(wire.conn, (tuplet_bytes){"answer", 6});
    (void)tls_wire_run(&wire);
    tp_tls_conn_close(wire.conn);
    (void)tls_wire_run(&wire);
  }
  bool fired = fault_allocator_fired(faults);
  if (wire.conn != NULL && fired) {
    assert_int_equal(tp_tls_conn_state(wire.conn), TP_TLS_FAILED);
    assert_string_equal(tp_tls_conn_failure(wire.conn), "out of memory");
  }
  if (!fired) assert_int_equal(wire.client_error, SSL_ERROR_ZERO_RETURN);
  tls_wire_close(&wire);
  assert_int_equal(faults->live, 0);
}

static void survives_a_lack_of_memory(void **state) {
  bool fired = true;
  size_t fail_at = 0;
  while (fired) {
    fault_allocator faults;
    fault_allocator_init(&faults, ++fail_at);
    run_with_faults(*state, &faults);
    fired = fault_allocator_fired(&faults);
  }
  assert_true(fail_at > 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_state, teardown_state)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(speaks_both_versions),
      TEST(takes_bytes_one_at_a_time),
      TEST(refuses_older_versions),
      TEST(refuses_ciphers_without_forward_secrecy_or_aead),
      TEST(asks_again_for_another_group),
      TEST(chooses_the_protocol),
      TEST(refuses_protocols_that_it_does_not_speak),
      TEST(asks_for_client_certificates),
      TEST(takes_clients_without_certificates_when_they_are_optional),
      TEST(carries_much_both_ways),
      TEST(seals_no_more_than_the_peer_takes),
      TEST(says_goodbye),
      TEST(hears_goodbye_and_may_still_answer),
      TEST(tells_who_speaks_http),
      TEST(ends_who_speaks_something_else),
      TEST(refuses_greetings_that_are_too_large),
      TEST(refuses_a_second_greeting_that_is_too_large),
      TEST(survives_spoilt_greetings),
      TEST(fails_when_a_record_is_spoilt),
      TEST(refuses_to_renegotiate),
      TEST(updates_keys_but_not_for_ever),
      TEST(does_not_read_from_who_takes_no_answers),
      TEST(survives_a_lack_of_memory),
  };
  return cmocka_run_group_tests_name("tls_conn", tests, NULL, NULL);
}
