/* value_text.c: stored values from and to text, in one step: a tree in between. */
#include "base/status.h"
#include "tuplet.h"

typedef tuplet_status (*parse_function)(tuplet_tree *tree, const char *text, size_t size,
                                        tuplet_node **ret_root, tuplet_error *error);
typedef tuplet_status (*print_function)(const tuplet_node *root, const tuplet_allocator *allocator,
                                        tuplet_owned *ret_text, tuplet_error *error);

static tuplet_status from_text(parse_function parse, const char *text, size_t size,
                               const tuplet_allocator *allocator, tuplet_value *ret_value,
                               tuplet_owned *ret_owned, tuplet_error *error) {
  tuplet_node *root;
  tuplet_tree *tree = tuplet_tree_new(allocator);
  if (tree == NULL) return tp_fail_nomem(error);
  tuplet_status status = parse(tree, text, size, &root, error);
  if (status == TUPLET_OK) status = tuplet_tree_encode(root, allocator, ret_value, ret_owned, error);
  tuplet_tree_free(tree);
  return status;
}

static tuplet_status to_text(print_function print, tuplet_value value, const tuplet_allocator *allocator,
                             tuplet_owned *ret_text, tuplet_error *error) {
  tuplet_node *root;
  tuplet_tree *tree = tuplet_tree_new(allocator);
  if (tree == NULL) return tp_fail_nomem(error);
  tuplet_status status = tuplet_tree_decode(tree, value, &root, error);
  if (status == TUPLET_OK) status = print(root, allocator, ret_text, error);
  tuplet_tree_free(tree);
  return status;
}

tuplet_status tuplet_value_from_text(const char *text, size_t size, const tuplet_allocator *allocator,
                                     tuplet_value *ret_value, tuplet_owned *ret_owned, tuplet_error *error) {
  return from_text(tuplet_tree_parse, text, size, allocator, ret_value, ret_owned, error);
}

tuplet_status tuplet_value_to_text(tuplet_value value, const tuplet_allocator *allocator,
                                   tuplet_owned *ret_text, tuplet_error *error) {
  return to_text(tuplet_tree_print, value, allocator, ret_text, error);
}

tuplet_status tuplet_value_from_json(const char *text, size_t size, const tuplet_allocator *allocator,
                                     tuplet_value *ret_value, tuplet_owned *ret_owned, tuplet_error *error) {
  return from_text(tuplet_tree_parse_json, text, size, allocator, ret_value, ret_owned, error);
}

tuplet_status tuplet_value_to_json(tuplet_value value, const tuplet_allocator *allocator,
                                   tuplet_owned *ret_text, tuplet_error *error) {
  return to_text(tuplet_tree_print_json, value, allocator, ret_text, error);
}
