/* model.c: a database as simple as can be: an array with a slot for every key. */
#include "support/model.h"

#include <math.h>

/* ---- Keys ---- */

#define BYTES(literal) tuplet_part_bytes(tuplet_view(literal, sizeof(literal) - 1))
#define TEXT(literal)  tuplet_part_string(literal, sizeof(literal) - 1)

/* In key order; the dice take some of them, in this order. No part's bytes begin with another's and a NUL:
 * there Deno takes a key for an extension of a prefix that is none, which is tested elsewhere. */
static size_t ordered_parts(tuplet_part ret_parts[32]) {
  static const uint8_t big[] = {1, 0, 0, 0, 0, 0, 0, 0, 0};
  const tuplet_part parts[] = {
      BYTES("\x00\x01"),
      BYTES("\x01"),
      BYTES("\xFF"),
      TEXT(""),
      TEXT("a"),
      TEXT("ab"),
      TEXT("b\0c"),
      TEXT("\xC3\xA9"),
      TEXT("\xF0\x9F\x98\x80"),
      tuplet_part_bigint(true, tuplet_view(big, sizeof big)),
      tuplet_part_signed(INT64_MIN),
      tuplet_part_signed(-256),
      tuplet_part_signed(-255),
      tuplet_part_signed(-1),
      tuplet_part_signed(0),
      tuplet_part_signed(255),
      tuplet_part_signed(256),
      tuplet_part_unsigned(UINT64_MAX),
      tuplet_part_bigint(false, tuplet_view(big, sizeof big)),
      tuplet_part_number(-INFINITY),
      tuplet_part_number(-1.5),
      tuplet_part_number(-0.0),
      tuplet_part_number(0.0),
      tuplet_part_number(1e300),
      tuplet_part_number(INFINITY),
      TUPLET_FALSE,
      TUPLET_TRUE,
  };
  memcpy(ret_parts, parts, sizeof parts);
  return COUNT_OF(parts);
}

/* As many parts as the pool takes, in order. */
static void pick_pool(tuplet_part ret_pool[MODEL_POOL_SIZE], dice *d) {
  tuplet_part parts[32];
  size_t left = ordered_parts(parts), picked = 0;
  for (size_t i = 0; picked < MODEL_POOL_SIZE; i++, left--) {
    if (dice_below(d, (uint32_t)left) < MODEL_POOL_SIZE - picked) ret_pool[picked++] = parts[i];
  }
}

/* The key and all that extend it, depth first: that is key order. */
static void add_keys(model *m, size_t *index, const tuplet_part pool[MODEL_POOL_SIZE], model_key key) {
  tuplet_owned encoded = {0};
  assert_int_equal(
      tuplet_key_encode((tuplet_key){key.parts, key.part_count, {NULL, 0}}, NULL, &encoded, NULL), TUPLET_OK);
  assert_true(encoded.size <= sizeof key.encoded);
  memcpy(key.encoded, encoded.data, encoded.size);
  key.encoded_size = encoded.size;
  tuplet_owned_free(&encoded);
  m->keys[(*index)++] = key;
  if (key.part_count == MODEL_KEY_PARTS_MAX) return;
  for (size_t i = 0; i < MODEL_POOL_SIZE; i++) {
    model_key longer = key;
    longer.picks[longer.part_count] = i;
    longer.parts[longer.part_count++] = pool[i];
    add_keys(m, index, pool, longer);
  }
}

void model_init(model *m, dice *d) {
  memset(m, 0, sizeof *m);
  tuplet_part pool[MODEL_POOL_SIZE];
  pick_pool(pool, d);
  size_t index = 0;
  add_keys(m, &index, pool, (model_key){.part_count = 0});
  assert_int_equal(index, MODEL_KEY_COUNT);
}

tuplet_key model_key_at(const model *m, size_t index) {
  return (tuplet_key){m->keys[index].parts, m->keys[index].part_count, {NULL, 0}};
}

