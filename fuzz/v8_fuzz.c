/* v8_fuzz.c: bytes as a value in V8's format. What is read must be written as bytes that mean the same, and
 * writing must be a fixed point; what is not must be malformed. */
#include "codec/v8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
  if (!condition) abort();
}

/* Memory is bounded by the input. */
static void *bounded_reallocate(void *context, void *pointer, size_t new_size) {
  size_t *left = context;
  if (new_size == 0) {
    free(pointer);
    return NULL;
  }
  require(new_size <= *left);
  *left -= new_size;
  return realloc(pointer, new_size);
}

/* False for a buffer that may grow past 4 GiB: version 16 can say it, what we write cannot. */
static bool write(const tuplet_node *root, tp_buffer *out) {
  tp_buffer_init(out, NULL);
  tuplet_status status = tp_v8_write(root, out, NULL);
  require(status == TUPLET_OK || status == TUPLET_LIMIT);
  return status == TUPLET_OK;
}

static void check_written(const tp_buffer *once, const tuplet_node *root) {
  tuplet_tree *tree = tuplet_tree_new(NULL);
  require(tree != NULL);
  tuplet_node *again = NULL;
  require(tp_v8_read(tree, tp_buffer_view(once), &again, NULL) == TUPLET_OK);
  require(tuplet_node_equal(root, again));
  tp_buffer twice;
  require(write(again, &twice));
  require(once->size == twice.size && memcmp(once->data, twice.data, once->size) == 0);
  tp_buffer_done(&twice);
  tuplet_tree_free(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  size_t left = 65536 + 500 * size;
  tuplet_allocator allocator = {bounded_reallocate, &left};
  tuplet_tree *tree = tuplet_tree_new(&allocator);
  require(tree != NULL);
  tuplet_node *root = NULL;
  tuplet_error error = {0};
  tuplet_status status = tp_v8_read(tree, (tuplet_bytes){data, size}, &root, &error);
  require(status == TUPLET_OK || (status == TUPLET_MALFORMED && error.message[0] != '\0'));
  if (status == TUPLET_OK && root->type != TUPLET_NODE_OPAQUE) {
    tp_buffer once;
    if (write(root, &once)) check_written(&once, root);
    tp_buffer_done(&once);
  }
  tuplet_tree_free(tree);
  return 0;
}
