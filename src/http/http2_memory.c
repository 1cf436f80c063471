/* http2_memory.c: memory for one session of nghttp2's. */
#include "http/http2_memory.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct tp_http2_block {
  tp_http2_block *previous, *next;
};

enum { BLOCK_HEAD_SIZE = 16 };

static_assert(sizeof(tp_http2_block) <= BLOCK_HEAD_SIZE && BLOCK_HEAD_SIZE % alignof(max_align_t) == 0,
              "what follows the head is aligned for any type");

static void block_link(tp_http2_memory *memory, tp_http2_block *block) {
  block->previous = NULL;
  block->next = memory->blocks;
  if (block->next != NULL) block->next->previous = block;
  memory->blocks = block;
}

static void block_unlink(tp_http2_memory *memory, tp_http2_block *block) {
  *(block->previous != NULL ? &block->previous->next : &memory->blocks) = block->next;
  if (block->next != NULL) block->next->previous = block->previous;
}

static tp_http2_block *block_of(void *pointer) {
  return (tp_http2_block *)(void *)((char *)pointer - BLOCK_HEAD_SIZE);
}

static void *mem_realloc(void *pointer, size_t size, void *context) {
  tp_http2_memory *memory = context;
  tp_http2_block *old = pointer == NULL ? NULL : block_of(pointer);
  if (size > SIZE_MAX - BLOCK_HEAD_SIZE) return NULL;
  if (old != NULL) block_unlink(memory, old);
  tp_http2_block *block = tp_realloc(memory->allocator, old, size + BLOCK_HEAD_SIZE);
  if (block == NULL) memory->is_out = true;
  if (block != NULL || old != NULL) block_link(memory, block != NULL ? block : old);
  return block == NULL ? NULL : (char *)block + BLOCK_HEAD_SIZE;
}

static void *mem_malloc(size_t size, void *context) {
  return mem_realloc(NULL, size, context);
}

static void *mem_calloc(size_t count, size_t size, void *context) {
  size_t total;
  if (__builtin_mul_overflow(count, size, &total)) return NULL;
  void *pointer = mem_realloc(NULL, total, context);
  if (pointer != NULL) memset(pointer, 0, total);
  return pointer;
}

static void mem_free(void *pointer, void *context) {
  tp_http2_memory *memory = context;
  if (pointer == NULL) return;
  block_unlink(memory, block_of(pointer));
  tp_free(memory->allocator, block_of(pointer));
}

nghttp2_mem tp_http2_memory_hooks(tp_http2_memory *memory) {
  return (nghttp2_mem){memory, mem_malloc, mem_free, mem_calloc, mem_realloc};
}

void tp_http2_memory_end(tp_http2_memory *memory, nghttp2_session *session) {
  if (!memory->is_out) {
    nghttp2_session_del(session);
    return;
  }
  while (memory->blocks != NULL) mem_free((char *)memory->blocks + BLOCK_HEAD_SIZE, memory);
}
