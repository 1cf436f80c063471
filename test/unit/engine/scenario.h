/* scenario.h: what a program does with a database, while things fail below it, and what must then be true:
 * groups of atomic operations, reads, a neighbour's checkpoint. */
#ifndef TEST_UNIT_ENGINE_SCENARIO_H
#define TEST_UNIT_ENGINE_SCENARIO_H

#include "fixture.h"

enum { SCENARIO_ROUNDS = 3, SCENARIO_WRITES = 6 };

typedef struct scenario_write {
  struct scenario *owner;
  int completions;
  tuplet_status status;
  int64_t version;
  bool error_empty;
} scenario_write;

typedef struct scenario {
  const char *path;
  tuplet_db *db; /* NULL when opening failed */
  latch pending;
  scenario_write writes[SCENARIO_ROUNDS][SCENARIO_WRITES];
} scenario;

/* Opens the database and does everything; what fails must fail with a status. The database is left open. */
void scenario_run(scenario *s, const char *path, tuplet_durability durability);

/* Whether a write succeeds now. */
void scenario_expect_writable(const scenario *s);
void scenario_close(scenario *s);

/* Opens the database anew: what was acknowledged is there (unless `acknowledged_may_be_lost`), everything is
 * there whole or not at all, and the file is sound. The disk must be healthy. */
void scenario_verify(const scenario *s, bool acknowledged_may_be_lost);

/* How many writes were acknowledged. */
int scenario_acknowledged(const scenario *s);

#endif
