/* catalog.h: a folder of databases, each in a folder of its own: which names there are, what they stand for,
 * and how they come, are renamed and go.
 *
 *   D/                  the data directory
 *     server.secrets    the server's; see secrets.h
 *     NAME/             a database; only its owner may enter
 *       id              its UUID as text, which stays through renaming; carries the locks
 *       kv.sqlite3      its data, and beside it what SQLite keeps there
 *     .new-UUID/        one that is being made: it gets its name when it is complete and on stable storage
 *     .deleted-UUID/    one that is being removed
 *
 * So a database is there whole or not at all, whenever a process ends; what it left behind is removed when
 * the catalog is next opened for changes. A name has no character that means something to a file system;
 * symbolic links are not followed, neither to a database's folder nor to the files in it.
 *
 * Locks, between processes, on bytes of `id`. The system drops them with the process, so that none is left
 * behind:
 *
 *   0 wanted   write-locked by who waits to have the database alone, so that users let go of it and none
 *              comes anew
 *   1 in use   read-locked by every user, write-locked by who renames or deletes it
 *   2 served   the same, by servers: so that others can tell
 *
 * Programs that open kv.sqlite3 themselves, as Deno does, know nothing of this.
 *
 * A catalog does not change once it is open: all functions may be called on any thread. All of them block, as
 * disks do. */
#ifndef TP_SERVER_CATALOG_H
#define TP_SERVER_CATALOG_H

#include "base/buffer.h"
#include "server/databases/database_id.h"

enum { TP_DATABASE_NAME_SIZE_MAX = 63 };

/* The database of `/`. */
#define TP_DATABASE_DEFAULT_NAME "default"

/* The name of all databases in memory. No database of a catalog can have it. */
#define TP_DATABASE_MEMORY_NAME ":memory:"

/* Whether a database may have that name: [a-z0-9][a-z0-9_-]{0,62}, and none of the server's own paths (v2,
 * metrics, healthz, readyz). */
bool tp_database_name_is_valid(tuplet_bytes name);

/* Errors: TUPLET_INVALID, with a message that says what is allowed. */
tuplet_status tp_database_name_check(tuplet_bytes name, tuplet_error *error);

typedef struct tp_catalog tp_catalog;

typedef enum tp_catalog_mode {
  TP_CATALOG_MAKE,   /* the folder is made when it is not there */
  TP_CATALOG_CHANGE, /* it must be there */
  TP_CATALOG_READ    /* it must be there, and nothing in it is changed: what would is TUPLET_READ_ONLY */
} tp_catalog_mode;

/* Errors: TUPLET_IO (also when the path is no folder), TUPLET_NOMEM. */
tuplet_status tp_catalog_open(const tuplet_allocator *allocator, const char *path, tp_catalog_mode mode,
                              tp_catalog **ret_catalog, tuplet_error *error);
/* NULL is fine. Holds must have been released. */
void tp_catalog_close(tp_catalog *catalog);

/* Absolute, without symbolic links. Lives as long as the catalog. */
const char *tp_catalog_path(const tp_catalog *catalog);
bool tp_catalog_is_read_only(const tp_catalog *catalog);

/* ---- What there is ---- */

typedef struct tp_catalog_entry {
  char name[TP_DATABASE_NAME_SIZE_MAX + 1];
  uint8_t id[TP_AUTH_DATABASE_ID_SIZE];
  int64_t
      id_changed_ns; /* of listed ones: when its file `id` came to be there, unix; that of a copy is later */
} tp_catalog_entry;

/* All databases, in order of their names; the caller ends the array with tp_catalog_list_free. What has
 * a database's name but is none is left out, and told of: on_damaged (may be NULL) gets the reason.
 * Errors: TUPLET_IO, TUPLET_NOMEM. */
tuplet_status tp_catalog_list(const tp_catalog *catalog,
                              void (*on_damaged)(void *context, const tuplet_error *reason), void *context,
                              tp_catalog_entry **ret_entries, size_t *ret_count, tuplet_error *error);
void tp_catalog_list_free(const tp_catalog *catalog, tp_catalog_entry *entries);

/* The id of the database of that name. TUPLET_OK, or TUPLET_NOT_FOUND. Errors: TUPLET_INVALID (the name),
 * TUPLET_IO, TUPLET_FORMAT (the folder is no database). */
tuplet_status tp_catalog_find(const tp_catalog *catalog, const char *name,
                              uint8_t ret_id[TP_AUTH_DATABASE_ID_SIZE], tuplet_error *error);

/* When names were last added or removed, in the file system's time; any number when that cannot be told. One
 * system call. */
int64_t tp_catalog_changed_ns(const tp_catalog *catalog);

/* Makes a database, which root makes for the owner of the data directory; from: a Deno KV file whose content
 * it gets, as of now, NULL: none. TUPLET_OK, or TUPLET_CONFLICT: the name is taken. Errors: TUPLET_INVALID
 * (the name), TUPLET_READ_ONLY, TUPLET_FULL, TUPLET_IO, TUPLET_NOMEM, and of `from`: TUPLET_FORMAT,
 * TUPLET_CORRUPT, TUPLET_BUSY. */
tuplet_status tp_catalog_create(const tp_catalog *catalog, const char *name, const char *from,
                                uint8_t ret_id[TP_AUTH_DATABASE_ID_SIZE], tuplet_error *error);

/* ---- Having one ---- */

/* A database that will not change its name or go while it is held. Zeroed is one that holds nothing. */
typedef struct tp_catalog_hold {
  const tp_catalog *catalog; /* NULL: holds nothing */
  int descriptor;            /* of `id` */
  bool alone;
  tp_catalog_entry entry;
} tp_catalog_hold;

/* Together with others; is_server: to be told apart from tools. TUPLET_OK, or TUPLET_NOT_FOUND. Errors:
 * TUPLET_BUSY (somebody has it, or wants it, alone), TUPLET_IO, TUPLET_FORMAT, TUPLET_NOMEM. */
tuplet_status tp_catalog_hold_shared(const tp_catalog *catalog, const char *name, bool is_server,
                                     tp_catalog_hold *ret_hold, tuplet_error *error);

/* Alone, after asking the others to let go and waiting for them. Errors: TUPLET_BUSY (they did not within
 * timeout_ms), and as above. */
tuplet_status tp_catalog_hold_alone(const tp_catalog *catalog, const char *name, uint32_t timeout_ms,
                                    tp_catalog_hold *ret_hold, tuplet_error *error);

/* More than once is fine. */
void tp_catalog_release(tp_catalog_hold *hold);

/* Whether somebody waits for us to let go, or the database has been taken from its place by other means. Two
 * system calls. */
bool tp_catalog_hold_is_wanted(const tp_catalog_hold *hold);

/* The path of its kv.sqlite3, NUL-ended; out must be empty. Errors: TUPLET_FORMAT (there is none, or it is no
 * regular file), TUPLET_NOMEM. */
tuplet_status tp_catalog_file(const tp_catalog_hold *hold, tp_buffer *out, tuplet_error *error);

/* Both need a hold that is alone. After success it holds nothing any more. TUPLET_OK, or TUPLET_CONFLICT (the
 * new name is taken). Errors: TUPLET_INVALID (the new name), TUPLET_IO. */
tuplet_status tp_catalog_rename(tp_catalog_hold *hold, const char *new_name, tuplet_error *error);
tuplet_status tp_catalog_delete(tp_catalog_hold *hold, tuplet_error *error);

/* Whether a server has it open, at this moment. */
bool tp_catalog_is_served(const tp_catalog *catalog, const char *name);

#endif
