/* endpoint.c: the addresses at which a server listens, as sockets that any number of loops share. */
#include "net/endpoint.h"

#include "base/alloc.h"
#include "base/status.h"
#include "net/private.h"
#include "net/unix_file.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

typedef enum endpoint_kind {
  ENDPOINT_PORT,     /* ours; each loop gets a socket of its own */
  ENDPOINT_FILE,     /* ours; loops share the socket, whose file is removed in the end */
  ENDPOINT_INHERITED /* loops share the socket */
} endpoint_kind;

typedef struct endpoint {
  endpoint_kind kind;
  int socket; /* listens; -1: closed, or (of a port) the first loop's by now */
  bool ipv6_only;
  tp_address address; /* what it is bound to */
  char text[TP_ADDRESS_TEXT_SIZE];
  tp_unix_file file;
} endpoint;

struct tp_endpoints {
  const tuplet_allocator *allocator;
  endpoint *items;
  size_t count, capacity;
};

/* ---- Ports ----------------------------------------------------------------------------------------------
 */

static bool set_option(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

static int open_port(const tp_address *address, bool ipv6_only, bool shares_port) {
  int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  bool is_ipv6 = address->storage.ss_family == AF_INET6;
  bool is_ready = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (is_ready && is_ipv6) is_ready = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, ipv6_only);
  if (is_ready && shares_port) is_ready = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (is_ready) is_ready = bind(fd, (const struct sockaddr *)&address->storage, address->size) == 0;
  if (is_ready) return fd;
  int saved = errno;
  (void)close(fd);
  errno = saved;
  return -1;
}

/* The first socket listens before it allows others beside it: of two servers that start at the same moment
 * only one gets that far. With SO_REUSEPORT from the start both would, as programs of one user, and each
 * would silently get half of the connections. */
static bool start_listening(int fd, bool is_first) {
  return listen(fd, TP_LISTENER_BACKLOG) == 0 && (!is_first || set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1));
}

/* Negative, with errno, when it cannot be had. */
static int listen_at_port(const tp_address *address, bool ipv6_only, bool is_first) {
  int fd = open_port(address, ipv6_only, !is_first);
  if (fd < 0 || start_listening(fd, is_first)) return fd;
  int saved = errno;
  (void)close(fd);
  errno = saved;
  return -1;
}

static tuplet_status fail_at_port(const tp_address *address, int code, tuplet_error *error) {
  char text[TP_ADDRESS_TEXT_SIZE];
  tp_address_print(address, text);
  return tp_fail(error, TUPLET_IO, "cannot listen on %s: %s", text,
                 code == EADDRINUSE ? "another program listens there" : strerror(code));
}

/* ---- Opening --------------------------------------------------------------------------------------------
 */

/* What an address given by the operator stands for. */
typedef struct looked_up {
  tp_address addresses[TP_ADDRESS_LOOK_UP_MAX];
  size_t count;
} looked_up;

static tuplet_status address_of_socket(int fd, tp_address *ret_address, tuplet_error *error) {
  *ret_address = (tp_address){.size = sizeof ret_address->storage};
  if (getsockname(fd, (struct sockaddr *)&ret_address->storage, &ret_address->size) == 0) return TUPLET_OK;
  return tp_fail(error, TUPLET_IO, "cannot tell the address of socket %d: %s", fd, strerror(errno));
}

/* There is room. Takes the socket over. */
static tuplet_status add(tp_endpoints *endpoints, const endpoint *what, tuplet_error *error) {
  endpoint *added = &endpoints->items[endpoints->count];
  *added = *what;
  tuplet_status status = address_of_socket(added->socket, &added->address, error);
  if (status != TUPLET_OK) {
    (void)close(added->socket);
    return status;
  }
  tp_address_print(&added->address, added->text);
  endpoints->count++;
  return TUPLET_OK;
}

static bool has_address(const tp_endpoints *endpoints, const tp_address *address) {
  for (size_t i = 0; i < endpoints->count; i++) {
    if (tp_address_equals(&endpoints->items[i].address, address)) return true;
  }
  return false;
}

