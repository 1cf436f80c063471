/* text_graph.c: which nodes of a value stand in several places, and where it refers to itself. One walk in
 * depth, on a stack of its own. */
#include "codec/text_graph.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/status.h"

#include <string.h>

enum { ENTRY_CAPACITY_MIN = 8 };

bool tp_node_has_identity(const tuplet_node *node) {
  switch (node->type) {
  case TUPLET_NODE_UNDEFINED:
  case TUPLET_NODE_NULL:
  case TUPLET_NODE_BOOL:
  case TUPLET_NODE_NUMBER:
  case TUPLET_NODE_BIGINT:
  case TUPLET_NODE_STRING:
  case TUPLET_NODE_KVU64:
  case TUPLET_NODE_OPAQUE: return false;
  default: return true;
  }
}

size_t tp_node_child_count(const tuplet_node *node) {
  switch (node->type) {
  case TUPLET_NODE_OBJECT: return node->as.map.count;
  case TUPLET_NODE_ARRAY: return node->as.array.count + node->as.array.property_count;
  case TUPLET_NODE_MAP: return 2 * node->as.map.count;
  case TUPLET_NODE_SET: return node->as.set.count;
  case TUPLET_NODE_VIEW: return 1;
  case TUPLET_NODE_ERROR: return node->as.error.cause != NULL ? 1 : 0;
  default: return 0;
  }
}

const tuplet_node *tp_node_child(const tuplet_node *node, size_t index) {
  switch (node->type) {
  case TUPLET_NODE_OBJECT: return node->as.map.pairs[index].value;
  case TUPLET_NODE_ARRAY:
    if (index < node->as.array.count) return node->as.array.items[index];
    return node->as.array.properties[index - node->as.array.count].value;
  case TUPLET_NODE_MAP:
    return index % 2 == 0 ? node->as.map.pairs[index / 2].key : node->as.map.pairs[index / 2].value;
  case TUPLET_NODE_SET: return node->as.set.items[index];
  case TUPLET_NODE_VIEW: return node->as.view.buffer;
  default: return node->as.error.cause;
  }
}

