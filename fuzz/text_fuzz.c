/* text_fuzz.c: values as text, from any bytes. What parses must print, and what is printed must parse to the
 * same value, again and again to the same text. */
#include "tuplet.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_json(const tuplet_node *root) {
  tuplet_owned json = {0}, json_again = {0};
  if (tuplet_tree_print_json(root, NULL, &json, NULL) != TUPLET_OK) return;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *again;
  /* Two things may come between: jansson's bound on depth, and that it takes no zero in a name. */
  tuplet_status status = tuplet_tree_parse_json(tree, json.data, json.size, &again, NULL);
  bool has_zero = strstr(json.data, "\\u0000") != NULL;
  assert(status == TUPLET_OK || status == TUPLET_LIMIT || (status == TUPLET_SYNTAX && has_zero));
  if (status == TUPLET_OK) {
    status = tuplet_tree_print_json(again, NULL, &json_again, NULL);
    assert(status == TUPLET_OK);
    assert(json.size == json_again.size && memcmp(json.data, json_again.data, json.size) == 0);
  }
  tuplet_owned_free(&json_again);
  tuplet_owned_free(&json);
  tuplet_tree_free(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *root, *again;
  tuplet_owned text = {0}, text_again = {0};
  if (tuplet_tree_parse(tree, (const char *)data, size, &root, NULL) == TUPLET_OK) {
    tuplet_status status = tuplet_tree_print(root, NULL, &text, NULL);
    assert(status == TUPLET_OK || status == TUPLET_LIMIT);
    if (status == TUPLET_OK) {
      status = tuplet_tree_parse(tree, text.data, text.size, &again, NULL);
      assert(status == TUPLET_OK);
      assert(tuplet_node_equal(root, again));
      status = tuplet_tree_print(again, NULL, &text_again, NULL);
      assert(status == TUPLET_OK);
      assert(text.size == text_again.size && memcmp(text.data, text_again.data, text.size) == 0);
    }
    check_json(root);
  }
  tuplet_owned_free(&text_again);
  tuplet_owned_free(&text);
  tuplet_tree_free(tree);
  return 0;
}
