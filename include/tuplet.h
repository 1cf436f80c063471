/* tuplet.h: the whole public interface of libtuplet, an embeddable Deno KV.
 *
 * A database maps keys (tuples of bytes, strings, bigints, numbers and booleans, in a defined order) to
 * values (JavaScript values in V8's serialization format, 64-bit counters, or raw bytes). Every write is an
 * atomic operation and gets a versionstamp, larger than every one before it.
 *
 * Read first:
 *  - Threads: a tuplet_db may be used by any number of threads at once. A tuplet_atomic, tuplet_list,
 *    tuplet_watch or tuplet_tree belongs to one thread at a time.
 *  - Processes: several processes, Deno's among them, may have the same file open. Do not carry an open
 *    database across fork(). Do not put the file on a network file system (SQLite's locks do not work there).
 *  - Acknowledged means durable: a write that returned TUPLET_OK is on stable storage, unless the database
 * was opened with TUPLET_DURABILITY_RELAXED.
 *  - Ownership: arguments are borrowed for the length of the call (asynchronous calls copy what they need).
 *    What a ret_ argument gives belongs to the caller, who ends it with the named function. A ret_ argument
 *    is written on success only.
 *  - Errors: every call that can fail takes a tuplet_error (or NULL) and fills it when it returns a negative
 *    status. Positive statuses are answers, not faults: they leave the error untouched.
 *  - C integers are bigints, C floating-point numbers are numbers: see TUPLET_KEY.
 */
#ifndef TUPLET_H
#define TUPLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TUPLET_VERSION_MAJOR 0
#define TUPLET_VERSION_MINOR 1
#define TUPLET_VERSION_PATCH 0

#if defined(_WIN32)
#define TUPLET_API
#elif defined(__GNUC__)
#define TUPLET_API __attribute__((visibility("default")))
#else
#define TUPLET_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Statuses and errors ------------------------------------------------------------------------------ */

/* What a call came to. Zero is success, positive is an answer, negative is an error. */
typedef int32_t tuplet_status;

#define TUPLET_STATUS_MAP(X)                                                                                 \
  X(OK, 0, "success")                                                                                        \
  X(NOT_FOUND, 1, "no such entry")                                                                           \
  X(CONFLICT, 2, "a check of the atomic operation failed; nothing was written")                              \
  X(DONE, 3, "there is nothing more")                                                                        \
  X(TIMEOUT, 4, "nothing happened in the time given")                                                        \
  X(MISUSE, -1, "the call breaks a rule of the interface")                                                   \
  X(INVALID, -2, "an argument has a value that is not allowed")                                              \
  X(LIMIT, -3, "a limit is exceeded")                                                                        \
  X(SYNTAX, -4, "a text does not parse")                                                                     \
  X(MALFORMED, -5, "bytes are not a valid encoding")                                                         \
  X(TYPE, -6, "sum, min or max meets a value of the wrong type")                                             \
  X(RANGE, -7, "the result of a sum is outside the range given with it")                                     \
  X(READ_ONLY, -8, "the database cannot take writes")                                                        \
  X(CLOSED, -9, "the database is closed")                                                                    \
  X(BUSY, -10, "another process held the file for too long")                                                 \
  X(FULL, -11, "the disk is full")                                                                           \
  X(IO, -12, "reading or writing the file failed")                                                           \
  X(NOMEM, -13, "out of memory")                                                                             \
  X(FORMAT, -14, "the file is not a database that this version can use")                                     \
  X(CORRUPT, -15, "the file is damaged")                                                                     \
  X(UNSUPPORTED, -16, "this database cannot do that")                                                        \
  X(DENIED, -17, "the server refuses the access token, or this to its bearer")                               \
  X(UNKNOWN, -18, "the outcome is unknown: it may have been committed")

#define TUPLET_STATUS_ENUM(name, code, text) TUPLET_##name = (code),
enum { TUPLET_STATUS_MAP(TUPLET_STATUS_ENUM) };
#undef TUPLET_STATUS_ENUM

#define TUPLET_ERROR_MESSAGE_MAX 512

/* An error that names the offending value. The message is UTF-8, ends in NUL, and is cut to fit. */
typedef struct tuplet_error {
  tuplet_status status;
  char message[TUPLET_ERROR_MESSAGE_MAX];
} tuplet_error;

/* The status's name ("TUPLET_LIMIT") and its meaning in a sentence. Static strings; never NULL. Any thread.
 */
TUPLET_API const char *tuplet_status_name(tuplet_status status);
TUPLET_API const char *tuplet_status_text(tuplet_status status);

/* "0.1.0". A static string. */
TUPLET_API const char *tuplet_version(void);

/* ---- Bytes and memory --------------------------------------------------------------------------------- */

/* A view of bytes that somebody else owns. data may be NULL when size is 0. */
typedef struct tuplet_bytes {
  const void *data;
  size_t size;
} tuplet_bytes;

/* Where the library takes its memory from. reallocate works as realloc, with new_size 0 as free; it must be
 * callable from any thread and returns memory aligned for any type, or NULL (an error to the caller, never a
 * crash). NULL in place of an allocator means the C library's. The struct must outlive what was made with it.
 * SQLite and OpenSSL keep allocators of their own. */
typedef struct tuplet_allocator {
  void *(*reallocate)(void *context, void *pointer, size_t new_size);
  void *context;
} tuplet_allocator;

/* Bytes that the library made for the caller. End with tuplet_owned_free; a zeroed one is empty and may be
 * freed. text results are followed by a NUL that size does not count. */
typedef struct tuplet_owned {
  void *data;
  size_t size;
  const tuplet_allocator *allocator;
} tuplet_owned;

TUPLET_API void tuplet_owned_free(tuplet_owned *owned);

/* ---- Keys --------------------------------------------------------------------------------------------- */

/* The types of a key's parts, in key order. (Deno's manual lists number before bigint; every stored file has
 * bigint first, and so do we.) */
typedef enum tuplet_part_type {
  TUPLET_PART_BYTES = 1,
  TUPLET_PART_STRING = 2,
  TUPLET_PART_BIGINT = 3,
  TUPLET_PART_NUMBER = 4,
  TUPLET_PART_FALSE = 5,
  TUPLET_PART_TRUE = 6
} tuplet_part_type;

/* One part of a key. Which members mean something depends on type:
 *   BYTES   bytes
 *   STRING  bytes: UTF-8
 *   BIGINT  negative, and the magnitude: small when bytes.data is NULL, else bytes (big-endian, at most 255
 *           bytes without leading zeros)
 *   NUMBER  number */
typedef struct tuplet_part {
  tuplet_part_type type;
  bool negative;
  tuplet_bytes bytes;
  union {
    uint64_t small;
    double number;
  } as;
} tuplet_part;

/* A key to look up or write: a view, either of parts, or of an encoded key (as entries carry it) when
 * encoded.data is not NULL. TUPLET_KEY makes the first kind, tuplet_key_of the second. */
typedef struct tuplet_key {
  const tuplet_part *parts;
  size_t part_count;
  tuplet_bytes encoded;
} tuplet_key;

static inline tuplet_key tuplet_key_of(tuplet_bytes encoded) {
  tuplet_key key = {NULL, 0, {NULL, 0}};
  key.encoded = encoded;
  return key;
}

/* Parts, made explicitly. TUPLET_KEY makes them from C values by itself; these are for what C's types cannot
 * tell: strings with a length, numbers from integers, booleans from C17's true and false (which are ints),
 * bigints beyond 64 bits. Strings and bytes are borrowed. */
static inline tuplet_part tuplet_part_bytes(tuplet_bytes bytes) {
  tuplet_part part = {TUPLET_PART_BYTES, false, {NULL, 0}, {0}};
  part.bytes = bytes;
  return part;
}

static inline tuplet_part tuplet_part_string(const char *utf8, size_t size) {
  tuplet_part part = {TUPLET_PART_STRING, false, {NULL, 0}, {0}};
  part.bytes.data = utf8;
  part.bytes.size = size;
  return part;
}

/* big_endian: at most 255 bytes, leading zeros allowed; zero when empty. */
static inline tuplet_part tuplet_part_bigint(bool negative, tuplet_bytes big_endian) {
  tuplet_part part = {TUPLET_PART_BIGINT, false, {NULL, 0}, {0}};
  part.negative = negative;
  part.bytes = big_endian;
  return part;
}

static inline tuplet_part tuplet_part_unsigned(uint64_t integer) {
  tuplet_part part = {TUPLET_PART_BIGINT, false, {NULL, 0}, {0}};
  part.as.small = integer;
  return part;
}

