/* watch_stream.h: answers to watches, which go on until either side ends them. */
#ifndef TP_SERVER_WATCH_STREAM_H
#define TP_SERVER_WATCH_STREAM_H

#include "server/datapath.h"

tp_datapath_handler tp_watch_stream_start;

/* Ends all streams of the worker, so that clients connect to somebody else; refuses new ones. Loop's thread.
 */
void tp_watch_streams_stop(tp_worker *worker);

/* Ends the streams whose tokens do not allow them any more, or whose databases are leaving. Loop's thread. */
void tp_watch_streams_check(tp_worker *worker);

#endif
