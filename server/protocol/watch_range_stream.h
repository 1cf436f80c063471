/* watch_range_stream.h: answers to watches of ranges (the extension watch-range/1), which go on until either
 * side ends them. */
#ifndef TP_SERVER_WATCH_RANGE_STREAM_H
#define TP_SERVER_WATCH_RANGE_STREAM_H

#include "server/protocol/datapath.h"

tp_datapath_handler tp_watch_range_stream_start;

#endif
