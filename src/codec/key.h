/* key.h: the ordered encoding of keys. docs/storage.md has its table; in short, a key is its parts one after
 * the other, each a tag byte and a body, so that memcmp of two encoded keys is the order of the keys.
 *
 * Every function is pure, takes any bytes, and may be called from any thread. The public ones
 * (tuplet_key_encode, tuplet_key_decode) live here too. */
#ifndef TP_CODEC_KEY_H
#define TP_CODEC_KEY_H

#include "base/buffer.h"

/* Appends the encoded form of `key`. Takes memory only where `out` has no room. An already encoded key is
 * checked and appended as it is. Half surrogate pairs (WTF-8) in strings become U+FFFD, as Deno stores them;
 * NaN is made canonical. Errors: TUPLET_INVALID (a string that is not UTF-8, a bigint above 255 bytes, a bad
 * encoded key, a part of no type; the message names the part, or the byte), TUPLET_NOMEM. After an error
 * `out` is as it was, but for its capacity. */
tuplet_status tp_key_encode(tuplet_key key, tp_buffer *out, tuplet_error *error);

/* Whether `encoded` is a key, of any number of parts, even none. Allocates nothing. Errors: TUPLET_MALFORMED.
 */
tuplet_status tp_key_validate(tuplet_bytes encoded, tuplet_error *error);

#endif
