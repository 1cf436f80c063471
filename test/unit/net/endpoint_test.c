/* endpoint_test.c: sockets that listen: ports that are shared and ports that are not, both families, files of
 * Unix-domain sockets that are left behind, in use, or something else, and sockets that somebody else opened.
 */
#include "net/endpoint.h"

#include "net/private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct folder {
  char path[64];
  char socket_path[80];
  char address[96];
} folder;

static int setup(void **state) {
  folder *f = calloc(1, sizeof *f);
  assert_non_null(f);
  (void)snprintf(f->path, sizeof f->path, "/tmp/tuplet-endpoint-XXXXXX");
  assert_non_null(mkdtemp(f->path));
  (void)snprintf(f->socket_path, sizeof f->socket_path, "%s/s", f->path);
  (void)snprintf(f->address, sizeof f->address, "unix:%s", f->socket_path);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  folder *f = *state;
  (void)unlink(f->socket_path);
  assert_int_equal(rmdir(f->path), 0);
  free(f);
  return 0;
}

static tuplet_status open_at(const char *first, const char *second, tp_endpoints **ret_endpoints,
                             tuplet_error *error) {
  const char *const addresses[] = {first, second};
  return tp_endpoints_open(NULL, addresses, second == NULL ? 1 : 2, NULL, 0, ret_endpoints, error);
}

static tp_endpoints *open_well(const char *first, const char *second) {
  tp_endpoints *endpoints = NULL;
  tuplet_error error = {0};
  if (open_at(first, second, &endpoints, &error) != TUPLET_OK) fail_msg("%s", error.message);
  return endpoints;
}

static bool can_connect(const struct sockaddr *address, socklen_t size) {
  int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  int result = connect(fd, address, size);
  assert_int_equal(close(fd), 0);
  return result == 0;
}

static bool can_connect_ipv4(uint16_t port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  return can_connect((const struct sockaddr *)&address, sizeof address);
}

static bool can_connect_ipv6(uint16_t port) {
  struct sockaddr_in6 address = {
      .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_loopback};
  return can_connect((const struct sockaddr *)&address, sizeof address);
}

static bool can_connect_unix(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  return can_connect((const struct sockaddr *)&address, sizeof address);
}

static int accept_one(int socket) {
  int fd = -1;
  for (int i = 0; i < 5000 && fd < 0; i++) { /* the sockets do not block */
    fd = accept4(socket, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) (void)usleep(1000);
  }
  return fd;
}

static bool exists(const char *path) {
  struct stat found;
  return lstat(path, &found) == 0;
}

/* ---- Ports ---- */

static void tells_the_port_that_was_free(void **state) {
  (void)state;
  char text[64];
  tp_endpoints *endpoints = open_well("127.0.0.1:0", NULL);
  uint16_t port = tp_endpoints_port(endpoints, 0);
  assert_int_not_equal(port, 0);
  (void)snprintf(text, sizeof text, "127.0.0.1:%u", port);
  assert_string_equal(tp_endpoints_address(endpoints, 0), text);
  tp_endpoints_free(endpoints);
}

static void shares_a_port_with_its_own_loops_only(void **state) {
  (void)state;
  tuplet_error error;
  tp_endpoints *endpoints = open_well("127.0.0.1:0", NULL), *others = NULL;
  int first = -1, second = -1;
  assert_int_equal(tp_endpoints_join(endpoints, 0, &first, NULL), TUPLET_OK);
  assert_int_equal(tp_endpoints_join(endpoints, 0, &second, NULL), TUPLET_OK);
  assert_int_not_equal(first, second);
  assert_int_equal(open_at(tp_endpoints_address(endpoints, 0), NULL, &others, &error), TUPLET_IO);
  assert_non_null(strstr(error.message, tp_endpoints_address(endpoints, 0)));
  assert_non_null(strstr(error.message, "another program listens there"));
  tp_endpoints_close(endpoints); /* those who joined go on */
  assert_true(can_connect_ipv4(tp_endpoints_port(endpoints, 0)));
  assert_int_equal(close(first), 0);
  assert_int_equal(close(second), 0);
  assert_false(can_connect_ipv4(tp_endpoints_port(endpoints, 0)));
  tp_endpoints_free(endpoints);
}

