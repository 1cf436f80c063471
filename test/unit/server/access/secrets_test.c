/* secrets_test.c: what a server remembers is the same next time, and nobody else's to read. */
#include "server/access/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/* A file system that lacks what others have: these stand before the C library's. */

static int link_errno; /* 0: links are made */
static int rename_errno;

int link(const char *from, const char *to) {
  if (link_errno == 0) return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
  errno = link_errno;
  return -1;
}

int renameat2(int oldfd, const char *old, int newfd, const char *new, unsigned flags) {
  if (rename_errno == 0) return (int)syscall(SYS_renameat2, oldfd, old, newfd, new, flags);
  errno = rename_errno;
  return -1;
}

typedef struct fixture {
  char folder[64];
  char path[128]; /* of the database that is not there */
  char file[192]; /* of its secrets */
} fixture;

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  if (f == NULL) return -1;
  *state = f;
  (void)snprintf(f->folder, sizeof f->folder, "%s", "/tmp/tuplet-secrets-XXXXXX");
  if (mkdtemp(f->folder) == NULL) return -1;
  (void)snprintf(f->path, sizeof f->path, "%s/kv.db", f->folder);
  (void)snprintf(f->file, sizeof f->file, "%s.secrets", f->path);
  return 0;
}

static int teardown(void **state) {
  link_errno = 0;
  rename_errno = 0;
  fixture *f = *state;
  (void)unlink(f->file);
  int result = rmdir(f->folder); /* fails if a draft was left behind */
  free(f);
  return result;
}

static tuplet_status load(const fixture *f, tp_secrets *ret_secrets, tp_secrets_source *ret_source,
                          tuplet_error *error) {
  tuplet_owned file = {0};
  tuplet_status status = tp_secrets_load(NULL, f->path, ret_secrets, ret_source, &file, error);
  if (status == TUPLET_OK) assert_string_equal(file.data, f->file);
  tuplet_owned_free(&file);
  return status;
}

static void write_text(const fixture *f, const char *text) {
  FILE *stream = fopen(f->file, "w");
  assert_non_null(stream);
  assert_true(fputs(text, stream) >= 0);
  assert_int_equal(fclose(stream), 0);
  assert_int_equal(chmod(f->file, S_IRUSR | S_IWUSR), 0);
}

static void they_are_made_once_and_then_the_same(void **state) {
  fixture *f = *state;
  tp_secrets first;
  tp_secrets second;
  tp_secrets_source source;
  assert_int_equal(load(f, &first, &source, NULL), TUPLET_OK);
  assert_int_equal(source, TP_SECRETS_KEPT);
  assert_int_equal(strlen(first.database_id), 36);
  assert_int_equal(strlen(first.access_token), 44);
  assert_int_equal(load(f, &second, &source, NULL), TUPLET_OK);
  assert_int_equal(source, TP_SECRETS_KEPT);
  assert_memory_equal(&first, &second, sizeof first);
}

static void only_the_owner_may_read_the_file(void **state) {
  fixture *f = *state;
  tp_secrets secrets;
  tp_secrets_source source;
  struct stat attributes;
  mode_t before = umask(0);
  assert_int_equal(load(f, &secrets, &source, NULL), TUPLET_OK);
  (void)umask(before);
  assert_int_equal(stat(f->file, &attributes), 0);
  assert_int_equal(attributes.st_mode & 07777, 0600);
}

static void a_file_that_others_may_read_is_told(void **state) {
  fixture *f = *state;
  tp_secrets secrets;
  tp_secrets_source source;
  assert_int_equal(load(f, &secrets, &source, NULL), TUPLET_OK);
  assert_int_equal(chmod(f->file, 0644), 0);
  assert_int_equal(load(f, &secrets, &source, NULL), TUPLET_OK);
  assert_int_equal(source, TP_SECRETS_EXPOSED);
}

static void two_databases_have_nothing_in_common(void **state) {
  (void)state;
  tp_secrets first;
  tp_secrets second;
  assert_int_equal(tp_secrets_make(NULL, &first, NULL), TUPLET_OK);
  assert_int_equal(tp_secrets_make(NULL, &second, NULL), TUPLET_OK);
  assert_string_not_equal(first.database_id, second.database_id);
  assert_string_not_equal(first.access_token, second.access_token);
  assert_memory_not_equal(first.session_secret, second.session_secret, sizeof first.session_secret);
}

