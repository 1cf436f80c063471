/* store_private.h: what a store is made of; for the files of this folder. */
#ifndef TP_STORE_STORE_PRIVATE_H
#define TP_STORE_STORE_PRIVATE_H

#include "store/housekeeper.h"
#include "store/queue.h"
#include "store/range_hub.h"
#include "store/store.h"
#include "store/watch_hub.h"

struct tp_store {
  const tuplet_allocator *allocator;
  tp_clock clock;
  bool read_only;
  tp_engine *engine;
  tp_watch_hub hub;
  tp_range_hub range_hub;
  tp_queue *queue;
  tp_housekeeper housekeeper;
};

#endif
