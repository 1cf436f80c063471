/* fault_vfs.c: a disk that fails on demand. */
#include "support/fault_vfs.h"

#include "support/fault_disk.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fault_vfs {
  sqlite3_vfs base;
  sqlite3_vfs *real;
  pthread_mutex_t mutex; /* guards what follows */
  uint64_t counts[FAULT_KIND_COUNT];
  uint64_t written_size;
  unsigned kinds;
  int seen, first, last; /* operations of `kinds` since the fault was set; which of them fail */
  int code;
  bool cuts_power;
  bool power_off;
  bool disk_full;
  bool fired;
  void (*on_sync)(void *context);
  void *on_sync_context;
  fault_disk *disk; /* NULL unless contents are tracked */
};

/* The real VFS's file follows it in memory. */
typedef struct fault_file {
  sqlite3_file base;
  fault_vfs *vfs;
  fault_disk_file *contents; /* NULL unless tracked */
} fault_file;

static fault_vfs *vfs_of(sqlite3_vfs *base) {
  return (fault_vfs *)base;
}

static fault_file *file_of(sqlite3_file *base) {
  return (fault_file *)(void *)base;
}

static sqlite3_file *real_of(sqlite3_file *base) {
  return (sqlite3_file *)(void *)((char *)base + sizeof(fault_file));
}

/* ---- Whether an operation fails ---- */

/* What the real VFS would return. */
static int code_of(fault_kind kind, int code) {
  switch (kind) {
  case FAULT_OPEN: return SQLITE_CANTOPEN;
  case FAULT_READ: return SQLITE_IOERR_READ;
  case FAULT_WRITE: return code == SQLITE_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
  case FAULT_TRUNCATE: return SQLITE_IOERR_TRUNCATE;
  case FAULT_SYNC: return SQLITE_IOERR_FSYNC;
  case FAULT_SIZE: return SQLITE_IOERR_FSTAT;
  case FAULT_LOCK: return SQLITE_IOERR_LOCK;
  case FAULT_SHM_MAP: return SQLITE_IOERR_SHMMAP;
  case FAULT_DELETE: return SQLITE_IOERR_DELETE;
  default: return SQLITE_IOERR;
  }
}

/* A place for a breakpoint. */
static void fault(fault_vfs *vfs) {
  vfs->fired = true;
}

/* Counts an operation; SQLITE_OK or how it fails. */
static int enter(fault_vfs *vfs, fault_kind kind, bool grows) {
  (void)pthread_mutex_lock(&vfs->mutex);
  vfs->counts[__builtin_ctz((unsigned)kind)]++;
  bool fails = vfs->power_off;
  int code = vfs->code;
  if (!fails && (vfs->kinds & (unsigned)kind) != 0) {
    vfs->seen++;
    fails = vfs->seen >= vfs->first && vfs->seen <= vfs->last;
    if (fails && vfs->cuts_power) vfs->power_off = true;
  }
  if (!fails && vfs->disk_full && grows) {
    fails = true;
    code = SQLITE_FULL;
  }
  if (fails) fault(vfs);
  (void)pthread_mutex_unlock(&vfs->mutex);
  if (!fails) return SQLITE_OK;
  errno = code == SQLITE_FULL ? ENOSPC : EIO;
  return code_of(kind, code);
}

static bool is_off(fault_vfs *vfs) {
  (void)pthread_mutex_lock(&vfs->mutex);
  bool off = vfs->power_off;
  (void)pthread_mutex_unlock(&vfs->mutex);
  return off;
}

/* ---- Files ---- */

static int file_close(sqlite3_file *file) {
  return real_of(file)->pMethods->xClose(real_of(file));
}

static int file_read(sqlite3_file *file, void *data, int size, sqlite3_int64 offset) {
  int rc = enter(file_of(file)->vfs, FAULT_READ, false);
  if (rc != SQLITE_OK) return rc;
  return real_of(file)->pMethods->xRead(real_of(file), data, size, offset);
}

/* Really writes, and remembers it. */
static int write_through(sqlite3_file *base, const void *data, int size, sqlite3_int64 offset) {
  fault_file *file = file_of(base);
  int rc = real_of(base)->pMethods->xWrite(real_of(base), data, size, offset);
  if (rc != SQLITE_OK) return rc;
  (void)pthread_mutex_lock(&file->vfs->mutex);
  file->vfs->written_size += (uint64_t)size;
  if (file->contents != NULL) fault_disk_write(file->contents, data, (size_t)size, (size_t)offset);
  (void)pthread_mutex_unlock(&file->vfs->mutex);
  return SQLITE_OK;
}

