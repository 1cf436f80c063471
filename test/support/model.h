/* model.h: a database as simple as can be, to compare the real one with.
 *
 * It knows every key there can be: those of one to three parts out of a few, which are given in key order. So
 * the keys' own order is plain counting, and no code of the library takes part in it:
 *
 *   index   0    1      2        3       ...   m.key_count - 1
 *   key     []   [p0]   [p0,p0]  [p0,p0,p0]    [pN,pN,pN]
 */
#ifndef TEST_SUPPORT_MODEL_H
#define TEST_SUPPORT_MODEL_H

#include "support/database.h"
#include "support/dice.h"

enum {
  MODEL_POOL_SIZE = 6,
  MODEL_KEY_PARTS_MAX = 3,
  MODEL_KEY_COUNT = 1 + 6 + 6 * 6 + 6 * 6 * 6, /* with the empty key */
  MODEL_CHECKS_MAX = 6,
  MODEL_MUTATIONS_MAX = 8,
  MODEL_VALUE_SIZE_MAX = 32
};

#define MODEL_NO_KEY SIZE_MAX

typedef struct model_key {
  size_t picks[MODEL_KEY_PARTS_MAX]; /* indexes into the pool */
  tuplet_part parts[MODEL_KEY_PARTS_MAX];
  size_t part_count;
  uint8_t encoded[64]; /* to recognize a key that comes back; the order does not hang on it */
  size_t encoded_size;
} model_key;

typedef enum model_kind { MODEL_TEXT, MODEL_COUNTER, MODEL_NUMBER, MODEL_BIGINT } model_kind;

typedef struct model_value {
  model_kind kind;
  int64_t number; /* of a text: of which it is the digits */
} model_value;

typedef struct model_slot {
  bool exists;
  model_value value;
  tuplet_versionstamp versionstamp;
} model_slot;

typedef struct model {
  model_key keys[MODEL_KEY_COUNT];
  model_slot slots[MODEL_KEY_COUNT];
  struct {
    tuplet_encoding encoding;
    size_t size;
    char bytes[MODEL_VALUE_SIZE_MAX];
  } encoded[MODEL_KEY_COUNT]; /* the slots' values, as model_stamp found them */
} model;

/* Key indexes, or MODEL_NO_KEY. start and end extend the prefix when there is one. */
typedef struct model_selector {
  size_t prefix, start, end;
} model_selector;

typedef enum model_mutation_type {
  MODEL_SET,
  MODEL_SET_FOR_A_WHILE, /* an expiry far away */
  MODEL_SET_EXPIRED,     /* an expiry of 0 ms */
  MODEL_DELETE,
  MODEL_SUM,
  MODEL_MIN,
  MODEL_MAX,
  MODEL_SUM_VALUE,
  MODEL_MUTATION_TYPES
} model_mutation_type;

typedef struct model_mutation {
  model_mutation_type type;
  size_t key;
  model_value value;
  bool has_min, has_max, clamp; /* of MODEL_SUM_VALUE: bounds of the operand's kind */
  int64_t min, max;
} model_mutation;

typedef struct model_check {
  size_t key;
  tuplet_versionstamp versionstamp;
} model_check;

typedef struct model_write {
  model_check checks[MODEL_CHECKS_MAX];
  size_t check_count;
  model_mutation mutations[MODEL_MUTATIONS_MAX];
  size_t mutation_count;
} model_write;

/* Empty, with parts picked by the dice. */
void model_init(model *m, dice *d);

tuplet_key model_key_at(const model *m, size_t index);
bool model_extends(const model *m, size_t key, size_t prefix);

/* Whether an encoded key is the one with this index. */
bool model_is_key(const model *m, size_t index, tuplet_bytes encoded);

/* What comes of a write: TUPLET_OK, TUPLET_CONFLICT with ret_commit's failed checks, or the error. With
 * TUPLET_OK the slots are as after it, and model_stamp is to be called for each of its keys. */
tuplet_status model_commit(model *m, const model_write *write, tuplet_commit *ret_commit);
void model_stamp(model *m, size_t key, const tuplet_versionstamp *versionstamp);

/* The entries selected, as indexes in key order. */
size_t model_list(const model *m, model_selector selector, size_t ret_indexes[MODEL_KEY_COUNT]);

/* The value as the library takes it; its bytes are in `room`. */
tuplet_value model_encode(model_value value, char room[MODEL_VALUE_SIZE_MAX]);

/* Whether an entry is what the slot says, by value and versionstamp. */
bool model_matches(const model *m, size_t index, const tuplet_entry *entry);

/* A key or a selector by the dice. */
size_t model_random_key(dice *d);
model_selector model_random_selector(const model *m, dice *d);

#endif
