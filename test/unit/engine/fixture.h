/* fixture.h: what the engine's tests share: a folder of their own, plain SQLite beside tuplet, short ways to
 * write and to look. Whatever fails in here fails the test. */
#ifndef TEST_UNIT_ENGINE_FIXTURE_H
#define TEST_UNIT_ENGINE_FIXTURE_H

#include "tuplet.h"

#include <pthread.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/types.h>

#include <cmocka.h>

/* ---- Files ---- */

/* A fresh folder and the path of a file in it that is not there yet. */
typedef struct fixture {
  char folder[128];
  char path[160];
} fixture;

/* As cmocka's setup and teardown: *state is a fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* Takes away what is in the folder. */
void fixture_empty(const fixture *f);
/* Takes away the write-ahead log and its index. */
void fixture_remove_log(const fixture *f);

typedef struct file_bytes {
  char *data; /* the caller's to free */
  size_t size;
} file_bytes;

file_bytes file_read(const char *path);
void file_write(const char *path, const void *data, size_t size);
/* -1 when there is none. */
int64_t file_size(const char *path);
/* Of the write-ahead log of the database `path`. */
int64_t log_size(const char *path);

/* ---- Plain SQLite ---- */

sqlite3 *sql_open(const char *path);
void sql_close(sqlite3 *db);
void sql_run(sqlite3 *db, const char *sql);
/* Runs SQL on a connection that is opened for it alone. */
void sql_run_on(const char *path, const char *sql);
/* The rows of a query: columns with "|" between them, each row ended by a newline. The caller frees it. */
char *sql_rows(sqlite3 *db, const char *sql);
int64_t sql_integer_on(const char *path, const char *sql);
/* The schema as SQLite describes it: tables, columns, indexes; the caller frees it. */
char *sql_schema_on(const char *path);

/* ---- tuplet ---- */

tuplet_db *db_open(const char *path);
/* Fails the test unless the status is the one expected, with the error's message. */
void expect_status(tuplet_status status, tuplet_status expected, const tuplet_error *error, const char *file,
                   int line);
#define EXPECT(expected, call, error) expect_status((call), (expected), &(error), __FILE__, __LINE__)

/* The version that a versionstamp stands for. */
int64_t version_of(const tuplet_versionstamp *versionstamp);

/* ---- Threads and processes ---- */

typedef struct latch {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int count;
} latch;

/* Waits until the count is 0. */
void latch_init(latch *l, int count);
void latch_count_down(latch *l);
void latch_wait(latch *l);
void latch_done(latch *l);

void thread_start(pthread_t *ret_thread, void *(*run)(void *context), void *context);
void thread_join(pthread_t thread);

int64_t now_ms(void); /* monotonic */
void sleep_ms(int64_t ms);

/* Runs `body` in a child process and returns its pid; the child ends with what body returns. Only while no
 * database is open here. */
pid_t child_start(int (*body)(void *context), void *context);
/* The child's exit status. */
int child_wait(pid_t child);

#endif
