/* text_date.h: moments as ISO 8601 text, in the form that JavaScript's Date writes and reads. */
#ifndef TP_CODEC_TEXT_DATE_H
#define TP_CODEC_TEXT_DATE_H

#include "tuplet.h"

enum { TP_DATE_TEXT_SIZE = 28 }; /* "-271821-04-20T00:00:00.000Z" and a NUL */

/* Whether a Date's number has an ISO form that says all of it: an integer, not -0, within 8.64e15 ms of 1970.
 */
bool tp_date_has_text(double unix_ms);

/* Writes what toISOString() gives, NUL-ended; returns the length without the NUL. Only for a number for which
 * tp_date_has_text. */
size_t tp_date_to_text(double unix_ms, char ret_text[TP_DATE_TEXT_SIZE]);

/* Reads ECMA-262's date-time format (21.4.1.32): YYYY, YYYY-MM, YYYY-MM-DD, each optionally with THH:mm,
 * THH:mm:ss or THH:mm:ss.s...; years of 4 digits, or of 6 with a sign. A time must be followed by Z or an
 * offset: without, it would mean another moment on every machine. False for anything else. */
bool tp_date_from_text(tuplet_bytes text, double *ret_unix_ms);

#endif
