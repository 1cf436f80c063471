/* systemd_test.c: what a manager of services says in the environment, and what it is told. */
#include "server/host/systemd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* An environment: names and values in turn, NULL at the end. */
static const char *const *environment;

static const char *lookup(const char *name) {
  for (size_t i = 0; environment[i] != NULL; i += 2) {
    if (strcmp(environment[i], name) == 0) return environment[i + 1];
  }
  return NULL;
}

static char own_pid[24];

static int setup(void **state) {
  (void)state;
  (void)snprintf(own_pid, sizeof own_pid, "%d", getpid());
  return 0;
}

static tp_systemd read_well(const char *const *variables) {
  tp_systemd systemd;
  environment = variables;
  assert_int_equal(tp_systemd_read(lookup, &systemd, NULL), TUPLET_OK);
  return systemd;
}

static void finds_nothing_in_an_empty_environment(void **state) {
  (void)state;
  tp_systemd systemd = read_well((const char *const[]){NULL});
  assert_int_equal(systemd.socket_count, 0);
  assert_int_equal(systemd.metrics_socket_count, 0);
  assert_int_equal(systemd.watchdog_ms, 0);
  assert_int_equal(tp_systemd_notify_ready(&systemd, "status", NULL), TUPLET_OK);
}

static void sorts_sockets_by_their_names(void **state) {
  (void)state;
  tp_systemd systemd = read_well((const char *const[]){"LISTEN_PID", own_pid, "LISTEN_FDS", "4",
                                                       "LISTEN_FDNAMES", "a:metrics::metrics2", NULL});
  assert_int_equal(systemd.socket_count, 3);
  assert_int_equal(systemd.sockets[0], 3);
  assert_int_equal(systemd.sockets[1], 5);
  assert_int_equal(systemd.sockets[2], 6);
  assert_int_equal(systemd.metrics_socket_count, 1);
  assert_int_equal(systemd.metrics_sockets[0], 4);
}

static void takes_sockets_without_names(void **state) {
  (void)state;
  tp_systemd systemd = read_well((const char *const[]){"LISTEN_PID", own_pid, "LISTEN_FDS", "2", NULL});
  assert_int_equal(systemd.socket_count, 2);
  assert_int_equal(systemd.sockets[1], 4);
}

static void leaves_alone_what_is_for_another_process(void **state) {
  (void)state;
  tp_systemd systemd = read_well((const char *const[]){"LISTEN_PID", "1", "LISTEN_FDS", "2", "WATCHDOG_PID",
                                                       "1", "WATCHDOG_USEC", "1000000", NULL});
  assert_int_equal(systemd.socket_count, 0);
  assert_int_equal(systemd.watchdog_ms, 0);
}

static void reads_the_watchdogs_interval(void **state) {
  (void)state;
  tp_systemd systemd = read_well((const char *const[]){"WATCHDOG_USEC", "30000000", NULL});
  assert_int_equal(systemd.watchdog_ms, 30000);
  systemd = read_well((const char *const[]){"WATCHDOG_USEC", "1", "WATCHDOG_PID", own_pid, NULL});
  assert_int_equal(systemd.watchdog_ms, 1);
  systemd = read_well((const char *const[]){"WATCHDOG_USEC", "999999999999999999", NULL});
  assert_int_equal(systemd.watchdog_ms, UINT32_MAX);
}

static void refuses_values_that_make_no_sense(void **state) {
  (void)state;
  static const char *const names[] = {"LISTEN_PID", "LISTEN_FDS", "WATCHDOG_PID", "WATCHDOG_USEC"};
  static const char *const values[] = {"", "-1", "1x", "0x3", " 3", "9999999999999999999"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
      const char *const variables[] = {names[i], values[k], "LISTEN_PID", own_pid, NULL};
      tp_systemd systemd;
      tuplet_error error;
      environment = variables;
      assert_int_equal(tp_systemd_read(lookup, &systemd, &error), TUPLET_INVALID);
      assert_non_null(strstr(error.message, names[i]));
    }
  }
  tp_systemd systemd;
  environment = (const char *const[]){"LISTEN_PID", own_pid, "LISTEN_FDS", "65", NULL};
  assert_int_equal(tp_systemd_read(lookup, &systemd, NULL), TUPLET_INVALID);
}