static inline tuplet_part tuplet_part_signed(int64_t integer) {
  tuplet_part part = {TUPLET_PART_BIGINT, false, {NULL, 0}, {0}};
  part.negative = integer < 0;
  part.as.small = integer < 0 ? (uint64_t)0 - (uint64_t)integer : (uint64_t)integer;
  return part;
}

static inline tuplet_part tuplet_part_number(double number) {
  tuplet_part part = {TUPLET_PART_NUMBER, false, {NULL, 0}, {0}};
  part.as.number = number;
  return part;
}

static inline tuplet_part tuplet_part_bool(bool boolean) {
  tuplet_part part = {TUPLET_PART_FALSE, false, {NULL, 0}, {0}};
  if (boolean) part.type = TUPLET_PART_TRUE;
  return part;
}

static inline tuplet_part tuplet_part_self(tuplet_part part) {
  return part;
}

/* (pointer, size) as a tuplet_bytes. */
static inline tuplet_bytes tuplet_view(const void *data, size_t size) {
  tuplet_bytes bytes = {data, size};
  return bytes;
}

/* A NUL-ended UTF-8 string. NULL makes a part that every call answers with TUPLET_INVALID. */
static inline tuplet_part tuplet_part_text(const char *utf8) {
  return tuplet_part_string(utf8, utf8 == NULL ? 1 : strlen(utf8));
}

/* Parts of their own, since C17's true and false are ints, which would be the bigints 1n and 0n. */
#define TUPLET_TRUE  tuplet_part_bool(true)
#define TUPLET_FALSE tuplet_part_bool(false)

/* clang-format off */
/* TUPLET_KEY_EMPTY: the key of no parts, which as a prefix selects everything.
 *
 * TUPLET_KEY(part, ...): a tuplet_key of 1 to 16 parts from C values, each by its type:
 *
 *   any integer type        bigint        TUPLET_KEY(1) is [1n]
 *   float, double           number        TUPLET_KEY(1.0) and TUPLET_KEY(tuplet_part_number(1)) are [1]
 *   bool                    boolean       variables only: C17's words true and false ARE INTS, so that
 *                                         TUPLET_KEY(true) is [1n]. Write TUPLET_TRUE and TUPLET_FALSE.
 *   char *, const char *    string        NUL-ended, UTF-8
 *   tuplet_bytes            Uint8Array
 *   tuplet_part             as it is      what the tuplet_part_ functions make
 *
 * Anything else does not compile. Nothing is allocated; strings and bytes are borrowed.
 *
 * Lifetime, C: the parts live as long as the block in which the macro stands. It is a compound literal and an
 * lvalue: &TUPLET_KEY("users") is a key that a tuplet_selector may point to.
 * Lifetime, C++ (11 and newer): until the end of the full expression, so pass it to a call at once, or keep it
 * in an `auto` variable, which is a key together with its parts. There true and false are booleans. */
#ifndef __cplusplus

#define TUPLET_KEY_EMPTY ((tuplet_key){NULL, 0, {NULL, 0}})
#define TUPLET_KEY(...) \
  ((tuplet_key){(const tuplet_part[]){TUPLET_PARTS(__VA_ARGS__)}, TUPLET_PART_COUNT(__VA_ARGS__), {NULL, 0}})

/* One part from a C value. */
#define TUPLET_PART(value)                    \
  _Generic((value),                           \
    bool: tuplet_part_bool,                   \
    char: tuplet_part_signed,                 \
    signed char: tuplet_part_signed,          \
    short: tuplet_part_signed,                \
    int: tuplet_part_signed,                  \
    long: tuplet_part_signed,                 \
    long long: tuplet_part_signed,            \
    unsigned char: tuplet_part_unsigned,      \
    unsigned short: tuplet_part_unsigned,     \
    unsigned int: tuplet_part_unsigned,       \
    unsigned long: tuplet_part_unsigned,      \
    unsigned long long: tuplet_part_unsigned, \
    float: tuplet_part_number,                \
    double: tuplet_part_number,               \
    char *: tuplet_part_text,                 \
    const char *: tuplet_part_text,           \
    tuplet_bytes: tuplet_part_bytes,          \
    tuplet_part: tuplet_part_self)(value)

/* The machinery: how many arguments there are (TOO_MANY for 17 to 32), and TUPLET_PART around each. */
#define TUPLET_PART_COUNT(...)                                                                    \
  TUPLET_PART_COUNT_(__VA_ARGS__, TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY,     \
                     TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY,        \
                     TOO_MANY, TOO_MANY, TOO_MANY, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4,  \
                     3, 2, 1, 0)
#define TUPLET_PART_COUNT_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, aa, bb, cc, dd, ee, ff, \
                           gg, hh, ii, jj, kk, ll, mm, nn, oo, pp, count, ...) count
#define TUPLET_PARTS(...) TUPLET_PARTS_(TUPLET_PART_COUNT(__VA_ARGS__), __VA_ARGS__)
#define TUPLET_PARTS_(count, ...) TUPLET_PARTS__(count, __VA_ARGS__)
#define TUPLET_PARTS__(count, ...) TUPLET_PARTS_##count(__VA_ARGS__)
#define TUPLET_PARTS_TOO_MANY(...) TUPLET_KEY_takes_at_most_16_parts
#define TUPLET_PARTS_1(a) TUPLET_PART(a)
#define TUPLET_PARTS_2(a, ...) TUPLET_PART(a), TUPLET_PARTS_1(__VA_ARGS__)
#define TUPLET_PARTS_3(a, ...) TUPLET_PART(a), TUPLET_PARTS_2(__VA_ARGS__)
#define TUPLET_PARTS_4(a, ...) TUPLET_PART(a), TUPLET_PARTS_3(__VA_ARGS__)
#define TUPLET_PARTS_5(a, ...) TUPLET_PART(a), TUPLET_PARTS_4(__VA_ARGS__)
#define TUPLET_PARTS_6(a, ...) TUPLET_PART(a), TUPLET_PARTS_5(__VA_ARGS__)
#define TUPLET_PARTS_7(a, ...) TUPLET_PART(a), TUPLET_PARTS_6(__VA_ARGS__)
#define TUPLET_PARTS_8(a, ...) TUPLET_PART(a), TUPLET_PARTS_7(__VA_ARGS__)
#define TUPLET_PARTS_9(a, ...) TUPLET_PART(a), TUPLET_PARTS_8(__VA_ARGS__)
#define TUPLET_PARTS_10(a, ...) TUPLET_PART(a), TUPLET_PARTS_9(__VA_ARGS__)
#define TUPLET_PARTS_11(a, ...) TUPLET_PART(a), TUPLET_PARTS_10(__VA_ARGS__)
#define TUPLET_PARTS_12(a, ...) TUPLET_PART(a), TUPLET_PARTS_11(__VA_ARGS__)
#define TUPLET_PARTS_13(a, ...) TUPLET_PART(a), TUPLET_PARTS_12(__VA_ARGS__)
#define TUPLET_PARTS_14(a, ...) TUPLET_PART(a), TUPLET_PARTS_13(__VA_ARGS__)
#define TUPLET_PARTS_15(a, ...) TUPLET_PART(a), TUPLET_PARTS_14(__VA_ARGS__)
#define TUPLET_PARTS_16(a, ...) TUPLET_PART(a), TUPLET_PARTS_15(__VA_ARGS__)

#endif /* C; for C++ see the end of this file */
/* clang-format on */

/* The encoded form of a key: its bytes sort as the key does (Deno's order). Writes *ret_encoded, which the
 * caller frees. Errors: TUPLET_INVALID (a string that is not UTF-8, a bigint above 255 bytes, a bad encoded
 * key), TUPLET_NOMEM. Any thread. */
TUPLET_API tuplet_status tuplet_key_encode(tuplet_key key, const tuplet_allocator *allocator,
                                           tuplet_owned *ret_encoded, tuplet_error *error);

/* A decoded key; one block of memory that owns its parts. End with tuplet_key_parts_free. */
typedef struct tuplet_key_parts {
  const tuplet_part *parts;
  size_t count;
  const tuplet_allocator *allocator;
} tuplet_key_parts;

/* The parts of an encoded key. Errors: TUPLET_MALFORMED (unknown tag, cut-off body, a string that is not
 * UTF-8), TUPLET_NOMEM. Any thread. */
TUPLET_API tuplet_status tuplet_key_decode(tuplet_bytes encoded, const tuplet_allocator *allocator,
                                           tuplet_key_parts **ret_parts, tuplet_error *error);
