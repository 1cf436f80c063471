/* unix_file.c: the file that a Unix-domain socket is reached by. */
#include "net/unix_file.h"

#include "base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { FILE_MODE = 0660, LOCK_TRIES = 500, LOCK_WAIT_NS = 10 * 1000 * 1000 };

static struct sockaddr_un unix_address_of(const tp_address *address) {
  struct sockaddr_un unix_address;
  memcpy(&unix_address, &address->storage, sizeof unix_address);
  return unix_address;
}

static tuplet_status fail(tuplet_error *error, const char *path, const char *why) {
  return tp_fail(error, TUPLET_IO, "cannot listen on unix:%s: %s", path, why);
}

/* The folder's descriptor, which holds the lock until it is closed; negative when there is none to have. */
static int lock_folder(const char *path) {
  char folder[sizeof((struct sockaddr_un *)NULL)->sun_path + 1];
  const char *slash = strrchr(path, '/');
  size_t size = slash == NULL ? 0 : (size_t)(slash - path);
  memcpy(folder, path, size);
  folder[size] = '\0';
  int fd = open(slash == NULL ? "." : size == 0 ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -1;
  const struct timespec pause = {.tv_nsec = LOCK_WAIT_NS};
  for (int i = 0; i < LOCK_TRIES; i++) {
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
    if (errno != EWOULDBLOCK && errno != EINTR) break;
    (void)nanosleep(&pause, NULL);
  }
  int saved = errno;
  (void)close(fd);
  errno = saved;
  return -1;
}

/* 0 when somebody listens, or why not. */
static int probe(const struct sockaddr_un *address) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return errno;
  int result = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
  (void)close(fd);
  return result == EAGAIN ? 0 : result; /* so many wait already that there is no room */
}

/* Removes what a dead server has left behind. */
static tuplet_status clear_path(const struct sockaddr_un *address, tuplet_error *error) {
  const char *path = address->sun_path;
  struct stat found;
  if (lstat(path, &found) != 0) return errno == ENOENT ? TUPLET_OK : fail(error, path, strerror(errno));
  if (!S_ISSOCK(found.st_mode)) return fail(error, path, "there is a file already, and it is no socket");
  int result = probe(address);
  if (result == 0) return fail(error, path, "another program listens there");
  if (result != ECONNREFUSED) return fail(error, path, strerror(result));
  return unlink(path) == 0 || errno == ENOENT ? TUPLET_OK : fail(error, path, strerror(errno));
}

/* The mode that a socket has when it is bound is, less the umask, the file's; so at no moment is it wider
 * than it is to be, and afterwards it is as wide. */
static tuplet_status bind_and_listen(int fd, const struct sockaddr_un *address, tp_unix_file *ret_file,
                                     tuplet_error *error) {
  const char *path = address->sun_path;
  struct stat made;
  tuplet_status status = clear_path(address, error);
  if (status != TUPLET_OK) return status;
  if (fchmod(fd, FILE_MODE) != 0 || bind(fd, (const struct sockaddr *)address, sizeof *address) != 0)
    return fail(error, path, strerror(errno));
  if (chmod(path, FILE_MODE) == 0 && lstat(path, &made) == 0 && listen(fd, TP_LISTENER_BACKLOG) == 0) {
    *ret_file = (tp_unix_file){made.st_dev, made.st_ino};
    return TUPLET_OK;
  }
  status = fail(error, path, strerror(errno));
  (void)unlink(path);
  return status;
}

tuplet_status tp_unix_file_listen(const tp_address *address, int *ret_socket, tp_unix_file *ret_file,
                                  tuplet_error *error) {
  struct sockaddr_un unix_address = unix_address_of(address);
  const char *path = unix_address.sun_path;
  tuplet_status status = TUPLET_OK;
  int fd = -1;
  int lock = lock_folder(path);
  if (lock < 0) {
    return fail(error, path,
                errno == EWOULDBLOCK ? "another program keeps its folder locked" : strerror(errno));
  }
  fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    status = fail(error, path, strerror(errno));
    goto out;
  }
  status = bind_and_listen(fd, &unix_address, ret_file, error);
  if (status != TUPLET_OK) goto out;
  *ret_socket = fd;
  fd = -1;
out:
  if (fd >= 0) (void)close(fd);
  (void)close(lock);
  return status;
}

void tp_unix_file_remove(const tp_address *address, const tp_unix_file *file) {
  struct sockaddr_un unix_address = unix_address_of(address);
  struct stat found;
  if (lstat(unix_address.sun_path, &found) != 0) return;
  if (found.st_dev == file->device && found.st_ino == file->number) (void)unlink(unix_address.sun_path);
}
