/* seen_close.c: has the thread sanitizer see how libuv closes descriptors.
 *
 * libuv closes by syscall(SYS_close), of which the sanitizer does not know. When another thread then gets the
 * same number in a way that it does not know either (openat), and closes it, that looks to it like closing
 * what libuv still uses. So where it is built in, what uses libuv has this function before libc's: it closes
 * by close(). Nothing has to be suppressed then, and whoever really closes what another thread uses is found.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef long system_call(long number, ...);

/* libc's own. */
static system_call *next_syscall(void) {
  static _Atomic(system_call *) known;
  system_call *found = atomic_load(&known);
  if (found == NULL) {
    *(void **)&found = dlsym(RTLD_NEXT, "syscall");
    atomic_store(&known, found);
  }
  return found;
}

long syscall(long number, ...) {
  long arguments[6];
  va_list list;
  va_start(list, number);
  for (size_t i = 0; i < 6; i++)
    arguments[i] = va_arg(list, long); /* as libc's does, however many there are */
  va_end(list);
  if (number == SYS_close) return close((int)arguments[0]);
  return next_syscall()(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                        arguments[5]);
}
