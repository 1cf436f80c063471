/* tree_table.c: finding keys in large objects, maps and sets.
 *
 * Few entries are looked through one by one; more get a hash table with open addressing, at most half full,
 * in the tree's arena. Keys come from strangers, so hashes are seeded with random bits: nobody can choose
 * keys that all meet in one slot. */
#include "codec/tree.h"

#include "base/random.h"

#include <math.h>
#include <string.h>

enum { LINEAR_COUNT_MAX = 8, SLOT_COUNT_MIN = 32 };

static const tuplet_node *entry_key(tp_entries entries, size_t at) {
  return entries.pairs != NULL ? entries.pairs[at].key : entries.items[at];
}

static bool same_bytes(tuplet_bytes a, tuplet_bytes b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool tp_node_same_value_zero(const tuplet_node *a, const tuplet_node *b) {
  if (a == b) return true;
  if (a->type != b->type) return false;
  switch (a->type) {
  case TUPLET_NODE_UNDEFINED:
  case TUPLET_NODE_NULL: return true;
  case TUPLET_NODE_BOOL: return a->as.boolean == b->as.boolean;
  case TUPLET_NODE_NUMBER:
    return a->as.number == b->as.number || (isnan(a->as.number) && isnan(b->as.number));
  case TUPLET_NODE_BIGINT:
    return a->as.bigint.negative == b->as.bigint.negative &&
           same_bytes(a->as.bigint.little_endian, b->as.bigint.little_endian);
  case TUPLET_NODE_STRING: return same_bytes(a->as.string, b->as.string);
  default: return false;
  }
}

__extension__ typedef unsigned __int128 uint128;

/* Folds the 128 bits of a product into 64: every bit of the result depends on all bits of both. */
static uint64_t mix(uint64_t a, uint64_t b) {
  uint128 product = (uint128)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_bytes(uint64_t seed, tuplet_bytes bytes) {
  const uint8_t *data = bytes.data;
  uint64_t hash = mix(seed ^ bytes.size, UINT64_C(0xA0761D6478BD642F));
  for (size_t at = 0; at < bytes.size; at += 8) {
    uint64_t word = 0;
    memcpy(&word, data + at, bytes.size - at < 8 ? bytes.size - at : 8);
    hash = mix(hash ^ word, seed | 1);
  }
  return mix(hash, UINT64_C(0xE7037ED1A0B428DB));
}

static uint64_t hash_node(uint64_t seed, const tuplet_node *node) {
  uint64_t word = (uint64_t)(uintptr_t)node;
  switch (node->type) {
  case TUPLET_NODE_UNDEFINED:
  case TUPLET_NODE_NULL: word = node->type; break;
  case TUPLET_NODE_BOOL: word = 16 + (uint64_t)node->as.boolean; break;
  case TUPLET_NODE_NUMBER: {
    double number = isnan(node->as.number) ? (double)NAN : node->as.number + 0.0; /* -0 + 0 is 0 */
    memcpy(&word, &number, sizeof word);
    break;
  }
  case TUPLET_NODE_BIGINT: return hash_bytes(seed ^ 1, node->as.bigint.little_endian);
  case TUPLET_NODE_STRING: return hash_bytes(seed, node->as.string);
  default: break;
  }
  return hash_bytes(seed ^ 2, (tuplet_bytes){&word, sizeof word});
}

static uint64_t tree_seed(tuplet_tree *tree) {
  if (!tree->hash_seeded) {
    uint64_t seed;
    /* Without random bits, where the tree lies in memory must do: it is about speed only. */
    if (tp_random_fill(&seed, sizeof seed, NULL) != TUPLET_OK) seed = (uint64_t)(uintptr_t)tree;
    tree->hash_seed = seed;
    tree->hash_seeded = true;
  }
  return tree->hash_seed;
}

/* The slot of the key, or the free one where it would stand. */
static size_t find_slot(const tp_key_table *table, tp_entries entries, const tuplet_node *key) {
  size_t mask = table->slot_count - 1;
  size_t at = (size_t)hash_node(table->seed, key) & mask;
  while (table->slots[at] != 0 && !tp_node_same_value_zero(entry_key(entries, table->slots[at] - 1), key))
    at = (at + 1) & mask;
  return at;
}

static bool grow(tuplet_tree *tree, tp_key_table *table, tp_entries entries) {
  if (entries.count >= UINT32_MAX / 4) return false;
  size_t slot_count = table->slot_count == 0 ? SLOT_COUNT_MIN : table->slot_count;
  while (slot_count / 2 < entries.count) slot_count *= 2;
  if (slot_count == table->slot_count) return true;
  tp_key_table larger = {
      .slot_count = slot_count, .entry_count = table->entry_count, .seed = tree_seed(tree)};
  larger.slots = tp_arena_alloc_array_zeroed(&tree->arena, slot_count, sizeof *larger.slots);
  if (larger.slots == NULL) return false;
  for (size_t i = 0; i < table->slot_count; i++) {
    if (table->slots[i] == 0) continue;
    larger.slots[find_slot(&larger, entries, entry_key(entries, table->slots[i] - 1))] = table->slots[i];
  }
  *table = larger;
  return true;
}

/* Takes in the entries that were added since. Of equal keys the first stays; counts the others. */
static bool catch_up(tuplet_tree *tree, tp_key_table *table, tp_entries entries,
                     size_t *ret_duplicate_count) {
  size_t duplicate_count = 0;
  if (table->entry_count < entries.count && !grow(tree, table, entries)) return false;
  for (; table->entry_count < entries.count; table->entry_count++) {
    size_t at = find_slot(table, entries, entry_key(entries, table->entry_count));
    if (table->slots[at] != 0) {
      duplicate_count++;
    } else {
      table->slots[at] = (uint32_t)table->entry_count + 1;
    }
  }
  *ret_duplicate_count = duplicate_count;
  return true;
}

size_t tp_table_peek(const tp_key_table *table, tp_entries entries, const tuplet_node *key) {
  if (table->slots != NULL && table->entry_count == entries.count) {
    uint32_t slot = table->slots[find_slot(table, entries, key)];
    return slot == 0 ? entries.count : slot - 1;
  }
  size_t at = 0;
  while (at < entries.count && !tp_node_same_value_zero(entry_key(entries, at), key)) at++;
  return at;
}

bool tp_table_find(tuplet_tree *tree, tp_key_table *table, tp_entries entries, const tuplet_node *key,
                   size_t *ret_position) {
  size_t ignored;
  if (entries.count > LINEAR_COUNT_MAX && !catch_up(tree, table, entries, &ignored)) return false;
  *ret_position = tp_table_peek(table, entries, key);
  return true;
}

bool tp_table_is_unique(tuplet_tree *tree, tp_key_table *table, tp_entries entries, bool *ret_unique) {
  size_t duplicate_count = 0;
  if (entries.count > LINEAR_COUNT_MAX) {
    if (!catch_up(tree, table, entries, &duplicate_count)) return false;
  } else {
    for (size_t i = 0; i < entries.count; i++) {
      tp_entries before = entries;
      before.count = i;
      if (tp_table_peek(&(tp_key_table){0}, before, entry_key(entries, i)) < i) duplicate_count++;
    }
  }
  *ret_unique = duplicate_count == 0;
  return true;
}