TUPLET_API void tuplet_key_parts_free(tuplet_key_parts *parts);

/* A key in JavaScript's notation, ["users", 1n, true, new Uint8Array([1, 2])], from text and to text.
 * From text: writes the encoded key. Errors: TUPLET_SYNTAX (with the position), TUPLET_INVALID,
 * TUPLET_MALFORMED, TUPLET_NOMEM. Any thread. */
TUPLET_API tuplet_status tuplet_key_from_text(const char *text, size_t size,
                                              const tuplet_allocator *allocator, tuplet_owned *ret_encoded,
                                              tuplet_error *error);
TUPLET_API tuplet_status tuplet_key_to_text(tuplet_key key, const tuplet_allocator *allocator,
                                            tuplet_owned *ret_text, tuplet_error *error);

/* Which keys to list: {prefix}, {prefix, start}, {prefix, end} or {start, end}; NULL members are not given.
 * start is inclusive, end exclusive; with a prefix they must extend it. A prefix selects the keys that extend
 * it, not the key equal to it; the empty prefix (no parts) selects everything. */
typedef struct tuplet_selector {
  const tuplet_key *prefix;
  const tuplet_key *start;
  const tuplet_key *end;
} tuplet_selector;

/* ---- Values ------------------------------------------------------------------------------------------- */

/* How a value's bytes are to be read. The numbers are those of the file and of the protocol. */
typedef enum tuplet_encoding {
  TUPLET_ENCODING_V8 = 1,   /* any JavaScript value: V8's structured clone format, versions 13 to 16 */
  TUPLET_ENCODING_LE64 = 2, /* Deno.KvU64: 8 bytes, little-endian */
  TUPLET_ENCODING_BYTES = 3 /* a Uint8Array: its bytes as they are */
} tuplet_encoding;

/* A stored value: a view. For LE64 the number stands in u64, and in entries that were read also in data; what
 * is written is taken from u64. An entry of a damaged file may have another encoding, or an LE64 that is not
 * 8 bytes: its bytes are in data, and decoding refuses it. */
typedef struct tuplet_value {
  tuplet_encoding encoding;
  tuplet_bytes data;
  uint64_t u64;
} tuplet_value;

static inline tuplet_value tuplet_value_bytes(const void *data, size_t size) {
  tuplet_value value = {TUPLET_ENCODING_BYTES, {NULL, 0}, 0};
  value.data = tuplet_view(data, size);
  return value;
}

static inline tuplet_value tuplet_value_v8(tuplet_bytes encoded) {
  tuplet_value value = {TUPLET_ENCODING_V8, {NULL, 0}, 0};
  value.data = encoded;
  return value;
}

static inline tuplet_value tuplet_value_u64(uint64_t number) {
  tuplet_value value = {TUPLET_ENCODING_LE64, {NULL, 0}, 0};
  value.u64 = number;
  return value;
}

/* A JavaScript value as a tree (a graph, where objects are shared or refer to themselves: the same node
 * pointer stands in several places). Nodes live in a tuplet_tree and die with it. */
typedef enum tuplet_node_type {
  TUPLET_NODE_UNDEFINED,
  TUPLET_NODE_NULL,
  TUPLET_NODE_BOOL,
  TUPLET_NODE_NUMBER,
  TUPLET_NODE_BIGINT,
  TUPLET_NODE_STRING,
  TUPLET_NODE_DATE,          /* as.number: ms since 1970; NaN is the invalid date */
  TUPLET_NODE_BOOL_OBJECT,   /* new Boolean(true) */
  TUPLET_NODE_NUMBER_OBJECT, /* new Number(1) */
  TUPLET_NODE_BIGINT_OBJECT, /* Object(1n) */
  TUPLET_NODE_STRING_OBJECT, /* new String("x") */
  TUPLET_NODE_REGEXP,
  TUPLET_NODE_OBJECT,
  TUPLET_NODE_ARRAY,
  TUPLET_NODE_MAP,
  TUPLET_NODE_SET,
  TUPLET_NODE_BUFFER, /* ArrayBuffer */
  TUPLET_NODE_VIEW,   /* a typed array or DataView */
  TUPLET_NODE_ERROR,
  TUPLET_NODE_KVU64, /* only as a whole value: LE64 */
  TUPLET_NODE_OPAQUE /* only as a whole value: a V8 value that holds a host object, kept as bytes */
} tuplet_node_type;

/* The types of views, with V8's own letters. */
typedef enum tuplet_view_type {
  TUPLET_VIEW_INT8 = 'b',
  TUPLET_VIEW_UINT8 = 'B',
  TUPLET_VIEW_UINT8_CLAMPED = 'C',
  TUPLET_VIEW_INT16 = 'w',
  TUPLET_VIEW_UINT16 = 'W',
  TUPLET_VIEW_INT32 = 'd',
  TUPLET_VIEW_UINT32 = 'D',
  TUPLET_VIEW_FLOAT16 = 'h',
  TUPLET_VIEW_FLOAT32 = 'f',
  TUPLET_VIEW_FLOAT64 = 'F',
  TUPLET_VIEW_BIGINT64 = 'q',
  TUPLET_VIEW_BIGUINT64 = 'Q',
  TUPLET_VIEW_DATA = '?'
} tuplet_view_type;

/* The constructors of errors, with V8's own letters. */
typedef enum tuplet_error_type {
  TUPLET_ERROR_PLAIN = 0,
  TUPLET_ERROR_EVAL = 'E',
  TUPLET_ERROR_RANGE = 'R',
  TUPLET_ERROR_REFERENCE = 'F',
  TUPLET_ERROR_SYNTAX = 'S',
  TUPLET_ERROR_TYPE = 'T',
  TUPLET_ERROR_URI = 'U'
} tuplet_error_type;

/* V8's bits for the flags of a regular expression. */
enum {
  TUPLET_REGEXP_G = 1,
  TUPLET_REGEXP_I = 2,
  TUPLET_REGEXP_M = 4,
  TUPLET_REGEXP_Y = 8,
  TUPLET_REGEXP_U = 16,
  TUPLET_REGEXP_S = 32,
  TUPLET_REGEXP_L = 64,
  TUPLET_REGEXP_D = 128,
  TUPLET_REGEXP_V = 256
};

typedef struct tuplet_node tuplet_node;

typedef struct tuplet_pair {
  tuplet_node *key; /* objects, array properties: a STRING or NUMBER node; maps: any node */
  tuplet_node *value;
} tuplet_pair;

/* Read the member that type says. Strings are WTF-8: UTF-8 in which a lone surrogate stands as its three
 * bytes. Change a tree through the functions below only. */
struct tuplet_node {
  tuplet_node_type type;
  union {
    bool boolean;                 /* BOOL, BOOL_OBJECT */
    double number;                /* NUMBER, NUMBER_OBJECT, DATE */
    uint64_t u64;                 /* KVU64 */
    tuplet_bytes string;          /* STRING, STRING_OBJECT */
    tuplet_bytes opaque;          /* OPAQUE: the whole encoded value */
    struct {                      /* BIGINT, BIGINT_OBJECT */
      tuplet_bytes little_endian; /* without zeros at its end; empty is 0n */
      bool negative;
    } bigint;
    struct { /* REGEXP */
      tuplet_bytes source;
      uint32_t flags;
    } regexp;
    struct { /* OBJECT: NUMBER keys first and ascending, as in JavaScript; MAP: in insertion order */
      tuplet_pair *pairs;
      size_t count;
      size_t capacity;
    } map;
    struct { /* SET: in insertion order */
      tuplet_node **items;
      size_t count;
      size_t capacity;
    } set;
    struct {               /* ARRAY */
      tuplet_node **items; /* elements 0 .. count - 1; NULL is a hole */
      size_t count;
      size_t capacity;
      uint32_t length;         /* count <= length; what lies between is holes but for properties */
      tuplet_pair *properties; /* elements past count (NUMBER keys, ascending), then named (STRING keys) */
      size_t property_count;
      size_t property_capacity;
    } array;
    struct { /* BUFFER */
      uint8_t *data;
      size_t size;
      size_t size_max; /* new ArrayBuffer(size, {maxByteLength: size_max}) when resizable */
      bool resizable;
    } buffer;
    struct { /* VIEW */
      tuplet_view_type type;
      tuplet_node *buffer; /* a BUFFER */
      size_t offset;       /* bytes */
      size_t size;         /* bytes */
      bool length_tracking;
    } view;
    struct { /* ERROR */
      tuplet_error_type type;
      tuplet_node *message; /* a STRING, or NULL for none */
      tuplet_node *stack;   /* a STRING, or NULL for none */
      tuplet_node *cause;   /* any node, or NULL for none */
    } error;
  } as;
};

