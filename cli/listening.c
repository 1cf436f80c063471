/* listening.c: what `tuplet listen` does with the messages.
 *
 * One thread waits for everything at once: messages (inbox.h), room on standard output, commands that read
 * (job.h) or end, signals, the time. Nothing in it blocks, so that a reader that has stalled does not keep a
 * signal from ending it. */
#include "listening.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "database.h"
#include "deadline.h"
#include "inbox.h"
#include "job.h"
#include "message.h"
#include "report.h"

/* Messages printed before signals are looked for again. */
enum { PRINTED_AT_ONCE_MAX = 64 };

typedef enum listening_phase {
  GOING_ON,
  FINISHING, /* nothing new begins; what runs may end */
  LEAVING,   /* what runs has been told to end; what it has not handled goes back */
  HURRYING,  /* what runs is killed; nothing else is waited for */
} listening_phase;

typedef struct listening {
  tp_cli_context *context;
  const tp_cli_listen_request *request;
  tp_cli_inbox inbox;
  int signal_fd;
  sigset_t mask; /* as it was; commands start with it */
  int64_t deadline_ms;
  listening_phase phase;
  tp_cli_exit result;
  bool inbox_failed;
  uint64_t handled;
  uint64_t ending; /* letters whose end is under way */

  tp_cli_letter *printing; /* and its text */
  char *text;
  size_t text_size;
  size_t text_done;

  tp_cli_job jobs[TP_CLI_JOBS_MAX];
  uint32_t running;
} listening;

/* ---- Signals ---- */

static void add_unless_ignored(sigset_t *set, int number) {
  struct sigaction action;
  if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN) return; /* as nohup wants it */
  (void)sigaddset(set, number);
}

/* From here on the signals come through signal_fd. Other threads, the library's, leave them alone anyway. */
static tp_cli_exit take_signals(listening *all) {
  sigset_t set;
  (void)sigemptyset(&set);
  add_unless_ignored(&set, SIGINT);
  add_unless_ignored(&set, SIGTERM);
  add_unless_ignored(&set, SIGHUP);
  (void)signal(SIGCHLD, SIG_DFL); /* ignored, it would swallow how commands end */
  (void)sigaddset(&set, SIGCHLD);
  all->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (all->signal_fd < 0) {
    return tp_cli_fail_as(TP_CLI_EXIT_SYSTEM, "taking signals: %s", strerror(errno));
  }
  (void)pthread_sigmask(SIG_BLOCK, &set, &all->mask);
  return TP_CLI_EXIT_OK;
}

/* ---- The end ---- */

static void signal_jobs(const listening *all, int number) {
  for (uint32_t i = 0; i < all->request->job_count; i++) tp_cli_job_signal(&all->jobs[i], number);
}

/* Asked to end: the first time commands may do so in order, the second time not. */
static void leave(listening *all) {
  all->phase = all->phase < LEAVING ? LEAVING : HURRYING;
  signal_jobs(all, all->phase == LEAVING ? SIGTERM : SIGKILL);
}

static void finish(listening *all) {
  if (all->phase == GOING_ON) all->phase = FINISHING;
}

static void finish_with(listening *all, tp_cli_exit code) {
  if (all->result == TP_CLI_EXIT_OK || all->result == TP_CLI_EXIT_DATA) all->result = code;
  finish(all);
}

static bool is_over(const listening *all) {
  return all->phase != GOING_ON && all->running == 0 && (all->ending == 0 || all->phase == HURRYING);
}

/* ---- The ends of messages ---- */

static void end_letter(listening *all, tp_cli_letter *letter, bool handled) {
  all->ending++;
  tp_cli_inbox_end(letter, handled);
}

static void look_at_end(listening *all, const tp_cli_letter *letter) {
  if (letter->status == TUPLET_OK) {
    all->handled += letter->handled ? 1 : 0;
  } else if (letter->status == TUPLET_NOT_FOUND) {
    if (letter->handled) {
      (void)tp_cli_fail_as(TP_CLI_EXIT_OK, "message %s: its lease was lost; it may come again", letter->id);
    }
  } else {
    finish_with(all, tp_cli_fail_as(tp_cli_exit_of(letter->status), "message %s: %s", letter->id,
                                    letter->error.message));
  }
}

static void look_at_ends(listening *all) {
  for (tp_cli_letter *letter; (letter = tp_cli_inbox_next_ended(&all->inbox)) != NULL;) {
    all->ending--;
    look_at_end(all, letter);
    free(letter);
  }
  if (all->request->count != 0 && all->handled >= all->request->count) finish(all);
}

/* ---- The beginnings ---- */

