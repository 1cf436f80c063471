/* inbox.h: the messages of a listener for a program that waits for more than messages: a file descriptor
 * tells when there is something to do.
 *
 *   a thread: tuplet_listener_next ──► arrived ──► tp_cli_inbox_take ──► the program's ──► tp_cli_inbox_end
 *                                                                                               │
 *   a thread of the library: how that went ──► ended ──► tp_cli_inbox_next_ended ◄──────────────┘
 */
#ifndef TP_CLI_INBOX_H
#define TP_CLI_INBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <tuplet.h>

typedef struct tp_cli_inbox tp_cli_inbox;

/* A message, from its arrival until its end is known. */
typedef struct tp_cli_letter tp_cli_letter;
struct tp_cli_letter {
  tp_cli_inbox *inbox;
  tuplet_message *message; /* NULL from tp_cli_inbox_end on */
  bool handled;            /* what tp_cli_inbox_end was told */
  tuplet_status status;    /* how that went, once it is known */
  tuplet_error error;
  tp_cli_letter *next;
  char id[]; /* ended by a NUL */
};

typedef struct tp_cli_letters {
  tp_cli_letter *first;
  tp_cli_letter *last;
} tp_cli_letters;

struct tp_cli_inbox {
  tuplet_db *db;
  tuplet_listener *listener;
  pthread_t thread;
  int event_fd;          /* to be polled for reading */
  pthread_mutex_t mutex; /* guards what follows */
  tp_cli_letters arrived;
  tp_cli_letters ended;
  tuplet_status status; /* why the thread has stopped: negative */
  tuplet_error error;
};

/* Begins to listen to a database, which the inbox closes in the end, even when opening fails. */
tuplet_status tp_cli_inbox_open(tp_cli_inbox *inbox, tuplet_db *db, uint32_t in_flight_max,
                                tuplet_error *error);

/* To be called when event_fd is readable, before looking at what there is. TUPLET_OK, or why no more messages
 * will come. */
tuplet_status tp_cli_inbox_look(tp_cli_inbox *inbox, tuplet_error *error);

/* The next message; NULL when there is none. The caller gives it to tp_cli_inbox_end, or, when it is to go
 * back, to tp_cli_inbox_keep. */
tp_cli_letter *tp_cli_inbox_take(tp_cli_inbox *inbox);

/* Handled: it is to be deleted. Not handled: it comes again as its schedule says. Does not wait: the letter
 * comes back from tp_cli_inbox_next_ended. */
void tp_cli_inbox_end(tp_cli_letter *letter, bool handled);

/* The next one whose end is known, to be freed by the caller; NULL when there is none. */
tp_cli_letter *tp_cli_inbox_next_ended(tp_cli_inbox *inbox);

/* Neither handled nor failed: it is for others when the inbox is closed. */
void tp_cli_inbox_keep(tp_cli_letter *letter);

/* Closes the database, which gives back every message that was not ended, and frees what is left. */
void tp_cli_inbox_close(tp_cli_inbox *inbox);

#endif
