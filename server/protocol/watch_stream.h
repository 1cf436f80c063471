/* watch_stream.h: answers to watches, which go on until either side ends them. */
#ifndef TP_SERVER_WATCH_STREAM_H
#define TP_SERVER_WATCH_STREAM_H

#include "server/protocol/datapath.h"

tp_datapath_handler tp_watch_stream_start;

#endif