static void takes_ipv4_at_the_address_for_all_of_ipv6(void **state) {
  (void)state;
  tp_endpoints *endpoints = open_well("[::]:0", NULL);
  assert_true(can_connect_ipv6(tp_endpoints_port(endpoints, 0)));
  assert_true(can_connect_ipv4(tp_endpoints_port(endpoints, 0)));
  tp_endpoints_free(endpoints);
}

/* Both at one free port; somebody else may take it in between, so not only once. */
static tp_endpoints *open_both(bool ipv6_first, char ret_ipv6[32], uint16_t *ret_port) {
  tp_endpoints *both = NULL;
  tuplet_error error = {0};
  for (int i = 0; i < 20 && both == NULL; i++) {
    tp_endpoints *free_port = open_well("[::]:0", NULL);
    char ipv4[32];
    *ret_port = tp_endpoints_port(free_port, 0);
    tp_endpoints_free(free_port);
    (void)snprintf(ipv4, sizeof ipv4, "%s:%u", ipv6_first ? "127.0.0.1" : "0.0.0.0", *ret_port);
    (void)snprintf(ret_ipv6, 32, "[::]:%u", *ret_port);
    (void)open_at(ipv6_first ? ret_ipv6 : ipv4, ipv6_first ? ipv4 : ret_ipv6, &both, &error);
  }
  if (both == NULL) fail_msg("%s", error.message);
  return both;
}

/* Whichever is named first. */
static void leaves_ipv4_to_an_address_of_its_own(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    char ipv6[32];
    uint16_t port;
    tp_endpoints *both = open_both(i == 1, ipv6, &port);
    assert_int_equal(tp_endpoints_count(both), 2);
    for (size_t k = 0; k < 2; k++) { /* one more loop keeps to that */
      int first = -1, second = -1;
      assert_int_equal(tp_endpoints_join(both, k, &first, NULL), TUPLET_OK);
      assert_int_equal(tp_endpoints_join(both, k, &second, NULL), TUPLET_OK);
      assert_int_equal(close(second), 0);
      bool is_ipv6 = strcmp(tp_endpoints_address(both, k), ipv6) == 0;
      assert_true(is_ipv6 ? can_connect_ipv6(port) : can_connect_ipv4(port));
      int accepted = accept_one(first);
      assert_true(accepted >= 0);
      assert_int_equal(close(accepted), 0);
      assert_int_equal(close(first), 0);
    }
    tp_endpoints_free(both);
  }
}

static void listens_once_where_it_is_told_twice(void **state) {
  folder *f = *state;
  tp_endpoints *endpoints = open_well(f->address, f->address);
  assert_int_equal(tp_endpoints_count(endpoints), 1);
  tp_endpoints_free(endpoints);
}

static void listens_at_all_addresses_of_a_name(void **state) {
  (void)state;
  tp_endpoints *endpoints = open_well("localhost:0", NULL);
  bool has_ipv4 = false;
  for (size_t i = 0; i < tp_endpoints_count(endpoints); i++) {
    const char *address = tp_endpoints_address(endpoints, i);
    bool is_ipv4 = strncmp(address, "127.0.0.1:", 10) == 0;
    assert_true(is_ipv4 || strncmp(address, "[::1]:", 6) == 0);
    has_ipv4 = has_ipv4 || is_ipv4;
    uint16_t port = tp_endpoints_port(endpoints, i);
    assert_true(is_ipv4 ? can_connect_ipv4(port) : can_connect_ipv6(port));
  }
  assert_true(has_ipv4);
  tp_endpoints_free(endpoints);
}

static void has_all_addresses_or_none(void **state) {
  folder *f = *state;
  tp_endpoints *taken = open_well("127.0.0.1:0", NULL), *endpoints = NULL;
  assert_int_equal(open_at(f->address, tp_endpoints_address(taken, 0), &endpoints, NULL), TUPLET_IO);
  assert_false(exists(f->socket_path));
  tp_endpoints_free(taken);
}

/* ---- Files of Unix-domain sockets ---- */

