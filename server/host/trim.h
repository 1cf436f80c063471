/* trim.h: memory goes back to the system when a crowd has left.
 *
 * The C library keeps what is freed for the next who asks, and gives back only what lies at the end of its
 * heaps, where there is nearly always something that stays. So after ten thousand connections a server would
 * stay as large as it was with them. */
#ifndef TP_SERVER_TRIM_H
#define TP_SERVER_TRIM_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed is a fresh one. For one thread. */
typedef struct tp_trim {
  uint64_t most; /* since memory was given back */
} tp_trim;

/* To be called now and then with the number of connections and watches there are, and of large pieces that
 * wait for clients. When less than half is left of many, the memory that is free goes back, and true is
 * returned. That may hold up for some milliseconds whoever allocates meanwhile. */
bool tp_trim_look(tp_trim *trim, uint64_t count);

#endif
