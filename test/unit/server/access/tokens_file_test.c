/* tokens_file_test.c: the file of tokens: no change is lost, nothing of others' is touched, and a file that
 * others can write is not believed. */
#include "server/access/tokens_file.h"
#include "server/access/tokens_reload.h"

#include "../../support/fault_allocator.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Users that the test is not: these stand before the C library's. */

static bool pretends;
static uid_t user, owner;

uid_t geteuid(void) {
  return pretends ? user : getuid();
}

int fstat(int fd, struct stat *buf) {
  int result = fstatat(fd, "", buf, AT_EMPTY_PATH);
  if (pretends) buf->st_uid = owner;
  return result;
}

typedef struct fixture {
  char folder[64];
  char file[128];
} fixture;

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  if (f == NULL) return -1;
  *state = f;
  (void)snprintf(f->folder, sizeof f->folder, "%s", "/tmp/tuplet-tokens-XXXXXX");
  if (mkdtemp(f->folder) == NULL) return -1;
  (void)snprintf(f->file, sizeof f->file, "%s/tokens", f->folder);
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  pretends = false;
  (void)unlink(f->file);
  int result = rmdir(f->folder); /* fails if a draft was left behind */
  free(f);
  return result;
}

static tuplet_bytes view(const char *text) {
  return (tuplet_bytes){text, strlen(text)};
}

static tp_token unmade(const char *name) {
  tp_token token = {.may_write = true, .databases = view("*"), .expires_at_ms = TP_TOKEN_NEVER};
  (void)snprintf(token.name, sizeof token.name, "%s", name);
  return token;
}

static tuplet_status add(const fixture *f, const char *name, char text[TP_TOKEN_TEXT_SIZE],
                         tuplet_error *error) {
  tp_token token = unmade(name);
  return tp_tokens_file_add(f->file, &token, text, error);
}