bool model_extends(const model *m, size_t key, size_t prefix) {
  const model_key *longer = &m->keys[key], *shorter = &m->keys[prefix];
  if (longer->part_count <= shorter->part_count) return false;
  for (size_t i = 0; i < shorter->part_count; i++) {
    if (longer->picks[i] != shorter->picks[i]) return false;
  }
  return true;
}

bool model_is_key(const model *m, size_t index, tuplet_bytes encoded) {
  const model_key *key = &m->keys[index];
  return key->encoded_size == encoded.size &&
         (encoded.size == 0 || memcmp(key->encoded, encoded.data, encoded.size) == 0);
}

/* ---- Values ---- */

tuplet_value model_encode(model_value value, char room[MODEL_VALUE_SIZE_MAX]) {
  if (value.kind == MODEL_COUNTER) return tuplet_value_u64((uint64_t)value.number);
  if (value.kind == MODEL_TEXT) {
    (void)snprintf(room, MODEL_VALUE_SIZE_MAX, "%lld", (long long)value.number);
    return text_value(room);
  }
  char text[MODEL_VALUE_SIZE_MAX];
  int size =
      snprintf(text, sizeof text, value.kind == MODEL_NUMBER ? "%lld" : "%lldn", (long long)value.number);
  tuplet_value encoded = {0};
  tuplet_owned owned = {0};
  assert_int_equal(tuplet_value_from_text(text, (size_t)size, NULL, &encoded, &owned, NULL), TUPLET_OK);
  assert_true(encoded.data.size <= MODEL_VALUE_SIZE_MAX);
  memcpy(room, encoded.data.data, encoded.data.size);
  encoded.data.data = room;
  tuplet_owned_free(&owned);
  return encoded;
}

bool model_matches(const model *m, size_t index, const tuplet_entry *entry) {
  const model_slot *slot = &m->slots[index];
  if (entry->exists != slot->exists) return false;
  if (!slot->exists) return entry->value.data.size == 0;
  if (compare_versionstamps(&entry->versionstamp, &slot->versionstamp) != 0) return false;
  if (entry->value.encoding != m->encoded[index].encoding) return false;
  if (slot->value.kind == MODEL_COUNTER) return entry->value.u64 == (uint64_t)slot->value.number;
  size_t size = m->encoded[index].size;
  return entry->value.data.size == size && memcmp(entry->value.data.data, m->encoded[index].bytes, size) == 0;
}

/* ---- Writing ---- */

static tuplet_status combine_counters(model_slot *slot, const model_mutation *mutation) {
  if (!slot->exists) {
    slot->value = (model_value){MODEL_COUNTER, mutation->value.number};
    return TUPLET_OK;
  }
  if (slot->value.kind != MODEL_COUNTER) return TUPLET_TYPE;
  uint64_t stored = (uint64_t)slot->value.number, operand = (uint64_t)mutation->value.number;
  switch (mutation->type) {
  case MODEL_MIN: stored = stored < operand ? stored : operand; break;
  case MODEL_MAX: stored = stored > operand ? stored : operand; break;
  default: stored += operand;
  }
  slot->value.number = (int64_t)stored;
  return TUPLET_OK;
}

/* Numbers are small here: no sum overflows. */
static tuplet_status sum_values(model_slot *slot, const model_mutation *mutation) {
  if (!slot->exists) {
    slot->value = mutation->value;
    return TUPLET_OK;
  }
  bool bounded = mutation->has_min || mutation->has_max;
  if (slot->value.kind == MODEL_COUNTER && mutation->value.kind == MODEL_BIGINT &&
      mutation->value.number >= 0 && !bounded) {
    slot->value.number = (int64_t)((uint64_t)slot->value.number + (uint64_t)mutation->value.number);
    return TUPLET_OK;
  }
  if (slot->value.kind != mutation->value.kind) return TUPLET_TYPE;
  int64_t sum = slot->value.number + mutation->value.number;
  if (mutation->has_min && sum < mutation->min) {
    if (!mutation->clamp) return TUPLET_RANGE;
    sum = mutation->min;
  }
  if (mutation->has_max && sum > mutation->max) {
    if (!mutation->clamp) return TUPLET_RANGE;
    sum = mutation->max;
  }
  slot->value.number = sum;
  return TUPLET_OK;
}