static void makes_a_file_for_owner_and_group_and_removes_it(void **state) {
  folder *f = *state;
  mode_t before = umask(0077); /* whatever the umask is */
  tp_endpoints *endpoints = open_well(f->address, NULL);
  (void)umask(before);
  struct stat found;
  assert_int_equal(lstat(f->socket_path, &found), 0);
  assert_int_equal(found.st_mode & 07777, 0660);
  assert_string_equal(tp_endpoints_address(endpoints, 0), f->address);
  assert_int_equal(tp_endpoints_port(endpoints, 0), 0);
  assert_true(tp_endpoints_is_unix(endpoints, 0));
  tp_endpoints_close(endpoints);
  assert_false(exists(f->socket_path));
  tp_endpoints_free(endpoints);
}

static void shares_the_socket_among_loops(void **state) {
  folder *f = *state;
  tp_endpoints *endpoints = open_well(f->address, NULL);
  int sockets[2] = {-1, -1};
  for (int i = 0; i < 2; i++) {
    assert_int_equal(tp_endpoints_join(endpoints, 0, &sockets[i], NULL), TUPLET_OK);
    assert_true(can_connect_unix(f->socket_path));
  }
  for (int i = 0; i < 2; i++) {
    int accepted = accept_one(sockets[i]);
    assert_true(accepted >= 0);
    assert_int_equal(close(accepted), 0);
    assert_int_equal(close(sockets[i]), 0);
  }
  tp_endpoints_free(endpoints);
}

static void leave_socket_behind(const folder *f) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", f->socket_path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
  assert_int_equal(listen(fd, 1), 0);
  assert_int_equal(close(fd), 0);
  assert_true(exists(f->socket_path));
}

static void replaces_the_file_of_a_dead_server(void **state) {
  folder *f = *state;
  leave_socket_behind(f);
  tp_endpoints *endpoints = open_well(f->address, NULL);
  assert_true(can_connect_unix(f->socket_path));
  tp_endpoints_free(endpoints);
}

static void leaves_the_socket_of_a_living_server_alone(void **state) {
  folder *f = *state;
  tuplet_error error;
  tp_endpoints *endpoints = open_well(f->address, NULL), *second = NULL;
  assert_int_equal(open_at(f->address, NULL, &second, &error), TUPLET_IO);
  assert_non_null(strstr(error.message, f->address));
  assert_non_null(strstr(error.message, "another program listens there"));
  assert_true(can_connect_unix(f->socket_path));
  tp_endpoints_free(endpoints);
}

static void leaves_files_alone_that_are_no_sockets(void **state) {
  folder *f = *state;
  tuplet_error error;
  tp_endpoints *endpoints = NULL;
  int fd = open(f->socket_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, "data", 4), 4);
  assert_int_equal(close(fd), 0);
  assert_int_equal(open_at(f->address, NULL, &endpoints, &error), TUPLET_IO);
  assert_non_null(strstr(error.message, "it is no socket"));
  struct stat found;
  assert_int_equal(lstat(f->socket_path, &found), 0);
  assert_int_equal(found.st_size, 4);
}