typedef struct tuplet_tree tuplet_tree;

/* An empty tree; NULL when out of memory. Ends with tuplet_tree_free (NULL is fine), which frees every node.
 */
TUPLET_API tuplet_tree *tuplet_tree_new(const tuplet_allocator *allocator);
TUPLET_API void tuplet_tree_free(tuplet_tree *tree);

/* New nodes. Bytes are copied; nodes given to these and to the functions below are of the same tree. Each
 * returns NULL when out of memory (or when an argument cannot be: a string that is not WTF-8, a view that
 * does not fit its buffer or is not aligned to its elements, the flags u and v together). What JavaScript
 * would change is changed: a date becomes whole milliseconds, or NaN outside its range of 8.64e15. A view
 * that tracks its buffer's length needs a resizable one, and its size is ignored. */
TUPLET_API tuplet_node *tuplet_node_undefined(tuplet_tree *tree);
TUPLET_API tuplet_node *tuplet_node_null(tuplet_tree *tree);
TUPLET_API tuplet_node *tuplet_node_bool(tuplet_tree *tree, bool boolean);
TUPLET_API tuplet_node *tuplet_node_number(tuplet_tree *tree, double number);
TUPLET_API tuplet_node *tuplet_node_signed(tuplet_tree *tree, int64_t bigint);
TUPLET_API tuplet_node *tuplet_node_bigint(tuplet_tree *tree, bool negative, tuplet_bytes little_endian);
TUPLET_API tuplet_node *tuplet_node_string(tuplet_tree *tree, const char *wtf8, size_t size);
TUPLET_API tuplet_node *tuplet_node_date(tuplet_tree *tree, double unix_ms);
/* new Boolean, Number, String or Object(bigint) around a BOOL, NUMBER, STRING or BIGINT node. */
TUPLET_API tuplet_node *tuplet_node_boxed(tuplet_tree *tree, const tuplet_node *primitive);
TUPLET_API tuplet_node *tuplet_node_regexp(tuplet_tree *tree, const char *source, size_t size,
                                           uint32_t flags);
TUPLET_API tuplet_node *tuplet_node_object(tuplet_tree *tree);
TUPLET_API tuplet_node *tuplet_node_array(tuplet_tree *tree, uint32_t length);
TUPLET_API tuplet_node *tuplet_node_map(tuplet_tree *tree);
TUPLET_API tuplet_node *tuplet_node_set(tuplet_tree *tree);
TUPLET_API tuplet_node *tuplet_node_buffer(tuplet_tree *tree, tuplet_bytes bytes);
TUPLET_API tuplet_node *tuplet_node_resizable_buffer(tuplet_tree *tree, tuplet_bytes bytes, size_t size_max);
TUPLET_API tuplet_node *tuplet_node_view(tuplet_tree *tree, tuplet_view_type type, tuplet_node *buffer,
                                         size_t offset, size_t size, bool length_tracking);
TUPLET_API tuplet_node *tuplet_node_error(tuplet_tree *tree, tuplet_error_type type, tuplet_node *message,
                                          tuplet_node *stack, tuplet_node *cause);
TUPLET_API tuplet_node *tuplet_node_kvu64(tuplet_tree *tree, uint64_t number);
TUPLET_API tuplet_node *tuplet_node_opaque(tuplet_tree *tree, tuplet_bytes encoded);

/* Filling containers. Errors: TUPLET_NOMEM; TUPLET_MISUSE for a container of another type, a missing (NULL)
 * node, a name that is not WTF-8, an index above 4294967294, an array's property "length".
 * object_set and map_set replace the value of a key that is there already (maps compare primitive keys as
 * JavaScript's SameValueZero, others by identity); set_add ignores what is there already. A name that is an
 * index ("0" to "4294967294") is a NUMBER key of an object, and an element of an array. */
TUPLET_API tuplet_status tuplet_node_object_set(tuplet_tree *tree, tuplet_node *object, const char *wtf8_name,
                                                size_t size, tuplet_node *value);
TUPLET_API tuplet_status tuplet_node_map_set(tuplet_tree *tree, tuplet_node *map, tuplet_node *key,
                                             tuplet_node *value);
TUPLET_API tuplet_status tuplet_node_set_add(tuplet_tree *tree, tuplet_node *set, tuplet_node *item);
TUPLET_API tuplet_status tuplet_node_array_push(tuplet_tree *tree, tuplet_node *array, tuplet_node *item);
/* Element `index`; makes the array longer when needed. */
TUPLET_API tuplet_status tuplet_node_array_set(tuplet_tree *tree, tuplet_node *array, uint32_t index,
                                               tuplet_node *item);
/* A named property of an array, as JavaScript allows. */
TUPLET_API tuplet_status tuplet_node_array_set_property(tuplet_tree *tree, tuplet_node *array,
                                                        const char *wtf8_name, size_t size,
                                                        tuplet_node *value);

/* The value of an object's property, or NULL. */
TUPLET_API tuplet_node *tuplet_node_object_get(const tuplet_node *object, const char *wtf8_name, size_t size);

/* Whether two graphs are the same JavaScript value: same types, numbers by Object.is, same order of keys and
 * items, same sharing and cycles. Takes memory from the C library; false also when there is none. Any thread.
 */
TUPLET_API bool tuplet_node_equal(const tuplet_node *a, const tuplet_node *b);

/* A stored value as a tree. A V8 value with a host object comes as one OPAQUE node. Time and memory are
 * bounded by the bytes, whatever they claim; depth is not limited. Errors: TUPLET_MALFORMED (with the
 * offset), TUPLET_INVALID (unknown encoding: "The value encoding N is unknown."), TUPLET_NOMEM. */
TUPLET_API tuplet_status tuplet_tree_decode(tuplet_tree *tree, tuplet_value value, tuplet_node **ret_root,
                                            tuplet_error *error);

/* A tree as a stored value: a KVU64 becomes LE64, a VIEW of type UINT8 becomes BYTES, anything else V8 format
 * version 15. ret_value->data points into ret_owned, which the caller frees.
 * Errors: TUPLET_INVALID (a KVU64 or OPAQUE node inside another), TUPLET_LIMIT (a size beyond 32 bits),
 * TUPLET_NOMEM. */
TUPLET_API tuplet_status tuplet_tree_encode(const tuplet_node *root, const tuplet_allocator *allocator,
                                            tuplet_value *ret_value, tuplet_owned *ret_owned,
                                            tuplet_error *error);

/* A tree from JavaScript text, and as JavaScript text that means the same value when it is parsed again, by
 * tuplet or by Deno. docs/values.md describes the notation. Errors: TUPLET_SYNTAX with line and column,
 * TUPLET_LIMIT (nested too deep), TUPLET_NOMEM. */
TUPLET_API tuplet_status tuplet_tree_parse(tuplet_tree *tree, const char *text, size_t size,
                                           tuplet_node **ret_root, tuplet_error *error);
TUPLET_API tuplet_status tuplet_tree_print(const tuplet_node *root, const tuplet_allocator *allocator,
                                           tuplet_owned *ret_text, tuplet_error *error);

/* A tree from and to plain JSON. to: TUPLET_INVALID where JSON cannot say it, naming the place
 * ("JSON cannot represent the BigInt at $.a[3]"). */
TUPLET_API tuplet_status tuplet_tree_parse_json(tuplet_tree *tree, const char *text, size_t size,
                                                tuplet_node **ret_root, tuplet_error *error);
TUPLET_API tuplet_status tuplet_tree_print_json(const tuplet_node *root, const tuplet_allocator *allocator,
                                                tuplet_owned *ret_text, tuplet_error *error);

/* The two steps in one: text to a stored value, and back. ret_value->data points into ret_owned. */
TUPLET_API tuplet_status tuplet_value_from_text(const char *text, size_t size,
                                                const tuplet_allocator *allocator, tuplet_value *ret_value,
                                                tuplet_owned *ret_owned, tuplet_error *error);
TUPLET_API tuplet_status tuplet_value_to_text(tuplet_value value, const tuplet_allocator *allocator,
                                              tuplet_owned *ret_text, tuplet_error *error);
TUPLET_API tuplet_status tuplet_value_from_json(const char *text, size_t size,
                                                const tuplet_allocator *allocator, tuplet_value *ret_value,
                                                tuplet_owned *ret_owned, tuplet_error *error);