/* The next message that is to be handled, and its text; NULL when there is none, or it may not begin. */
static tp_cli_letter *next_letter(listening *all, tp_cli_message_form form, char **ret_text,
                                  size_t *ret_size) {
  const tp_cli_listen_request *request = all->request;
  while (all->phase == GOING_ON) {
    uint64_t begun = all->handled + all->ending + all->running;
    if (request->count != 0 && begun >= request->count) return NULL;
    tp_cli_letter *letter = tp_cli_inbox_take(&all->inbox);
    if (letter == NULL) return NULL;
    tp_cli_exit code = tp_cli_message_to_text(letter->message, form, ret_text, ret_size);
    if (code == TP_CLI_EXIT_OK) return letter;
    if (code == TP_CLI_EXIT_DATA) { /* damaged: others will not do better */
      all->result = code;
      end_letter(all, letter, false);
    } else {
      tp_cli_inbox_keep(letter);
      finish_with(all, code);
    }
  }
  return NULL;
}

/* ---- Printing ---- */

static void stop_printing(listening *all) {
  if (all->printing != NULL) tp_cli_inbox_keep(all->printing);
  free(all->text);
  all->printing = NULL;
  all->text = NULL;
}

static void fail_printing(listening *all, int number) {
  all->context->write_errno = number;
  stop_printing(all);
  finish_with(all, TP_CLI_EXIT_SYSTEM); /* main.c tells */
}

static bool can_write(void) {
  struct pollfd file = {STDOUT_FILENO, POLLOUT, 0};
  return poll(&file, 1, 0) == 1;
}

/* Goes on with the text; whether it is out. What poll has room for is written without waiting. */
static bool write_text(listening *all) {
  while (all->text_done < all->text_size) {
    size_t size = all->text_size - all->text_done;
    if (!can_write()) return false;
    ssize_t written = write(STDOUT_FILENO, all->text + all->text_done, size < PIPE_BUF ? size : PIPE_BUF);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) return false;
    if (written < 0) {
      fail_printing(all, errno);
      return false;
    }
    all->text_done += (size_t)written;
  }
  return true;
}

static void print_messages(listening *all) {
  tp_cli_message_form form = all->context->json ? TP_CLI_MESSAGE_JSON : TP_CLI_MESSAGE_LINE;
  for (int i = 0; i < PRINTED_AT_ONCE_MAX; i++) {
    if (all->printing == NULL) {
      all->printing = next_letter(all, form, &all->text, &all->text_size);
      all->text_done = 0;
    }
    if (all->printing == NULL || !write_text(all)) return;
    end_letter(all, all->printing, true);
    all->printing = NULL;
    stop_printing(all);
  }
}

/* ---- Commands ---- */

static void start_jobs(listening *all) {
  tp_cli_message_form form = all->context->json ? TP_CLI_MESSAGE_JSON : TP_CLI_MESSAGE_PAYLOAD;
  for (uint32_t i = 0; i < all->request->job_count; i++) {
    tp_cli_job *job = &all->jobs[i];
    if (job->pid != 0) continue;
    char *input = NULL;
    size_t size = 0;
    tp_cli_letter *letter = next_letter(all, form, &input, &size);
    if (letter == NULL) return;
    tp_cli_exit code = tp_cli_job_start(job, all->request->command, &all->mask, letter, input, size);
    if (code == TP_CLI_EXIT_OK) {
      all->running++;
    } else {
      free(input);
      tp_cli_inbox_keep(letter);
      finish_with(all, code);
    }
  }
}

static void report_job(const listening *all, const tp_cli_letter *letter, int status) {
  if (all->context->quiet) return;
  bool exited = WIFEXITED(status);
  (void)tp_cli_fail_as(TP_CLI_EXIT_OK, "message %s, attempt %u: the command %s %d", letter->id,
                       letter->message->attempt, exited ? "exited with" : "was ended by signal",
                       exited ? WEXITSTATUS(status) : WTERMSIG(status));
}

/* How the shell says that there is no such command. */
static bool was_not_run(int status) {
  return WIFEXITED(status) && (WEXITSTATUS(status) == 126 || WEXITSTATUS(status) == 127);
}

static void look_at_job(listening *all, tp_cli_letter *letter, int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    end_letter(all, letter, true);
  } else if (all->phase >= LEAVING) {
    tp_cli_inbox_keep(letter); /* it is us who broke it off */
  } else if (was_not_run(status)) {
    tp_cli_inbox_keep(letter); /* no message can help it */
    finish_with(all, tp_cli_fail_as(TP_CLI_EXIT_SYSTEM, "the command cannot be run: it exited with %d",
                                    WEXITSTATUS(status)));
  } else {
    report_job(all, letter, status);
    end_letter(all, letter, false);
  }
}