static void leaves_a_file_alone_that_took_the_place_of_its_own(void **state) {
  folder *f = *state;
  tp_endpoints *endpoints = open_well(f->address, NULL);
  int kept = open(f->path, O_RDONLY | O_CLOEXEC);
  assert_int_equal(unlink(f->socket_path), 0);
  int fd = open(f->socket_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  tp_endpoints_free(endpoints);
  assert_true(exists(f->socket_path));
  assert_int_equal(close(fd), 0);
  assert_int_equal(close(kept), 0);
}

static void tells_that_the_folder_is_not_there(void **state) {
  (void)state;
  tuplet_error error;
  tp_endpoints *endpoints = NULL;
  assert_int_equal(open_at("unix:/no-such-folder/s", NULL, &endpoints, &error), TUPLET_IO);
  assert_non_null(strstr(error.message, "unix:/no-such-folder/s"));
}

typedef struct rival {
  const char *address;
  atomic_bool *begin;
  tp_endpoints *endpoints;
  tuplet_status status;
} rival;

static void *open_as_rival(void *context) {
  rival *r = context;
  while (!atomic_load(r->begin)) continue;
  r->status = tp_endpoints_open(NULL, &r->address, 1, NULL, 0, &r->endpoints, NULL);
  return NULL;
}

/* Each finds the file of a dead server; the slower one must not remove the faster one's. */
static void lets_one_of_several_replace_a_dead_server(void **state) {
  enum { RIVALS = 4, ROUNDS = 30 };
  folder *f = *state;
  for (int round = 0; round < ROUNDS; round++) {
    leave_socket_behind(f);
    atomic_bool begin = false;
    rival rivals[RIVALS];
    pthread_t threads[RIVALS];
    int winners = 0;
    for (int i = 0; i < RIVALS; i++) {
      rivals[i] = (rival){.address = f->address, .begin = &begin};
      assert_int_equal(pthread_create(&threads[i], NULL, open_as_rival, &rivals[i]), 0);
    }
    atomic_store(&begin, true);
    for (int i = 0; i < RIVALS; i++) {
      assert_int_equal(pthread_join(threads[i], NULL), 0);
      winners += rivals[i].status == TUPLET_OK;
    }
    assert_int_equal(winners, 1);
    assert_true(can_connect_unix(f->socket_path));
    for (int i = 0; i < RIVALS; i++) tp_endpoints_free(rivals[i].endpoints);
    assert_false(exists(f->socket_path));
  }
}

/* ---- Sockets that somebody else opened ---- */

static int listening_socket(uint16_t *ret_port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_true(fd >= 0);
  assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
  assert_int_equal(listen(fd, 5), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
  *ret_port = ntohs(address.sin_port);
  return fd;
}

static void takes_over_sockets_that_listen_already(void **state) {
  folder *f = *state;
  uint16_t port = 0;
  int inherited = listening_socket(&port), joined = -1;
  const char *address = f->address;
  tp_endpoints *endpoints = NULL;
  assert_int_equal(tp_endpoints_open(NULL, &address, 1, &inherited, 1, &endpoints, NULL), TUPLET_OK);
  assert_int_equal(tp_endpoints_count(endpoints), 2);
  assert_int_equal(tp_endpoints_port(endpoints, 0), port);
  assert_int_equal(tp_endpoints_join(endpoints, 0, &joined, NULL), TUPLET_OK);
  assert_true(fcntl(joined, F_GETFL) & O_NONBLOCK);
  assert_true(fcntl(joined, F_GETFD) & FD_CLOEXEC);
  assert_true(can_connect_ipv4(port));
  int accepted = accept_one(joined);
  assert_true(accepted >= 0);
  assert_int_equal(close(accepted), 0);
  assert_int_equal(close(joined), 0);
  tp_endpoints_free(endpoints);
  assert_false(can_connect_ipv4(port));
}

static void refuses_descriptors_that_do_not_listen(void **state) {
  (void)state;
  tuplet_error error;
  tp_endpoints *endpoints = NULL;
  int streams[] = {socket(AF_INET, SOCK_STREAM, 0), socket(AF_INET, SOCK_DGRAM, 0),
                   open("/dev/null", O_RDONLY)};
  for (size_t i = 0; i < 3; i++) {
    char number[16];
    (void)snprintf(number, sizeof number, "%d", streams[i]);
    assert_int_equal(tp_endpoints_open(NULL, NULL, 0, &streams[i], 1, &endpoints, &error), TUPLET_IO);
    assert_non_null(strstr(error.message, number));
    assert_int_equal(fcntl(streams[i], F_GETFD), -1); /* taken over all the same */
    assert_int_equal(errno, EBADF);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(tells_the_port_that_was_free),
      TEST(shares_a_port_with_its_own_loops_only),
      TEST(takes_ipv4_at_the_address_for_all_of_ipv6),
      TEST(leaves_ipv4_to_an_address_of_its_own),
      TEST(listens_once_where_it_is_told_twice),
      TEST(listens_at_all_addresses_of_a_name),
      TEST(has_all_addresses_or_none),
      TEST(makes_a_file_for_owner_and_group_and_removes_it),
      TEST(shares_the_socket_among_loops),
      TEST(replaces_the_file_of_a_dead_server),
      TEST(leaves_the_socket_of_a_living_server_alone),
      TEST(leaves_files_alone_that_are_no_sockets),
      TEST(leaves_a_file_alone_that_took_the_place_of_its_own),
      TEST(tells_that_the_folder_is_not_there),
      TEST(lets_one_of_several_replace_a_dead_server),
      TEST(takes_over_sockets_that_listen_already),
      TEST(refuses_descriptors_that_do_not_listen),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