TUPLET_API tuplet_status tuplet_value_to_json(tuplet_value value, const tuplet_allocator *allocator,
                                              tuplet_owned *ret_text, tuplet_error *error);

/* ---- Versionstamps ------------------------------------------------------------------------------------ */

/* Ten bytes that order all commits of a database: a later commit's is larger (memcmp). All zero: none. */
typedef struct tuplet_versionstamp {
  uint8_t bytes[10];
} tuplet_versionstamp;

#define TUPLET_VERSIONSTAMP_TEXT_SIZE 21 /* 20 lower-case hex digits and a NUL */

TUPLET_API void tuplet_versionstamp_to_text(const tuplet_versionstamp *versionstamp,
                                            char ret_text[TUPLET_VERSIONSTAMP_TEXT_SIZE]);
/* text: 20 hex digits, ended by a NUL. Errors: TUPLET_INVALID. */
TUPLET_API tuplet_status tuplet_versionstamp_from_text(const char *text,
                                                       tuplet_versionstamp *ret_versionstamp,
                                                       tuplet_error *error);

/* ---- Opening ------------------------------------------------------------------------------------------ */

typedef struct tuplet_db tuplet_db;

typedef enum tuplet_durability {
  TUPLET_DURABILITY_FULL = 0,   /* a write is acknowledged when it is on stable storage */
  TUPLET_DURABILITY_RELAXED = 1 /* the operating system writes when it likes: a power cut or a crash of the
                                   system may lose the last writes, never their atomicity; a crash of the
                                   process loses nothing */
} tuplet_durability;

/* How to speak to a server. HTTP_2 speaks HTTP/2 in clear, too, without asking: for servers that are known to
 * understand it, as tuplet's are. It needs libcurl 8.0 or newer, and else is as HTTP_AUTO. */
typedef enum tuplet_http {
  TUPLET_HTTP_AUTO = 0, /* over TLS what both sides know, at best HTTP/2; in clear HTTP/1.1 */
  TUPLET_HTTP_1 = 1,
  TUPLET_HTTP_2 = 2
} tuplet_http;

/* Start from TUPLET_OPEN_OPTIONS_INIT, which sets struct_size so that the struct may grow. */
typedef struct tuplet_open_options {
  size_t struct_size;
  bool read_only;     /* writes are refused with TUPLET_READ_ONLY; the file must exist */
  uint32_t cache_kib; /* page cache of each connection, KiB: the writer has one, and so has each thread that
                         reads at the same time; 0: the default (TUPLET_CACHE_KIB_DEFAULT) */
  tuplet_durability durability;
  const tuplet_allocator *allocator; /* NULL: the C library's; must outlive the database */
  uint64_t memory_size_max; /* of ":memory:", bytes: beyond, writes fail with TUPLET_FULL; 0: all that SQLite
                               can, 2 GiB */
  /* For URLs: */
  const char *access_token; /* NULL: that of the environment's DENO_KV_ACCESS_TOKEN */
  const char *ca_file;      /* PEM: authorities to trust besides the system's; NULL: what the environment's
                               DENO_CERT or else SSL_CERT_FILE names, if anything */
  uint32_t timeout_ms;      /* of an operation, with all attempts; 0: TUPLET_TIMEOUT_MS_DEFAULT */
  tuplet_http http;
} tuplet_open_options;

#define TUPLET_CACHE_KIB_DEFAULT  16384
#define TUPLET_TIMEOUT_MS_DEFAULT 30000
#define TUPLET_OPEN_OPTIONS_INIT                                                                             \
  { sizeof(tuplet_open_options), false, 0, TUPLET_DURABILITY_FULL, NULL, 0, NULL, NULL, 0, TUPLET_HTTP_AUTO }

/* Opens a database, making it when it is not there.
 *
 * path: a file (UTF-8); ":memory:" for a database that belongs to this handle alone and ends with it; a URL
 *       (http:// or https://) of a server that speaks KV Connect, Deno's protocol: see below; or NULL
 *       for the file that DENO_KV_DEFAULT_PATH names or else one under the user's data directory
 *       ($XDG_DATA_HOME/tuplet, ~/.local/share/tuplet) that is bound to the working directory.
 * options: NULL for the defaults.
 * The file is a Deno KV file: Deno and tuplet may use it by turns and at the same time.
 * Reading a file makes SQLite keep two more beside it, so a file on a medium that cannot be written cannot be
 * opened, not even with read_only. Errors: TUPLET_FORMAT (not a database, or made by a newer version),
 * TUPLET_CORRUPT, TUPLET_IO, TUPLET_FULL, TUPLET_READ_ONLY (the file cannot be written), TUPLET_BUSY (others
 * opened it at the same time and did not get done), TUPLET_INVALID, TUPLET_MISUSE, TUPLET_NOMEM.
 *
 * A database on a server is used through the same calls, and everything said of files holds but for this:
 *  - Operations take as long as the network does, and are tried again when a server cannot be reached or is
 * too busy, until timeout_ms have passed; then they fail with TUPLET_IO or TUPLET_BUSY. Opening asks the
 * server for a session and waits at most ten seconds: TUPLET_DENIED (the access token), TUPLET_INVALID (the
 * URL, or there is no database), TUPLET_IO, TUPLET_BUSY, TUPLET_UNSUPPORTED (the server's version of the
 * protocol).
 *  - A write is never sent a second time when that could apply it twice. When its request was sent and the
 *    answer lost, it returns TUPLET_UNKNOWN: it was committed wholly or not at all, and nobody here knows.
 * After any other error nothing was written. A write with a check of the version of an entry that it changes
 * itself is safe to repeat, and is: TUPLET_OK then means committed once.
 *  - Every call but tuplet_close may return TUPLET_DENIED when the server takes the token back.
 *  - Callbacks of asynchronous calls run on one thread that all of them share.
 *  - An entry's expiry is counted by this machine's clock until it is sent, and by the server's from then on.
 *  - Messages need a server that has a queue for the network (tuplet's); else tuplet_listen returns
 *    TUPLET_UNSUPPORTED. tuplet_listen waits for the server's consent. Watching ranges needs tuplet's, too.
 *  - tuplet_close waits at most three seconds for what is under way, which then ends with TUPLET_CLOSED, or
 *    TUPLET_UNKNOWN.
 * docs/remote.md says more. */
TUPLET_API tuplet_status tuplet_open(const char *path, const tuplet_open_options *options, tuplet_db **ret_db,
                                     tuplet_error *error);

/* Waits for the writes it has accepted, completes them, and closes. Lists, watches and listeners that are
 * still open end with TUPLET_CLOSED and must still be closed by their owners, before or after. The caller
 * makes sure that no other thread is inside a call with `db`, or closes one of its lists or watches
 * meanwhile; threads that wait in tuplet_watch_next and tuplet_listener_next are fine. NULL is fine. Not from
 * within a callback. */
TUPLET_API void tuplet_close(tuplet_db *db);

/* The file's path; ":memory:" for a database in memory; the URL of one on a server. Valid until tuplet_close.
 */
TUPLET_API const char *tuplet_path(const tuplet_db *db);

/* ---- Reading ------------------------------------------------------------------------------------------ */

/* A local database answers both from its newest snapshot. On a server, an eventual read may be answered by a
 * replica that is nearer, and a little behind. */
typedef enum tuplet_consistency {
  TUPLET_CONSISTENCY_STRONG = 0,
  TUPLET_CONSISTENCY_EVENTUAL = 1
} tuplet_consistency;

/* What is stored under a key. */
typedef struct tuplet_entry {
  tuplet_bytes key; /* encoded */
  bool exists;      /* false: value and versionstamp are empty (only in tuplet_entries) */
  tuplet_value value;
  tuplet_versionstamp versionstamp;
} tuplet_entry;

/* Entries in one block of memory, which they point into. */
typedef struct tuplet_entries {
  const tuplet_entry *items;
  size_t count;
  const tuplet_allocator *allocator;
} tuplet_entries;

/* The entry of a key: TUPLET_OK and *ret_entry, which the caller ends with tuplet_entry_free, or
 * TUPLET_NOT_FOUND. An entry whose expiry has come is not found.
 * Errors: TUPLET_LIMIT, TUPLET_INVALID, TUPLET_CLOSED, TUPLET_BUSY, TUPLET_IO, TUPLET_CORRUPT, TUPLET_NOMEM.
 */
TUPLET_API tuplet_status tuplet_get(tuplet_db *db, tuplet_key key, tuplet_consistency consistency,
                                    tuplet_entry **ret_entry, tuplet_error *error);
TUPLET_API void tuplet_entry_free(tuplet_entry *entry);