bool tp_buffer_node_is_zero(const tuplet_node *buffer) {
  const uint8_t *data = buffer->as.buffer.data;
  size_t size = buffer->as.buffer.size;
  return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

/* ---- Entries ---- */

static bool grow_entries(tp_graph *graph) {
  size_t capacity = graph->capacity == 0 ? ENTRY_CAPACITY_MIN : graph->capacity * 2;
  if (capacity > SIZE_MAX / sizeof *graph->entries) return false;
  tp_graph_entry *entries = tp_realloc(graph->allocator, graph->entries, capacity * sizeof *entries);
  if (entries == NULL) return false;
  graph->entries = entries;
  graph->capacity = capacity;
  return true;
}

/* The node's entry, new (with no reference) or old; its index, as entries move. */
static tuplet_status visit(tp_graph *graph, const tuplet_node *node, size_t *ret_index, tuplet_error *error) {
  if (tp_node_map_get(&graph->indexes, node, ret_index)) return TUPLET_OK;
  if (graph->count == TP_GRAPH_NO_NAME)
    return tp_fail(error, TUPLET_LIMIT, "the value has more than %zu objects", graph->count);
  if (graph->count == graph->capacity && !grow_entries(graph)) return tp_fail_nomem(error);
  if (!tp_node_map_add(&graph->indexes, node, graph->count)) return tp_fail_nomem(error);
  *ret_index = graph->count;
  graph->entries[graph->count++] = (tp_graph_entry){.node = node, .name = TP_GRAPH_NO_NAME};
  return TUPLET_OK;
}

uint32_t tp_graph_name(const tp_graph *graph, const tuplet_node *node) {
  size_t index;
  if (graph->named_count == 0 || !tp_node_map_get(&graph->indexes, node, &index)) return TP_GRAPH_NO_NAME;
  return graph->entries[index].name;
}

/* ---- The walk ---- */

typedef struct walk_frame {
  size_t index; /* into the entries */
  size_t child; /* the next one to look at */
} walk_frame;

typedef struct walk {
  tp_graph *graph;
  tp_buffer frames;   /* walk_frame */
  tp_buffer finished; /* size_t: indexes of entries, each after what it is made of */
  tuplet_error *error;
} walk;

/* One more reference to `node`; begins its own walk when it is the first. */
static tuplet_status enter(walk *w, const tuplet_node *node, bool *ret_closes_cycle) {
  size_t index;
  tuplet_status status = visit(w->graph, node, &index, w->error);
  if (status != TUPLET_OK) return status;
  tp_graph_entry *entry = &w->graph->entries[index];
  *ret_closes_cycle = entry->open;
  if (entry->references++ > 0) {
    entry->needs_name = true;
    if (entry->references == UINT32_MAX) entry->references--; /* many is all that matters */
    return TUPLET_OK;
  }
  if (node->type == TUPLET_NODE_BUFFER && node->as.buffer.resizable)
    entry->needs_name = !tp_buffer_node_is_zero(node);
  entry->open = true;
  tp_buffer_append(&w->frames, &(walk_frame){.index = index}, sizeof(walk_frame));
  return w->frames.failed ? tp_fail_nomem(w->error) : TUPLET_OK;
}

static tuplet_status step(walk *w) {
  walk_frame *frame = (walk_frame *)(void *)(w->frames.data + w->frames.size) - 1;
  tp_graph_entry *entry = &w->graph->entries[frame->index];
  size_t index = frame->index;
  if (frame->child == tp_node_child_count(entry->node)) {
    entry->open = false;
    tp_buffer_append(&w->finished, &index, sizeof index);
    w->frames.size -= sizeof *frame;
    return w->finished.failed ? tp_fail_nomem(w->error) : TUPLET_OK;
  }
  const tuplet_node *child = tp_node_child(entry->node, frame->child++);
  if (child == NULL || !tp_node_has_identity(child)) return TUPLET_OK;
  bool closes_cycle;
  tuplet_status status = enter(w, child, &closes_cycle);
  if (status == TUPLET_OK && closes_cycle) w->graph->entries[index].needs_name = true;
  return status;
}

static tuplet_status number_names(walk *w) {
  tp_graph *graph = w->graph;
  size_t count = w->finished.size / sizeof(size_t), named_count = 0;
  for (size_t i = 0; i < graph->count; i++) named_count += graph->entries[i].needs_name ? 1 : 0;
  if (named_count == 0) return TUPLET_OK;
  graph->named = tp_alloc_array_zeroed(graph->allocator, named_count, sizeof *graph->named);
  if (graph->named == NULL) return tp_fail_nomem(w->error);
  for (size_t i = 0; i < count; i++) {
    size_t index;
    memcpy(&index, w->finished.data + i * sizeof index, sizeof index);
    tp_graph_entry *entry = &graph->entries[index];
    if (!entry->needs_name) continue;
    entry->name = (uint32_t)graph->named_count;
    graph->named[graph->named_count++] = entry->node;
  }
  return TUPLET_OK;
}

tuplet_status tp_graph_init(tp_graph *graph, const tuplet_node *root, const tuplet_allocator *allocator,
                            tuplet_error *error) {
  *graph = (tp_graph){.allocator = allocator};
  tp_node_map_init(&graph->indexes, allocator);
  if (!tp_node_has_identity(root)) return TUPLET_OK;
  walk w = {.graph = graph, .error = error};
  tp_buffer_init(&w.frames, allocator);
  tp_buffer_init(&w.finished, allocator);
  bool closes_cycle;
  tuplet_status status = enter(&w, root, &closes_cycle);
  while (status == TUPLET_OK && w.frames.size > 0) status = step(&w);
  if (status == TUPLET_OK) status = number_names(&w);
  tp_buffer_done(&w.frames);
  tp_buffer_done(&w.finished);
  return status;
}

void tp_graph_done(tp_graph *graph) {
  tp_free(graph->allocator, graph->entries);
  tp_node_map_done(&graph->indexes);
  tp_free(graph->allocator, graph->named);
  *graph = (tp_graph){.allocator = graph->allocator};
}
