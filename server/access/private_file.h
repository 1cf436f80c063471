/* private_file.h: small files that are the server's own and decide who may what: read without being led
 * elsewhere, written whole or not at all. */
#ifndef TP_SERVER_PRIVATE_FILE_H
#define TP_SERVER_PRIVATE_FILE_H

#include "base/buffer.h"

#include <sys/stat.h>

/* Appends the file's text to `text`, which is secret until the caller says otherwise: he cleanses it.
 * TUPLET_OK, or TUPLET_NOT_FOUND: there is no such file. Errors: TUPLET_IO (also when it is a symbolic link
 * or no regular file), TUPLET_FORMAT (it has more than size_max bytes), TUPLET_NOMEM. Never waits, whatever
 * has the name. */
tuplet_status tp_private_file_read(const char *file, size_t size_max, tp_buffer *text,
                                   struct stat *ret_attributes, tuplet_error *error);

/* The same for a descriptor that was opened already, from its start. */
tuplet_status tp_private_file_read_open(int descriptor, const char *file, size_t size_max, tp_buffer *text,
                                        struct stat *ret_attributes, tuplet_error *error);

/* Makes a file that its owner alone may read and that holds the text on stable storage, or does not stay.
 * attributes: of a file whose owner, group and mode it is to have; NULL: none. False: errno tells why; EEXIST
 * when something has that name. */
bool tp_private_file_create(const char *file, tuplet_bytes text, const struct stat *attributes);

/* Makes what was done to a file's directory entry durable. Where that cannot be done it is as durable as it
 * gets. */
void tp_private_file_sync_folder(const char *file);

#endif