/* The entries of up to 10 keys in one snapshot, in the order of the keys, absent ones with exists = false.
 * The caller ends *ret_entries with tuplet_entries_free. Errors: as tuplet_get. */
TUPLET_API tuplet_status tuplet_get_many(tuplet_db *db, const tuplet_key *keys, size_t key_count,
                                         tuplet_consistency consistency, tuplet_entries **ret_entries,
                                         tuplet_error *error);
TUPLET_API void tuplet_entries_free(tuplet_entries *entries);

/* Start from TUPLET_LIST_OPTIONS_INIT. */
typedef struct tuplet_list_options {
  size_t struct_size;
  uint64_t limit;      /* entries in all; 0: no limit */
  uint32_t batch_size; /* entries fetched at a time, each batch one snapshot, at most 1000; 0: limit or 100,
                          at most 500, and more, up to 1000, as the list goes on */
  bool reverse;        /* from the last key to the first */
  const char *cursor;  /* where an earlier list stopped (tuplet_list_cursor); NULL or "": from the start */
  tuplet_consistency consistency;
} tuplet_list_options;

#define TUPLET_LIST_OPTIONS_INIT                                                                             \
  { sizeof(tuplet_list_options), 0, 0, false, NULL, TUPLET_CONSISTENCY_STRONG }

typedef struct tuplet_list tuplet_list;

/* Begins to go through the entries that a selector selects, in key order. selector and options are read
 * during this call only; options may be NULL. The caller ends *ret_list with tuplet_list_close. Errors:
 * TUPLET_INVALID (the selector, the cursor), TUPLET_LIMIT, TUPLET_CLOSED, TUPLET_NOMEM. */
TUPLET_API tuplet_status tuplet_list_open(tuplet_db *db, const tuplet_selector *selector,
                                          const tuplet_list_options *options, tuplet_list **ret_list,
                                          tuplet_error *error);

/* The next entry: TUPLET_OK and *ret_entry, valid until the next call with this list; or TUPLET_DONE.
 * Errors: as tuplet_get; the list may be continued after TUPLET_BUSY. */
TUPLET_API tuplet_status tuplet_list_next(tuplet_list *list, const tuplet_entry **ret_entry,
                                          tuplet_error *error);

/* The cursor of the entry that tuplet_list_next gave last: URL-safe text to continue from, ended by a NUL.
 * Where the limit ended the list it stays that of the last entry; where the range ended it is "", as it is
 * before the first entry. Valid until the next call with this list. Errors: TUPLET_NOMEM. */
TUPLET_API tuplet_status tuplet_list_cursor(tuplet_list *list, const char **ret_cursor, tuplet_error *error);

/* NULL is fine. */
TUPLET_API void tuplet_list_close(tuplet_list *list);

/* ---- Writing ------------------------------------------------------------------------------------------ */

#define TUPLET_NEVER      (-1) /* as expire_in_ms: the entry does not expire */
#define TUPLET_CHECKS_MAX 100

/* Stores a value, whatever was there. expire_in_ms: milliseconds from now until the entry is gone (0: at
 * once), or TUPLET_NEVER. ret_versionstamp may be NULL. Blocks until durable. Errors: TUPLET_LIMIT,
 * TUPLET_INVALID, TUPLET_READ_ONLY, TUPLET_CLOSED, TUPLET_BUSY, TUPLET_FULL, TUPLET_IO, TUPLET_CORRUPT,
 * TUPLET_NOMEM. After an error nothing was written; but after TUPLET_IO the operation may turn out to be
 * there, whole, if the system crashes before the next commit. */
TUPLET_API tuplet_status tuplet_set(tuplet_db *db, tuplet_key key, tuplet_value value, int64_t expire_in_ms,
                                    tuplet_versionstamp *ret_versionstamp, tuplet_error *error);

/* Removes an entry; it is no error when there is none. Otherwise as tuplet_set. */
TUPLET_API tuplet_status tuplet_delete(tuplet_db *db, tuplet_key key, tuplet_versionstamp *ret_versionstamp,
                                       tuplet_error *error);

/* An atomic operation being gathered: its checks first, then its mutations in the order they were added, as a
 * whole or not at all. */
typedef struct tuplet_atomic tuplet_atomic;

/* What came of a commit. */
typedef struct tuplet_commit {
  tuplet_versionstamp versionstamp;          /* of everything that was written; zero unless TUPLET_OK */
  uint32_t failed_check_count;               /* of TUPLET_CONFLICT; 0 where a server does not tell which */
  uint32_t failed_checks[TUPLET_CHECKS_MAX]; /* indexes of the checks that failed, ascending */
} tuplet_commit;

/* NULL when out of memory. Ends with tuplet_atomic_free (NULL is fine), committed or not. */
TUPLET_API tuplet_atomic *tuplet_atomic_new(tuplet_db *db);
TUPLET_API void tuplet_atomic_free(tuplet_atomic *atomic);

/* The functions below copy keys and values into the operation. The first error is remembered and comes again
 * from tuplet_atomic_commit, so that a program may check there only. Errors: TUPLET_LIMIT, TUPLET_INVALID,
 * TUPLET_MISUSE (already committed), TUPLET_NOMEM. */

/* Commits only if the key's versionstamp is this one; NULL, or all zero as an absent entry's: only if there
 * is no entry. At most 100. */
TUPLET_API tuplet_status tuplet_atomic_check(tuplet_atomic *atomic, tuplet_key key,
                                             const tuplet_versionstamp *versionstamp, tuplet_error *error);
TUPLET_API tuplet_status tuplet_atomic_set(tuplet_atomic *atomic, tuplet_key key, tuplet_value value,
                                           int64_t expire_in_ms, tuplet_error *error);
TUPLET_API tuplet_status tuplet_atomic_delete(tuplet_atomic *atomic, tuplet_key key, tuplet_error *error);

/* A set whose key is `prefix` and one more part: the commit's versionstamp as a string of 20 hex digits. */
TUPLET_API tuplet_status tuplet_atomic_set_versionstamped(tuplet_atomic *atomic, tuplet_key prefix,
                                                          tuplet_value value, int64_t expire_in_ms,
                                                          tuplet_error *error);

/* 64-bit counters (TUPLET_ENCODING_LE64): wrapping sum, smaller, larger. An absent entry becomes the operand;
 * the entry's expiry is dropped. At commit: TUPLET_TYPE when the stored value is no counter. */
TUPLET_API tuplet_status tuplet_atomic_sum(tuplet_atomic *atomic, tuplet_key key, uint64_t operand,
                                           tuplet_error *error);
TUPLET_API tuplet_status tuplet_atomic_min(tuplet_atomic *atomic, tuplet_key key, uint64_t operand,
                                           tuplet_error *error);
TUPLET_API tuplet_status tuplet_atomic_max(tuplet_atomic *atomic, tuplet_key key, uint64_t operand,
                                           tuplet_error *error);

/* A sum of numbers, of bigints, or of counters: operand, and the bounds if not NULL, are values of one type.
 * Outside the bounds the commit fails with TUPLET_RANGE, or stores the bound when clamp is set. */
TUPLET_API tuplet_status tuplet_atomic_sum_value(tuplet_atomic *atomic, tuplet_key key, tuplet_value operand,
                                                 const tuplet_value *minimum, const tuplet_value *maximum,
                                                 bool clamp, tuplet_error *error);

/* Commits; blocks until durable. The operation is spent afterwards, whatever came of it.
 * Returns TUPLET_OK; TUPLET_CONFLICT when checks failed (ret_commit tells which); or an error: those of
 * tuplet_set, and TUPLET_TYPE, TUPLET_RANGE. Unless TUPLET_OK nothing was written. ret_commit may be NULL; it
 * is written with TUPLET_OK and TUPLET_CONFLICT. */
TUPLET_API tuplet_status tuplet_atomic_commit(tuplet_atomic *atomic, tuplet_commit *ret_commit,
                                              tuplet_error *error);

/* ---- Watching ----------------------------------------------------------------------------------------- */

typedef struct tuplet_watch tuplet_watch;

#define TUPLET_FOREVER (-1) /* as timeout_ms */

/* Watches up to 10 keys, for changes by anyone: this handle, other handles, other processes, expiry.
 * The caller ends *ret_watch with tuplet_watch_close. Errors: TUPLET_LIMIT, TUPLET_INVALID, TUPLET_CLOSED,
 * TUPLET_NOMEM. */
TUPLET_API tuplet_status tuplet_watch_open(tuplet_db *db, const tuplet_key *keys, size_t key_count,
                                           tuplet_watch **ret_watch, tuplet_error *error);

