/* range_set.c: which of many ranges a key is in. Recursion goes as deep as the tree, a few times the
 * logarithm of its size. */
#include "store/range_set.h"

#include "base/random.h"

#include <string.h>

tuplet_status tp_range_set_init(tp_range_set *set, tuplet_error *error) {
  *set = (tp_range_set){0};
  tuplet_status status = tp_random_fill(&set->seed, sizeof set->seed, error);
  set->seed |= 1; /* zero would stay zero */
  return status;
}

static uint64_t next_priority(tp_range_set *set) {
  set->seed ^= set->seed << 13;
  set->seed ^= set->seed >> 7;
  set->seed ^= set->seed << 17;
  return set->seed;
}

static int compare(tuplet_bytes a, tuplet_bytes b) {
  size_t shared = a.size < b.size ? a.size : b.size;
  int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);
  if (order != 0) return order;
  return (a.size > b.size) - (a.size < b.size);
}

/* Ranges may start at the same key; any order of those will do that stays. */
static bool is_before(const tp_range_node *a, const tp_range_node *b) {
  int order = compare(a->start, b->start);
  return order != 0 ? order < 0 : (uintptr_t)a < (uintptr_t)b;
}

static void update(tp_range_node *node) {
  node->end_max = node->end;
  if (node->left != NULL && compare(node->left->end_max, node->end_max) > 0)
    node->end_max = node->left->end_max;
  if (node->right != NULL && compare(node->right->end_max, node->end_max) > 0)
    node->end_max = node->right->end_max;
}

/* Into what comes before `at` and what comes after it. */
static void split(tp_range_node *node, const tp_range_node *at, tp_range_node **ret_left,
                  tp_range_node **ret_right) {
  if (node == NULL) {
    *ret_left = *ret_right = NULL;
    return;
  }
  if (is_before(node, at)) {
    split(node->right, at, &node->right, ret_right);
    *ret_left = node;
  } else {
    split(node->left, at, ret_left, &node->left);
    *ret_right = node;
  }
  update(node);
}

/* All of `left` comes before all of `right`. */
static tp_range_node *join(tp_range_node *left, tp_range_node *right) {
  if (left == NULL) return right;
  if (right == NULL) return left;
  tp_range_node *top = left->priority > right->priority ? left : right;
  if (top == left)
    left->right = join(left->right, right);
  else
    right->left = join(left, right->left);
  update(top);
  return top;
}

static tp_range_node *insert(tp_range_node *root, tp_range_node *node) {
  if (root == NULL || node->priority > root->priority) {
    split(root, node, &node->left, &node->right);
    update(node);
    return node;
  }
  if (is_before(node, root))
    root->left = insert(root->left, node);
  else
    root->right = insert(root->right, node);
  update(root);
  return root;
}

static tp_range_node *take_out(tp_range_node *root, const tp_range_node *node) {
  if (root == node) return join(node->left, node->right);
  if (is_before(node, root))
    root->left = take_out(root->left, node);
  else
    root->right = take_out(root->right, node);
  update(root);
  return root;
}

void tp_range_set_add(tp_range_set *set, tp_range_node *node) {
  node->priority = next_priority(set);
  set->root = insert(set->root, node);
}

void tp_range_set_remove(tp_range_set *set, tp_range_node *node) {
  set->root = take_out(set->root, node);
}

static void visit(tp_range_node *node, tuplet_bytes key, void (*found)(void *context, tp_range_node *node),
                  void *context) {
  if (node == NULL || compare(key, node->end_max) >= 0) return;
  visit(node->left, key, found, context);
  if (compare(node->start, key) > 0) return; /* and so do all to the right */
  if (compare(key, node->end) < 0) found(context, node);
  visit(node->right, key, found, context);
}

void tp_range_set_find(const tp_range_set *set, tuplet_bytes key,
                       void (*found)(void *context, tp_range_node *node), void *context) {
  visit(set->root, key, found, context);
}
