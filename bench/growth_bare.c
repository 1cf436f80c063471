/* growth_bare.c: gets on bare SQLite. */
#include "growth_bare.h"

#include "growth_file.h"

#include <stdio.h>

static void check(const growth_bare *bare, bool fine) {
  if (!fine) bench_fail("SQLite: %s", sqlite3_errmsg(bare->db));
}

static void run(const growth_bare *bare, const char *sql) {
  check(bare, sqlite3_exec(bare->db, sql, NULL, NULL, NULL) == SQLITE_OK);
}

void growth_bare_init(growth_bare *bare, const char *path, bool is_mapped) {
  *bare = (growth_bare){0};
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
  check(bare, sqlite3_open_v2(path, &bare->db, flags, NULL) == SQLITE_OK);
  char pragmas[128];
  (void)snprintf(pragmas, sizeof pragmas,
                 "PRAGMA cache_size = -%d; PRAGMA cell_size_check = ON; PRAGMA mmap_size = %lld;",
                 TUPLET_CACHE_KIB_DEFAULT, is_mapped ? 1LL << 40 : 0);
  run(bare, pragmas);
  check(bare,
        sqlite3_prepare_v3(bare->db, "SELECT v, v_encoding, version, expiration_ms FROM kv WHERE k = ?1", -1,
                           SQLITE_PREPARE_PERSISTENT, &bare->get, NULL) == SQLITE_OK);
}

void growth_bare_done(growth_bare *bare) {
  (void)sqlite3_finalize(bare->get);
  check(bare, sqlite3_close(bare->db) == SQLITE_OK);
}

void growth_bare_begin(growth_bare *bare) {
  run(bare, "BEGIN");
}

void growth_bare_end(growth_bare *bare) {
  run(bare, "COMMIT");
}

void growth_bare_get(growth_bare *bare, uint32_t row) {
  tuplet_owned key;
  tuplet_error error;
  growth_check(tuplet_key_encode(GROWTH_KEY(row), NULL, &key, &error), &error);
  check(bare, sqlite3_bind_blob(bare->get, 1, key.data, (int)key.size, SQLITE_STATIC) == SQLITE_OK);
  check(bare, sqlite3_step(bare->get) == SQLITE_ROW);
  if (sqlite3_column_bytes(bare->get, 0) != BENCH_VALUE_SIZE || sqlite3_column_int(bare->get, 1) == 0 ||
      sqlite3_column_int64(bare->get, 2) == 0 || sqlite3_column_int64(bare->get, 3) != TUPLET_NEVER)
    bench_fail("SQLite gave an unexpected row");
  check(bare, sqlite3_reset(bare->get) == SQLITE_OK);
  tuplet_owned_free(&key);
}
