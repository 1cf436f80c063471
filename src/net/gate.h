/* gate.h: who may connect: how many connections there are, in all and of each address.
 *
 * One gate stands before all listeners of a server. All functions but new and free may be called on any
 * thread. */
#ifndef TP_NET_GATE_H
#define TP_NET_GATE_H

#include "tuplet.h"

#include <sys/socket.h>

typedef struct tp_net_gate tp_net_gate;

/* Beyond connections_max nobody is admitted, beyond connections_per_address_max nobody more from that
 * address. An IPv6 address is its first 64 bits, which is the least that a network gets; IPv4 addresses that
 * IPv6 sockets show mapped are themselves; Unix-domain sockets have no address. Takes 8 bytes of memory for
 * every 4 connections_max, and about 32 for each address from which there is a connection. Errors:
 * TUPLET_NOMEM, TUPLET_IO (no randomness). */
tuplet_status tp_net_gate_new(const tuplet_allocator *allocator, uint32_t connections_max,
                              uint32_t connections_per_address_max, tp_net_gate **ret_gate,
                              tuplet_error *error);

/* When everybody has left. NULL is fine. */
void tp_net_gate_free(tp_net_gate *gate);

typedef enum tp_net_gate_answer {
  TP_NET_GATE_ADMITTED,
  TP_NET_GATE_FULL,         /* the server has all the connections it may have */
  TP_NET_GATE_ADDRESS_FULL, /* that address has */
  TP_NET_GATE_NOMEM         /* no memory to count it: to be asked again later */
} tp_net_gate_answer;

/* An address that has connections; NULL for none. */
typedef struct tp_net_gate_address tp_net_gate_address;

/* A connection from `peer` wants in. Once admitted, it leaves with what *ret_address got. */
tp_net_gate_answer tp_net_gate_enter(tp_net_gate *gate, const struct sockaddr_storage *peer,
                                     tp_net_gate_address **ret_address);
void tp_net_gate_leave(tp_net_gate *gate, tp_net_gate_address *address);

typedef struct tp_net_gate_counts {
  uint64_t connections;          /* at this moment */
  uint64_t admitted;             /* ever */
  uint64_t refused_full;         /* ever, for the one bound, */
  uint64_t refused_address_full; /* and for the other */
} tp_net_gate_counts;

tp_net_gate_counts tp_net_gate_counts_now(const tp_net_gate *gate);

#endif