#define ID     "database-id 01234567-89ab-4def-8123-456789abcdef\n"
#define TOKEN  "access-token AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
#define SECRET "session-secret 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"

static void comments_and_any_order_are_understood(void **state) {
  fixture *f = *state;
  tp_secrets secrets;
  tp_secrets_source source;
  write_text(f, "# a comment\n\n" SECRET TOKEN "# another\n" ID);
  assert_int_equal(load(f, &secrets, &source, NULL), TUPLET_OK);
  assert_string_equal(secrets.database_id, "01234567-89ab-4def-8123-456789abcdef");
  assert_int_equal(secrets.session_secret[31], 0x1f);
}

static void anything_else_is_refused_and_left_alone(void **state) {
  fixture *f = *state;
  static const char *const texts[] = {
      "",
      ID TOKEN,
      ID SECRET,
      TOKEN SECRET,
      ID TOKEN SECRET "more lines\n",
      ID TOKEN "session-secret 00\n",
      "database-id 01234567-89AB-4def-8123-456789abcdef\n" TOKEN SECRET,
      "database-id 01234567-89ab-4def-8123-456789abcdef0\n" TOKEN SECRET,
      "database-id 0123456789ab-4def-8123-456789abcdef--\n" TOKEN SECRET,
      ID "access-token short\n" SECRET,
      "nonsense",
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    tp_secrets secrets;
    tp_secrets_source source;
    tuplet_error error = {0};
    write_text(f, texts[i]);
    assert_int_equal(load(f, &secrets, &source, &error), TUPLET_FORMAT);
    assert_non_null(strstr(error.message, f->file));
    struct stat attributes;
    assert_int_equal(stat(f->file, &attributes), 0);
    assert_int_equal(attributes.st_size, strlen(texts[i]));
  }
}

static void a_folder_that_is_not_there_is_an_error(void **state) {
  (void)state;
  tp_secrets secrets;
  tp_secrets_source source;
  tuplet_owned file = {0};
  tuplet_error error = {0};
  assert_int_equal(tp_secrets_load(NULL, "/nonexistent/kv.db", &secrets, &source, &file, &error), TUPLET_IO);
  assert_non_null(strstr(error.message, "/nonexistent/kv.db.secrets"));
}

static void where_no_file_can_be_made_they_are_fleeting_but_for_the_id(void **state) {
  fixture *f = *state;
  tp_secrets first;
  tp_secrets second;
  tp_secrets_source source;
  assert_int_equal(chmod(f->folder, 0555), 0);
  bool root = geteuid() == 0; /* to whom every folder is open */
  if (root) assert_int_equal(seteuid(65534), 0);
  tuplet_status first_status = load(f, &first, &source, NULL);
  tuplet_status second_status = load(f, &second, &source, NULL);
  if (root) assert_int_equal(seteuid(0), 0);
  assert_int_equal(chmod(f->folder, 0700), 0);

  assert_int_equal(first_status, TUPLET_OK);
  assert_int_equal(second_status, TUPLET_OK);
  assert_int_equal(source, TP_SECRETS_FLEETING);
  assert_string_equal(first.database_id, second.database_id);
  assert_int_equal(first.database_id[14], '8');
  assert_string_not_equal(first.access_token, second.access_token);
}

static void a_file_system_needs_no_hard_links_nor_renames_without_replacing(void **state) {
  fixture *f = *state;
  static const int reasons[] = {EPERM, EOPNOTSUPP, ENOSYS};
  for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
    for (int can_rename = 0; can_rename <= 1; can_rename++) {
      tp_secrets first;
      tp_secrets second;
      tp_secrets_source source;
      link_errno = reasons[i];
      rename_errno = can_rename != 0 ? 0 : EINVAL;
      assert_int_equal(load(f, &first, &source, NULL), TUPLET_OK);
      assert_int_equal(source, TP_SECRETS_KEPT);
      assert_int_equal(load(f, &second, &source, NULL), TUPLET_OK);
      assert_memory_equal(&first, &second, sizeof first);
      struct stat attributes;
      assert_int_equal(stat(f->file, &attributes), 0);
      assert_int_equal(attributes.st_mode & 07777, 0600);
      assert_int_equal(unlink(f->file), 0);
    }
  }
}