static bool has_ipv4_port(const looked_up *all, size_t count, uint16_t port) {
  for (size_t i = 0; i < count; i++) {
    for (size_t j = 0; j < all[i].count; j++) {
      const tp_address *address = &all[i].addresses[j];
      if (address->storage.ss_family == AF_INET && tp_address_port(address) == port) return true;
    }
  }
  return false;
}

static tuplet_status open_file(tp_endpoints *endpoints, const tp_address *address, tuplet_error *error) {
  endpoint opened = {.kind = ENDPOINT_FILE};
  tuplet_status status = tp_unix_file_listen(address, &opened.socket, &opened.file, error);
  return status == TUPLET_OK ? add(endpoints, &opened, error) : status;
}

/* A name may stand for addresses that this machine does not have: "localhost" for ::1, where IPv6 is off. One
 * that it has is enough. */
static tuplet_status open_ports(tp_endpoints *endpoints, const looked_up *name, const looked_up *all,
                                size_t all_count, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  bool has_one = false;
  for (size_t i = 0; i < name->count; i++) {
    const tp_address *address = &name->addresses[i];
    endpoint opened = {.kind = ENDPOINT_PORT};
    if (has_address(endpoints, address)) {
      has_one = true;
      continue;
    }
    uint16_t port = tp_address_port(address);
    opened.ipv6_only = !tp_address_is_any_ipv6(address) || (port != 0 && has_ipv4_port(all, all_count, port));
    opened.socket = listen_at_port(address, opened.ipv6_only, true);
    if (opened.socket >= 0) {
      status = add(endpoints, &opened, error);
      if (status != TUPLET_OK) return status;
      has_one = true;
      continue;
    }
    int code = errno;
    status = fail_at_port(address, code, error);
    if (code != EADDRNOTAVAIL && code != EAFNOSUPPORT) return status;
  }
  return has_one ? TUPLET_OK : status;
}

static tuplet_status open_looked_up(tp_endpoints *endpoints, const looked_up *all, size_t count,
                                    tuplet_error *error) {
  for (size_t i = 0; i < count; i++) {
    const tp_address *first = &all[i].addresses[0];
    tuplet_status status = TUPLET_OK;
    if (!tp_address_is_unix(first))
      status = open_ports(endpoints, &all[i], all, count, error);
    else if (!has_address(endpoints, first))
      status = open_file(endpoints, first, error);
    if (status != TUPLET_OK) return status;
  }
  return TUPLET_OK;
}

static int option_of(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

static bool is_listening_stream(int fd) {
  int family = option_of(fd, SO_DOMAIN);
  bool is_known = family == AF_INET || family == AF_INET6 || family == AF_UNIX;
  return is_known && option_of(fd, SO_TYPE) == SOCK_STREAM && option_of(fd, SO_ACCEPTCONN) == 1;
}

static tuplet_status add_inherited(tp_endpoints *endpoints, int fd, tuplet_error *error) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || !is_listening_stream(fd))
    return tp_fail(error, TUPLET_IO, "the inherited descriptor %d is not a stream socket that listens", fd);
  if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
    return tp_fail(error, TUPLET_IO, "cannot use the inherited descriptor %d: %s", fd, strerror(errno));
  int own = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* `fd` itself is closed by the caller, whatever becomes of this */
  if (own < 0)
    return tp_fail(error, TUPLET_IO, "cannot use the inherited descriptor %d: %s", fd, strerror(errno));
  endpoint opened = {.kind = ENDPOINT_INHERITED, .socket = own};
  return add(endpoints, &opened, error);
}

