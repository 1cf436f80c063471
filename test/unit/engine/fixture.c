/* fixture.c: what the engine's tests share. */
#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- Files ---- */

int fixture_setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  if (f == NULL) return -1;
  const char *parent = getenv("TMPDIR");
  (void)snprintf(f->folder, sizeof f->folder, "%s/tuplet-XXXXXX", parent == NULL ? "/tmp" : parent);
  if (mkdtemp(f->folder) == NULL) {
    free(f);
    return -1;
  }
  (void)snprintf(f->path, sizeof f->path, "%s/kv.sqlite", f->folder);
  *state = f;
  return 0;
}

void fixture_empty(const fixture *f) {
  DIR *folder = opendir(f->folder);
  if (folder == NULL) return;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", f->folder, entry->d_name);
    if (entry->d_name[0] != '.') (void)remove(path); /* files, and folders that are empty */
  }
  (void)closedir(folder);
}

void fixture_remove_log(const fixture *f) {
  char path[sizeof f->path + 8];
  (void)snprintf(path, sizeof path, "%s-wal", f->path);
  (void)unlink(path); /* it may not be there */
  (void)snprintf(path, sizeof path, "%s-shm", f->path);
  (void)unlink(path);
}

int fixture_teardown(void **state) {
  fixture *f = *state;
  fixture_empty(f);
  int rc = rmdir(f->folder);
  free(f);
  return rc;
}

file_bytes file_read(const char *path) {
  FILE *stream = fopen(path, "rb");
  assert_non_null(stream);
  struct stat info;
  assert_int_equal(fstat(fileno(stream), &info), 0);
  file_bytes bytes = {malloc((size_t)info.st_size + 1), (size_t)info.st_size};
  assert_non_null(bytes.data);
  assert_int_equal(fread(bytes.data, 1, bytes.size, stream), bytes.size);
  bytes.data[bytes.size] = '\0';
  assert_int_equal(fclose(stream), 0);
  return bytes;
}

void file_write(const char *path, const void *data, size_t size) {
  FILE *stream = fopen(path, "wb");
  assert_non_null(stream);
  assert_int_equal(fwrite(data, 1, size, stream), size);
  assert_int_equal(fclose(stream), 0);
}

int64_t file_size(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 ? info.st_size : -1;
}

int64_t log_size(const char *path) {
  char log_path[512];
  (void)snprintf(log_path, sizeof log_path, "%s-wal", path);
  return file_size(log_path);
}

/* ---- Plain SQLite ---- */

sqlite3 *sql_open(const char *path) {
  sqlite3 *db = NULL;
  assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_busy_timeout(db, 20000), SQLITE_OK);
  return db;
}

