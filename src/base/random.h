/* random.h: unpredictable bytes from the operating system. */
#ifndef TP_BASE_RANDOM_H
#define TP_BASE_RANDOM_H

#include "tuplet.h"

/* Fills `size` bytes fit for secrets. TUPLET_IO when the system has none to give. Any thread. */
tuplet_status tp_random_fill(void *data, size_t size, tuplet_error *error);

enum { TP_UUID_TEXT_SIZE = 37 }; /* 36 characters and a NUL */

/* A random UUID (version 4), lower case. */
tuplet_status tp_random_uuid(char ret_text[TP_UUID_TEXT_SIZE], tuplet_error *error);

#endif
