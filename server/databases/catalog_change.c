/* catalog_change.c: making, renaming and deleting databases of a catalog, and clearing up after those who
 * were interrupted at it.
 *
 * Who is at work on a folder of the catalog without its name holds a shared lock on the catalog's own folder;
 * who can have that lock alone knows that everything without a name was left behind. */
#include "api/open.h"
#include "base/random.h"
#include "base/status.h"
#include "server/access/private_file.h"
#include "server/databases/catalog_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A prefix, a UUID, a NUL */
enum { WORK_NAME_SIZE = sizeof TP_CATALOG_DELETED_PREFIX - 1 + TP_UUID_TEXT_SIZE };

/* Locks the catalog's folder, through a descriptor of its own; -1 when that fails, errno tells why. */
static int lock_catalog(const tp_catalog *catalog, int operation) {
  int descriptor = openat(catalog->descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return -1;
  int rc;
  do {
    rc = flock(descriptor, operation);
  } while (rc != 0 && errno == EINTR);
  if (rc == 0) return descriptor;
  int reason = errno;
  (void)close(descriptor);
  errno = reason;
  return -1;
}

static tuplet_status begin_work(const tp_catalog *catalog, int *ret_lock, tuplet_error *error) {
  if (catalog->read_only)
    return tp_fail(error, TUPLET_READ_ONLY, "The data directory %s is open for reading only.", catalog->path);
  *ret_lock = lock_catalog(catalog, LOCK_SH);
  if (*ret_lock >= 0) return TUPLET_OK;
  return tp_fail(error, TUPLET_IO, "Cannot lock the data directory %s: %s.", catalog->path, strerror(errno));
}

static tuplet_status make_work_name(const char *prefix, char ret_name[WORK_NAME_SIZE], tuplet_error *error) {
  char uuid[TP_UUID_TEXT_SIZE];
  tuplet_status status = tp_random_uuid(uuid, error);
  if (status == TUPLET_OK) (void)snprintf(ret_name, WORK_NAME_SIZE, "%s%s", prefix, uuid);
  return status;
}

static tuplet_status status_of_errno(int number) {
  switch (number) {
  case ENOSPC:
  case EDQUOT: return TUPLET_FULL;
  case ENOMEM: return TUPLET_NOMEM;
  default: return TUPLET_IO;
  }
}

/* ---- Removing ---- */

/* A file system's folder without other folders in it. False: errno tells why. */
static bool remove_folder(const tp_catalog *catalog, const char *name) {
  int descriptor = openat(catalog->descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *folder = descriptor < 0 ? NULL : fdopendir(descriptor);
  if (folder == NULL) {
    int reason = errno;
    if (descriptor >= 0) (void)close(descriptor);
    errno = reason;
    return false;
  }
  bool removed = true;
  int reason = 0;
  for (const struct dirent *item; removed && (item = readdir(folder)) != NULL;) {
    if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0) continue;
    removed = unlinkat(dirfd(folder), item->d_name, 0) == 0 || errno == ENOENT;
    reason = errno;
  }
  (void)closedir(folder);
  errno = reason;
  return removed && unlinkat(catalog->descriptor, name, AT_REMOVEDIR) == 0;
}

static bool is_work_name(const char *name) {
  static const char *const prefixes[] = {TP_CATALOG_NEW_PREFIX, TP_CATALOG_DELETED_PREFIX};
  uint8_t id[TP_AUTH_DATABASE_ID_SIZE];
  for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
    size_t size = strlen(prefixes[i]);
    if (strncmp(name, prefixes[i], size) == 0)
      return tp_database_id_from_text((tuplet_bytes){name + size, strlen(name + size)}, id);
  }
  return false;
}

void tp_catalog_clean(const tp_catalog *catalog) {
  int lock = lock_catalog(catalog, LOCK_EX | LOCK_NB);
  if (lock < 0) return;
  DIR *folder = fdopendir(lock);
  if (folder == NULL) {
    (void)close(lock);
    return;
  }
  for (const struct dirent *item; (item = readdir(folder)) != NULL;) {
    if (is_work_name(item->d_name)) (void)remove_folder(catalog, item->d_name);
  }
  (void)closedir(folder); /* and so the lock goes */
}

/* ---- Making ---- */