void sql_close(sqlite3 *db) {
  assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

void sql_run(sqlite3 *db, const char *sql) {
  int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
  if (rc != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

void sql_run_on(const char *path, const char *sql) {
  sqlite3 *db = sql_open(path);
  sql_run(db, sql);
  sql_close(db);
}

char *sql_rows(sqlite3 *db, const char *sql) {
  sqlite3_stmt *statement = NULL;
  if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) {
    fail_msg("%s: %s", sql, sqlite3_errmsg(db));
  }
  sqlite3_str *rows = sqlite3_str_new(NULL);
  int rc;
  while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
    for (int i = 0; i < sqlite3_column_count(statement); i++) {
      const unsigned char *text = sqlite3_column_text(statement, i);
      sqlite3_str_appendf(rows, "%s%s", i == 0 ? "" : "|", text == NULL ? "NULL" : (const char *)text);
    }
    sqlite3_str_appendchar(rows, 1, '\n');
  }
  if (rc != SQLITE_DONE) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
  assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
  char *text = sqlite3_str_finish(rows);
  char *copy = strdup(text == NULL ? "" : text);
  sqlite3_free(text);
  assert_non_null(copy);
  return copy;
}

int64_t sql_integer_on(const char *path, const char *sql) {
  sqlite3 *db = sql_open(path);
  char *rows = sql_rows(db, sql);
  sql_close(db);
  int64_t integer = strtoll(rows, NULL, 10);
  free(rows);
  return integer;
}

char *sql_schema_on(const char *path) {
  static const char query[] =
      "SELECT 'table', name, type, ncol, wr, strict FROM pragma_table_list"
      " WHERE schema = 'main' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name;"
      "SELECT 'column', m.name, c.cid, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk"
      " FROM sqlite_schema m, pragma_table_xinfo(m.name) c WHERE m.type = 'table' ORDER BY m.name, c.cid;"
      "SELECT 'index', m.name, i.name, i.\"unique\", i.origin, i.partial, c.seqno, c.name, c.\"desc\", c.coll"
      " FROM sqlite_schema m, pragma_index_list(m.name) i, pragma_index_xinfo(i.name) c"
      " WHERE m.type = 'table' ORDER BY m.name, i.name, c.seqno;"
      "SELECT 'other', type, name FROM sqlite_schema WHERE type NOT IN ('table', 'index');"
      "PRAGMA page_size; PRAGMA encoding; PRAGMA auto_vacuum; PRAGMA user_version; PRAGMA application_id;";
  sqlite3 *db = sql_open(path);
  char *schema = strdup("");
  for (const char *rest = query; *rest != '\0';) {
    const char *end = strchr(rest, ';') + 1;
    char *sql = strndup(rest, (size_t)(end - rest));
    char *rows = sql_rows(db, sql);
    size_t size = strlen(schema), rows_size = strlen(rows);
    char *longer = realloc(schema, size + rows_size + 1);
    assert_non_null(longer);
    memcpy(longer + size, rows, rows_size + 1);
    schema = longer;
    free(rows);
    free(sql);
    rest = end;
  }
  sql_close(db);
  return schema;
}

/* ---- tuplet ---- */

void expect_status(tuplet_status status, tuplet_status expected, const tuplet_error *error, const char *file,
                   int line) {
  if (status == expected) return;
  print_error("%s instead of %s: %s\n", tuplet_status_name(status), tuplet_status_name(expected),
              status < 0 ? error->message : "");
  _fail(file, line);
}

tuplet_db *db_open(const char *path) {
  tuplet_db *db = NULL;
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, tuplet_open(path, NULL, &db, &error), error);
  return db;
}

int64_t version_of(const tuplet_versionstamp *versionstamp) {
  uint64_t version = 0;
  for (int i = 0; i < 8; i++) version = version << 8 | versionstamp->bytes[i];
  return (int64_t)version;
}

/* ---- Threads and processes ---- */

void latch_init(latch *l, int count) {
  assert_int_equal(pthread_mutex_init(&l->mutex, NULL), 0);
  assert_int_equal(pthread_cond_init(&l->changed, NULL), 0);
  l->count = count;
}

void latch_count_down(latch *l) {
  (void)pthread_mutex_lock(&l->mutex);
  l->count--;
  (void)pthread_cond_broadcast(&l->changed);
  (void)pthread_mutex_unlock(&l->mutex);
}

void latch_wait(latch *l) {
  (void)pthread_mutex_lock(&l->mutex);
  while (l->count > 0) (void)pthread_cond_wait(&l->changed, &l->mutex);
  (void)pthread_mutex_unlock(&l->mutex);
}

void latch_done(latch *l) {
  (void)pthread_cond_destroy(&l->changed);
  (void)pthread_mutex_destroy(&l->mutex);
}

void thread_start(pthread_t *ret_thread, void *(*run)(void *context), void *context) {
  assert_int_equal(pthread_create(ret_thread, NULL, run, context), 0);
}

void thread_join(pthread_t thread) {
  assert_int_equal(pthread_join(thread, NULL), 0);
}

int64_t now_ms(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void sleep_ms(int64_t ms) {
  struct timespec duration = {ms / 1000, ms % 1000 * 1000000};
  while (nanosleep(&duration, &duration) != 0 && errno == EINTR) {
  }
}

pid_t child_start(int (*body)(void *context), void *context) {
  (void)fflush(NULL);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) _exit(body(context)); /* nothing of the parent's is ended twice */
  return child;
}

int child_wait(pid_t child) {
  int status = 0;
  pid_t ended;
  do {
    ended = waitpid(child, &status, 0);
  } while (ended < 0 && errno == EINTR);
  assert_int_equal(ended, child);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}