static void write_text(const fixture *f, const char *text, mode_t mode) {
  int descriptor = open(f->file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  assert_true(descriptor >= 0);
  assert_int_equal(write(descriptor, text, strlen(text)), strlen(text));
  assert_int_equal(fchmod(descriptor, mode), 0);
  assert_int_equal(close(descriptor), 0);
}

static char *read_text(const fixture *f) {
  FILE *file = fopen(f->file, "r");
  assert_non_null(file);
  char *text = calloc(1, 1 << 20);
  assert_non_null(text);
  assert_true(fread(text, 1, (1 << 20) - 1, file) < (1 << 20) - 1);
  assert_int_equal(fclose(file), 0);
  return text;
}

static size_t count_tokens(const fixture *f) {
  tp_tokens_file found;
  tuplet_error error = {0};
  if (tp_tokens_file_read(NULL, f->file, &found, &error) != TUPLET_OK) fail_msg("%s", error.message);
  size_t count = tp_tokens_count(found.tokens);
  tp_tokens_free(found.tokens);
  return count;
}

/* ---- Changing ---- */

static void a_token_that_is_added_is_known_until_it_is_removed(void **state) {
  const fixture *f = *state;
  char text[TP_TOKEN_TEXT_SIZE];
  assert_int_equal(add(f, "one", text, NULL), TUPLET_OK);
  tp_tokens_file found;
  assert_int_equal(tp_tokens_file_read(NULL, f->file, &found, NULL), TUPLET_OK);
  assert_false(found.is_exposed);
  assert_non_null(tp_tokens_verify(found.tokens, view(text)));
  tp_tokens_free(found.tokens);
  char *content = read_text(f);
  assert_null(strstr(content, text + 20)); /* the secret part */
  free(content);

  tp_token removed;
  assert_int_equal(tp_tokens_file_remove(f->file, "one", &removed, NULL), TUPLET_OK);
  assert_string_equal(removed.name, "one");
  assert_int_equal(count_tokens(f), 0);
}

static void a_token_can_be_removed_by_its_id(void **state) {
  const fixture *f = *state;
  tp_token token = unmade("one"), removed;
  char text[TP_TOKEN_TEXT_SIZE], id[TP_TOKEN_ID_SIZE];
  assert_int_equal(tp_tokens_file_add(f->file, &token, text, NULL), TUPLET_OK);
  tp_token_id_print(token.id, id);
  assert_int_equal(tp_tokens_file_remove(f->file, id, &removed, NULL), TUPLET_OK);
  assert_int_equal(removed.id, token.id);
}

static void names_are_taken_once_and_unknown_ones_are_not_found(void **state) {
  const fixture *f = *state;
  char text[TP_TOKEN_TEXT_SIZE];
  tp_token removed;
  tuplet_error error = {0};
  assert_int_equal(tp_tokens_file_remove(f->file, "one", &removed, &error), TUPLET_IO);
  assert_non_null(strstr(error.message, "is not there"));
  assert_int_equal(access(f->file, F_OK), -1);
  assert_int_equal(add(f, "one", text, NULL), TUPLET_OK);
  assert_int_equal(add(f, "one", text, &error), TUPLET_INVALID);
  assert_non_null(strstr(error.message, "already"));
  assert_int_equal(tp_tokens_file_remove(f->file, "two", &removed, &error), TUPLET_NOT_FOUND);
  assert_int_equal(count_tokens(f), 1);
}

static void comments_and_other_lines_stay_as_they_are(void **state) {
  const fixture *f = *state;
  char text[TP_TOKEN_TEXT_SIZE];
  tp_token removed;
  static const char before[] = "# ours\n"
                               "   name=x   id=000000000001 rights=read-only databases=a,b "
                               "sha256=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"
                               "\n# the end\n";
  write_text(f, before, 0600);
  assert_int_equal(add(f, "one", text, NULL), TUPLET_OK);
  char *content = read_text(f);
  assert_memory_equal(content, before, strlen(before));
  free(content);
  assert_int_equal(tp_tokens_file_remove(f->file, "one", &removed, NULL), TUPLET_OK);
  content = read_text(f);
  assert_string_equal(content, before);
  free(content);
  assert_int_equal(tp_tokens_file_remove(f->file, "x", &removed, NULL), TUPLET_OK);
  content = read_text(f);
  assert_string_equal(content, "# ours\n\n# the end\n");
  free(content);
}

static void a_file_that_is_not_understood_is_not_changed(void **state) {
  const fixture *f = *state;
  char text[TP_TOKEN_TEXT_SIZE];
  tp_token removed;
  tuplet_error error = {0};
  write_text(f, "name=a\n", 0600);
  assert_int_equal(add(f, "one", text, &error), TUPLET_FORMAT);
  assert_non_null(strstr(error.message, "Line 1 of"));
  assert_int_equal(tp_tokens_file_remove(f->file, "a", &removed, NULL), TUPLET_FORMAT);
  char *content = read_text(f);
  assert_string_equal(content, "name=a\n");
  free(content);
}

static void a_new_file_is_its_owners_alone_and_an_old_one_keeps_its_mode(void **state) {
  const fixture *f = *state;
  char text[TP_TOKEN_TEXT_SIZE];
  struct stat attributes;
  mode_t mask = umask(0);
  assert_int_equal(add(f, "one", text, NULL), TUPLET_OK);
  (void)umask(mask);
  assert_int_equal(stat(f->file, &attributes), 0);
  assert_int_equal(attributes.st_mode & 0777, 0600);
  assert_int_equal(chmod(f->file, 0640), 0);
  assert_int_equal(add(f, "two", text, NULL), TUPLET_OK);
  assert_int_equal(stat(f->file, &attributes), 0);
  assert_int_equal(attributes.st_mode & 0777, 0640);
}

enum { WRITERS = 4, TOKENS_EACH = 12 };

static void run_writer(const fixture *f, int number) {
  for (int i = 0; i < TOKENS_EACH; i++) {
    char name[32], text[TP_TOKEN_TEXT_SIZE];
    tp_token removed;
    (void)snprintf(name, sizeof name, "w%d-%d", number, i);
    if (add(f, name, text, NULL) != TUPLET_OK) _exit(1);
    if (i % 3 == 2 && tp_tokens_file_remove(f->file, name, &removed, NULL) != TUPLET_OK) _exit(2);
  }
  _exit(0);
}

static void processes_that_change_it_at_once_lose_nothing(void **state) {
  const fixture *f = *state;
  pid_t writers[WRITERS];
  for (int i = 0; i < WRITERS; i++) {
    writers[i] = fork();
    assert_true(writers[i] >= 0);
    if (writers[i] == 0) run_writer(f, i);
  }
  for (int i = 0; i < WRITERS; i++) {
    int status;
    assert_int_equal(waitpid(writers[i], &status, 0), writers[i]);
    assert_int_equal(status, 0);
  }
  assert_int_equal(count_tokens(f), WRITERS * TOKENS_EACH * 2 / 3);
}

static void who_changes_it_waits_for_who_is_at_it(void **state) {
  const fixture *f = *state;
  write_text(f, "", 0600);
  int held = open(f->file, O_RDWR | O_CLOEXEC);
  assert_true(held >= 0);
  assert_int_equal(flock(held, LOCK_EX), 0);
  int told[2];
  assert_int_equal(pipe(told), 0);
  pid_t writer = fork();
  assert_true(writer >= 0);
  if (writer == 0) {
    (void)close(held);
    if (write(told[1], "x", 1) != 1) _exit(1);
    char text[TP_TOKEN_TEXT_SIZE];
    _exit(add(f, "one", text, NULL) == TUPLET_OK ? 0 : 1);
  }
  char begun;
  assert_int_equal(read(told[0], &begun, 1), 1);
  int status;
  assert_int_equal(waitpid(writer, &status, WNOHANG), 0);
  assert_int_equal(count_tokens(f), 0);
  assert_int_equal(close(held), 0);
  assert_int_equal(waitpid(writer, &status, 0), writer);
  assert_int_equal(status, 0);
  assert_int_equal(count_tokens(f), 1);
  assert_int_equal(close(told[0]), 0);
  assert_int_equal(close(told[1]), 0);
}

/* ---- What is not believed ---- */

static void expect_refusal(const fixture *f, const char *message) {
  tp_tokens_file found;
  tuplet_error error = {0};
  char text[TP_TOKEN_TEXT_SIZE];
  assert_int_equal(tp_tokens_file_read(NULL, f->file, &found, &error), TUPLET_IO);
  if (strstr(error.message, message) == NULL) fail_msg("'%s' does not say '%s'", error.message, message);
  assert_int_equal(add(f, "one", text, &error), TUPLET_IO);
  if (strstr(error.message, message) == NULL) fail_msg("'%s' does not say '%s'", error.message, message);
}

static void a_file_that_others_may_write_is_refused(void **state) {
  const fixture *f = *state;
  write_text(f, "", 0620);
  expect_refusal(f, "can be written by others");
  write_text(f, "", 0602);
  expect_refusal(f, "can be written by others");
}

static void a_file_is_ones_own_or_roots_and_root_takes_anybodys(void **state) {
  const fixture *f = *state;
  static const struct {
    uid_t user, owner;
    bool is_taken;
  } cases[] = {{1000, 1000, true}, {1000, 0, true}, {1000, 1001, false}, {0, 1000, true}};
  write_text(f, "# nobody\n", 0600);
  pretends = true;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    user = cases[i].user;
    owner = cases[i].owner;
    if (cases[i].is_taken)
      assert_int_equal(count_tokens(f), 0);
    else
      expect_refusal(f, "must belong to the user who runs this, 1000, or to root; it belongs to 1001.");
  }
}

