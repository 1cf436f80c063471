/* database.h: open databases, and what is open of them. */
#ifndef TP_JS_DATABASE_H
#define TP_JS_DATABASE_H

#include "environment.h"
#include "handle.h"
#include "job.h"

#include <tuplet.h>

typedef struct tp_js_child tp_js_child;

typedef struct tp_js_database {
  tp_js_handle handle;                    /* first */
  struct tp_js_database *previous, *next; /* in the environment's */
  tuplet_db *db;                          /* while it is open; jobs open and close it */
  bool is_closed;                         /* no call may begin: it is closed, or about to be */
  tp_js_child *children;
  tp_js_jobs jobs;
  tp_js_job close_job;
  struct tp_js_opening *opening; /* while it is */
} tp_js_database;

/* The database that an argument is, open; NULL with an exception pending. */
tp_js_database *tp_js_database_of(tp_js_environment *environment, napi_env env, napi_value value);

/* False with an exception pending when it has been closed: by what a getter of an argument ran. */
bool tp_js_database_check(const tp_js_database *database, napi_env env);

/* Begins to close the database and all that is open of it. Once is enough. */
void tp_js_database_shut(tp_js_database *database);

/* A list, a watch or a listener: holds its database until it is closed. */
struct tp_js_child {
  tp_js_handle handle;               /* first */
  tp_js_database *database;          /* a reference */
  tp_js_child *previous, *next;      /* of the database's, until it is closed */
  void (*close)(tp_js_child *child); /* begins to end it; called once */
  bool is_closed;
};

void tp_js_child_init(tp_js_child *child, const tp_js_kind *kind, tp_js_database *database,
                      void (*close)(tp_js_child *child));
void tp_js_child_close(tp_js_child *child);

/* For kinds of children: `unused` as it is, `discard` at its end. */
void tp_js_child_unused(tp_js_handle *handle);
void tp_js_child_discard(tp_js_handle *handle);

/* The addon's functions. */
napi_value tp_js_open(napi_env env, napi_callback_info info);
napi_value tp_js_path(napi_env env, napi_callback_info info);
napi_value tp_js_close(napi_env env, napi_callback_info info);

#endif