/* Waits until the state of the watched keys differs from what this watch gave last (the first call gives the
 * present state at once), and gives all of them in one snapshot, in the order of the keys. Changes that come
 * faster than they are fetched are merged. *ret_entries is valid until the next call with this watch.
 * Returns TUPLET_OK, TUPLET_TIMEOUT after timeout_ms milliseconds, TUPLET_DONE when no keys are watched.
 * Errors: as tuplet_get; TUPLET_CLOSED when the database is closed meanwhile. */
TUPLET_API tuplet_status tuplet_watch_next(tuplet_watch *watch, int64_t timeout_ms,
                                           const tuplet_entries **ret_entries, tuplet_error *error);

/* Whether the watch also gives a state that differs in nothing from the one before: whenever a watched key
 * was written, even if that changed nothing (a deletion of what is not there), and now and then without a
 * reason; several at once are merged. Deno's watch(keys, {raw: true}). To be called before the first
 * tuplet_watch_next; without it: false. */
TUPLET_API void tuplet_watch_set_raw(tuplet_watch *watch, bool is_raw);

/* Ends the watch. A pending tuplet_watch_next_async completes with TUPLET_CLOSED. NULL is fine. */
TUPLET_API void tuplet_watch_close(tuplet_watch *watch);

/* What changed in a watched range since the delivery before. */
typedef struct tuplet_changes {
  bool must_reread;          /* what changed cannot be told: list the range again; there are no items */
  const tuplet_entry *items; /* in key order, each key once, all as of one moment; exists is false for those
                                that were deleted or have expired */
  size_t count;
  tuplet_versionstamp versionstamp; /* whatever was committed up to it has been told */
} tuplet_changes;

/* Start from TUPLET_RANGE_WATCH_OPTIONS_INIT. */
typedef struct tuplet_range_watch_options {
  size_t struct_size;
  uint32_t changes_max; /* how many changed keys are remembered until they are fetched; 0: 1000 */
} tuplet_range_watch_options;

#define TUPLET_RANGE_WATCH_CHANGES_DEFAULT 1000
#define TUPLET_RANGE_WATCH_CHANGES_MAX     10000
#define TUPLET_RANGE_WATCH_OPTIONS_INIT                                                                      \
  { sizeof(tuplet_range_watch_options), 0 }

typedef struct tuplet_range_watch tuplet_range_watch;

/* Watches all keys that a selector selects, those to come as well. selector and options are read during this
 * call only; options may be NULL. The caller ends *ret_watch with tuplet_range_watch_close. Errors:
 * TUPLET_INVALID (the selector), TUPLET_LIMIT, TUPLET_UNSUPPORTED, TUPLET_CLOSED, TUPLET_NOMEM.
 *
 * To follow a range, list it whenever must_reread is true, as it is with the first delivery, and apply the
 * items of every other one. Nothing is missed between the two: the list is made after the delivery, and what
 * is committed after the delivery's versionstamp is told later. What the list has seen already is told again:
 *
 *   while (tuplet_range_watch_next(watch, TUPLET_FOREVER, &changes, &error) == TUPLET_OK) {
 *     if (changes->must_reread) replace_copy(db, &selector);  // tuplet_list_open, _next, _close
 *     for (size_t i = 0; i < changes->count; i++) apply(&changes->items[i]);
 *   }
 *
 * After each delivery with items the copy is what a list would give as of its versionstamp. Where a server
 * keeps the database this holds from the first delivery on that is newer than the list: what was on its way
 * while the range was listed comes afterwards, and is older. So pass over an entry whose versionstamp is
 * below that of the copy's entry, and a deletion if the delivery's is.
 *
 * must_reread comes again when more than changes_max keys, or 4 MiB of keys and values, changed before they
 * were fetched; when another handle or process wrote to the same file, which tells nobody what it wrote; when
 * the connection to the server was lost and is there again; and after an error. So a range is best watched by
 * the process that writes it, or through a server. TUPLET_UNSUPPORTED: the server cannot watch ranges. */
TUPLET_API tuplet_status tuplet_range_watch_open(tuplet_db *db, const tuplet_selector *selector,
                                                 const tuplet_range_watch_options *options,
                                                 tuplet_range_watch **ret_watch, tuplet_error *error);

/* Waits until something in the range has changed since this watch gave something last, and gives that.
 * Changes that come faster than they are fetched are merged: a key that changed twice is given once, one that
 * came and went as deleted. *ret_changes is valid until the next call with this watch. Returns TUPLET_OK, or
 * TUPLET_TIMEOUT after timeout_ms milliseconds. Errors: as tuplet_get; TUPLET_CLOSED when the database is
 * closed meanwhile. */
TUPLET_API tuplet_status tuplet_range_watch_next(tuplet_range_watch *watch, int64_t timeout_ms,
                                                 const tuplet_changes **ret_changes, tuplet_error *error);

/* Ends the watch. A pending tuplet_range_watch_next_async completes with TUPLET_CLOSED. NULL is fine. */
TUPLET_API void tuplet_range_watch_close(tuplet_range_watch *watch);

/* ---- Queues ------------------------------------------------------------------------------------------- */

/* A database has one queue. A message is delivered at least once, to one listener at a time, of whatever
 * process: it is on lease while it is handled; when the process that handles it dies, the lease runs out
 * within five seconds. A message that is not handled comes again as its schedule says; after that its payload
 * is stored under its keys for that case. Deno programs on the same file share the queue. */

#define TUPLET_ENQUEUE_DELAY_MS_MAX (INT64_C(30) * 24 * 60 * 60 * 1000)

/* How a message is to be delivered. Start from TUPLET_ENQUEUE_OPTIONS_INIT. */
typedef struct tuplet_enqueue_options {
  size_t struct_size;
  int64_t delay_ms;                      /* from now, at most 30 days */
  const tuplet_key *keys_if_undelivered; /* where its payload goes in the end; at most 10 */
  size_t keys_if_undelivered_count;
  const uint32_t *backoff_ms; /* the delays before it comes again, at most 5, each at most an hour; NULL: 100,
                                 1000, 5000, 30000, 60000 */
  size_t backoff_count;       /* with backoff_ms not NULL: 0 means that it does not come again */
} tuplet_enqueue_options;

#define TUPLET_ENQUEUE_OPTIONS_INIT                                                                          \
  { sizeof(tuplet_enqueue_options), 0, NULL, 0, NULL, 0 }

/* Puts a message into the queue. payload: any value but a counter; at most 65,536 bytes in V8's format.
 * options may be NULL. Otherwise as tuplet_set; TUPLET_TYPE for a counter. */
TUPLET_API tuplet_status tuplet_enqueue(tuplet_db *db, tuplet_value payload,
                                        const tuplet_enqueue_options *options,
                                        tuplet_versionstamp *ret_versionstamp, tuplet_error *error);

/* The same as part of an atomic operation: the message is there if the operation is. */
TUPLET_API tuplet_status tuplet_atomic_enqueue(tuplet_atomic *atomic, tuplet_value payload,
                                               const tuplet_enqueue_options *options, tuplet_error *error);

/* A message that is being handled: a view that lives until its end. Its members are not to be changed. */
typedef struct tuplet_message {
  const char *id;       /* the same each time it comes; ended by a NUL */
  tuplet_value payload; /* V8 */
  uint32_t attempt;     /* from 1; attempts of Deno's are not counted */
} tuplet_message;

typedef struct tuplet_listener tuplet_listener;

#define TUPLET_LISTEN_IN_FLIGHT_DEFAULT 100
#define TUPLET_LISTEN_IN_FLIGHT_MAX     1000
#define TUPLET_LISTEN_THREADS_MAX       64

/* Start from TUPLET_LISTEN_OPTIONS_INIT. */
typedef struct tuplet_listen_options {
  size_t struct_size;
  uint32_t in_flight_max; /* messages that are handled at a time; 0: 100 */
  uint32_t thread_count;  /* that call the callback; 0: 1 */
} tuplet_listen_options;

#define TUPLET_LISTEN_OPTIONS_INIT                                                                           \
  { sizeof(tuplet_listen_options), 0, 0 }

/* On a thread of the listener's. It may take its time, and may call anything but tuplet_listener_close of
 * this listener and tuplet_close; other messages wait meanwhile, unless there are more threads. The message
 * is to be ended with tuplet_message_ack or _nack, here or later, on any thread. */
typedef void (*tuplet_message_callback)(void *context, tuplet_message *message);

