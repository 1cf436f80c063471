/* key.c: keys, as arrays of JavaScript's and as libtuplet's. */
#include "key.h"

#include "property.h"

#include <stdbool.h>
#include <stdlib.h>

enum {
  PARTS_MAX = 4096,      /* more make a key too long, whatever they are */
  KEYS_MAX = 4096,       /* more are beyond every limit of the library's, too */
  BIGINT_WORDS_MAX = 33, /* one more than a key may have */
  UTF8_SEQUENCE_MAX = 4,
};

static const char wrong_part[] = "expected string, number, bigint, ArrayBufferView, boolean";

/* ---- Scratch ---- */

typedef struct block {
  struct block *next;
  _Alignas(max_align_t) unsigned char bytes[];
} block;

void tp_js_scratch_init(tp_js_scratch *scratch) {
  scratch->blocks = NULL;
  scratch->used = 0;
}

void tp_js_scratch_done(tp_js_scratch *scratch) {
  for (block *each = scratch->blocks, *next; each != NULL; each = next) {
    next = each->next;
    free(each);
  }
}

void *tp_js_scratch_allocate(tp_js_scratch *scratch, size_t size) {
  size_t start = (scratch->used + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
  if (start <= sizeof scratch->bytes && size <= sizeof scratch->bytes - start) {
    scratch->used = start + size;
    return scratch->bytes + start;
  }
  block *made = size <= SIZE_MAX - sizeof *made ? malloc(sizeof *made + size) : NULL;
  if (made == NULL) return NULL;
  made->next = scratch->blocks;
  scratch->blocks = made;
  return made->bytes;
}

static napi_status copy(tp_js_scratch *scratch, const void *data, size_t size, tuplet_bytes *ret_bytes) {
  void *bytes = tp_js_scratch_allocate(scratch, size);
  if (bytes == NULL) return napi_generic_failure;
  if (size > 0) memcpy(bytes, data, size);
  *ret_bytes = tuplet_view(bytes, size);
  return napi_ok;
}

/* ---- From JavaScript ---- */

static napi_status read_string(napi_env env, napi_value value, tp_js_scratch *scratch,
                               tuplet_bytes *ret_bytes) {
  size_t room = sizeof scratch->bytes - scratch->used, size;
  char *text = (char *)scratch->bytes + scratch->used;
  napi_status status = napi_ok;
  if (room > UTF8_SEQUENCE_MAX) {
    status = napi_get_value_string_utf8(env, value, text, room, &size);
    if (status != napi_ok) return status;
    if (size < room - UTF8_SEQUENCE_MAX) { /* so it was not cut */
      scratch->used += size;
      *ret_bytes = tuplet_view(text, size);
      return napi_ok;
    }
  }
  status = napi_get_value_string_utf8(env, value, NULL, 0, &size);
  if (status != napi_ok) return status;
  text = tp_js_scratch_allocate(scratch, size + 1);
  if (text == NULL) return napi_generic_failure;
  status = napi_get_value_string_utf8(env, value, text, size + 1, &size);
  *ret_bytes = tuplet_view(text, size);
  return status;
}

static napi_status read_bigint(napi_env env, napi_value value, tp_js_scratch *scratch, tuplet_part *part) {
  uint64_t words[BIGINT_WORDS_MAX];
  size_t count = BIGINT_WORDS_MAX;
  int is_negative;
  napi_status status = napi_get_value_bigint_words(env, value, &is_negative, &count, words);
  if (status != napi_ok) return status;
  part->type = TUPLET_PART_BIGINT;
  part->negative = is_negative != 0;
  if (count <= 1) {
    part->as.small = count == 0 ? 0 : words[0];
    return napi_ok;
  }
  if (count > BIGINT_WORDS_MAX) { /* too large for a key; what is told of it says so */
    count = BIGINT_WORDS_MAX;
    words[count - 1] = UINT64_MAX;
  }
  unsigned char big_endian[BIGINT_WORDS_MAX * 8];
  size_t size = 0;
  for (size_t i = count; i-- > 0;)
    for (int shift = 56; shift >= 0; shift -= 8) big_endian[size++] = (unsigned char)(words[i] >> shift);
  return copy(scratch, big_endian, size, &part->bytes);
}

/* The size of a typed array's elements; 0 for a type that is not known. */
static size_t element_size(napi_typedarray_type type) {
  switch (type) {
  case napi_int8_array:
  case napi_uint8_array:
  case napi_uint8_clamped_array: return 1;
  case napi_int16_array:
  case napi_uint16_array: return 2;
  case napi_int32_array:
  case napi_uint32_array:
  case napi_float32_array: return 4;
  case napi_float64_array:
  case napi_bigint64_array:
  case napi_biguint64_array: return 8;
  default: return 0;
  }
}

/* napi_invalid_arg for what is no view. The bytes are copied: another thread may share them. */
static napi_status read_view(napi_env env, napi_value value, tp_js_scratch *scratch,
                             tuplet_bytes *ret_bytes) {
  bool is_array = false, is_view = false;
  void *data = NULL;
  size_t size = 0;
  napi_status status = napi_is_typedarray(env, value, &is_array);
  if (status == napi_ok && !is_array) status = napi_is_dataview(env, value, &is_view);
  if (status != napi_ok) return status;
  if (is_array) {
    napi_typedarray_type type;
    status = napi_get_typedarray_info(env, value, &type, &size, &data, NULL, NULL);
    if (status == napi_ok && element_size(type) == 0) status = napi_invalid_arg;
    if (status == napi_ok) size *= element_size(type);
  } else {
    status = is_view ? napi_get_dataview_info(env, value, &size, &data, NULL, NULL) : napi_invalid_arg;
  }
  return status == napi_ok ? copy(scratch, data, size, ret_bytes) : status;
}

static napi_status read_part(napi_env env, napi_value value, tp_js_scratch *scratch, tuplet_part *part) {
  napi_valuetype type;
  bool boolean;
  napi_status status = napi_typeof(env, value, &type);
  if (status != napi_ok) return status;
  *part = (tuplet_part){.type = TUPLET_PART_BYTES};
  switch (type) {
  case napi_string: part->type = TUPLET_PART_STRING; return read_string(env, value, scratch, &part->bytes);
  case napi_number:
    part->type = TUPLET_PART_NUMBER;
    return napi_get_value_double(env, value, &part->as.number);
  case napi_bigint: return read_bigint(env, value, scratch, part);
  case napi_boolean:
    status = napi_get_value_bool(env, value, &boolean);
    if (status == napi_ok) *part = tuplet_part_bool(boolean);
    return status;
  case napi_object: status = read_view(env, value, scratch, &part->bytes); break;
  default: status = napi_invalid_arg;
  }
  if (status != napi_invalid_arg) return status;
  (void)napi_throw_type_error(env, NULL, wrong_part);
  return napi_pending_exception;
}

napi_status tp_js_key_read(napi_env env, napi_value array, tp_js_scratch *scratch, tuplet_key *ret_key) {
  uint32_t count;
  napi_status status = napi_get_array_length(env, array, &count);
  if (status != napi_ok) return status;
  if (count > PARTS_MAX) count = PARTS_MAX;
  tuplet_part *parts = tp_js_scratch_allocate(scratch, count * sizeof *parts);
  if (parts == NULL) return napi_generic_failure;
  for (uint32_t i = 0; i < count; i++) {
    napi_value element;
    status = napi_get_element(env, array, i, &element);
    if (status == napi_ok) status = read_part(env, element, scratch, &parts[i]);
    if (status != napi_ok) return status;
  }
  *ret_key = (tuplet_key){parts, count, {NULL, 0}};
  return napi_ok;
}

napi_status tp_js_keys_read(napi_env env, napi_value array, tp_js_scratch *scratch, tuplet_key **ret_keys,
                            size_t *ret_count) {
  uint32_t count;
  napi_status status = napi_get_array_length(env, array, &count);
  if (status != napi_ok) return status;
  if (count > KEYS_MAX) count = KEYS_MAX;
  tuplet_key *keys = tp_js_scratch_allocate(scratch, count * sizeof *keys);
  if (keys == NULL) return napi_generic_failure;
  for (uint32_t i = 0; i < count; i++) {
    napi_value element;
    status = napi_get_element(env, array, i, &element);
    if (status == napi_ok) status = tp_js_key_read(env, element, scratch, &keys[i]);
    if (status != napi_ok) return status;
  }
  *ret_keys = keys;
  *ret_count = count;
  return napi_ok;
}

static napi_status read_bound(napi_env env, napi_value object, const char *name, tp_js_scratch *scratch,
                              const tuplet_key **ret_key) {
  napi_value value;
  napi_status status = napi_get_named_property(env, object, name, &value);
  *ret_key = NULL;
  if (status != napi_ok || tp_js_is_nullish(env, value)) return status;
  tuplet_key *key = tp_js_scratch_allocate(scratch, sizeof *key);
  if (key == NULL) return napi_generic_failure;
  status = tp_js_key_read(env, value, scratch, key);
  *ret_key = key;
  return status;
}

napi_status tp_js_selector_read(napi_env env, napi_value object, tp_js_scratch *scratch,
                                tuplet_selector *ret_selector) {
  napi_status status = read_bound(env, object, "prefix", scratch, &ret_selector->prefix);
  if (status == napi_ok) status = read_bound(env, object, "start", scratch, &ret_selector->start);
  if (status == napi_ok) status = read_bound(env, object, "end", scratch, &ret_selector->end);
  return status;
}

/* ---- To JavaScript ---- */

static napi_status make_bytes(napi_env env, tuplet_bytes bytes, napi_value *ret_array) {
  void *data;
  napi_value buffer;
  napi_status status = napi_create_arraybuffer(env, bytes.size, &data, &buffer);
  if (status != napi_ok) return status;
  if (bytes.size > 0) memcpy(data, bytes.data, bytes.size);
  return napi_create_typedarray(env, napi_uint8_array, bytes.size, buffer, 0, ret_array);
}

static napi_status make_bigint(napi_env env, const tuplet_part *part, napi_value *ret_bigint) {
  if (part->bytes.data == NULL)
    return napi_create_bigint_words(env, part->negative, 1, &part->as.small, ret_bigint);
  uint64_t words[BIGINT_WORDS_MAX] = {0};
  const unsigned char *big_endian = part->bytes.data;
  size_t size = part->bytes.size;
  if (size > sizeof words) return napi_invalid_arg; /* no key has such a one */
  for (size_t i = 0; i < size; i++) words[i / 8] |= (uint64_t)big_endian[size - 1 - i] << (8 * (i % 8));
  return napi_create_bigint_words(env, part->negative, (size + 7) / 8, words, ret_bigint);
}

static napi_status make_part(napi_env env, const tuplet_part *part, napi_value *ret_value) {
  switch (part->type) {
  case TUPLET_PART_BYTES: return make_bytes(env, part->bytes, ret_value);
  case TUPLET_PART_STRING:
    return napi_create_string_utf8(env, part->bytes.data != NULL ? part->bytes.data : "", part->bytes.size,
                                   ret_value);
  case TUPLET_PART_BIGINT: return make_bigint(env, part, ret_value);
  case TUPLET_PART_NUMBER: return napi_create_double(env, part->as.number, ret_value);
  case TUPLET_PART_FALSE:
  case TUPLET_PART_TRUE: return napi_get_boolean(env, part->type == TUPLET_PART_TRUE, ret_value);
  }
  return napi_invalid_arg;
}

napi_status tp_js_key_make(napi_env env, tuplet_bytes encoded, napi_value *ret_array) {
  tuplet_key_parts *parts;
  tuplet_error error;
  if (tuplet_key_decode(encoded, NULL, &parts, &error) != TUPLET_OK) {
    (void)napi_throw_error(env, NULL, error.message);
    return napi_pending_exception;
  }
  napi_status status = napi_create_array_with_length(env, parts->count, ret_array);
  for (size_t i = 0; status == napi_ok && i < parts->count; i++) {
    napi_value part;
    status = make_part(env, &parts->parts[i], &part);
    if (status == napi_ok) status = napi_set_element(env, *ret_array, (uint32_t)i, part);
  }
  tuplet_key_parts_free(parts);
  return status;
}
