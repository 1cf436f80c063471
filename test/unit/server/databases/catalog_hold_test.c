/* catalog_hold_test.c: databases on disk are had together or alone, whatever becomes of those who have them.
 */
#include "support/catalog.h"

#include "api/open.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- What killed processes leave behind ---- */

static void what_was_left_behind_is_removed_when_the_catalog_is_opened(void **state) {
  fixture *f = *state;
  tp_catalog *other;
  (void)create(f, "shop");
  assert_int_equal(mkdir(below(f, ".new-87005793-8b14-46b4-9858-5f5481c86e6c"), 0700), 0);
  write_text(below(f, ".new-87005793-8b14-46b4-9858-5f5481c86e6c/id"), "half of an i");
  assert_int_equal(mkdir(below(f, ".deleted-0d9f3f76-46b4-4c0f-9d4c-c86e6c87005a"), 0700), 0);
  write_text(below(f, ".deleted-0d9f3f76-46b4-4c0f-9d4c-c86e6c87005a/kv.sqlite3"), "");
  assert_int_equal(mkdir(below(f, ".new-of-somebody-else"), 0700), 0);
  EXPECT(f, TUPLET_OK, tp_catalog_open(NULL, f->path, TP_CATALOG_CHANGE, &other, &f->error));
  tp_catalog_close(other);
  assert_int_equal(count_things(f), 2);
  assert_int_equal(access(below(f, ".new-of-somebody-else"), F_OK), 0);
}

static void what_somebody_is_at_is_not_taken_for_left_behind(void **state) {
  fixture *f = *state;
  tp_catalog *other;
  assert_int_equal(mkdir(below(f, ".new-87005793-8b14-46b4-9858-5f5481c86e6c"), 0700), 0);
  int at_work = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  assert_int_equal(flock(at_work, LOCK_SH), 0);
  EXPECT(f, TUPLET_OK, tp_catalog_open(NULL, f->path, TP_CATALOG_CHANGE, &other, &f->error));
  tp_catalog_close(other);
  assert_int_equal(count_things(f), 1);
  assert_int_equal(close(at_work), 0);
}

/* Runs `work` in a process that is killed after a while; how long that is grows with `turn`. */
static void run_and_kill(void (*work)(const char *path), const char *path, int turn) {
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    work(path);
    _exit(0);
  }
  (void)usleep((useconds_t)turn * 700);
  assert_int_equal(kill(child, SIGKILL), 0);
  assert_int_equal(waitpid(child, NULL, 0), child);
}

static void create_and_delete_for_ever(const char *path) {
  tp_catalog *catalog;
  tp_catalog_hold hold;
  uint8_t id[TP_AUTH_DATABASE_ID_SIZE];
  if (tp_catalog_open(NULL, path, TP_CATALOG_CHANGE, &catalog, NULL) != TUPLET_OK) return;
  for (;;) {
    (void)tp_catalog_create(catalog, "shop", NULL, id, NULL);
    if (tp_catalog_hold_alone(catalog, "shop", 0, &hold, NULL) == TUPLET_OK)
      (void)tp_catalog_delete(&hold, NULL);
  }
}

static void a_killed_process_leaves_a_whole_database_or_none(void **state) {
  fixture *f = *state;
  enum { TURNS = 25 };
  for (int turn = 0; turn < TURNS; turn++) {
    run_and_kill(create_and_delete_for_ever, f->path, turn);
    tp_catalog *other;
    tp_catalog_entry *entries;
    size_t count;
    complaints heard = {0};
    EXPECT(f, TUPLET_OK, tp_catalog_open(NULL, f->path, TP_CATALOG_CHANGE, &other, &f->error));
    EXPECT(f, TUPLET_OK, tp_catalog_list(other, on_damaged, &heard, &entries, &count, &f->error));
    assert_int_equal(heard.count, 0);
    assert_int_equal(count_things(f), count);
    if (count > 0) {
      tp_file_survey survey;
      EXPECT(f, TUPLET_OK,
             tp_file_survey_take(below(f, "shop/kv.sqlite3"), tp_clock_system(), &survey, &f->error));
    }
    tp_catalog_list_free(other, entries);
    tp_catalog_close(other);
  }
}

/* ---- Holds ---- */