static void reap_jobs(listening *all) {
  for (uint32_t i = 0; i < all->request->job_count; i++) {
    int status = 0;
    if (!tp_cli_job_reap(&all->jobs[i], &status)) continue;
    all->running--;
    look_at_job(all, all->jobs[i].letter, status);
  }
}

/* ---- Waiting ---- */

enum { POLL_SIGNALS, POLL_INBOX, POLL_OUTPUT, POLL_JOBS };

static nfds_t set_files(const listening *all, struct pollfd *files) {
  /* Without anything to print, what is looked for is that the reader goes away. */
  bool output = all->printing != NULL || (all->request->command == NULL && all->phase == GOING_ON);
  files[POLL_SIGNALS] = (struct pollfd){all->signal_fd, POLLIN, 0};
  files[POLL_INBOX] = (struct pollfd){all->inbox.event_fd, POLLIN, 0};
  files[POLL_OUTPUT] = (struct pollfd){output ? STDOUT_FILENO : -1, all->printing != NULL ? POLLOUT : 0, 0};
  for (uint32_t i = 0; i < all->request->job_count; i++) {
    const tp_cli_job *job = &all->jobs[i];
    files[POLL_JOBS + i] = (struct pollfd){job->pid != 0 ? job->input_fd : -1, POLLOUT, 0};
  }
  return POLL_JOBS + (nfds_t)all->request->job_count;
}

static void look_at_signals(listening *all) {
  struct signalfd_siginfo info;
  while (read(all->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
    if (info.ssi_signo != SIGCHLD) leave(all);
  }
  reap_jobs(all);
}

static void look_at_inbox(listening *all) {
  tuplet_error error = {0};
  if (tp_cli_inbox_look(&all->inbox, &error) == TUPLET_OK || all->inbox_failed) return;
  all->inbox_failed = true;
  finish_with(all, tp_cli_fail(NULL, &error));
}

static void wait_for_something(listening *all) {
  struct pollfd files[POLL_JOBS + TP_CLI_JOBS_MAX];
  int64_t left_ms =
      all->phase == GOING_ON ? tp_cli_deadline_left_ms(all->deadline_ms) : (int64_t)TUPLET_FOREVER;
  nfds_t count = set_files(all, files);
  int timeout_ms = left_ms > INT_MAX ? INT_MAX : (int)left_ms;
  if (poll(files, count, timeout_ms) < 0 && errno != EINTR) {
    finish_with(all, tp_cli_fail_as(TP_CLI_EXIT_SYSTEM, "waiting: %s", strerror(errno)));
    leave(all);
    return;
  }
  if (files[POLL_SIGNALS].revents != 0) look_at_signals(all);
  if (files[POLL_INBOX].revents != 0) look_at_inbox(all);
  if (all->printing == NULL && (files[POLL_OUTPUT].revents & POLLERR) != 0) fail_printing(all, EPIPE);
  for (uint32_t i = 0; i < all->request->job_count; i++) {
    if (files[POLL_JOBS + i].revents != 0 && all->jobs[i].pid != 0) tp_cli_job_feed(&all->jobs[i]);
  }
}

static tp_cli_exit go_on(listening *all) {
  const tp_cli_listen_request *request = all->request;
  while (!is_over(all)) {
    if (tp_cli_deadline_left_ms(all->deadline_ms) == 0) finish(all);
    look_at_ends(all);
    if (request->command != NULL) {
      start_jobs(all);
    } else {
      print_messages(all);
    }
    if (!is_over(all)) wait_for_something(all);
  }
  stop_printing(all);
  if (all->result == TP_CLI_EXIT_OK && request->count != 0 && all->handled < request->count) {
    return TP_CLI_EXIT_ABSENT;
  }
  return all->result;
}

tp_cli_exit tp_cli_listening_run(tp_cli_context *context, const tp_cli_listen_request *request) {
  tuplet_db *db = NULL;
  listening *all = calloc(1, sizeof *all);
  if (all == NULL) return tp_cli_fail_memory();
  all->context = context;
  all->request = request;
  all->deadline_ms = tp_cli_deadline_in(request->timeout_ms);
  all->signal_fd = -1;
  tp_cli_exit code = tp_cli_database_open(context, TP_CLI_WRITE, &db);
  if (code != TP_CLI_EXIT_OK) goto out;
  tuplet_error error = {0};
  if (tp_cli_inbox_open(&all->inbox, db, request->in_flight_max, &error) != TUPLET_OK) {
    code = tp_cli_fail(NULL, &error);
    goto out;
  }
  code = take_signals(all); /* not before: a server may be long in answering, and a signal is to end that */
  if (code == TP_CLI_EXIT_OK) code = go_on(all);
  tp_cli_inbox_close(&all->inbox);
  if (all->signal_fd >= 0) (void)close(all->signal_fd);
out:
  free(all);
  return code;
}
