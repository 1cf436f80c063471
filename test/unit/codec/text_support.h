/* text_support.h: what the tests of values as text share. */
#ifndef TEST_CODEC_TEXT_SUPPORT_H
#define TEST_CODEC_TEXT_SUPPORT_H

#include "tuplet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The value of a text, which must parse. */
static inline tuplet_node *parsed(tuplet_tree *tree, const char *text) {
  tuplet_node *root = NULL;
  tuplet_error error = {0};
  tuplet_status status = tuplet_tree_parse(tree, text, strlen(text), &root, &error);
  if (status != TUPLET_OK) fail_msg("%s\n  does not parse: %s", text, error.message);
  return root;
}

/* The text of a value, which must print; to be freed. */
static inline tuplet_owned printed(const tuplet_node *root) {
  tuplet_owned text = {0};
  tuplet_error error = {0};
  if (tuplet_tree_print(root, NULL, &text, &error) != TUPLET_OK)
    fail_msg("does not print: %s", error.message);
  assert_int_equal(strlen(text.data), text.size);
  return text;
}

/* Prints and parses: the same value, and the same text when it is printed again. */
static inline void check_round_trip(const tuplet_node *root) {
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_owned text = printed(root);
  const tuplet_node *again = parsed(tree, text.data);
  if (!tuplet_node_equal(again, root)) fail_msg("%s\n  means another value", (const char *)text.data);
  tuplet_owned text_again = printed(again);
  assert_string_equal(text_again.data, text.data);
  tuplet_owned_free(&text_again);
  tuplet_owned_free(&text);
  tuplet_tree_free(tree);
}

#endif