static tuplet_status mutate(model_slot *slot, const model_mutation *mutation) {
  tuplet_status status = TUPLET_OK;
  switch (mutation->type) {
  case MODEL_SET:
  case MODEL_SET_FOR_A_WHILE: slot->value = mutation->value; break;
  case MODEL_SET_EXPIRED:
  case MODEL_DELETE: *slot = (model_slot){.exists = false}; return TUPLET_OK;
  case MODEL_SUM_VALUE: status = sum_values(slot, mutation); break;
  default: status = combine_counters(slot, mutation);
  }
  slot->exists = true;
  return status;
}

tuplet_status model_commit(model *m, const model_write *write, tuplet_commit *ret_commit) {
  ret_commit->failed_check_count = 0;
  for (size_t i = 0; i < write->check_count; i++) {
    const model_check *check = &write->checks[i];
    const tuplet_versionstamp none = {{0}};
    const model_slot *slot = &m->slots[check->key];
    const tuplet_versionstamp *current = slot->exists ? &slot->versionstamp : &none;
    if (compare_versionstamps(current, &check->versionstamp) != 0) {
      ret_commit->failed_checks[ret_commit->failed_check_count++] = (uint32_t)i;
    }
  }
  if (ret_commit->failed_check_count > 0) return TUPLET_CONFLICT;
  model_slot slots[MODEL_KEY_COUNT];
  memcpy(slots, m->slots, sizeof slots);
  for (size_t i = 0; i < write->mutation_count; i++) {
    tuplet_status status = mutate(&slots[write->mutations[i].key], &write->mutations[i]);
    if (status != TUPLET_OK) return status;
  }
  memcpy(m->slots, slots, sizeof slots);
  return TUPLET_OK;
}

void model_stamp(model *m, size_t key, const tuplet_versionstamp *versionstamp) {
  m->slots[key].versionstamp = *versionstamp;
  tuplet_value value = model_encode(m->slots[key].value, m->encoded[key].bytes);
  m->encoded[key].encoding = value.encoding;
  m->encoded[key].size = value.data.size;
}

/* ---- Listing ---- */

size_t model_list(const model *m, model_selector selector, size_t ret_indexes[MODEL_KEY_COUNT]) {
  size_t count = 0;
  for (size_t i = 0; i < MODEL_KEY_COUNT; i++) {
    bool selected = m->slots[i].exists;
    if (selector.prefix != MODEL_NO_KEY && !model_extends(m, i, selector.prefix)) selected = false;
    if (selector.start != MODEL_NO_KEY && i < selector.start) selected = false;
    if (selector.end != MODEL_NO_KEY && i >= selector.end) selected = false;
    if (selected) ret_indexes[count++] = i;
  }
  return count;
}

/* ---- By the dice ---- */

size_t model_random_key(dice *d) {
  return 1 + dice_below(d, MODEL_KEY_COUNT - 1);
}

model_selector model_random_selector(const model *m, dice *d) {
  model_selector selector = {MODEL_NO_KEY, MODEL_NO_KEY, MODEL_NO_KEY};
  uint32_t form = dice_below(d, 5);
  if (form == 0) {
    size_t a = dice_below(d, MODEL_KEY_COUNT), b = dice_below(d, MODEL_KEY_COUNT);
    selector.start = a < b ? a : b;
    selector.end = a < b ? b : a;
    return selector;
  }
  size_t key;
  do {
    selector.prefix = dice_below(d, 8) < 3 ? 0 : dice_below(d, MODEL_KEY_COUNT);
  } while (m->keys[selector.prefix].part_count == MODEL_KEY_PARTS_MAX && !dice_once_in(d, 20));
  if (form > 2 || m->keys[selector.prefix].part_count == MODEL_KEY_PARTS_MAX) return selector;
  do key = dice_below(d, MODEL_KEY_COUNT);
  while (!model_extends(m, key, selector.prefix));
  *(form == 1 ? &selector.start : &selector.end) = key;
  return selector;
}
