/* pool_test.c: a pool's blocks are like any allocator's, and come back. */
#include "base/pool.h"

#include "base/alloc.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "support/dice.h"
#include "support/fault_allocator.h"

enum { KEPT_MAX = 16 * 1024 };

static void a_block_that_was_freed_is_taken_again(void **state) {
  (void)state;
  fault_allocator faults;
  fault_allocator_init(&faults, 0);
  tp_pool pool;
  tp_pool_init(&pool, &faults.allocator, KEPT_MAX);
  void *first = tp_alloc(&pool.view, 100);
  tp_free(&pool.view, first);
  assert_ptr_equal(tp_alloc(&pool.view, 128), first); /* of the same class */
  void *other = tp_alloc(&pool.view, 100);
  assert_ptr_not_equal(other, first);
  assert_int_equal(faults.count, 2);
  tp_free(&pool.view, other);
  tp_free(&pool.view, first);
  assert_int_equal(faults.live, 2);
  tp_pool_done(&pool);
  assert_int_equal(faults.live, 0);
}

static void no_more_is_kept_than_was_agreed(void **state) {
  (void)state;
  fault_allocator faults;
  fault_allocator_init(&faults, 0);
  tp_pool pool;
  tp_pool_init(&pool, &faults.allocator, KEPT_MAX);
  enum { COUNT = 4 * KEPT_MAX / 1024 };
  void *blocks[COUNT];
  for (size_t i = 0; i < COUNT; i++) blocks[i] = tp_alloc(&pool.view, 1024);
  for (size_t i = 0; i < COUNT; i++) {
    tp_free(&pool.view, blocks[i]);
    assert_in_range(pool.kept_size, 0, KEPT_MAX);
  }
  assert_int_equal(pool.kept_size, KEPT_MAX);
  assert_int_equal(faults.live, KEPT_MAX / 1024);
  void *large = tp_alloc(&pool.view, TP_POOL_BLOCK_MAX + 1);
  tp_free(&pool.view, large);
  assert_int_equal(faults.live, KEPT_MAX / 1024);
  tp_pool_done(&pool);
  assert_int_equal(faults.live, 0);
}

/* Blocks of random sizes that grow at random, each filled with a byte of its own. */
static void blocks_keep_their_bytes_and_their_distance(void **state) {
  (void)state;
  enum { COUNT = 64, ROUNDS = 20000, SIZE_MAX_TRIED = 3 * TP_POOL_BLOCK_MAX };
  tp_pool pool;
  tp_pool_init(&pool, NULL, KEPT_MAX);
  unsigned char *blocks[COUNT] = {0};
  size_t sizes[COUNT] = {0};
  dice random = {.state = 1};
  for (size_t round = 0; round < ROUNDS; round++) {
    size_t i = dice_below(&random, COUNT);
    for (size_t j = 0; j < sizes[i]; j++) assert_int_equal(blocks[i][j], i + 1);
    if (dice_once_in(&random, 3)) {
      tp_free(&pool.view, blocks[i]);
      blocks[i] = NULL;
      sizes[i] = 0;
      continue;
    }
    size_t size = 1 + dice_below(&random, dice_once_in(&random, 2) ? 300 : SIZE_MAX_TRIED);
    blocks[i] = tp_realloc(&pool.view, blocks[i], size);
    assert_non_null(blocks[i]);
    assert_int_equal((uintptr_t)blocks[i] % alignof(max_align_t), 0);
    for (size_t j = 0; j < sizes[i] && j < size; j++) assert_int_equal(blocks[i][j], i + 1);
    memset(blocks[i], (int)i + 1, size);
    sizes[i] = size;
  }
  for (size_t i = 0; i < COUNT; i++) tp_free(&pool.view, blocks[i]);
  tp_pool_done(&pool);
}

static void without_memory_a_block_stays_as_it_was(void **state) {
  (void)state;
  fault_allocator faults;
  fault_allocator_init(&faults, 3);
  tp_pool pool;
  tp_pool_init(&pool, &faults.allocator, KEPT_MAX);
  assert_null(tp_alloc(&pool.view, SIZE_MAX));
  unsigned char *small = tp_alloc(&pool.view, 10);
  unsigned char *large = tp_alloc(&pool.view, 10000);
  memset(small, 1, 10);
  memset(large, 2, 10000);
  assert_null(tp_realloc(&pool.view, small, 1000)); /* the third */
  assert_int_equal(small[9], 1);
  faults.fail_at = 4;
  assert_null(tp_realloc(&pool.view, large, 20000));
  assert_int_equal(large[9999], 2);
  assert_null(tp_realloc(&pool.view, large, SIZE_MAX));
  tp_free(&pool.view, small);
  tp_free(&pool.view, large);
  tp_pool_done(&pool);
  assert_int_equal(faults.live, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_block_that_was_freed_is_taken_again),
      cmocka_unit_test(no_more_is_kept_than_was_agreed),
      cmocka_unit_test(blocks_keep_their_bytes_and_their_distance),
      cmocka_unit_test(without_memory_a_block_stays_as_it_was),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
