/* address.h: whether an address to listen at is written as one, before anything is done with it. */
#ifndef TP_NET_ADDRESS_H
#define TP_NET_ADDRESS_H

#include "tuplet.h"

/* "HOST:PORT", "[IPv6]:PORT", "unix:PATH" (of at most 107 bytes); the host is not looked up. Errors:
 * TUPLET_SYNTAX. Any thread. */
tuplet_status tp_address_check(const char *text, tuplet_error *error);

#endif
