/* trim.c: memory goes back to the system when a crowd has left. */
#include "server/host/trim.h"

#include <malloc.h>
#include <stdlib.h>

/* Fewer hold too little to be worth it. */
enum { MANY = 256 };

bool tp_trim_look(tp_trim *trim, uint64_t count) {
  if (count > trim->most) trim->most = count;
  if (trim->most < MANY || count >= trim->most / 2) return false;
#ifdef __GLIBC__
  (void)malloc_trim(0); /* whether there was anything to give is of no interest */
#endif
  trim->most = count;
  return true;
}
