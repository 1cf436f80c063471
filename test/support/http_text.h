/* http_text.h: what tests read in a server's texts. */
#ifndef TP_TEST_SUPPORT_HTTP_TEXT_H
#define TP_TEST_SUPPORT_HTTP_TEXT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Of an address as the server tells it: "127.0.0.1:4512". 0: it has none. */
static inline uint16_t port_of(const char *address) {
  const char *colon = strrchr(address, ':');
  return colon == NULL ? 0 : (uint16_t)strtoul(colon + 1, NULL, 10);
}

/* Of an answer that begins with "HTTP/1.1 200". 0: it is none. */
static inline int status_of(const char *answer) {
  static const char version[] = "HTTP/1.1 ";
  return strncmp(answer, version, sizeof version - 1) != 0
             ? 0
             : (int)strtol(answer + sizeof version - 1, NULL, 10);
}

#endif