static int file_write(sqlite3_file *base, const void *data, int size, sqlite3_int64 offset) {
  fault_file *file = file_of(base);
  sqlite3_int64 file_size = 0;
  (void)real_of(base)->pMethods->xFileSize(real_of(base), &file_size); /* 0, then, if it fails */
  int rc = enter(file->vfs, FAULT_WRITE, offset + size > file_size);
  if (rc == SQLITE_OK) return write_through(base, data, size, offset);
  int error = errno;
  if (!is_off(file->vfs)) (void)write_through(base, data, size / 2, offset);
  errno = error;
  return rc;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size) {
  fault_file *file = file_of(base);
  int rc = enter(file->vfs, FAULT_TRUNCATE, false);
  if (rc == SQLITE_OK) rc = real_of(base)->pMethods->xTruncate(real_of(base), size);
  if (rc == SQLITE_OK && file->contents != NULL) {
    (void)pthread_mutex_lock(&file->vfs->mutex);
    fault_disk_truncate(file->contents, (size_t)size);
    (void)pthread_mutex_unlock(&file->vfs->mutex);
  }
  return rc;
}

static int file_sync(sqlite3_file *base, int flags) {
  (void)flags;
  fault_file *file = file_of(base);
  fault_vfs *vfs = file->vfs;
  int rc = enter(vfs, FAULT_SYNC, false);
  if (rc != SQLITE_OK) return rc;
  (void)pthread_mutex_lock(&vfs->mutex);
  if (file->contents != NULL) fault_disk_sync(vfs->disk, file->contents);
  void (*hook)(void *context) = vfs->on_sync;
  void *context = vfs->on_sync_context;
  (void)pthread_mutex_unlock(&vfs->mutex);
  if (hook != NULL) hook(context);
  return SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret_size) {
  int rc = enter(file_of(file)->vfs, FAULT_SIZE, false);
  if (rc != SQLITE_OK) return rc;
  return real_of(file)->pMethods->xFileSize(real_of(file), ret_size);
}

