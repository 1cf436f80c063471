/* dice.h: random numbers that are the same ones for the same seed. */
#ifndef TEST_SUPPORT_DICE_H
#define TEST_SUPPORT_DICE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct dice {
  uint64_t state;
} dice;

/* SplitMix64. */
static inline uint64_t dice_roll(dice *d) {
  uint64_t word = d->state += UINT64_C(0x9E3779B97F4A7C15);
  word = (word ^ word >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  word = (word ^ word >> 27) * UINT64_C(0x94D049BB133111EB);
  return word ^ word >> 31;
}

static inline uint32_t dice_below(dice *d, uint32_t limit) {
  return (uint32_t)(dice_roll(d) % limit);
}

/* Once in `n` times. */
static inline bool dice_once_in(dice *d, uint32_t n) {
  return dice_below(d, n) == 0;
}

#endif
