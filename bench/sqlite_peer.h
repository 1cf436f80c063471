/* sqlite_peer.h: the same workloads on bare SQLite: one connection, statements prepared once, the same file,
 * page size and cache, WAL mode, synchronous=FULL for writes. It does what a program that needs no more than
 * this would do: keys come encoded, no versionstamp is kept, no expiry looked at. */
#ifndef BENCH_SQLITE_PEER_H
#define BENCH_SQLITE_PEER_H

#include "dataset.h"

typedef struct sqlite_peer sqlite_peer;

sqlite_peer *sqlite_peer_open(const dataset *data, dataset_kind kind);
void sqlite_peer_close(sqlite_peer *side);

/* SELECT of one row, at random, a read transaction each; the value is copied into a buffer that is there. */
bench_slice sqlite_peer_get(sqlite_peer *side, int64_t duration_ns);

/* The same, with one read transaction held open over all of a slice's: no lock is taken for each, and what
 * others write meanwhile is not seen. */
bench_slice sqlite_peer_get_held(sqlite_peer *side, int64_t duration_ns);

/* An upsert of one row, at random, a durable commit each. */
bench_slice sqlite_peer_set(sqlite_peer *side, int64_t duration_ns);

/* Reading, adding to and writing one and the same row, a durable commit each. */
bench_slice sqlite_peer_sum(sqlite_peer *side, int64_t duration_ns);

/* Whole traversals of BENCH_LIST_ROWS rows, an operation being a row: one range SELECT, stepped to its end.
 */
bench_slice sqlite_peer_list(sqlite_peer *side, int64_t duration_ns);

#endif
