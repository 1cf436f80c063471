/* inbox.c: the messages of a listener, and a file descriptor that tells of them. */
#include "inbox.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void append(tp_cli_letters *letters, tp_cli_letter *letter) {
  letter->next = NULL;
  if (letters->last == NULL) {
    letters->first = letter;
  } else {
    letters->last->next = letter;
  }
  letters->last = letter;
}

static tp_cli_letter *take_first(tp_cli_letters *letters) {
  tp_cli_letter *letter = letters->first;
  if (letter == NULL) return NULL;
  letters->first = letter->next;
  if (letters->first == NULL) letters->last = NULL;
  return letter;
}

static void wake(const tp_cli_inbox *inbox) {
  (void)eventfd_write(inbox->event_fd, 1); /* fails only when it is readable beyond measure */
}

static void append_and_wake(tp_cli_inbox *inbox, tp_cli_letters *letters, tp_cli_letter *letter) {
  (void)pthread_mutex_lock(&inbox->mutex);
  append(letters, letter);
  (void)pthread_mutex_unlock(&inbox->mutex);
  wake(inbox);
}

static tp_cli_letter *take_locked(tp_cli_inbox *inbox, tp_cli_letters *letters) {
  (void)pthread_mutex_lock(&inbox->mutex);
  tp_cli_letter *letter = take_first(letters);
  (void)pthread_mutex_unlock(&inbox->mutex);
  return letter;
}

static tp_cli_letter *new_letter(tp_cli_inbox *inbox, tuplet_message *message) {
  size_t id_size = strlen(message->id) + 1;
  tp_cli_letter *letter = calloc(1, sizeof *letter + id_size);
  if (letter == NULL) return NULL;
  letter->inbox = inbox;
  letter->message = message;
  memcpy(letter->id, message->id, id_size);
  return letter;
}

static void *fetch(void *context) {
  tp_cli_inbox *inbox = context;
  tuplet_error error = {0};
  tuplet_message *message = NULL;
  tuplet_status status = TUPLET_OK;
  while ((status = tuplet_listener_next(inbox->listener, TUPLET_FOREVER, &message, &error)) == TUPLET_OK) {
    tp_cli_letter *letter = new_letter(inbox, message);
    if (letter == NULL) {
      (void)tuplet_message_nack_async(message, NULL, NULL, NULL);
      status = TUPLET_NOMEM;
      (void)snprintf(error.message, sizeof error.message, "out of memory");
      break;
    }
    append_and_wake(inbox, &inbox->arrived, letter);
  }
  (void)pthread_mutex_lock(&inbox->mutex);
  inbox->status = status;
  inbox->error = error;
  inbox->error.status = status;
  (void)pthread_mutex_unlock(&inbox->mutex);
  wake(inbox);
  return NULL;
}

/* Signals are for the thread that waits for them. */
static int start_thread(tp_cli_inbox *inbox) {
  sigset_t all;
  sigset_t before;
  (void)sigfillset(&all);
  int rc = pthread_sigmask(SIG_SETMASK, &all, &before);
  if (rc != 0) return rc;
  rc = pthread_create(&inbox->thread, NULL, fetch, inbox);
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  return rc;
}

static tuplet_status fail(tuplet_error *error, const char *what, int number) {
  error->status = TUPLET_NOMEM;
  (void)snprintf(error->message, sizeof error->message, "%s: %s", what, strerror(number));
  return TUPLET_NOMEM;
}

tuplet_status tp_cli_inbox_open(tp_cli_inbox *inbox, tuplet_db *db, uint32_t in_flight_max,
                                tuplet_error *error) {
  *inbox = (tp_cli_inbox){.db = db, .event_fd = -1};
  tuplet_listen_options options = TUPLET_LISTEN_OPTIONS_INIT;
  options.in_flight_max = in_flight_max;
  tuplet_status status = TUPLET_OK;
  int rc = pthread_mutex_init(&inbox->mutex, NULL);
  if (rc != 0) {
    status = fail(error, "making a mutex", rc);
    goto fail_mutex;
  }
  inbox->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (inbox->event_fd < 0) {
    status = fail(error, "making an event", errno);
    goto fail_event;
  }
  status = tuplet_listen(db, &options, NULL, NULL, &inbox->listener, error);
  if (status != TUPLET_OK) goto fail_listen;
  rc = start_thread(inbox);
  if (rc == 0) return TUPLET_OK;
  status = fail(error, "starting a thread", rc);
  tuplet_listener_close(inbox->listener);
fail_listen:
  (void)close(inbox->event_fd);
fail_event:
  (void)pthread_mutex_destroy(&inbox->mutex);
fail_mutex:
  tuplet_close(db);
  return status;
}

tuplet_status tp_cli_inbox_look(tp_cli_inbox *inbox, tuplet_error *error) {
  eventfd_t count = 0;
  (void)eventfd_read(inbox->event_fd, &count); /* it may have nothing to say */
  (void)pthread_mutex_lock(&inbox->mutex);
  tuplet_status status = inbox->status;
  if (status != TUPLET_OK) *error = inbox->error;
  (void)pthread_mutex_unlock(&inbox->mutex);
  return status;
}

tp_cli_letter *tp_cli_inbox_take(tp_cli_inbox *inbox) {
  return take_locked(inbox, &inbox->arrived);
}

static void on_ended(void *context, tuplet_status status, const tuplet_error *error) {
  tp_cli_letter *letter = context;
  letter->status = status;
  if (status < 0) letter->error = *error;
  append_and_wake(letter->inbox, &letter->inbox->ended, letter);
}

void tp_cli_inbox_end(tp_cli_letter *letter, bool handled) {
  tuplet_message *message = letter->message;
  letter->message = NULL;
  letter->handled = handled;
  tuplet_status status = handled ? tuplet_message_ack_async(message, on_ended, letter, &letter->error)
                                 : tuplet_message_nack_async(message, on_ended, letter, &letter->error);
  if (status != TUPLET_OK) {
    tuplet_error error = letter->error;
    on_ended(letter, status, &error);
  }
}

tp_cli_letter *tp_cli_inbox_next_ended(tp_cli_inbox *inbox) {
  return take_locked(inbox, &inbox->ended);
}

void tp_cli_inbox_keep(tp_cli_letter *letter) {
  (void)pthread_mutex_lock(&letter->inbox->mutex);
  append(&letter->inbox->arrived, letter);
  (void)pthread_mutex_unlock(&letter->inbox->mutex);
}

void tp_cli_inbox_close(tp_cli_inbox *inbox) {
  tuplet_close(
      inbox->db); /* the thread ends, ends that are under way are completed, the rest is given back */
  (void)pthread_join(inbox->thread, NULL);
  for (tp_cli_letter *letter; (letter = take_first(&inbox->arrived)) != NULL;) {
    (void)tuplet_message_nack_async(letter->message, NULL, NULL, NULL); /* has gone back: this frees it */
    free(letter);
  }
  for (tp_cli_letter *letter; (letter = take_first(&inbox->ended)) != NULL;) free(letter);
  tuplet_listener_close(inbox->listener);
  (void)close(inbox->event_fd);
  (void)pthread_mutex_destroy(&inbox->mutex);
}
