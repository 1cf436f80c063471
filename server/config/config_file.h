/* config_file.h: the file of options: lines `NAME = VALUE`, comments from `#`. */
#ifndef TP_SERVER_CONFIG_FILE_H
#define TP_SERVER_CONFIG_FILE_H

#include "base/arena.h"
#include "tuplet.h"

/* Reads a whole text file into the arena, NUL-ended. Errors: TUPLET_IO (also for more than size_max bytes,
 * and for one that holds a NUL), TUPLET_NOMEM. */
tuplet_status tp_config_file_load(const char *path, size_t size_max, tp_arena *arena, char **ret_text,
                                  tuplet_error *error);

/* Calls on_setting for each line that sets something, in order; name and value are NUL-ended and lie in
 * `text`, which is changed. `where` ("FILE, line 3") is valid during the call. Stops at the first error, its
 * own (TUPLET_SYNTAX) or on_setting's. */
tuplet_status tp_config_file_parse(const char *path, char *text,
                                   tuplet_status (*on_setting)(void *context, const char *where,
                                                               const char *name, const char *value,
                                                               tuplet_error *error),
                                   void *context, tuplet_error *error);

#endif
