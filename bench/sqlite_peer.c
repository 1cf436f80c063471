/* sqlite_peer.c: the workloads on bare SQLite. */
#include "sqlite_peer.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum peer_statement {
  STATEMENT_GET,
  STATEMENT_SET,
  STATEMENT_LIST,
  STATEMENT_BEGIN_READING,
  STATEMENT_BEGIN,
  STATEMENT_COMMIT,
  STATEMENT_COUNT
} peer_statement;

struct sqlite_peer {
  const dataset *data;
  sqlite3 *db;
  sqlite3_stmt *statements[STATEMENT_COUNT];
  uint64_t random;
  int64_t version;
};

/* The upsert leaves the expiry index alone where the expiry stays what it is: SQLite's best for this schema.
 */
static const char *const statement_texts[STATEMENT_COUNT] = {
    [STATEMENT_GET] = "SELECT v, v_encoding, version FROM kv WHERE k = ?1",
    [STATEMENT_SET] = ("INSERT INTO kv (k, v, v_encoding, version, expiration_ms) VALUES (?1, ?2, ?3, ?4, -1)"
                       " ON CONFLICT (k) DO UPDATE SET v = excluded.v, v_encoding = excluded.v_encoding,"
                       " version = excluded.version WHERE expiration_ms = -1"),
    [STATEMENT_LIST] = "SELECT k, v, v_encoding, version FROM kv WHERE k >= ?1 AND k < ?2 ORDER BY k",
    [STATEMENT_BEGIN_READING] = "BEGIN",
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
};

/* ---- Beginning and end ---- */

static void check(const sqlite_peer *side, bool fine) {
  if (!fine) bench_fail("SQLite: %s", sqlite3_errmsg(side->db));
}

static void run_text(sqlite_peer *side, const char *sql) {
  check(side, sqlite3_exec(side->db, sql, NULL, NULL, NULL) == SQLITE_OK);
}