/* ---- Notices, to a socket as the manager has one ---- */

typedef struct manager {
  int socket;
  char folder[40];
  char path[64];
  char received[1024];
} manager;

static void manager_open(manager *m, bool is_abstract) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct timeval patience = {.tv_sec = 20};
  *m = (manager){.folder = "/tmp/tuplet-systemd-XXXXXX"};
  assert_non_null(mkdtemp(m->folder));
  (void)snprintf(m->path, sizeof m->path, "%s%s/s", is_abstract ? "@" : "", m->folder);
  (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", m->path);
  if (is_abstract) address.sun_path[0] = '\0';
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(m->path));
  m->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  assert_true(m->socket >= 0);
  assert_int_equal(bind(m->socket, (const struct sockaddr *)&address, size), 0);
  assert_int_equal(setsockopt(m->socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
}

static void manager_close(manager *m) {
  assert_int_equal(close(m->socket), 0);
  if (m->path[0] == '/') assert_int_equal(unlink(m->path), 0);
  assert_int_equal(rmdir(m->folder), 0);
}

static const char *manager_receive(manager *m) {
  ssize_t size = recv(m->socket, m->received, sizeof m->received - 1, 0);
  assert_true(size >= 0);
  m->received[size] = '\0';
  return m->received;
}

static long long monotonic_us(void) {
  struct timespec now;
  assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
  return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void tells_its_manager_how_it_is(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    manager m;
    manager_open(&m, i == 1);
    tp_systemd systemd = read_well((const char *const[]){"NOTIFY_SOCKET", m.path, NULL});
    assert_int_equal(tp_systemd_notify_ready(&systemd, "Listening\nMAINPID=1", NULL), TUPLET_OK);
    assert_string_equal(manager_receive(&m), "READY=1\nSTATUS=Listening");
    long long before_us = monotonic_us();
    assert_int_equal(tp_systemd_notify_reloading(&systemd, NULL), TUPLET_OK);
    static const char beginning[] = "RELOADING=1\nMONOTONIC_USEC=";
    assert_memory_equal(manager_receive(&m), beginning, sizeof beginning - 1);
    long long told_us = strtoll(m.received + sizeof beginning - 1, NULL, 10);
    assert_true(told_us >= before_us && told_us <= monotonic_us());
    assert_int_equal(tp_systemd_notify_stopping(&systemd, "Ending", NULL), TUPLET_OK);
    assert_string_equal(manager_receive(&m), "STOPPING=1\nSTATUS=Ending");
    assert_int_equal(tp_systemd_notify_watchdog(&systemd, NULL), TUPLET_OK);
    assert_string_equal(manager_receive(&m), "WATCHDOG=1");
    manager_close(&m);
  }
}

static void says_so_when_nobody_can_be_told(void **state) {
  (void)state;
  static const char *const places[] = {
      "/no-such-folder/s", "@no-such-name-of-ours", "relative", "", "@", "/"};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    tuplet_error error;
    tp_systemd systemd = read_well((const char *const[]){"NOTIFY_SOCKET", places[i], NULL});
    assert_int_equal(tp_systemd_notify_watchdog(&systemd, &error), TUPLET_IO);
    assert_non_null(strstr(error.message, places[i]));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_nothing_in_an_empty_environment),
      cmocka_unit_test(sorts_sockets_by_their_names),
      cmocka_unit_test(takes_sockets_without_names),
      cmocka_unit_test(leaves_alone_what_is_for_another_process),
      cmocka_unit_test(reads_the_watchdogs_interval),
      cmocka_unit_test(refuses_values_that_make_no_sense),
      cmocka_unit_test(tells_its_manager_how_it_is),
      cmocka_unit_test(says_so_when_nobody_can_be_told),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}
