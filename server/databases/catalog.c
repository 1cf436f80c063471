/* catalog.c: a folder of databases: which names there are, and what they stand for. */
#include "server/databases/catalog.h"

#include "base/alloc.h"
#include "base/status.h"
#include "server/databases/catalog_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Names ---- */

static bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_reserved(tuplet_bytes name) {
  static const char *const reserved[] = {"v2", "metrics", "healthz", "readyz"};
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
    if (name.size == strlen(reserved[i]) && memcmp(name.data, reserved[i], name.size) == 0) return true;
  }
  return false;
}

bool tp_database_name_is_valid(tuplet_bytes name) {
  const char *text = name.data;
  if (name.size == 0 || name.size > TP_DATABASE_NAME_SIZE_MAX || !is_letter_or_digit(text[0])) return false;
  for (size_t i = 1; i < name.size; i++) {
    if (!is_letter_or_digit(text[i]) && text[i] != '-' && text[i] != '_') return false;
  }
  return !is_reserved(name);
}

tuplet_status tp_database_name_check(tuplet_bytes name, tuplet_error *error) {
  if (tp_database_name_is_valid(name)) return TUPLET_OK;
  int shown = name.size <= TP_DATABASE_NAME_SIZE_MAX ? (int)name.size : TP_DATABASE_NAME_SIZE_MAX;
  if (is_reserved(name))
    return tp_fail(error, TUPLET_INVALID, "'%.*s' cannot name a database: the server has that path itself.",
                   shown, (const char *)name.data);
  return tp_fail(error, TUPLET_INVALID,
                 "'%.*s'%s cannot name a database: a name has 1 to %d of a-z, 0-9, - and _, and begins with "
                 "a letter or a digit.",
                 shown, name.size == 0 ? "" : (const char *)name.data,
                 name.size > TP_DATABASE_NAME_SIZE_MAX ? "..." : "", TP_DATABASE_NAME_SIZE_MAX);
}

/* ---- Beginning and end ---- */

/* As mkdir -p; only the user may enter what is new. */
static tuplet_status make_folders(const char *path, tuplet_error *error) {
  char *copy = strdup(path);
  if (copy == NULL) return tp_fail_nomem(error);
  tuplet_status status = TUPLET_OK;
  for (char *slash = copy; slash != NULL && status == TUPLET_OK;) {
    slash = strchr(slash + 1, '/');
    if (slash != NULL) *slash = '\0';
    if (mkdir(copy, S_IRWXU) != 0 && errno != EEXIST)
      status = tp_fail(error, TUPLET_IO, "Cannot make the folder %s: %s.", copy, strerror(errno));
    if (slash != NULL) *slash = '/';
  }
  free(copy);
  return status;
}

