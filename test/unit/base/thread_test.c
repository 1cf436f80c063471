/* thread_test.c: the library's threads leave the program's signals alone. */
#include "base/thread.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void *see_blocked_signals(void *context) {
  sigset_t *blocked = context;
  (void)pthread_sigmask(SIG_SETMASK, NULL, blocked);
  return context;
}

static void a_thread_runs_with_every_signal_blocked(void **state) {
  (void)state;
  pthread_t thread;
  sigset_t blocked, own;
  void *result = NULL;
  tuplet_error error;
  assert_int_equal(tp_thread_start(&thread, "tp-test", see_blocked_signals, &blocked, &error), TUPLET_OK);
  assert_int_equal(pthread_join(thread, &result), 0);
  assert_ptr_equal(result, &blocked);
  static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGCHLD, SIGALRM};
  (void)pthread_sigmask(SIG_SETMASK, NULL, &own);
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
    assert_int_equal(sigismember(&blocked, signals[i]), 1);
    assert_int_equal(sigismember(&own, signals[i]), 0); /* the caller's are as before */
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_thread_runs_with_every_signal_blocked)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