/* A database that has a folder, but no name yet. */
typedef struct draft {
  const tp_catalog *catalog;
  const char *name; /* which it is to have */
  const char *from;
  char work_name[WORK_NAME_SIZE];
  char id_text[TP_UUID_TEXT_SIZE];
  tp_buffer path; /* scratch */
} draft;

static tuplet_status fail_to_make(const draft *new, const char *what, tuplet_error *error) {
  return tp_fail(error, status_of_errno(errno), "Cannot make the database %s in %s: %s: %s.", new->name,
                 new->catalog->path, what, strerror(errno));
}

/* The path of a file of it; NULL when out of memory. */
static const char *path_of(draft *new, const char *file) {
  tp_buffer_clear(&new->path);
  tp_buffer_append_format(&new->path, "%s/%s/%s", new->catalog->path, new->work_name, file);
  tp_buffer_append_byte(&new->path, '\0');
  return new->path.failed ? NULL : (const char *)new->path.data;
}

static tuplet_status write_id(draft *new, tuplet_error *error) {
  char line[TP_UUID_TEXT_SIZE + 1];
  int size = snprintf(line, sizeof line, "%s\n", new->id_text);
  const char *path = path_of(new, TP_CATALOG_ID_FILE);
  if (path == NULL) return tp_fail_nomem(error);
  if (tp_private_file_create(path, (tuplet_bytes){line, (size_t)size}, NULL)) return TUPLET_OK;
  return fail_to_make(new, "writing its id", error);
}

static tuplet_status write_data(draft *new, tuplet_error *error) {
  const char *path = path_of(new, TP_CATALOG_DATA_FILE);
  if (path == NULL) return tp_fail_nomem(error);
  /* So that it is the owner's alone, and with it what SQLite makes beside it. */
  if (!tp_private_file_create(path, (tuplet_bytes){0}, NULL))
    return fail_to_make(new, "making its file", error);
  tuplet_status status = TUPLET_OK;
  if (new->from != NULL) status = tp_file_copy(new->from, path, error);
  if (status != TUPLET_OK) return status;
  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  options.allocator = new->catalog->allocator;
  tp_store *store;
  status = tp_open_store(path, &options, tp_clock_system(), &store, NULL, error);
  if (status == TUPLET_OK) tp_store_close(store);
  return status;
}

/* What root makes in a server's data directory is the server's. */
static tuplet_status give_to_owner(const draft *new, int folder, tuplet_error *error) {
  static const char *const files[] = {TP_CATALOG_ID_FILE, TP_CATALOG_DATA_FILE};
  struct stat owner;
  if (fstat(new->catalog->descriptor, &owner) != 0) return fail_to_make(new, "finding its owner", error);
  if (geteuid() != 0 || owner.st_uid == 0) return TUPLET_OK;
  bool given = fchown(folder, owner.st_uid, owner.st_gid) == 0;
  for (size_t i = 0; i < sizeof files / sizeof *files && given; i++)
    given = fchownat(folder, files[i], owner.st_uid, owner.st_gid, AT_SYMLINK_NOFOLLOW) == 0;
  return given ? TUPLET_OK : fail_to_make(new, "giving it to its owner", error);
}

static tuplet_status finish_folder(draft *new, tuplet_error *error) {
  int folder;
  tuplet_status status = tp_catalog_folder_open(new->catalog, new->work_name, &folder, error);
  if (status == TUPLET_NOT_FOUND)
    return tp_fail(error, TUPLET_IO, "The folder of the new database %s is gone.", new->name);
  if (status != TUPLET_OK) return status;
  status = give_to_owner(new, folder, error);
  if (status == TUPLET_OK && fsync(folder) != 0) status = fail_to_make(new, "writing its folder", error);
  (void)close(folder);
  return status;
}

static tuplet_status fill_draft(draft *new, tuplet_error *error) {
  if (mkdirat(new->catalog->descriptor, new->work_name, S_IRWXU) != 0)
    return fail_to_make(new, "making its folder", error);
  tuplet_status status = write_id(new, error);
  if (status == TUPLET_OK) status = write_data(new, error);
  if (status == TUPLET_OK) status = finish_folder(new, error);
  return status;
}

/* Gives a folder of the catalog another name that nothing has; false: errno tells why, EEXIST or ENOTEMPTY
 * when something has it. Where the file system cannot refuse to replace, folders that are not empty, as
 * databases are not, are not replaced anyway. */
