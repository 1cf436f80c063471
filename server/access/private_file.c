/* private_file.c: small files that are the server's own and decide who may what. */
#include "server/access/private_file.h"

#include "base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static tuplet_status read_all(int descriptor, const char *file, size_t size, size_t size_max, tp_buffer *text,
                              tuplet_error *error) {
  enum { GROWTH = 4096 };
  /* Room for the whole is taken at once: growing would leave copies of secrets behind. */
  size_t room = (size < size_max ? size : size_max) + 1;
  for (size_t total = 0; total <= size_max;) {
    uint8_t *piece = tp_buffer_reserve(text, room);
    if (piece == NULL) return tp_fail_nomem(error);
    ssize_t count = read(descriptor, piece, room);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return tp_fail(error, TUPLET_IO, "Cannot read %s: %s.", file, strerror(errno));
    if (count == 0) return TUPLET_OK;
    text->size += (size_t)count;
    total += (size_t)count;
    room = room > (size_t)count ? room - (size_t)count : GROWTH;
  }
  return tp_fail(error, TUPLET_FORMAT, "%s is too long: it may have %zu bytes.", file, size_max);
}

tuplet_status tp_private_file_read_open(int descriptor, const char *file, size_t size_max, tp_buffer *text,
                                        struct stat *ret_attributes, tuplet_error *error) {
  struct stat attributes;
  if (fstat(descriptor, &attributes) != 0)
    return tp_fail(error, TUPLET_IO, "Cannot look at %s: %s.", file, strerror(errno));
  if (!S_ISREG(attributes.st_mode)) return tp_fail(error, TUPLET_IO, "%s is not a regular file.", file);
  if (lseek(descriptor, 0, SEEK_SET) != 0)
    return tp_fail(error, TUPLET_IO, "Cannot read %s: %s.", file, strerror(errno));
  tuplet_status status = read_all(descriptor, file, (size_t)attributes.st_size, size_max, text, error);
  if (status == TUPLET_OK) *ret_attributes = attributes;
  return status;
}

tuplet_status tp_private_file_read(const char *file, size_t size_max, tp_buffer *text,
                                   struct stat *ret_attributes, tuplet_error *error) {
  /* Without O_NONBLOCK a pipe of that name would make the server wait. */
  int descriptor = open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) {
    if (errno == ENOENT) return tp_fail(error, TUPLET_NOT_FOUND, "%s is not there.", file);
    if (errno == ELOOP) return tp_fail(error, TUPLET_IO, "%s must not be a symbolic link.", file);
    return tp_fail(error, TUPLET_IO, "Cannot open %s: %s.", file, strerror(errno));
  }
  tuplet_status status = tp_private_file_read_open(descriptor, file, size_max, text, ret_attributes, error);
  (void)close(descriptor);
  return status;
}

static bool write_and_sync(int descriptor, tuplet_bytes text) {
  const char *next = text.data;
  size_t left = text.size;
  while (left > 0) {
    ssize_t written = write(descriptor, next, left);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    next += written;
    left -= (size_t)written;
  }
  return fsync(descriptor) == 0;
}

/* The owner first: changing him takes set-id bits away, and the mode that follows is the right one's. */
static bool set_attributes(int descriptor, const struct stat *attributes) {
  struct stat own;
  if (fstat(descriptor, &own) != 0) return false;
  bool is_other = own.st_uid != attributes->st_uid || own.st_gid != attributes->st_gid;
  if (is_other && fchown(descriptor, attributes->st_uid, attributes->st_gid) != 0) return false;
  return fchmod(descriptor, attributes->st_mode & (S_IRWXU | S_IRWXG | S_IRWXO)) == 0;
}

bool tp_private_file_create(const char *file, tuplet_bytes text, const struct stat *attributes) {
  int descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (descriptor < 0) return false;
  bool made =
      (attributes == NULL || set_attributes(descriptor, attributes)) && write_and_sync(descriptor, text);
  int reason = errno;
  if (close(descriptor) != 0 && made) {
    made = false;
    reason = errno;
  }
  if (!made) (void)unlink(file);
  errno = reason;
  return made;
}

void tp_private_file_sync_folder(const char *file) {
  char folder[4096];
  const char *slash = strrchr(file, '/');
  size_t size = slash == NULL ? 1 : slash == file ? 1 : (size_t)(slash - file);
  if (size >= sizeof folder) return;
  memcpy(folder, slash == NULL ? "." : file, size);
  folder[size] = '\0';
  int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  (void)fsync(descriptor);
  (void)close(descriptor);
}
