/* bounds.h: everything that bounds what clients can make the server spend, in one place, with its default.
 *
 * Each is an option of `tuplet serve`; docs/protocol.md says what a client sees beyond it. */
#ifndef TP_SERVER_BOUNDS_H
#define TP_SERVER_BOUNDS_H

#include <stddef.h>
#include <stdint.h>

typedef struct tp_bounds {
  /* Connections; of all listeners together. */
  uint32_t connections_max;
  uint32_t connections_per_address_max; /* of one IP address; those of Unix-domain sockets do not count */

  /* Requests. */
  uint32_t requests_per_connection_max; /* handled at a time; HTTP/2's streams */
  uint32_t requests_max;                /* handled at a time, of all connections; watches do not count */
  size_t header_size_max;               /* request line and headers, bytes */
  size_t body_size_max;                 /* bytes */

  /* Time. */
  uint32_t header_timeout_ms; /* from the connection's or request's first byte to the last of its head, the
                                 TLS handshake included */
  uint32_t body_timeout_ms;   /* from the head's last byte to the body's */
  uint32_t idle_timeout_ms;   /* a connection without any request */
  uint32_t send_timeout_ms;   /* a client that takes neither 4 KiB of its answers nor all of them */
  uint32_t drain_timeout_ms;  /* a server that ends, for answers to be taken */

  /* Watches. */
  uint32_t watches_per_connection_max;
  uint32_t watches_max; /* of all connections */

  /* Bytes of request bodies and of answers that wait for their clients, of all connections together. */
  size_t memory_max;
} tp_bounds;

/* The defaults; shown by --help. */
tp_bounds tp_bounds_default(void);

#endif