static void a_link_a_folder_and_a_pipe_are_refused(void **state) {
  const fixture *f = *state;
  assert_int_equal(symlink("/dev/null", f->file), 0);
  expect_refusal(f, "symbolic link");
  assert_int_equal(unlink(f->file), 0);
  assert_int_equal(mkdir(f->file, 0700), 0);
  expect_refusal(f, "not a regular file");
  assert_int_equal(rmdir(f->file), 0);
  assert_int_equal(mkfifo(f->file, 0600), 0);
  expect_refusal(f, "not a regular file"); /* and is not waited for */
}

static void a_file_that_everybody_may_read_is_told_of(void **state) {
  const fixture *f = *state;
  write_text(f, "# nothing\n", 0644);
  tp_tokens_file found;
  assert_int_equal(tp_tokens_file_read(NULL, f->file, &found, NULL), TUPLET_OK);
  assert_true(found.is_exposed);
  tp_tokens_free(found.tokens);
}

static void a_huge_file_is_refused(void **state) {
  const fixture *f = *state;
  write_text(f, "", 0600);
  assert_int_equal(truncate(f->file, (off_t)TP_TOKENS_TEXT_SIZE_MAX + 1), 0);
  tp_tokens_file found;
  tuplet_error error = {0};
  assert_int_equal(tp_tokens_file_read(NULL, f->file, &found, &error), TUPLET_FORMAT);
  assert_non_null(strstr(error.message, "too long"));
}

static void running_out_of_memory_while_reading_leaves_nothing(void **state) {
  const fixture *f = *state;
  char text[TP_TOKEN_TEXT_SIZE];
  assert_int_equal(add(f, "one", text, NULL), TUPLET_OK);
  for (size_t n = 1;; n++) {
    fault_allocator faults;
    fault_allocator_init(&faults, n);
    tp_tokens_file found = {0};
    tuplet_status status = tp_tokens_file_read(&faults.allocator, f->file, &found, NULL);
    if (!fault_allocator_fired(&faults)) {
      assert_int_equal(status, TUPLET_OK);
      tp_tokens_free(found.tokens);
      break;
    }
    assert_int_equal(status, TUPLET_NOMEM);
    assert_int_equal(faults.live, 0);
  }
}