static bool give_name(const tp_catalog *catalog, const char *from, const char *to) {
  int folder = catalog->descriptor;
  if (renameat2(folder, from, folder, to, RENAME_NOREPLACE) == 0) return true;
  if (errno != EINVAL && errno != ENOSYS) return false;
  return renameat(folder, from, folder, to) == 0;
}

static bool is_taken(int number) {
  return number == EEXIST || number == ENOTEMPTY || number == ENOTDIR;
}

static bool name_exists(const tp_catalog *catalog, const char *name) {
  struct stat attributes;
  return fstatat(catalog->descriptor, name, &attributes, AT_SYMLINK_NOFOLLOW) == 0;
}

static tuplet_status publish(const draft *new, tuplet_error *error) {
  if (!give_name(new->catalog, new->work_name, new->name))
    return is_taken(errno) ? TUPLET_CONFLICT : fail_to_make(new, "giving it its name", error);
  if (fsync(new->catalog->descriptor) != 0) return fail_to_make(new, "writing the data directory", error);
  return TUPLET_OK;
}

tuplet_status tp_catalog_create(const tp_catalog *catalog, const char *name, const char *from,
                                uint8_t ret_id[TP_AUTH_DATABASE_ID_SIZE], tuplet_error *error) {
  int lock = -1;
  draft new = {.catalog = catalog, .name = name, .from = from};
  tuplet_status status = tp_database_name_check(tp_catalog_name_view(name), error);
  if (status != TUPLET_OK) return status;
  if (name_exists(catalog, name)) return TUPLET_CONFLICT; /* soon told, before anything is made */
  status = begin_work(catalog, &lock, error);
  if (status == TUPLET_OK) status = make_work_name(TP_CATALOG_NEW_PREFIX, new.work_name, error);
  if (status == TUPLET_OK) status = tp_random_uuid(new.id_text, error);
  if (status != TUPLET_OK) goto out;

  tp_buffer_init(&new.path, catalog->allocator);
  status = fill_draft(&new, error);
  if (status == TUPLET_OK) status = publish(&new, error);
  if (status != TUPLET_OK) (void)remove_folder(catalog, new.work_name);
  tp_buffer_done(&new.path);
  if (status == TUPLET_OK)
    (void)tp_database_id_from_text((tuplet_bytes){new.id_text, strlen(new.id_text)}, ret_id);
out:
  if (lock >= 0) (void)close(lock);
  return status;
}

/* ---- Renaming and deleting ---- */

tuplet_status tp_catalog_rename(tp_catalog_hold *hold, const char *new_name, tuplet_error *error) {
  const tp_catalog *catalog = hold->catalog;
  tuplet_status status = tp_database_name_check(tp_catalog_name_view(new_name), error);
  if (status != TUPLET_OK) return status;
  if (!give_name(catalog, hold->entry.name, new_name)) {
    if (is_taken(errno)) return TUPLET_CONFLICT;
    return tp_fail(error, status_of_errno(errno), "Cannot rename %s/%s to %s: %s.", catalog->path,
                   hold->entry.name, new_name, strerror(errno));
  }
  tp_catalog_release(hold);
  if (fsync(catalog->descriptor) == 0) return TUPLET_OK;
  return tp_fail(error, status_of_errno(errno), "%s was renamed, but writing the data directory failed: %s.",
                 new_name, strerror(errno));
}

tuplet_status tp_catalog_delete(tp_catalog_hold *hold, tuplet_error *error) {
  const tp_catalog *catalog = hold->catalog;
  int lock = -1;
  char work_name[WORK_NAME_SIZE];
  tuplet_status status = begin_work(catalog, &lock, error);
  if (status == TUPLET_OK) status = make_work_name(TP_CATALOG_DELETED_PREFIX, work_name, error);
  if (status != TUPLET_OK) goto out;
  if (!give_name(catalog, hold->entry.name, work_name)) {
    status = tp_fail(error, status_of_errno(errno), "Cannot delete %s/%s: %s.", catalog->path,
                     hold->entry.name, strerror(errno));
    goto out;
  }
  tp_catalog_release(hold);
  bool synced = fsync(catalog->descriptor) == 0;
  if (!remove_folder(catalog, work_name) || !synced)
    status = tp_fail(error, TUPLET_IO, "The database is deleted, but its folder %s/%s is not removed: %s.",
                     catalog->path, work_name, strerror(errno));
out:
  if (lock >= 0) (void)close(lock);
  return status;
}