static void users_hold_a_database_together(void **state) {
  fixture *f = *state;
  tp_catalog_hold server;
  tp_catalog_hold tool;
  database_id id = create(f, "shop");
  assert_false(tp_catalog_is_served(f->catalog, "shop"));
  EXPECT(f, TUPLET_OK, tp_catalog_hold_shared(f->catalog, "shop", false, &tool, &f->error));
  assert_false(tp_catalog_is_served(f->catalog, "shop"));
  EXPECT(f, TUPLET_OK, tp_catalog_hold_shared(f->catalog, "shop", true, &server, &f->error));
  assert_true(tp_catalog_is_served(f->catalog, "shop"));
  assert_memory_equal(server.entry.id, &id, sizeof id);
  assert_string_equal(server.entry.name, "shop");
  assert_false(tp_catalog_hold_is_wanted(&server));
  tp_catalog_release(&server);
  tp_catalog_release(&server);
  assert_false(tp_catalog_is_served(f->catalog, "shop"));
  tp_catalog_release(&tool);
  EXPECT(f, TUPLET_NOT_FOUND, tp_catalog_hold_shared(f->catalog, "blog", true, &server, &f->error));
}

static void a_database_in_use_is_not_had_alone(void **state) {
  fixture *f = *state;
  tp_catalog_hold user;
  tp_catalog_hold hold;
  (void)create(f, "shop");
  EXPECT(f, TUPLET_OK, tp_catalog_hold_shared(f->catalog, "shop", true, &user, &f->error));
  EXPECT(f, TUPLET_BUSY, tp_catalog_hold_alone(f->catalog, "shop", 0, &hold, &f->error));
  assert_non_null(strstr(f->error.message, "shop"));
  assert_false(tp_catalog_hold_is_wanted(&user)); /* not any more */
  tp_catalog_release(&user);
  hold = hold_alone(f, "shop");
  EXPECT(f, TUPLET_BUSY, tp_catalog_hold_shared(f->catalog, "shop", true, &user, &f->error));
  EXPECT(f, TUPLET_BUSY, tp_catalog_hold_alone(f->catalog, "shop", 0, &user, &f->error));
  tp_catalog_release(&hold);
  EXPECT(f, TUPLET_OK, tp_catalog_hold_shared(f->catalog, "shop", true, &user, &f->error));
  tp_catalog_release(&user);
}

typedef struct claimant {
  fixture *f;
  tuplet_status status;
  tuplet_error error;
} claimant;

static void *run_delete(void *context) {
  claimant *c = context;
  tp_catalog_hold hold;
  c->status = tp_catalog_hold_alone(c->f->catalog, "shop", WAIT_MS, &hold, &c->error);
  if (c->status == TUPLET_OK) c->status = tp_catalog_delete(&hold, &c->error);
  return NULL;
}

static void who_wants_a_database_alone_is_noticed_and_gets_it_when_it_is_let_go(void **state) {
  fixture *f = *state;
  tp_catalog_hold user;
  tp_catalog_hold late;
  pthread_t thread;
  claimant c = {.f = f};
  (void)create(f, "shop");
  EXPECT(f, TUPLET_OK, tp_catalog_hold_shared(f->catalog, "shop", true, &user, &f->error));
  assert_int_equal(pthread_create(&thread, NULL, run_delete, &c), 0);
  while (!tp_catalog_hold_is_wanted(&user)) (void)usleep(1000);
  EXPECT(f, TUPLET_BUSY, tp_catalog_hold_shared(f->catalog, "shop", true, &late, &f->error));
  tp_catalog_release(&user);
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_int_equal(c.status, TUPLET_OK);
  assert_int_equal(count_things(f), 0);
}

static void a_database_that_is_moved_by_other_means_is_noticed(void **state) {
  fixture *f = *state;
  tp_catalog_hold user;
  char elsewhere[512];
  (void)create(f, "shop");
  EXPECT(f, TUPLET_OK, tp_catalog_hold_shared(f->catalog, "shop", true, &user, &f->error));
  (void)snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", f->path);
  assert_int_equal(rename(below(f, "shop"), elsewhere), 0);
  assert_true(tp_catalog_hold_is_wanted(&user));
  tp_catalog_release(&user);
}

