/* unix_file.h: the file that a Unix-domain socket is reached by. */
#ifndef TP_NET_UNIX_FILE_H
#define TP_NET_UNIX_FILE_H

#include "net/private.h"

#include <sys/types.h>

/* Which file it is, whatever its path stands for later. */
typedef struct tp_unix_file {
  dev_t device;
  ino_t number;
} tp_unix_file;

/* Makes the file of `address`, mode 0660, and listens. While it looks at what is there it holds a lock
 * (flock) on the folder, so that of two servers that find a dead one's socket only one replaces it; waits
 * some seconds for that. Errors: TUPLET_IO. */
tuplet_status tp_unix_file_listen(const tp_address *address, int *ret_socket, tp_unix_file *ret_file,
                                  tuplet_error *error);

/* Removes it, unless something else is there by now. While the socket listens nobody replaces it, so call
 * this before the socket is closed. */
void tp_unix_file_remove(const tp_address *address, const tp_unix_file *file);

#endif