/* ---- While a server runs ---- */

typedef struct reloading {
  tp_auth *auth;
  tp_log log;
  tp_tokens_reload reload;
} reloading;

static void reloading_init(reloading *r, const fixture *f) {
  static const uint8_t secret[TP_AUTH_SECRET_SIZE] = "a secret";
  r->log = (tp_log){.descriptor = -1};
  assert_int_equal(tp_auth_new(NULL, NULL, secret, &r->auth, NULL), TUPLET_OK);
  assert_int_equal(tp_tokens_reload_init(&r->reload, NULL, f->file, r->auth, &r->log, NULL), TUPLET_OK);
}

static tuplet_status identify(const reloading *r, const char *text) {
  tp_grant grant;
  return tp_auth_identify(r->auth, view(text), 0, &grant);
}

static void a_change_is_noticed_and_nothing_else(void **state) {
  const fixture *f = *state;
  char one[TP_TOKEN_TEXT_SIZE], two[TP_TOKEN_TEXT_SIZE];
  reloading r;
  assert_int_equal(add(f, "one", one, NULL), TUPLET_OK);
  reloading_init(&r, f);
  assert_int_equal(identify(&r, one), TUPLET_OK);
  assert_false(tp_tokens_reload_run(&r.reload, false));
  assert_int_equal(add(f, "two", two, NULL), TUPLET_OK);
  assert_int_equal(identify(&r, two), TUPLET_INVALID);
  assert_true(tp_tokens_reload_run(&r.reload, false));
  assert_int_equal(identify(&r, two), TUPLET_OK);
  assert_false(tp_tokens_reload_run(&r.reload, false));
  assert_true(tp_tokens_reload_run(&r.reload, true));
  tp_auth_free(r.auth);
}

static void a_file_that_cannot_be_read_changes_nothing(void **state) {
  const fixture *f = *state;
  char one[TP_TOKEN_TEXT_SIZE];
  reloading r;
  assert_int_equal(add(f, "one", one, NULL), TUPLET_OK);
  reloading_init(&r, f);
  write_text(f, "half a li", 0600);
  assert_false(tp_tokens_reload_run(&r.reload, false));
  assert_false(tp_tokens_reload_run(&r.reload, true));
  assert_int_equal(identify(&r, one), TUPLET_OK);
  assert_int_equal(unlink(f->file), 0);
  assert_false(tp_tokens_reload_run(&r.reload, false));
  assert_int_equal(identify(&r, one), TUPLET_OK);
  write_text(f, "# nobody\n", 0600);
  assert_true(tp_tokens_reload_run(&r.reload, false));
  assert_int_equal(identify(&r, one), TUPLET_INVALID);
  tp_auth_free(r.auth);
}

static void a_server_does_not_start_without_its_file(void **state) {
  const fixture *f = *state;
  tp_tokens_reload reload;
  tuplet_error error = {0};
  const tp_log log = {.descriptor = -1};
  assert_int_equal(tp_tokens_reload_init(&reload, NULL, f->file, NULL, &log, &error), TUPLET_NOT_FOUND);
  assert_non_null(strstr(error.message, "tuplet token create"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_token_that_is_added_is_known_until_it_is_removed),
      TEST(a_token_can_be_removed_by_its_id),
      TEST(names_are_taken_once_and_unknown_ones_are_not_found),
      TEST(comments_and_other_lines_stay_as_they_are),
      TEST(a_file_that_is_not_understood_is_not_changed),
      TEST(a_new_file_is_its_owners_alone_and_an_old_one_keeps_its_mode),
      TEST(processes_that_change_it_at_once_lose_nothing),
      TEST(who_changes_it_waits_for_who_is_at_it),
      TEST(a_file_that_others_may_write_is_refused),
      TEST(a_file_is_ones_own_or_roots_and_root_takes_anybodys),
      TEST(a_link_a_folder_and_a_pipe_are_refused),
      TEST(a_file_that_everybody_may_read_is_told_of),
      TEST(a_huge_file_is_refused),
      TEST(running_out_of_memory_while_reading_leaves_nothing),
      TEST(a_change_is_noticed_and_nothing_else),
      TEST(a_file_that_cannot_be_read_changes_nothing),
      TEST(a_server_does_not_start_without_its_file),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