static void a_process_that_dies_holds_nothing_any_more(void **state) {
  fixture *f = *state;
  int ready[2];
  char byte;
  (void)create(f, "shop");
  assert_int_equal(pipe(ready), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    tp_catalog_hold held;
    tuplet_status status = tp_catalog_hold_alone(f->catalog, "shop", 0, &held, NULL);
    if (status != TUPLET_OK || write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) (void)pause();
  }
  assert_int_equal(close(ready[1]), 0);
  assert_int_equal(read(ready[0], &byte, 1), 1);
  tp_catalog_hold hold;
  EXPECT(f, TUPLET_BUSY, tp_catalog_hold_shared(f->catalog, "shop", true, &hold, &f->error));
  assert_int_equal(kill(child, SIGKILL), 0);
  assert_int_equal(waitpid(child, NULL, 0), child);
  assert_int_equal(close(ready[0]), 0);
  hold = hold_alone(f, "shop");
  tp_catalog_release(&hold);
}

/* ---- Several at once ---- */

enum { RACERS = 4, TURNS = 30 };

typedef struct racer {
  const char *path;
  int number;
  tuplet_status status; /* what must not have come */
  tuplet_error error;
} racer;

static bool is_fair(tuplet_status status) {
  return status == TUPLET_OK || status == TUPLET_CONFLICT || status == TUPLET_NOT_FOUND ||
         status == TUPLET_BUSY;
}

/* Makes, renames and deletes the same two names, over a catalog of its own. */
static void *run_racer(void *context) {
  racer *r = context;
  tp_catalog *catalog;
  uint8_t id[TP_AUTH_DATABASE_ID_SIZE];
  r->status = tp_catalog_open(NULL, r->path, TP_CATALOG_CHANGE, &catalog, &r->error);
  if (r->status != TUPLET_OK) return NULL;
  for (int i = 0; i < TURNS && r->status == TUPLET_OK; i++) {
    bool even = (i + r->number) % 2 == 0;
    const char *name = even ? "a" : "b";
    tp_catalog_hold hold = {0};
    tuplet_status status = tp_catalog_create(catalog, name, NULL, id, &r->error);
    if (is_fair(status)) status = tp_catalog_hold_alone(catalog, name, 5, &hold, &r->error);
    if (status == TUPLET_OK)
      status = i % 3 == 0 ? tp_catalog_delete(&hold, &r->error)
                          : tp_catalog_rename(&hold, even ? "b" : "a", &r->error);
    tp_catalog_release(&hold);
    if (!is_fair(status)) r->status = status;
  }
  tp_catalog_close(catalog);
  return NULL;
}

static void catalogs_of_one_folder_do_not_get_in_each_others_way(void **state) {
  fixture *f = *state;
  pthread_t threads[RACERS];
  racer racers[RACERS];
  for (int i = 0; i < RACERS; i++) {
    racers[i] = (racer){.path = f->path, .number = i};
    assert_int_equal(pthread_create(&threads[i], NULL, run_racer, &racers[i]), 0);
  }
  for (int i = 0; i < RACERS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  for (int i = 0; i < RACERS; i++) {
    if (racers[i].status != TUPLET_OK) fail_msg("%s", racers[i].error.message);
  }
  tp_catalog_entry *entries;
  size_t count;
  complaints heard = {0};
  EXPECT(f, TUPLET_OK, tp_catalog_list(f->catalog, on_damaged, &heard, &entries, &count, &f->error));
  assert_int_equal(heard.count, 0);
  assert_int_equal(count_things(f), count);
  tp_catalog_list_free(f->catalog, entries);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(what_was_left_behind_is_removed_when_the_catalog_is_opened),
      TEST(what_somebody_is_at_is_not_taken_for_left_behind),
      TEST(a_killed_process_leaves_a_whole_database_or_none),
      TEST(users_hold_a_database_together),
      TEST(a_database_in_use_is_not_had_alone),
      TEST(who_wants_a_database_alone_is_noticed_and_gets_it_when_it_is_let_go),
      TEST(a_database_that_is_moved_by_other_means_is_noticed),
      TEST(a_process_that_dies_holds_nothing_any_more),
      TEST(catalogs_of_one_folder_do_not_get_in_each_others_way),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