static int file_lock(sqlite3_file *file, int level) {
  int rc = enter(file_of(file)->vfs, FAULT_LOCK, false);
  if (rc != SQLITE_OK) return rc;
  return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int file_unlock(sqlite3_file *file, int level) {
  return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int file_check_reserved(sqlite3_file *file, int *ret_reserved) {
  return real_of(file)->pMethods->xCheckReservedLock(real_of(file), ret_reserved);
}

static int file_control(sqlite3_file *file, int operation, void *argument) {
  return real_of(file)->pMethods->xFileControl(real_of(file), operation, argument);
}

static int file_sector_size(sqlite3_file *file) {
  return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int file_characteristics(sqlite3_file *file) {
  return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int file_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **ret_region) {
  int rc = enter(file_of(file)->vfs, FAULT_SHM_MAP, false);
  if (rc != SQLITE_OK) return rc;
  return real_of(file)->pMethods->xShmMap(real_of(file), region, size, extend, ret_region);
}

static int file_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
  return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void file_shm_barrier(sqlite3_file *file) {
  real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int file_shm_unmap(sqlite3_file *file, int remove) {
  return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 2, /* without memory mapping, which would go past all this */
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

/* ---- The VFS ---- */

static int vfs_open(sqlite3_vfs *base, sqlite3_filename name, sqlite3_file *opened, int flags,
                    int *ret_flags) {
  fault_vfs *vfs = vfs_of(base);
  fault_file *file = file_of(opened);
  *file = (fault_file){.vfs = vfs}; /* without methods: not open */
  int rc = enter(vfs, FAULT_OPEN, false);
  if (rc != SQLITE_OK) return rc;
  int existed = 0;
  if (name != NULL) (void)vfs->real->xAccess(vfs->real, name, SQLITE_ACCESS_EXISTS, &existed);
  rc = vfs->real->xOpen(vfs->real, name, real_of(opened), flags, ret_flags);
  if (rc != SQLITE_OK) {
    if (real_of(opened)->pMethods != NULL) (void)real_of(opened)->pMethods->xClose(real_of(opened));
    return rc;
  }
  (void)pthread_mutex_lock(&vfs->mutex);
  bool with_journal = (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
  if (vfs->disk != NULL && name != NULL) {
    file->contents = fault_disk_open(vfs->disk, name, existed != 0, with_journal);
  }
  (void)pthread_mutex_unlock(&vfs->mutex);
  opened->pMethods = &file_methods;
  return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *base, const char *name, int sync_directory) {
  fault_vfs *vfs = vfs_of(base);
  int rc = enter(vfs, FAULT_DELETE, false);
  if (rc == SQLITE_OK) rc = vfs->real->xDelete(vfs->real, name, 0);
  if (rc != SQLITE_OK || vfs->disk == NULL) return rc;
  (void)pthread_mutex_lock(&vfs->mutex);
  fault_disk_remove(vfs->disk, name);
  if (sync_directory) fault_disk_sync_directory(vfs->disk);
  (void)pthread_mutex_unlock(&vfs->mutex);
  return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *base, const char *name, int flags, int *ret_access) {
  return vfs_of(base)->real->xAccess(vfs_of(base)->real, name, flags, ret_access);
}

static int vfs_full_pathname(sqlite3_vfs *base, const char *name, int size, char *ret_path) {
  return vfs_of(base)->real->xFullPathname(vfs_of(base)->real, name, size, ret_path);
}

static int vfs_randomness(sqlite3_vfs *base, int size, char *ret_bytes) {
  return vfs_of(base)->real->xRandomness(vfs_of(base)->real, size, ret_bytes);
}

static int vfs_sleep(sqlite3_vfs *base, int microseconds) {
  return vfs_of(base)->real->xSleep(vfs_of(base)->real, microseconds);
}

static int vfs_current_time(sqlite3_vfs *base, double *ret_time) {
  return vfs_of(base)->real->xCurrentTime(vfs_of(base)->real, ret_time);
}

static int vfs_last_error(sqlite3_vfs *base, int size, char *ret_text) {
  return vfs_of(base)->real->xGetLastError(vfs_of(base)->real, size, ret_text);
}

fault_vfs *fault_vfs_new(void) {
  fault_vfs *vfs = calloc(1, sizeof *vfs);
  sqlite3_vfs *real = sqlite3_vfs_find(NULL);
  if (vfs == NULL || real == NULL) abort();
  vfs->real = real;
  if (pthread_mutex_init(&vfs->mutex, NULL) != 0) abort();
  vfs->base = (sqlite3_vfs){
      .iVersion = 1,
      .szOsFile = (int)sizeof(fault_file) + real->szOsFile,
      .mxPathname = real->mxPathname,
      .zName = "fault",
      .xOpen = vfs_open,
      .xDelete = vfs_delete,
      .xAccess = vfs_access,
      .xFullPathname = vfs_full_pathname,
      .xRandomness = vfs_randomness,
      .xSleep = vfs_sleep,
      .xCurrentTime = vfs_current_time,
      .xGetLastError = vfs_last_error,
  };
  if (sqlite3_vfs_register(&vfs->base, 1) != SQLITE_OK) abort();
  return vfs;
}

void fault_vfs_free(fault_vfs *vfs) {
  if (vfs == NULL) return;
  (void)sqlite3_vfs_unregister(&vfs->base);
  (void)sqlite3_vfs_register(vfs->real, 1);
  (void)pthread_mutex_destroy(&vfs->mutex);
  fault_disk_free(vfs->disk);
  free(vfs);
}

/* ---- Control ---- */

static void set_fault(fault_vfs *vfs, unsigned kinds, int first, int last, int code, bool cuts_power) {
  (void)pthread_mutex_lock(&vfs->mutex);
  vfs->kinds = kinds;
  vfs->seen = 0;
  vfs->first = first;
  vfs->last = last;
  vfs->code = code;
  vfs->cuts_power = cuts_power;
  vfs->power_off = false;
  vfs->disk_full = false;
  vfs->fired = false;
  (void)pthread_mutex_unlock(&vfs->mutex);
}

void fault_vfs_fail(fault_vfs *vfs, unsigned kinds, int first, int count, int code) {
  set_fault(vfs, kinds, first, first + count - 1, code, false);
}

void fault_vfs_fill_disk(fault_vfs *vfs) {
  set_fault(vfs, 0, 0, 0, SQLITE_FULL, false);
  (void)pthread_mutex_lock(&vfs->mutex);
  vfs->disk_full = true;
  (void)pthread_mutex_unlock(&vfs->mutex);
}

void fault_vfs_heal(fault_vfs *vfs) {
  (void)pthread_mutex_lock(&vfs->mutex);
  vfs->kinds = 0;
  vfs->power_off = false;
  vfs->disk_full = false;
  (void)pthread_mutex_unlock(&vfs->mutex);
}

bool fault_vfs_fired(fault_vfs *vfs) {
  (void)pthread_mutex_lock(&vfs->mutex);
  bool fired = vfs->fired;
  (void)pthread_mutex_unlock(&vfs->mutex);
  return fired;
}

uint64_t fault_vfs_count(fault_vfs *vfs, fault_kind kind) {
  (void)pthread_mutex_lock(&vfs->mutex);
  uint64_t count = vfs->counts[__builtin_ctz((unsigned)kind)];
  (void)pthread_mutex_unlock(&vfs->mutex);
  return count;
}

uint64_t fault_vfs_written_size(fault_vfs *vfs) {
  (void)pthread_mutex_lock(&vfs->mutex);
  uint64_t size = vfs->written_size;
  (void)pthread_mutex_unlock(&vfs->mutex);
  return size;
}

void fault_vfs_on_sync(fault_vfs *vfs, void (*hook)(void *context), void *context) {
  (void)pthread_mutex_lock(&vfs->mutex);
  vfs->on_sync = hook;
  vfs->on_sync_context = context;
  (void)pthread_mutex_unlock(&vfs->mutex);
}

void fault_vfs_track(fault_vfs *vfs) {
  fault_disk_free(vfs->disk);
  vfs->disk = fault_disk_new();
}

void fault_vfs_cut_power(fault_vfs *vfs, unsigned kinds, int first) {
  set_fault(vfs, kinds, first, FAULT_FOREVER, SQLITE_IOERR, true);
}

void fault_vfs_restore(fault_vfs *vfs, fault_survival survival, uint64_t seed) {
  fault_vfs_heal(vfs);
  fault_disk_restore(vfs->disk, survival, seed);
}