sqlite_peer *sqlite_peer_open(const dataset *data, dataset_kind kind) {
  sqlite_peer *side = calloc(1, sizeof *side);
  if (side == NULL) bench_fail("out of memory");
  side->data = data;
  char *path = dataset_path(data, kind, DATASET_SQLITE);
  check(side,
        sqlite3_open_v2(path, &side->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK);
  free(path);
  char pragmas[128];
  (void)snprintf(pragmas, sizeof pragmas,
                 "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -%d;",
                 TUPLET_CACHE_KIB_DEFAULT);
  run_text(side, pragmas);
  for (int i = 0; i < STATEMENT_COUNT; i++) {
    check(side, sqlite3_prepare_v3(side->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                   &side->statements[i], NULL) == SQLITE_OK);
  }
  return side;
}

void sqlite_peer_close(sqlite_peer *side) {
  if (side == NULL) return;
  for (int i = 0; i < STATEMENT_COUNT; i++) (void)sqlite3_finalize(side->statements[i]);
  check(side, sqlite3_close(side->db) == SQLITE_OK);
  free(side);
}

/* ---- One operation each ---- */

static int bind_key(sqlite3_stmt *statement, const tuplet_owned *key) {
  return sqlite3_bind_blob(statement, 1, key->data, (int)key->size, SQLITE_STATIC);
}

static void reset(const sqlite_peer *side, sqlite3_stmt *statement) {
  check(side, sqlite3_reset(statement) == SQLITE_OK);
}

/* Copies a row's value out; returns its size. */
static size_t get(sqlite_peer *side, const tuplet_owned *key, void *ret_value, size_t size_max) {
  sqlite3_stmt *statement = side->statements[STATEMENT_GET];
  check(side, bind_key(statement, key) == SQLITE_OK);
  check(side, sqlite3_step(statement) == SQLITE_ROW);
  const void *value = sqlite3_column_blob(statement, 0);
  size_t size = (size_t)sqlite3_column_bytes(statement, 0);
  if (size > size_max || sqlite3_column_int(statement, 1) == 0 || sqlite3_column_int64(statement, 2) == 0) {
    bench_fail("SQLite gave an unexpected row");
  }
  memcpy(ret_value, value, size);
  reset(side, statement);
  return size;
}

static void set(sqlite_peer *side, const tuplet_owned *key, const void *value, size_t size,
                tuplet_encoding encoding) {
  sqlite3_stmt *statement = side->statements[STATEMENT_SET];
  check(side, bind_key(statement, key) == SQLITE_OK &&
                  sqlite3_bind_blob(statement, 2, value, (int)size, SQLITE_STATIC) == SQLITE_OK &&
                  sqlite3_bind_int(statement, 3, (int)encoding) == SQLITE_OK &&
                  sqlite3_bind_int64(statement, 4, ++side->version) == SQLITE_OK);
  check(side, sqlite3_step(statement) == SQLITE_DONE);
  reset(side, statement);
}

static void run(sqlite_peer *side, peer_statement which) {
  check(side, sqlite3_step(side->statements[which]) == SQLITE_DONE);
  reset(side, side->statements[which]);
}

static const tuplet_owned *random_key(sqlite_peer *side) {
  return &side->data->hot_keys[bench_random(&side->random, BENCH_HOT_KEYS)];
}

/* ---- Workloads ---- */

bench_slice sqlite_peer_get(sqlite_peer *side, int64_t duration_ns) {
  bench_slice slice = {0};
  int64_t start_ns = bench_now_ns();
  do {
    for (int i = 0; i < BENCH_LOOK_AT_CLOCK_EVERY; i++, slice.operations++) {
      uint8_t value[BENCH_VALUE_SIZE];
      if (get(side, random_key(side), value, sizeof value) != BENCH_VALUE_SIZE) {
        bench_fail("SQLite gave a value of another size");
      }
    }
    slice.duration_ns = bench_now_ns() - start_ns;
  } while (slice.duration_ns < duration_ns);
  return slice;
}

bench_slice sqlite_peer_get_held(sqlite_peer *side, int64_t duration_ns) {
  run(side, STATEMENT_BEGIN_READING); /* the first SELECT takes the snapshot that all others see */
  bench_slice slice = sqlite_peer_get(side, duration_ns);
  run(side, STATEMENT_COMMIT);
  return slice;
}

bench_slice sqlite_peer_set(sqlite_peer *side, int64_t duration_ns) {
  bench_slice slice = {0};
  uint8_t value[BENCH_VALUE_SIZE] = {0};
  int64_t start_ns = bench_now_ns();
  do {
    memcpy(value, &slice.operations, sizeof slice.operations);
    set(side, random_key(side), value, sizeof value, TUPLET_ENCODING_BYTES);
    slice.operations++;
    slice.duration_ns = bench_now_ns() - start_ns;
  } while (slice.duration_ns < duration_ns);
  return slice;
}

bench_slice sqlite_peer_sum(sqlite_peer *side, int64_t duration_ns) {
  bench_slice slice = {0};
  const tuplet_owned *key = &side->data->counter_key;
  int64_t start_ns = bench_now_ns();
  do {
    uint64_t counter = 0;
    run(side, STATEMENT_BEGIN);
    if (get(side, key, &counter, sizeof counter) != sizeof counter)
      bench_fail("the counter has another size");
    counter = htole64(le64toh(counter) + 1);
    set(side, key, &counter, sizeof counter, TUPLET_ENCODING_LE64);
    run(side, STATEMENT_COMMIT);
    slice.operations++;
    slice.duration_ns = bench_now_ns() - start_ns;
  } while (slice.duration_ns < duration_ns);
  return slice;
}

static uint64_t list_once(sqlite_peer *side, uint64_t *ret_checksum) {
  sqlite3_stmt *statement = side->statements[STATEMENT_LIST];
  const tuplet_owned *prefix = &side->data->list_prefix;
  uint8_t end[64];
  if (prefix->size + 1 > sizeof end) bench_fail("the prefix is too long");
  memcpy(end, prefix->data, prefix->size);
  end[prefix->size] = 0xFF; /* no part of a key begins with it */
  check(side, bind_key(statement, prefix) == SQLITE_OK &&
                  sqlite3_bind_blob(statement, 2, end, (int)prefix->size + 1, SQLITE_STATIC) == SQLITE_OK);
  uint64_t rows = 0, checksum = 0;
  int rc;
  while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
    const void *key = sqlite3_column_blob(statement, 0);
    size_t key_size = (size_t)sqlite3_column_bytes(statement, 0);
    const void *value = sqlite3_column_blob(statement, 1);
    size_t value_size = (size_t)sqlite3_column_bytes(statement, 1);
    if (sqlite3_column_int(statement, 2) == 0 || sqlite3_column_int64(statement, 3) == 0) {
      bench_fail("SQLite gave an unexpected row");
    }
    checksum = bench_touch(bench_touch(checksum, key, key_size), value, value_size);
    rows++;
  }
  check(side, rc == SQLITE_DONE);
  reset(side, statement);
  *ret_checksum = checksum;
  return rows;
}

bench_slice sqlite_peer_list(sqlite_peer *side, int64_t duration_ns) {
  bench_slice slice = {0};
  int64_t start_ns = bench_now_ns();
  do {
    uint64_t rows = list_once(side, &slice.checksum);
    if (rows != BENCH_LIST_ROWS) bench_fail("SQLite listed %llu rows", (unsigned long long)rows);
    slice.operations += rows;
    slice.duration_ns = bench_now_ns() - start_ns;
  } while (slice.duration_ns < duration_ns);
  return slice;
}