/* Listens to the queue. Messages come in the order they are due, shared fairly with other listeners of this
 * handle. Nothing is polled: a message that is due is delivered at once, one of another process within some
 * milliseconds.
 *
 * callback: NULL: messages are fetched with tuplet_listener_next instead. options may be NULL. The caller
 * ends *ret_listener with tuplet_listener_close. Errors: TUPLET_INVALID (the options), TUPLET_READ_ONLY,
 * TUPLET_CLOSED, TUPLET_NOMEM. */
TUPLET_API tuplet_status tuplet_listen(tuplet_db *db, const tuplet_listen_options *options,
                                       tuplet_message_callback callback, void *context,
                                       tuplet_listener **ret_listener, tuplet_error *error);

/* Waits for the next message: TUPLET_OK and *ret_message, to be ended with tuplet_message_ack or _nack;
 * TUPLET_TIMEOUT after timeout_ms milliseconds (TUPLET_FOREVER waits on). Several threads may wait. Errors:
 * TUPLET_CLOSED when the database is closed meanwhile, TUPLET_MISUSE for a listener with a callback. */
TUPLET_API tuplet_status tuplet_listener_next(tuplet_listener *listener, int64_t timeout_ms,
                                              tuplet_message **ret_message, tuplet_error *error);

/* Handled: the message is deleted. Blocks until that is durable, and frees the message, whatever is returned:
 * TUPLET_OK; TUPLET_NOT_FOUND when its lease had been lost (this process did not get to renew it for five
 * seconds, or the listener is closed): it may be handled again. Errors: as tuplet_set; then it comes again.
 */
TUPLET_API tuplet_status tuplet_message_ack(tuplet_message *message, tuplet_error *error);

/* Not handled: it comes again as its schedule says, or goes where it says. Otherwise as tuplet_message_ack.
 */
TUPLET_API tuplet_status tuplet_message_nack(tuplet_message *message, tuplet_error *error);

/* Ends the listener: what it has not ended is due again at once, for others. Messages that it gave out must
 * still be ended by those who have them. Waits for callbacks that are running. NULL is fine. */
TUPLET_API void tuplet_listener_close(tuplet_listener *listener);

/* ---- The same with a completion callback -------------------------------------------------------------- */

/* Each call below starts what its namesake does and calls `callback` exactly once, unless it returns a
 * negative status itself (then the callback is never called). The callback may run before the call returns,
 * on the calling thread (a local database answers reads so), or on a thread of the library: it must not block
 * and must not call blocking functions of this library; asynchronous ones are fine. `error` is valid during
 * the callback and is empty unless status is negative.
 *
 * Reads that are each started from the callback of the one before nest on the stack, where they are answered
 * at once; tuplet_list_next_async does not: it may be called from its own callback any number of times.
 * Writes wait in memory until they are committed: a program that can make them faster than the disk takes
 * them must bound how many it has under way. */

typedef void (*tuplet_entry_callback)(void *context, tuplet_status status, tuplet_entry *entry,
                                      const tuplet_error *error); /* entry: the callback's to free */
typedef void (*tuplet_entries_callback)(void *context, tuplet_status status, tuplet_entries *entries,
                                        const tuplet_error *error); /* entries: the callback's to free */
typedef void (*tuplet_list_callback)(
    void *context, tuplet_status status, const tuplet_entry *entry,
    const tuplet_error *error); /* entry: until the next call with the list */
typedef void (*tuplet_commit_callback)(void *context, tuplet_status status, const tuplet_commit *commit,
                                       const tuplet_error *error); /* commit: during the callback */
typedef void (*tuplet_watch_callback)(
    void *context, tuplet_status status, const tuplet_entries *entries,
    const tuplet_error *error); /* entries: until the next call with the watch */
typedef void (*tuplet_range_watch_callback)(
    void *context, tuplet_status status, const tuplet_changes *changes,
    const tuplet_error *error); /* changes: until the next call with the watch */

TUPLET_API tuplet_status tuplet_get_async(tuplet_db *db, tuplet_key key, tuplet_consistency consistency,
                                          tuplet_entry_callback callback, void *context, tuplet_error *error);
TUPLET_API tuplet_status tuplet_get_many_async(tuplet_db *db, const tuplet_key *keys, size_t key_count,
                                               tuplet_consistency consistency,
                                               tuplet_entries_callback callback, void *context,
                                               tuplet_error *error);
/* Until the callback is called, nobody may use the list; from then on it is the callback's, or of whichever
 * thread the callback tells. */
TUPLET_API tuplet_status tuplet_list_next_async(tuplet_list *list, tuplet_list_callback callback,
                                                void *context, tuplet_error *error);
TUPLET_API tuplet_status tuplet_set_async(tuplet_db *db, tuplet_key key, tuplet_value value,
                                          int64_t expire_in_ms, tuplet_commit_callback callback,
                                          void *context, tuplet_error *error);
TUPLET_API tuplet_status tuplet_delete_async(tuplet_db *db, tuplet_key key, tuplet_commit_callback callback,
                                             void *context, tuplet_error *error);
/* Takes `atomic` over when it returns TUPLET_OK: it is freed after the callback. */
TUPLET_API tuplet_status tuplet_atomic_commit_async(tuplet_atomic *atomic, tuplet_commit_callback callback,
                                                    void *context, tuplet_error *error);
TUPLET_API tuplet_status tuplet_enqueue_async(tuplet_db *db, tuplet_value payload,
                                              const tuplet_enqueue_options *options,
                                              tuplet_commit_callback callback, void *context,
                                              tuplet_error *error);
typedef void (*tuplet_end_callback)(void *context, tuplet_status status, const tuplet_error *error);
/* These free the message whatever is returned; callback may be NULL. */
TUPLET_API tuplet_status tuplet_message_ack_async(tuplet_message *message, tuplet_end_callback callback,
                                                  void *context, tuplet_error *error);
TUPLET_API tuplet_status tuplet_message_nack_async(tuplet_message *message, tuplet_end_callback callback,
                                                   void *context, tuplet_error *error);
/* One at a time per watch. */
TUPLET_API tuplet_status tuplet_watch_next_async(tuplet_watch *watch, tuplet_watch_callback callback,
                                                 void *context, tuplet_error *error);
TUPLET_API tuplet_status tuplet_range_watch_next_async(tuplet_range_watch *watch,
                                                       tuplet_range_watch_callback callback, void *context,
                                                       tuplet_error *error);

#ifdef __cplusplus
}
#endif

#ifdef __cplusplus

/* What TUPLET_KEY is in C++. */
namespace tuplet_key_literal {

/* clang-format off */
inline tuplet_part part(bool value) { return tuplet_part_bool(value); }
inline tuplet_part part(char value) { return tuplet_part_signed(value); }
inline tuplet_part part(signed char value) { return tuplet_part_signed(value); }
inline tuplet_part part(short value) { return tuplet_part_signed(value); }
inline tuplet_part part(int value) { return tuplet_part_signed(value); }
inline tuplet_part part(long value) { return tuplet_part_signed(value); }
inline tuplet_part part(long long value) { return tuplet_part_signed(value); }
inline tuplet_part part(unsigned char value) { return tuplet_part_unsigned(value); }
inline tuplet_part part(unsigned short value) { return tuplet_part_unsigned(value); }
inline tuplet_part part(unsigned int value) { return tuplet_part_unsigned(value); }
inline tuplet_part part(unsigned long value) { return tuplet_part_unsigned(value); }
inline tuplet_part part(unsigned long long value) { return tuplet_part_unsigned(value); }
inline tuplet_part part(float value) { return tuplet_part_number(value); }
inline tuplet_part part(double value) { return tuplet_part_number(value); }
inline tuplet_part part(const char *value) { return tuplet_part_text(value); }
inline tuplet_part part(tuplet_bytes value) { return tuplet_part_bytes(value); }
inline tuplet_part part(tuplet_part value) { return tuplet_part_self(value); }
template <typename Other> tuplet_part part(const Other *) = delete; /* would be taken for a bool */
/* clang-format on */

/* A key with its parts. */
template <size_t count> struct literal {
  tuplet_part parts[count];
  operator tuplet_key() const {
    tuplet_key key = {parts, count, {NULL, 0}};
    return key;
  }
};

template <typename... Values> literal<sizeof...(Values)> make(const Values &...values) {
  return {{part(values)...}};
}

} // namespace tuplet_key_literal

#define TUPLET_KEY_EMPTY tuplet_key_of(tuplet_view(NULL, 0))
#define TUPLET_KEY(...)  tuplet_key_literal::make(__VA_ARGS__)

#endif

#endif
