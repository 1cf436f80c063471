/* collection_private.h: what a collection is made of; for collection.c, collection_index.c and
 * collection_open.c. */
#ifndef TP_SERVER_COLLECTION_PRIVATE_H
#define TP_SERVER_COLLECTION_PRIVATE_H

#include "server/databases/collection.h"

#include <pthread.h>

typedef enum tp_volume_state {
  TP_VOLUME_CLOSED,
  TP_VOLUME_OPENING, /* a job is submitted or at it; `waits` are told when it is done */
  TP_VOLUME_OPEN,
  TP_VOLUME_CLOSING /* the same; whoever waits then has it opened again */
} tp_volume_state;

/* A database of the collection. All but `base.id` and `collection` is the mutex's; `hold` and `base.store`
 * stay as they are while it is OPEN. */
typedef struct tp_volume tp_volume;
struct tp_volume {
  tp_database base; /* first, so that the one is found from the other */
  tp_collection *collection;
  char name[TP_DATABASE_NAME_SIZE_MAX + 1]; /* changes only while it is CLOSED or OPENING */
  tp_volume_state state;
  tp_catalog_hold hold;
  tp_clerk_job job;
  tp_database_wait *waits; /* those who asked for it and are not told yet, the last first */
  size_t user_count;
  int64_t used_at_ms;    /* monotonic */
  int64_t id_changed_ns; /* see tp_catalog_entry; as of the first reading */
  uint64_t seen;         /* the number of the last reading of the data directory that met it */
  bool checking;         /* the sweep looks at its hold, which must stay */
  bool has_waited;       /* for room, since parked_at_ms (monotonic) */
  bool gives_up;         /* it has waited for long enough */
  int64_t parked_at_ms;
  tp_volume *next_parked;
  tp_volume *older, *newer; /* of those that are OPEN, in order of use */
  tp_volume *same_bucket;
};

struct tp_collection {
  const tuplet_allocator *allocator;
  tp_clock clock;
  const tp_log *log;
  tp_engine_stats *stats;
  const tp_catalog *catalog;
  bool read_only;
  size_t known_max;
  size_t open_max;
  int64_t idle_timeout_ms;
  atomic_bool gives_up; /* openings wait for nobody's locks any more */
  tp_clerk *openers;    /* lookups, readings of the data directory, openings */
  tp_clerk *closers;    /* closings, for which openings may wait */

  pthread_mutex_t mutex;  /* for all below; nothing that waits for a disk is done with it held */
  pthread_cond_t changed; /* a volume left OPENING, CLOSING or `checking`, or a reading ended */
  bool stopping;
  tp_volume **buckets;
  size_t bucket_count; /* a power of two */
  size_t known;
  size_t open; /* OPENING, once there is room for it, OPEN and CLOSING ones */
  size_t closing;
  tp_volume *parked; /* those that wait for room, the first first */
  tp_volume *oldest; /* the OPEN one not used for longest */
  tp_volume *newest;
  uint64_t readings;          /* how often a reading of the data directory began */
  bool reading;               /* somebody is at it */
  int64_t read_at_ms;         /* when the last one began, monotonic */
  int64_t read_at_changed_ns; /* tp_catalog_changed_ns before it */
  int64_t read_at_unix_ms;
  tp_volume **checked; /* room for open_max; the sweep's */
};

int64_t tp_collection_now_ms(const tp_collection *collection);

/* ---- collection_index.c. The mutex is held in those that say so. ---- */

/* With the mutex held. NULL when it is not known. */
tp_volume *tp_collection_find(const tp_collection *collection, const uint8_t id[TP_AUTH_DATABASE_ID_SIZE]);

/* Reads the data directory: what is there is known afterwards, what is not there and not in use is not.
 * is_first: what is damaged is logged. Blocks; without the mutex. Errors: TUPLET_NOMEM, TUPLET_IO. */
tuplet_status tp_collection_read(tp_collection *collection, bool is_first, tuplet_error *error);

/* Reads it unless that cannot help: nothing has changed, or it was read less than a second ago. Returns when
 * whoever else is at it is done, too. Blocks; without the mutex. */
void tp_collection_read_if_due(tp_collection *collection);

/* Whether tp_collection_read_if_due would. Without the mutex; one system call. */
bool tp_collection_reading_is_due(tp_collection *collection);

/* Makes known that the database of that name has that id. Blocks; without the mutex. Errors: TUPLET_NOMEM,
 * TUPLET_FORMAT (another one has the id, too), TUPLET_FULL (too many are known). */
tuplet_status tp_collection_note(tp_collection *collection, const char *name,
                                 const uint8_t id[TP_AUTH_DATABASE_ID_SIZE], tuplet_error *error);

/* Forgets one that is CLOSED, without waits and users. With the mutex held. */
void tp_collection_forget(tp_collection *collection, tp_volume *volume);

/* ---- collection_open.c ---- */

/* The runs of volumes' jobs. */
void tp_volume_run_open(tp_clerk_job *job);
void tp_volume_run_close(tp_clerk_job *job);

/* Starts closing one that is OPEN and not in use. With the mutex held. */
void tp_volume_begin_close(tp_volume *volume);

/* Starts opening one that is CLOSED. With the mutex held. */
void tp_volume_begin_open(tp_volume *volume);

/* There may be room for one more: whoever waits for it first has his job submitted again. With the mutex
 * held. */
void tp_collection_unpark_first(tp_collection *collection);

/* The same for all who have waited since before `since_ms`, who give up if there is none. */
void tp_collection_unpark_older(tp_collection *collection, int64_t since_ms);

/* The list of OPEN ones. With the mutex held. */
void tp_volume_list_append(tp_volume *volume);
void tp_volume_list_remove(tp_volume *volume);

/* Tells everybody of a list what came of it. Without the mutex; volume: NULL unless status is TUPLET_OK. */
void tp_database_waits_done(tp_database_wait *waits, tuplet_status status, tp_volume *volume,
                            const char *name, const tuplet_error *error);

#endif
