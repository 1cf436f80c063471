/* text_graph.h: which nodes of a value stand in several places, and where it refers to itself.
 *
 * JavaScript can write a tree as one expression. For anything else the printer gives names to some nodes and
 * defines them one by one. This finds the nodes that need a name, and the order of the definitions:
 *
 *   1. A node is named when it stands in several places, when something in it refers back to it or to a node
 *      around it (a statement has to close that cycle later), or when its content takes a statement (a
 *      resizable buffer that is not all zeros).
 *   2. Definitions are numbered from 0, each after all that it is made of, but for the references in rule 3.
 *   3. A reference from a named node to one of the same or a higher number is deferred: it is what closes a
 *      cycle. Nodes without a name have none.
 *
 * Primitive values have no identity and do not take part. Time and memory grow with the nodes and references;
 * depth costs no stack. */
#ifndef TP_CODEC_TEXT_GRAPH_H
#define TP_CODEC_TEXT_GRAPH_H

#include "codec/node_map.h"

#define TP_GRAPH_NO_NAME UINT32_MAX

typedef struct tp_graph_entry {
  const tuplet_node *node;
  uint32_t references;
  uint32_t name; /* the number of its definition, or TP_GRAPH_NO_NAME */
  bool open;     /* while building: being walked */
  bool needs_name;
} tp_graph_entry;

typedef struct tp_graph {
  const tuplet_allocator *allocator;
  tp_graph_entry *entries; /* in the order of discovery: the root first */
  size_t count;
  size_t capacity;
  tp_node_map indexes;       /* into entries */
  const tuplet_node **named; /* by number */
  size_t named_count;
} tp_graph;

/* Borrows the nodes, which must not change. Errors: TUPLET_NOMEM, TUPLET_LIMIT (2^32 nodes); the graph is to
 * be ended either way. */
tuplet_status tp_graph_init(tp_graph *graph, const tuplet_node *root, const tuplet_allocator *allocator,
                            tuplet_error *error);
void tp_graph_done(tp_graph *graph);

/* Whether a node is the same only as itself: everything but primitive values. */
bool tp_node_has_identity(const tuplet_node *node);

/* The number of a node's definition, or TP_GRAPH_NO_NAME. */
uint32_t tp_graph_name(const tp_graph *graph, const tuplet_node *node);

/* Whether the reference from `parent`, whose name is given, to `child` is deferred. */
static inline bool tp_graph_is_deferred(const tp_graph *graph, uint32_t parent_name,
                                        const tuplet_node *child) {
  if (parent_name == TP_GRAPH_NO_NAME || !tp_node_has_identity(child)) return false;
  uint32_t name = tp_graph_name(graph, child);
  return name != TP_GRAPH_NO_NAME && name >= parent_name;
}

/* How many references a node holds, and the one at `index`: a property's value, an element (NULL: a hole), a
 * map's keys and values in turn, an item, a buffer, a cause. */
size_t tp_node_child_count(const tuplet_node *node);
const tuplet_node *tp_node_child(const tuplet_node *node, size_t index);

/* Whether a buffer's bytes are all zero. */
bool tp_buffer_node_is_zero(const tuplet_node *buffer);

#endif
