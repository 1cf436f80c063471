/* queue_stream.h: the queue over the network: a stream of messages for a listener, and the ends of their
 * handling. */
#ifndef TP_SERVER_QUEUE_STREAM_H
#define TP_SERVER_QUEUE_STREAM_H

#include "server/protocol/datapath.h"

/* POST queue_listen. The leases of what was sent last as long as the stream; what is not finished by then is
 * due again at once. */
tp_datapath_handler tp_queue_stream_start;

/* POST queue_finish. */
tp_datapath_handler tp_queue_finish_handle;

#endif
