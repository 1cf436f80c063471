/* descriptors.h: how many descriptors the process may have, and how many of them connections may take. */
#ifndef TP_SERVER_DESCRIPTORS_H
#define TP_SERVER_DESCRIPTORS_H

#include <stdint.h>

/* Raises the soft limit to the hard one: the usual soft one is for programs that know no better. Returns what
 * it is then. */
uint64_t tp_descriptors_raise(void);

/* How many connections are to be let in, where the operator asks for connections_max: those, or as many as
 * leave the databases enough to be opened (open_databases_max of them at a time), which is never less than
 * half of the limit. A server whose connections have taken every descriptor could not read its files any
 * more. */
uint32_t tp_descriptors_bound(uint64_t limit, uint32_t connections_max, uint32_t open_databases_max);

#endif
