/* address.c: addresses as text and as the system has them. */
#include "net/address.h"

#include "base/status.h"
#include "net/private.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

enum { HOST_SIZE = 256, UNIX_PATH_SIZE = sizeof((struct sockaddr_un *)NULL)->sun_path };

static const char unix_prefix[] = "unix:";

/* ---- Reading --------------------------------------------------------------------------------------------
 */

static tuplet_status malformed(const char *text, tuplet_error *error) {
  return tp_fail(error, TUPLET_SYNTAX,
                 "the address '%s' is not of the form HOST:PORT, [IPV6]:PORT or unix:PATH", text);
}

/* The path of "unix:PATH"; NULL for any other address. */
static const char *unix_path_of(const char *text) {
  size_t size = sizeof unix_prefix - 1;
  return strncmp(text, unix_prefix, size) == 0 ? text + size : NULL;
}

static tuplet_status check_unix_path(const char *text, const char *path, tuplet_error *error) {
  if (path[0] == '\0') return malformed(text, error);
  if (strlen(path) < UNIX_PATH_SIZE) return TUPLET_OK;
  return tp_fail(error, TUPLET_SYNTAX,
                 "the path in the address '%.200s' has %zu bytes; a Unix-domain socket's has at most %d",
                 text, strlen(path), UNIX_PATH_SIZE - 1);
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
  const char *path = unix_path_of(text);
  if (path != NULL) return check_unix_path(text, path, error);
  char host[HOST_SIZE];
  const char *port;
  return take_apart(text, host, &port, error);
}

static tuplet_status look_up_unix(const char *text, const char *path, tp_address *ret_address,
                                  tuplet_error *error) {
  tuplet_status status = check_unix_path(text, path, error);
  if (status != TUPLET_OK) return status;
  struct sockaddr_un unix_address = {.sun_family = AF_UNIX};
  memcpy(unix_address.sun_path, path, strlen(path) + 1);
  /* As the system tells it of a socket. */
  *ret_address = (tp_address){.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1)};
  memcpy(&ret_address->storage, &unix_address, sizeof unix_address);
  return TUPLET_OK;
}

bool tp_address_equals(const tp_address *a, const tp_address *b) {
  return a->size == b->size && memcmp(&a->storage, &b->storage, a->size) == 0;
}

static bool contains(const tp_address *addresses, size_t count, const tp_address *wanted) {
  for (size_t i = 0; i < count; i++) {
    if (tp_address_equals(&addresses[i], wanted)) return true;
  }
  return false;
}

tuplet_status tp_address_look_up(const char *text, tp_address ret_addresses[TP_ADDRESS_LOOK_UP_MAX],
                                 size_t *ret_count, tuplet_error *error) {
  const char *path = unix_path_of(text);
  if (path != NULL) {
    *ret_count = 1;
    return look_up_unix(text, path, &ret_addresses[0], error);
  }
  char host[HOST_SIZE];
  const char *port;
  tuplet_status status = take_apart(text, host, &port, error);
  if (status != TUPLET_OK) return status;
  struct addrinfo hints = {.ai_flags = AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
  struct addrinfo *found = NULL;
  int result = getaddrinfo(host, port, &hints, &found);
  if (result == EAI_MEMORY) return tp_fail_nomem(error);
  if (result != 0)
    return tp_fail(error, TUPLET_IO, "cannot look up the address '%s': %s", text, gai_strerror(result));
  size_t count = 0;
  for (const struct addrinfo *one = found; one != NULL && count < TP_ADDRESS_LOOK_UP_MAX;
       one = one->ai_next) {
    tp_address address = {.size = one->ai_addrlen};
    memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
    if (!contains(ret_addresses, count, &address)) ret_addresses[count++] = address;
  }
  freeaddrinfo(found);
  *ret_count = count;
  return TUPLET_OK;
}

/* ---- Looking into one -----------------------------------------------------------------------------------
 */

uint16_t tp_address_port(const tp_address *address) {
  struct sockaddr_in ipv4;
  struct sockaddr_in6 ipv6;
  switch (address->storage.ss_family) {
  case AF_INET6: memcpy(&ipv6, &address->storage, sizeof ipv6); return ntohs(ipv6.sin6_port);
  case AF_INET: memcpy(&ipv4, &address->storage, sizeof ipv4); return ntohs(ipv4.sin_port);
  default: return 0;
  }
}

bool tp_address_is_unix(const tp_address *address) {
  return address->storage.ss_family == AF_UNIX;
}

bool tp_address_is_any_ipv6(const tp_address *address) {
  struct sockaddr_in6 ipv6;
  if (address->storage.ss_family != AF_INET6) return false;
  memcpy(&ipv6, &address->storage, sizeof ipv6);
  return IN6_IS_ADDR_UNSPECIFIED(&ipv6.sin6_addr);
}

/* The part of sun_path that counts. A name that begins with a NUL ("abstract", which no file stands for) is
 * shown with an @ in its place, as everywhere. */
static void print_unix(const tp_address *address, char ret_text[TP_ADDRESS_TEXT_SIZE]) {
  struct sockaddr_un unix_address;
  memcpy(&unix_address, &address->storage, sizeof unix_address);
  size_t offset = offsetof(struct sockaddr_un, sun_path);
  size_t size = address->size > offset ? address->size - offset : 0;
  if (size > UNIX_PATH_SIZE) size = UNIX_PATH_SIZE;
  bool is_abstract = size > 1 && unix_address.sun_path[0] == '\0';
  const char *path = unix_address.sun_path + is_abstract;
  size = strnlen(path, size - (size > 0 && is_abstract));
  (void)snprintf(ret_text, TP_ADDRESS_TEXT_SIZE, "%s%s%.*s", unix_prefix, is_abstract ? "@" : "", (int)size,
                 path);
}

void tp_address_print(const tp_address *address, char ret_text[TP_ADDRESS_TEXT_SIZE]) {
  if (tp_address_is_unix(address)) {
    print_unix(address, ret_text);
    return;
  }
  char host[TP_ADDRESS_TEXT_SIZE - 8] = "?"; /* an IPv6 address may name an interface, "fe80::1%eth0" */
  bool is_ipv6 = address->storage.ss_family == AF_INET6;
  (void)getnameinfo((const struct sockaddr *)&address->storage, address->size, host, sizeof host, NULL, 0,
                    NI_NUMERICHOST);
  (void)snprintf(ret_text, TP_ADDRESS_TEXT_SIZE, is_ipv6 ? "[%s]:%u" : "%s:%u", host,
                 tp_address_port(address));
}

void tp_address_print_peer(const struct sockaddr_storage *peer, char ret_text[TP_ADDRESS_PEER_SIZE]) {
  struct sockaddr_in ipv4;
  struct sockaddr_in6 ipv6;
  const void *bytes = NULL;
  int family = peer->ss_family;
  ret_text[0] = '\0';
  if (family == AF_INET) {
    memcpy(&ipv4, peer, sizeof ipv4);
    bytes = &ipv4.sin_addr;
  } else if (family == AF_INET6) {
    memcpy(&ipv6, peer, sizeof ipv6);
    bool is_mapped = IN6_IS_ADDR_V4MAPPED(&ipv6.sin6_addr);
    bytes = &ipv6.sin6_addr.s6_addr[is_mapped ? 12 : 0];
    if (is_mapped) family = AF_INET;
  } else if (family == AF_UNIX) {
    (void)snprintf(ret_text, TP_ADDRESS_PEER_SIZE, "unix");
  }
  if (bytes != NULL) (void)inet_ntop(family, bytes, ret_text, TP_ADDRESS_PEER_SIZE);
}
