/* sync_peer.h: what bounds durable writes: overwriting one page of a file that is as long as it gets, and
 * waiting until the disk has it. No database does less for a write that is alone. */
#ifndef BENCH_SYNC_PEER_H
#define BENCH_SYNC_PEER_H

#include "dataset.h"

typedef struct sync_peer sync_peer;

/* Makes the file, in the dataset's directory, and writes all of it. */
sync_peer *sync_peer_open(const dataset *data);
void sync_peer_close(sync_peer *side);

/* pwrite and fdatasync of one page after the other, from the file's first to its last and round again. */
bench_slice sync_peer_write(sync_peer *side, int64_t duration_ns);

#endif
