/* catalog_hold.c: having a database of a catalog, together with others or alone.
 *
 * The locks are those of open file descriptions, which threads of a process do not share as they do those of
 * POSIX, and which can be asked about without being taken. */
#include "base/clock.h"
#include "base/status.h"
#include "server/databases/catalog_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The bytes that carry the locks; see catalog.h. */
enum { BYTE_WANTED = 0, BYTE_IN_USE = 1, BYTE_SERVED = 2 };

enum { RETRY_INTERVAL_MS = 20 };

static bool set_lock(int descriptor, short type, off_t byte, off_t count) {
  struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = count};
  return fcntl(descriptor, F_OFD_SETLK, &lock) == 0;
}

/* Whether a lock of that type would meet one of somebody else's. */
static bool would_conflict(int descriptor, short type, off_t byte) {
  struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
  return fcntl(descriptor, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static tuplet_status fail_to_lock(const tp_catalog *catalog, const char *name, tuplet_error *error) {
  return tp_fail(error, TUPLET_IO, "Cannot lock %s/%s/%s: %s.", catalog->path, name, TP_CATALOG_ID_FILE,
                 strerror(errno));
}

static bool is_held_by_others(int number) {
  return number == EAGAIN || number == EACCES;
}

/* Whether the file is still the `id` of the database of that name. */
static bool is_in_place(const tp_catalog *catalog, const char *name, int descriptor) {
  char path[TP_DATABASE_NAME_SIZE_MAX + sizeof "/" TP_CATALOG_ID_FILE];
  struct stat ours;
  struct stat theirs;
  (void)snprintf(path, sizeof path, "%s/%s", name, TP_CATALOG_ID_FILE);
  return fstat(descriptor, &ours) == 0 &&
         fstatat(catalog->descriptor, path, &theirs, AT_SYMLINK_NOFOLLOW) == 0 &&
         ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}

/* Opens `id`; the name is checked, since what it is not must not reach the file system. */
static tuplet_status open_id(const tp_catalog *catalog, const char *name, int flags, int *ret_descriptor,
                             tuplet_error *error) {
  int folder;
  tuplet_status status = tp_database_name_check(tp_catalog_name_view(name), error);
  if (status == TUPLET_OK) status = tp_catalog_folder_open(catalog, name, &folder, error);
  if (status != TUPLET_OK) return status;
  status = tp_catalog_id_open(catalog, name, folder, flags, ret_descriptor, error);
  (void)close(folder);
  return status;
}

/* The rest, once the locks are taken. */
static tuplet_status finish_hold(const tp_catalog *catalog, const char *name, int descriptor, bool alone,
                                 tp_catalog_hold *ret_hold, tuplet_error *error) {
  tp_catalog_hold hold = {.catalog = catalog, .descriptor = descriptor, .alone = alone};
  /* Before the lock was ours it may have been renamed or deleted. */
  if (!is_in_place(catalog, name, descriptor)) return TUPLET_NOT_FOUND;
  tuplet_status status = tp_catalog_id_read(catalog, name, descriptor, hold.entry.id, error);
  if (status != TUPLET_OK) return status;
  (void)snprintf(hold.entry.name, sizeof hold.entry.name, "%s", name);
  *ret_hold = hold;
  return TUPLET_OK;
}

tuplet_status tp_catalog_hold_shared(const tp_catalog *catalog, const char *name, bool is_server,
                                     tp_catalog_hold *ret_hold, tuplet_error *error) {
  int descriptor;
  tuplet_status status = open_id(catalog, name, O_RDONLY, &descriptor, error);
  if (status != TUPLET_OK) return status;
  bool locked = set_lock(descriptor, F_RDLCK, BYTE_IN_USE, is_server ? 2 : 1);
  if (!locked && !is_held_by_others(errno))
    status = fail_to_lock(catalog, name, error);
  else if (!locked || would_conflict(descriptor, F_RDLCK, BYTE_WANTED))
    status = tp_fail(error, TUPLET_BUSY, "The database %s is being renamed or deleted; try again.", name);
  if (status == TUPLET_OK) status = finish_hold(catalog, name, descriptor, false, ret_hold, error);
  if (status != TUPLET_OK) (void)close(descriptor);
  return status;
}

static void wait_a_moment(void) {
  const struct timespec interval = {.tv_nsec = RETRY_INTERVAL_MS * 1000000L};
  (void)nanosleep(&interval, NULL); /* cut short by a signal is fine */
}

/* Takes write locks, when those who have others let go. */
static tuplet_status lock_alone(const tp_catalog *catalog, const char *name, int descriptor, off_t byte,
                                off_t count, int64_t deadline_ns, tuplet_error *error) {
  tp_clock clock = tp_clock_system();
  for (;;) {
    if (set_lock(descriptor, F_WRLCK, byte, count)) return TUPLET_OK;
    if (!is_held_by_others(errno)) return fail_to_lock(catalog, name, error);
    if (tp_clock_monotonic_ns(&clock) >= deadline_ns) break;
    wait_a_moment();
  }
  return tp_fail(error, TUPLET_BUSY, "The database %s in %s is in use, and was not let go of in time.", name,
                 catalog->path);
}

tuplet_status tp_catalog_hold_alone(const tp_catalog *catalog, const char *name, uint32_t timeout_ms,
                                    tp_catalog_hold *ret_hold, tuplet_error *error) {
  int descriptor;
  if (catalog->read_only)
    return tp_fail(error, TUPLET_READ_ONLY, "The data directory %s is open for reading only.", catalog->path);
  tp_clock clock = tp_clock_system();
  int64_t deadline_ns = tp_clock_monotonic_ns(&clock) + (int64_t)timeout_ms * 1000000;
  tuplet_status status = open_id(catalog, name, O_RDWR, &descriptor, error);
  if (status != TUPLET_OK) return status;
  status = lock_alone(catalog, name, descriptor, BYTE_WANTED, 1, deadline_ns, error);
  if (status == TUPLET_OK) status = lock_alone(catalog, name, descriptor, BYTE_IN_USE, 2, deadline_ns, error);
  if (status == TUPLET_OK) status = finish_hold(catalog, name, descriptor, true, ret_hold, error);
  if (status != TUPLET_OK) (void)close(descriptor);
  return status;
}

void tp_catalog_release(tp_catalog_hold *hold) {
  if (hold->catalog == NULL) return;
  (void)close(hold->descriptor); /* and so the locks go */
  *hold = (tp_catalog_hold){0};
}

bool tp_catalog_hold_is_wanted(const tp_catalog_hold *hold) {
  return would_conflict(hold->descriptor, F_RDLCK, BYTE_WANTED) ||
         !is_in_place(hold->catalog, hold->entry.name, hold->descriptor);
}

bool tp_catalog_is_served(const tp_catalog *catalog, const char *name) {
  int descriptor;
  if (open_id(catalog, name, O_RDONLY, &descriptor, NULL) != TUPLET_OK) return false;
  bool served = would_conflict(descriptor, F_WRLCK, BYTE_SERVED);
  (void)close(descriptor);
  return served;
}

tuplet_status tp_catalog_file(const tp_catalog_hold *hold, tp_buffer *out, tuplet_error *error) {
  const tp_catalog *catalog = hold->catalog;
  struct stat attributes;
  tp_buffer_append_format(out, "%s/%s/%s", catalog->path, hold->entry.name, TP_CATALOG_DATA_FILE);
  tp_buffer_append_byte(out, '\0');
  if (out->failed) return tp_fail_nomem(error);
  const char *path = (const char *)out->data;
  if (lstat(path, &attributes) != 0)
    return tp_fail(error, errno == ENOENT ? TUPLET_FORMAT : TUPLET_IO, "Cannot look at %s: %s.", path,
                   strerror(errno));
  if (!S_ISREG(attributes.st_mode)) return tp_fail(error, TUPLET_FORMAT, "%s is not a regular file.", path);
  return TUPLET_OK;
}
