/* address.c: "HOST:PORT" as a listening socket, and back. */
#include "net/address.h"

#include "base/status.h"
#include "net/private.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HOST_SIZE = 256 };

static tuplet_status malformed(const char *text, tuplet_error *error) {
  return tp_fail(error, TUPLET_SYNTAX, "the address '%s' is not of the form HOST:PORT or [IPV6]:PORT", text);
}

/* Splits at the last colon; the brackets of an IPv6 address go. */
static bool split(const char *text, char ret_host[HOST_SIZE], const char **ret_port) {
  const char *colon = strrchr(text, ':');
  if (colon == NULL) return false;
  const char *start = text;
  size_t size = (size_t)(colon - text);
  if (size >= 2 && start[0] == '[' && start[size - 1] == ']') {
    start++;
    size -= 2;
  } else if (memchr(start, ':', size) != NULL) {
    return false;
  }
  if (size == 0 || size >= HOST_SIZE) return false;
  memcpy(ret_host, start, size);
  ret_host[size] = '\0';
  *ret_port = colon + 1;
  return true;
}

static bool is_port(const char *text) {
  unsigned port = 0;
  size_t size = strlen(text);
  if (size == 0 || size > 5) return false;
  for (size_t i = 0; i < size; i++) {
    if (text[i] < '0' || text[i] > '9') return false;
    port = port * 10 + (unsigned)(text[i] - '0');
  }
  return port <= UINT16_MAX;
}

static tuplet_status take_apart(const char *text, char ret_host[HOST_SIZE], const char **ret_port,
                                tuplet_error *error) {
  if (!split(text, ret_host, ret_port)) return malformed(text, error);
  if (!is_port(*ret_port)) {
    return tp_fail(error, TUPLET_SYNTAX, "the port '%s' in the address '%s' is not a number from 0 to 65535",
                   *ret_port, text);
  }
  return TUPLET_OK;
}

tuplet_status tp_address_check(const char *text, tuplet_error *error) {
  char host[HOST_SIZE];
  const char *port;
  return take_apart(text, host, &port, error);
}

tuplet_status tp_address_parse(const char *text, tp_address *ret_address, tuplet_error *error) {
  char host[HOST_SIZE];
  const char *port;
  tuplet_status status = take_apart(text, host, &port, error);
  if (status != TUPLET_OK) return status;
  struct addrinfo hints = {.ai_flags = AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
  struct addrinfo *found = NULL;
  int result = getaddrinfo(host, port, &hints, &found);
  if (result == EAI_MEMORY) return tp_fail_nomem(error);
  if (result != 0) {
    return tp_fail(error, TUPLET_IO, "cannot look up the address '%s': %s", text, gai_strerror(result));
  }
  *ret_address = (tp_address){.size = found->ai_addrlen};
  memcpy(&ret_address->storage, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  return TUPLET_OK;
}

static int open_socket(const tp_address *address, bool shares_port) {
  int on = 1;
  int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  bool is_ready = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
  if (is_ready && shares_port) is_ready = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0;
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
  int on = 1;
  return listen(fd, TP_LISTENER_BACKLOG) == 0 &&
         (!is_first || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0);
}

tuplet_status tp_address_listen(const tp_address *address, bool is_first, int *ret_socket,
                                tuplet_error *error) {
  int fd = open_socket(address, !is_first);
  bool is_listening = fd >= 0 && start_listening(fd, is_first);
  if (!is_listening) {
    int code = errno;
    char text[ADDRESS_TEXT_SIZE];
    if (fd >= 0) (void)close(fd);
    tp_address_print(address, text);
    return tp_fail(error, TUPLET_IO, "cannot listen on %s: %s", text, strerror(code));
  }
  *ret_socket = fd;
  return TUPLET_OK;
}

tuplet_status tp_address_of_socket(int socket, tp_address *ret_address, tuplet_error *error) {
  *ret_address = (tp_address){.size = sizeof ret_address->storage};
  if (getsockname(socket, (struct sockaddr *)&ret_address->storage, &ret_address->size) == 0)
    return TUPLET_OK;
  return tp_fail(error, TUPLET_IO, "cannot tell the address of a socket: %s", strerror(errno));
}

void tp_address_print(const tp_address *address, char ret_text[ADDRESS_TEXT_SIZE]) {
  char host[INET6_ADDRSTRLEN] = "?";
  bool is_ipv6 = address->storage.ss_family == AF_INET6;
  (void)getnameinfo((const struct sockaddr *)&address->storage, address->size, host, sizeof host, NULL, 0,
                    NI_NUMERICHOST);
  (void)snprintf(ret_text, ADDRESS_TEXT_SIZE, is_ipv6 ? "[%s]:%u" : "%s:%u", host, tp_address_port(address));
}

uint16_t tp_address_port(const tp_address *address) {
  struct sockaddr_in ipv4;
  struct sockaddr_in6 ipv6;
  if (address->storage.ss_family == AF_INET6) {
    memcpy(&ipv6, &address->storage, sizeof ipv6);
    return ntohs(ipv6.sin6_port);
  }
  memcpy(&ipv4, &address->storage, sizeof ipv4);
  return ntohs(ipv4.sin_port);
}
