/* endpoint.h: the addresses at which a server listens, as sockets that any number of loops share.
 *
 * They are opened before the loops are there, so that a server that cannot have them all does not start; from
 * then on connections wait for a loop. Listeners (listener.h) join them.
 *
 *   HOST:PORT    a socket for each loop; the kernel spreads connections over them (SO_REUSEPORT)
 *   unix:PATH    one socket that all loops share: whichever is free first takes a connection
 *   inherited    likewise, since whoever opened it has decided about it
 *
 * None of this is for more than one thread at a time. */
#ifndef TP_NET_ENDPOINT_H
#define TP_NET_ENDPOINT_H

#include "tuplet.h"

typedef struct tp_endpoints tp_endpoints;

/* Binds and listens at all `addresses`, and takes over the `inherited` descriptors, which listen already;
 * they are closed with the rest, and when opening fails.
 *
 * address: as tp_address_check has it. A host name may be looked up, which blocks; where it stands for
 * several addresses all of them are listened at that the machine has. Port 0 is any free one. "[::]:PORT"
 * takes IPv4 connections, too, unless an IPv4 address with that port is among `addresses`. One given twice
 * counts once.
 *
 * A Unix-domain socket's file is made with mode 0660, and removed by tp_endpoints_close. One that a dead
 * server has left behind is replaced, any other file is not, nor is the socket of a server that lives.
 *
 * Errors: TUPLET_SYNTAX (an address), TUPLET_IO (look-up, bind; also when another program listens there; an
 * inherited descriptor that is no listening stream socket), TUPLET_NOMEM. */
tuplet_status tp_endpoints_open(const tuplet_allocator *allocator, const char *const *addresses,
                                size_t address_count, const int *inherited, size_t inherited_count,
                                tp_endpoints **ret_endpoints, tuplet_error *error);

size_t tp_endpoints_count(const tp_endpoints *endpoints);

/* "127.0.0.1:4512", "[::1]:4512", "unix:/run/tuplet.sock": what it is really bound to. Lives as long as the
 * endpoints.
 */
const char *tp_endpoints_address(const tp_endpoints *endpoints, size_t index);
/* 0 for a Unix-domain socket. */
uint16_t tp_endpoints_port(const tp_endpoints *endpoints, size_t index);
bool tp_endpoints_is_unix(const tp_endpoints *endpoints, size_t index);

/* Removes the files of Unix-domain sockets and stops listening, but for the listeners that have joined. Comes
 * before they drain, so that clients find nobody rather than someone who does not answer. More than once is
 * fine. */
void tp_endpoints_close(tp_endpoints *endpoints);

/* Closes. NULL is fine. */
void tp_endpoints_free(tp_endpoints *endpoints);

#endif