static tuplet_status open_all(tp_endpoints *endpoints, const char *const *addresses, size_t address_count,
                              const int *inherited, size_t inherited_count, tuplet_error *error) {
  const tuplet_allocator *allocator = endpoints->allocator;
  looked_up *all = tp_alloc_array_zeroed(allocator, address_count + 1, sizeof *all); /* none is no failure */
  if (all == NULL) return tp_fail_nomem(error);
  tuplet_status status = TUPLET_OK;
  endpoints->capacity = inherited_count;
  for (size_t i = 0; i < address_count && status == TUPLET_OK; i++) {
    status = tp_address_look_up(addresses[i], all[i].addresses, &all[i].count, error);
    if (status == TUPLET_OK) endpoints->capacity += all[i].count;
  }
  if (status != TUPLET_OK) goto out;
  endpoints->items = tp_alloc_array_zeroed(allocator, endpoints->capacity + 1, sizeof *endpoints->items);
  if (endpoints->items == NULL) {
    status = tp_fail_nomem(error);
    goto out;
  }
  for (size_t i = 0; i < inherited_count && status == TUPLET_OK; i++)
    status = add_inherited(endpoints, inherited[i], error);
  if (status == TUPLET_OK) status = open_looked_up(endpoints, all, address_count, error);
out:
  tp_free(allocator, all);
  return status;
}

tuplet_status tp_endpoints_open(const tuplet_allocator *allocator, const char *const *addresses,
                                size_t address_count, const int *inherited, size_t inherited_count,
                                tp_endpoints **ret_endpoints, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  tp_endpoints *endpoints = tp_alloc_array_zeroed(allocator, 1, sizeof *endpoints);
  if (endpoints == NULL) {
    status = tp_fail_nomem(error);
    goto out;
  }
  endpoints->allocator = allocator;
  status = open_all(endpoints, addresses, address_count, inherited, inherited_count, error);
  if (status != TUPLET_OK) goto out;
  *ret_endpoints = endpoints;
  endpoints = NULL; /* the caller's now */
out:
  tp_endpoints_free(endpoints);
  for (size_t i = 0; i < inherited_count; i++) (void)close(inherited[i]);
  return status;
}

/* ---- Use and end ----------------------------------------------------------------------------------------
 */

tuplet_status tp_endpoints_join(tp_endpoints *endpoints, size_t index, int *ret_socket, tuplet_error *error) {
  endpoint *joined = &endpoints->items[index];
  if (joined->kind == ENDPOINT_PORT && joined->socket >= 0) {
    *ret_socket = joined->socket; /* or connections to it would wait for nobody */
    joined->socket = -1;
    return TUPLET_OK;
  }
  int fd = joined->kind == ENDPOINT_PORT ? listen_at_port(&joined->address, joined->ipv6_only, false)
                                         : fcntl(joined->socket, F_DUPFD_CLOEXEC, 3);
  if (fd < 0) return tp_fail(error, TUPLET_IO, "cannot listen on %s: %s", joined->text, strerror(errno));
  *ret_socket = fd;
  return TUPLET_OK;
}

size_t tp_endpoints_count(const tp_endpoints *endpoints) {
  return endpoints->count;
}

const char *tp_endpoints_address(const tp_endpoints *endpoints, size_t index) {
  return endpoints->items[index].text;
}

uint16_t tp_endpoints_port(const tp_endpoints *endpoints, size_t index) {
  return tp_address_port(&endpoints->items[index].address);
}

bool tp_endpoints_is_unix(const tp_endpoints *endpoints, size_t index) {
  return tp_address_is_unix(&endpoints->items[index].address);
}

void tp_endpoints_close(tp_endpoints *endpoints) {
  for (size_t i = 0; i < endpoints->count; i++) {
    endpoint *closed = &endpoints->items[i];
    if (closed->socket < 0) continue;
    if (closed->kind == ENDPOINT_FILE) tp_unix_file_remove(&closed->address, &closed->file);
    (void)close(closed->socket);
    closed->socket = -1;
  }
}

void tp_endpoints_free(tp_endpoints *endpoints) {
  if (endpoints == NULL) return;
  tp_endpoints_close(endpoints);
  tp_free(endpoints->allocator, endpoints->items);
  tp_free(endpoints->allocator, endpoints);
}
