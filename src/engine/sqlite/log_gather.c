/* log_gather.c: a commit's writes to the log, gathered. */
#include "engine/sqlite/log_gather.h"

#include <assert.h>
#include <string.h>

/* Some thirty writes of the usual pages; larger groups are written in several parts. Also SQLite's largest
 * page, and so the largest write. */
enum { GATHERED_SIZE_MAX = 64 << 10 };

static tp_sqlite_log_gather *gather_of(sqlite3_file *file) {
  return (tp_sqlite_log_gather *)(uintptr_t)file->pMethods;
}

static int write_gathered(sqlite3_file *file) {
  tp_sqlite_log_gather *gather = gather_of(file);
  if (gather->size == 0) return SQLITE_OK;
  int rc = gather->real->xWrite(file, gather->gathered, (int)gather->size, gather->offset);
  if (rc == SQLITE_OK) gather->size = 0;
  return rc;
}

static int file_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset) {
  tp_sqlite_log_gather *gather = gather_of(file);
  assert(size > 0 && size <= GATHERED_SIZE_MAX);
  bool follows = offset == gather->offset + (sqlite3_int64)gather->size;
  if (!follows || (size_t)size > GATHERED_SIZE_MAX - gather->size) {
    int rc = write_gathered(file);
    if (rc != SQLITE_OK) return rc;
    gather->offset = offset;
  }
  memcpy(gather->gathered + gather->size, data, (size_t)size);
  gather->size += (size_t)size;
  return SQLITE_OK;
}

static int file_sync(sqlite3_file *file, int flags) {
  int rc = write_gathered(file);
  return rc == SQLITE_OK ? gather_of(file)->real->xSync(file, flags) : rc;
}

static int file_read(sqlite3_file *file, void *data, int size, sqlite3_int64 offset) {
  int rc = write_gathered(file);
  return rc == SQLITE_OK ? gather_of(file)->real->xRead(file, data, size, offset) : rc;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size) {
  int rc = write_gathered(file);
  return rc == SQLITE_OK ? gather_of(file)->real->xTruncate(file, size) : rc;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret_size) {
  int rc = write_gathered(file);
  return rc == SQLITE_OK ? gather_of(file)->real->xFileSize(file, ret_size) : rc;
}

static int file_control(sqlite3_file *file, int operation, void *argument) {
  int rc = write_gathered(file);
  return rc == SQLITE_OK ? gather_of(file)->real->xFileControl(file, operation, argument) : rc;
}

static int file_close(sqlite3_file *file) {
  tp_sqlite_log_gather_end(gather_of(file), false);
  return file->pMethods->xClose(file);
}

void tp_sqlite_log_gather_done(tp_sqlite_log_gather *gather) {
  assert(gather->file == NULL);
  sqlite3_free(gather->gathered);
  gather->gathered = NULL;
}

void tp_sqlite_log_gather_begin(tp_sqlite_log_gather *gather, sqlite3_file *log) {
  assert(gather->file == NULL);
  /* Else SQLite may sync the log and then write the rest of a frame. */
  if ((log->pMethods->xDeviceCharacteristics(log) & SQLITE_IOCAP_POWERSAFE_OVERWRITE) == 0) return;
  if (gather->gathered == NULL) gather->gathered = sqlite3_malloc(GATHERED_SIZE_MAX);
  if (gather->gathered == NULL) return;
  gather->file = log;
  gather->real = log->pMethods;
  gather->size = 0;
  gather->methods = *log->pMethods;
  gather->methods.xClose = file_close;
  gather->methods.xRead = file_read;
  gather->methods.xWrite = file_write;
  gather->methods.xTruncate = file_truncate;
  gather->methods.xSync = file_sync;
  gather->methods.xFileSize = file_size;
  gather->methods.xFileControl = file_control;
  log->pMethods = &gather->methods;
}

void tp_sqlite_log_gather_end(tp_sqlite_log_gather *gather, bool committed) {
  if (gather->file == NULL) return;
  assert(!committed || gather->size == 0); /* it was synced */
  gather->file->pMethods = gather->real;
  gather->file = NULL;
}