static void another_reason_not_to_link_is_an_error(void **state) {
  fixture *f = *state;
  tp_secrets secrets;
  tp_secrets_source source;
  tuplet_error error = {0};
  link_errno = EIO;
  assert_int_equal(load(f, &secrets, &source, &error), TUPLET_IO);
  assert_non_null(strstr(error.message, f->file));
}

/* ---- Files that somebody else may have put there ---- */

static void a_link_a_pipe_and_a_folder_are_refused(void **state) {
  fixture *f = *state;
  tp_secrets secrets;
  tp_secrets_source source;
  tuplet_error error = {0};
  char target[192];
  (void)snprintf(target, sizeof target, "%s/elsewhere", f->folder);
  assert_int_equal(load(f, &secrets, &source, NULL), TUPLET_OK);
  assert_int_equal(rename(f->file, target), 0);
  assert_int_equal(symlink(target, f->file), 0);
  assert_int_equal(load(f, &secrets, &source, &error), TUPLET_IO);
  assert_non_null(strstr(error.message, "must not be a symbolic link"));
  assert_int_equal(unlink(f->file), 0);
  assert_int_equal(unlink(target), 0);

  assert_int_equal(mkfifo(f->file, 0600), 0);
  assert_int_equal(load(f, &secrets, &source, &error), TUPLET_IO);
  assert_non_null(strstr(error.message, "is not a regular file"));
  assert_int_equal(unlink(f->file), 0);

  assert_int_equal(mkdir(f->file, 0700), 0);
  assert_int_equal(load(f, &secrets, &source, &error), TUPLET_IO);
  assert_non_null(strstr(error.message, "is not a regular file"));
  assert_int_equal(rmdir(f->file), 0);
}

static void a_file_of_another_user_is_refused(void **state) {
  fixture *f = *state;
  if (geteuid() != 0) return; /* only root can make one */
  tp_secrets secrets;
  tp_secrets_source source;
  tuplet_error error = {0};
  assert_int_equal(load(f, &secrets, &source, NULL), TUPLET_OK);
  assert_int_equal(chown(f->file, 65534, 65534), 0);
  assert_int_equal(load(f, &secrets, &source, &error), TUPLET_IO);
  assert_non_null(strstr(error.message, "must belong to the server's user, 0; it belongs to 65534."));
}

/* ---- Several servers at once ---- */

enum { THREAD_COUNT = 8 };

typedef struct loader {
  const fixture *fixture;
  tp_secrets secrets;
  tuplet_status status;
} loader;

static void *run_loader(void *context) {
  loader *l = context;
  tp_secrets_source source;
  tuplet_owned file = {0};
  l->status = tp_secrets_load(NULL, l->fixture->path, &l->secrets, &source, &file, NULL);
  tuplet_owned_free(&file);
  return NULL;
}

static void those_who_make_them_at_once_get_the_same(void **state) {
  pthread_t threads[THREAD_COUNT];
  loader loaders[THREAD_COUNT];
  for (size_t i = 0; i < THREAD_COUNT; i++) {
    loaders[i] = (loader){.fixture = *state};
    assert_int_equal(pthread_create(&threads[i], NULL, run_loader, &loaders[i]), 0);
  }
  for (size_t i = 0; i < THREAD_COUNT; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  for (size_t i = 0; i < THREAD_COUNT; i++) {
    assert_int_equal(loaders[i].status, TUPLET_OK);
    assert_memory_equal(&loaders[i].secrets, &loaders[0].secrets, sizeof loaders[0].secrets);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(they_are_made_once_and_then_the_same),
      TEST(only_the_owner_may_read_the_file),
      TEST(a_file_that_others_may_read_is_told),
      cmocka_unit_test(two_databases_have_nothing_in_common),
      TEST(comments_and_any_order_are_understood),
      TEST(anything_else_is_refused_and_left_alone),
      cmocka_unit_test(a_folder_that_is_not_there_is_an_error),
      TEST(where_no_file_can_be_made_they_are_fleeting_but_for_the_id),
      TEST(a_file_system_needs_no_hard_links_nor_renames_without_replacing),
      TEST(another_reason_not_to_link_is_an_error),
      TEST(a_link_a_pipe_and_a_folder_are_refused),
      TEST(a_file_of_another_user_is_refused),
      TEST(those_who_make_them_at_once_get_the_same),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