tuplet_status tp_catalog_open(const tuplet_allocator *allocator, const char *path, tp_catalog_mode mode,
                              tp_catalog **ret_catalog, tuplet_error *error) {
  if (*path == '\0') return tp_fail(error, TUPLET_INVALID, "The path of the data directory is empty.");
  tuplet_status status = mode == TP_CATALOG_MAKE ? make_folders(path, error) : TUPLET_OK;
  if (status != TUPLET_OK) return status;
  tp_catalog *catalog = tp_alloc_array_zeroed(allocator, 1, sizeof *catalog);
  if (catalog == NULL) return tp_fail_nomem(error);
  catalog->allocator = allocator;
  catalog->read_only = mode == TP_CATALOG_READ;
  catalog->descriptor = -1;
  catalog->path = realpath(path, NULL);
  if (catalog->path != NULL)
    catalog->descriptor = open(catalog->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (catalog->descriptor < 0) {
    status = errno == ENOMEM
                 ? tp_fail_nomem(error)
                 : tp_fail(error, TUPLET_IO, "Cannot open the data directory %s: %s.", path, strerror(errno));
    tp_catalog_close(catalog);
    return status;
  }
  if (!catalog->read_only) tp_catalog_clean(catalog);
  *ret_catalog = catalog;
  return TUPLET_OK;
}

void tp_catalog_close(tp_catalog *catalog) {
  if (catalog == NULL) return;
  if (catalog->descriptor >= 0) (void)close(catalog->descriptor);
  free(catalog->path); /* realpath's is the C library's */
  tp_free(catalog->allocator, catalog);
}

const char *tp_catalog_path(const tp_catalog *catalog) {
  return catalog->path;
}

bool tp_catalog_is_read_only(const tp_catalog *catalog) {
  return catalog->read_only;
}

/* ---- One database ---- */

static int64_t time_ns(const struct timespec *time) {
  return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

tuplet_status tp_catalog_folder_open(const tp_catalog *catalog, const char *name, int *ret_descriptor,
                                     tuplet_error *error) {
  int folder = openat(catalog->descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder >= 0) {
    *ret_descriptor = folder;
    return TUPLET_OK;
  }
  if (errno == ENOENT) return TUPLET_NOT_FOUND;
  if (errno == ENOTDIR || errno == ELOOP)
    return tp_fail(error, TUPLET_FORMAT, "%s/%s is not a folder, and so no database.", catalog->path, name);
  return tp_fail(error, TUPLET_IO, "Cannot open the folder %s/%s: %s.", catalog->path, name, strerror(errno));
}

tuplet_status tp_catalog_id_open(const tp_catalog *catalog, const char *name, int folder, int flags,
                                 int *ret_descriptor, tuplet_error *error) {
  struct stat attributes;
  /* Without O_NONBLOCK a pipe of that name would make us wait. */
  int descriptor = openat(folder, TP_CATALOG_ID_FILE, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0 && (errno == ENOENT || errno == ELOOP))
    return tp_fail(error, TUPLET_FORMAT, "%s/%s is no database: it has no file `%s`.", catalog->path, name,
                   TP_CATALOG_ID_FILE);
  if (descriptor < 0)
    return tp_fail(error, TUPLET_IO, "Cannot open %s/%s/%s: %s.", catalog->path, name, TP_CATALOG_ID_FILE,
                   strerror(errno));
  if (fstat(descriptor, &attributes) != 0 || !S_ISREG(attributes.st_mode)) {
    (void)close(descriptor);
    return tp_fail(error, TUPLET_FORMAT, "%s/%s/%s is not a regular file.", catalog->path, name,
                   TP_CATALOG_ID_FILE);
  }
  *ret_descriptor = descriptor;
  return TUPLET_OK;
}

tuplet_status tp_catalog_id_read(const tp_catalog *catalog, const char *name, int descriptor,
                                 uint8_t ret_id[TP_AUTH_DATABASE_ID_SIZE], tuplet_error *error) {
  char text[TP_DATABASE_ID_TEXT_SIZE + 1]; /* the id, a newline, and one more that may not be there */
  ssize_t size = pread(descriptor, text, sizeof text, 0);
  if (size < 0)
    return tp_fail(error, TUPLET_IO, "Cannot read %s/%s/%s: %s.", catalog->path, name, TP_CATALOG_ID_FILE,
                   strerror(errno));
  if (size != TP_DATABASE_ID_TEXT_SIZE || text[size - 1] != '\n' ||
      !tp_database_id_from_text((tuplet_bytes){text, (size_t)size - 1}, ret_id))
    return tp_fail(error, TUPLET_FORMAT, "%s/%s/%s does not hold a UUID and a newline.", catalog->path, name,
                   TP_CATALOG_ID_FILE);
  return TUPLET_OK;
}

/* Fills the rest of the entry, whose name is given. */
static tuplet_status find_entry(const tp_catalog *catalog, tp_catalog_entry *entry, tuplet_error *error) {
  int folder;
  int descriptor;
  struct stat attributes = {0};
  tuplet_status status = tp_catalog_folder_open(catalog, entry->name, &folder, error);
  if (status != TUPLET_OK) return status;
  status = tp_catalog_id_open(catalog, entry->name, folder, O_RDONLY, &descriptor, error);
  (void)close(folder);
  if (status != TUPLET_OK) return status;
  status = tp_catalog_id_read(catalog, entry->name, descriptor, entry->id, error);
  (void)fstat(descriptor, &attributes); /* an open file has attributes */
  entry->id_changed_ns = time_ns(&attributes.st_ctim);
  (void)close(descriptor);
  return status;
}

tuplet_status tp_catalog_find(const tp_catalog *catalog, const char *name,
                              uint8_t ret_id[TP_AUTH_DATABASE_ID_SIZE], tuplet_error *error) {
  tp_catalog_entry entry = {0};
  tuplet_status status = tp_database_name_check(tp_catalog_name_view(name), error);
  if (status != TUPLET_OK) return status;
  memcpy(entry.name, name, strlen(name) + 1);
  status = find_entry(catalog, &entry, error);
  if (status == TUPLET_OK) memcpy(ret_id, entry.id, sizeof entry.id);
  return status;
}

/* ---- All databases ---- */

int64_t tp_catalog_changed_ns(const tp_catalog *catalog) {
  struct stat attributes;
  if (fstat(catalog->descriptor, &attributes) != 0) return 0;
  return time_ns(&attributes.st_mtim);
}

static int compare_names(const void *a, const void *b) {
  return strcmp(((const tp_catalog_entry *)a)->name, ((const tp_catalog_entry *)b)->name);
}

typedef struct listing {
  const tp_catalog *catalog;
  tp_catalog_entry *entries;
  size_t count;
  size_t capacity;
} listing;

static tuplet_status listing_add(listing *list, const tp_catalog_entry *entry, tuplet_error *error) {
  if (list->count == list->capacity) {
    size_t capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
    tp_catalog_entry *entries =
        tp_realloc(list->catalog->allocator, list->entries, capacity * sizeof *entries);
    if (entries == NULL) return tp_fail_nomem(error);
    list->entries = entries;
    list->capacity = capacity;
  }
  list->entries[list->count++] = *entry;
  return TUPLET_OK;
}

static tuplet_status list_folder(listing *list, DIR *folder,
                                 void (*on_damaged)(void *context, const tuplet_error *reason), void *context,
                                 tuplet_error *error) {
  for (;;) {
    errno = 0;
    const struct dirent *item = readdir(folder);
    if (item == NULL && errno != 0)
      return tp_fail(error, TUPLET_IO, "Cannot read the data directory %s: %s.", list->catalog->path,
                     strerror(errno));
    if (item == NULL) return TUPLET_OK;
    if (!tp_database_name_is_valid(tp_catalog_name_view(item->d_name))) continue;
    tp_catalog_entry entry = {0};
    tuplet_error reason = {0};
    memcpy(entry.name, item->d_name, strlen(item->d_name) + 1);
    tuplet_status status = find_entry(list->catalog, &entry, &reason);
    if (status == TUPLET_OK) status = listing_add(list, &entry, &reason);
    if (status == TUPLET_NOMEM) return tp_fail_nomem(error);
    if (status < 0 && on_damaged != NULL) on_damaged(context, &reason);
  }
}

void tp_catalog_list_free(const tp_catalog *catalog, tp_catalog_entry *entries) {
  tp_free(catalog->allocator, entries);
}

tuplet_status tp_catalog_list(const tp_catalog *catalog,
                              void (*on_damaged)(void *context, const tuplet_error *reason), void *context,
                              tp_catalog_entry **ret_entries, size_t *ret_count, tuplet_error *error) {
  listing list = {.catalog = catalog};
  tuplet_status status = TUPLET_OK;
  /* Anew: readings that share a descriptor share their place in it. */
  int descriptor = openat(catalog->descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *folder = descriptor < 0 ? NULL : fdopendir(descriptor);
  if (folder == NULL) {
    status =
        tp_fail(error, TUPLET_IO, "Cannot read the data directory %s: %s.", catalog->path, strerror(errno));
    if (descriptor >= 0) (void)close(descriptor);
    return status;
  }
  status = list_folder(&list, folder, on_damaged, context, error);
  (void)closedir(folder);
  if (status != TUPLET_OK) {
    tp_catalog_list_free(catalog, list.entries);
    return status;
  }
  if (list.count > 0) qsort(list.entries, list.count, sizeof *list.entries, compare_names);
  *ret_entries = list.entries;
  *ret_count = list.count;
  return TUPLET_OK;
}
