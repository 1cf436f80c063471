/* watch.h: the watches of a database handle; for the files of this folder. */
#ifndef TP_API_WATCH_H
#define TP_API_WATCH_H

#include "api/db.h"

/* Ends all watches of a database that is being closed, and the thread that served them. */
void tp_watches_end(tuplet_db *db);

#endif
