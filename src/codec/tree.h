/* tree.h: what the files that build, read and write trees know of them beyond the public header.
 *
 * Invariants of the nodes of a tree:
 *  1. Strings are WTF-8.
 *  2. OBJECT pairs and ARRAY properties: NUMBER keys (integers 0 .. 4294967294) first, ascending; then STRING
 *     keys, none of them such an integer's decimal form, in the order of their first setting; no key twice.
 *     That is JavaScript's own order.
 *  3. ARRAY: NUMBER keys of properties are past `count` by more than a small gap; count <= length.
 *  4. MAP keys and SET items: none twice by SameValueZero, and no -0, as in JavaScript.
 *  5. NUMBER and dates hold no NaN but JavaScript's own; a bigint's magnitude has no zeros at its end and
 *     zero is not negative.
 *  6. A VIEW fits its BUFFER and is aligned to its elements.
 */
#ifndef TP_CODEC_TREE_H
#define TP_CODEC_TREE_H

#include "base/arena.h"

struct tuplet_tree {
  tp_arena arena;
  uint64_t hash_seed;
  bool hash_seeded; /* drawn when the first table is built: small values need none */
};

/* Finds a key among many. Entries are only ever added behind those it has, so it is built when it is first
 * needed, and catches up then. */
typedef struct tp_key_table {
  uint32_t *slots; /* 1 + position of the entry; 0 is free */
  size_t slot_count;
  size_t entry_count; /* how many entries it knows */
  uint64_t seed;
} tp_key_table;

/* OBJECT, ARRAY, MAP and SET nodes are the head of this. */
typedef struct tp_container {
  tuplet_node node;
  size_t index_key_count; /* OBJECT, ARRAY: how many pairs have NUMBER keys */
  tp_key_table table;     /* OBJECT, ARRAY: of the STRING keys, positions counted from the first of them */
} tp_container;

/* The largest index of an array's element; decimal forms up to here are index-like property names. */
#define TP_INDEX_MAX UINT32_C(4294967294)

/* Whether a property's name is an index: "0", "4294967294", not "01" or "4294967295". */
bool tp_name_is_index(tuplet_bytes name, uint32_t *ret_index);

/* The size of an element of such a view, bytes; 1 for a DataView; 0 for a type that there is none of. */
size_t tp_view_element_size(tuplet_view_type type);

/* Whether such a view fits the BUFFER, aligned to its elements; false for a type that there is none of. */
bool tp_view_fits(tuplet_view_type type, const tuplet_node *buffer, size_t offset, size_t size);

/* Whether JavaScript lets a regular expression have these flags together. */
bool tp_regexp_flags_are_valid(uint32_t flags);

/* A node, and a STRING node for WTF-8 that is known to be valid. NULL when out of memory. */
tuplet_node *tp_tree_node(tuplet_tree *tree, tuplet_node_type type);
tuplet_node *tp_tree_string(tuplet_tree *tree, tuplet_bytes wtf8);

/* The key node that JavaScript makes of a name (valid WTF-8), respectively of a number. NULL when out of
 * memory. */
tuplet_node *tp_tree_key_of_name(tuplet_tree *tree, tuplet_bytes name);
tuplet_node *tp_tree_key_of_number(tuplet_tree *tree, double number);

/* Adds a pair behind an object's pairs or an array's properties, as it is: breaks invariants 2 and 3 until
 * tp_tree_settle, which must follow the last one. For readers of untrusted bytes: adding n pairs in any order
 * and settling costs n log n, where n sets could cost n * n. False when out of memory. */
bool tp_tree_add_pair(tuplet_tree *tree, tuplet_node *node, tuplet_node *key, tuplet_node *value);
bool tp_tree_settle(tuplet_tree *tree, tuplet_node *node);

/* Makes an array one longer by a hole. False when it cannot be longer. */
bool tp_array_push_hole(tuplet_node *array);

/* tree_table.c: the entries of a container that a table is about: keys of pairs, or items. */
typedef struct tp_entries {
  const tuplet_pair *pairs; /* or, when NULL: */
  tuplet_node *const *items;
  size_t count;
} tp_entries;

/* Where `key` stands among `entries` (by SameValueZero), or entries.count. False when out of memory. */
bool tp_table_find(tuplet_tree *tree, tp_key_table *table, tp_entries entries, const tuplet_node *key,
                   size_t *ret_position);

/* The same without building anything. */
size_t tp_table_peek(const tp_key_table *table, tp_entries entries, const tuplet_node *key);

/* Whether no two of the entries are the same. False, with *ret_unique untouched, when out of memory. */
bool tp_table_is_unique(tuplet_tree *tree, tp_key_table *table, tp_entries entries, bool *ret_unique);

/* JavaScript's SameValueZero: primitives by value, 0 and -0 the same, NaN the same as itself; others by
 * identity. */
bool tp_node_same_value_zero(const tuplet_node *a, const tuplet_node *b);

#endif
