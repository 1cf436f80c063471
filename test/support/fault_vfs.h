/* fault_vfs.h: a disk that fails on demand: a SQLite VFS in front of the real one.
 *
 * It fails chosen operations, plays a full disk, counts, calls a hook at each sync, and cuts the power: from
 * then on nothing works, and afterwards the files are put back to what a disk would hold, for which it
 * remembers what was synced and what was only written. Real syncs are left out: nothing here survives the
 * tests anyway.
 *
 * What the model of a power cut takes for granted, as SQLite does: what was synced stays; an unsynced write
 * may be there, not, or in part; a file's name comes and goes with the directory, which is synced together
 * with a new log or journal. */
#ifndef TEST_SUPPORT_FAULT_VFS_H
#define TEST_SUPPORT_FAULT_VFS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct fault_vfs fault_vfs;

typedef enum fault_kind {
  FAULT_OPEN = 1,
  FAULT_READ = 2,
  FAULT_WRITE = 4, /* half of what should be written is written nevertheless */
  FAULT_TRUNCATE = 8,
  FAULT_SYNC = 16,
  FAULT_SIZE = 32,
  FAULT_LOCK = 64,
  FAULT_SHM_MAP = 128,
  FAULT_DELETE = 256,
  FAULT_KINDS_ALL = 511
} fault_kind;

enum { FAULT_KIND_COUNT = 9, FAULT_FOREVER = 1000000000 };

/* Registers the VFS as the process's default; there is one at a time. Ends the process when there is no
 * memory. Connections are closed before fault_vfs_free. */
fault_vfs *fault_vfs_new(void);
void fault_vfs_free(fault_vfs *vfs);

/* From the `first`-th operation (from 1) of these kinds from now on, `count` operations fail: with `code`
 * (SQLITE_IOERR, SQLITE_FULL), in the form that the real VFS would give it. */
void fault_vfs_fail(fault_vfs *vfs, unsigned kinds, int first, int count, int code);
/* Writes that would make a file larger fail with SQLITE_FULL. */
void fault_vfs_fill_disk(fault_vfs *vfs);
/* No more faults; the power is on. */
void fault_vfs_heal(fault_vfs *vfs);
/* Whether anything failed since fault_vfs_fail, fault_vfs_fill_disk or fault_vfs_cut_power. */
bool fault_vfs_fired(fault_vfs *vfs);

/* Operations of one kind since the VFS was made. */
uint64_t fault_vfs_count(fault_vfs *vfs, fault_kind kind);
/* Bytes that were written since the VFS was made. */
uint64_t fault_vfs_written_size(fault_vfs *vfs);

/* Called in the middle of each sync, on the thread that syncs; NULL: no more. */
void fault_vfs_on_sync(fault_vfs *vfs, void (*hook)(void *context), void *context);

/* ---- Power cuts ---- */

/* Begins to remember contents, anew; for small files. While no file is open. */
void fault_vfs_track(fault_vfs *vfs);
/* The `first`-th operation of these kinds from now on, and everything after it, fails: the machine is off. */
void fault_vfs_cut_power(fault_vfs *vfs, unsigned kinds, int first);

typedef enum fault_survival {
  FAULT_LOSE_UNSYNCED,
  FAULT_KEEP_UNSYNCED,
  FAULT_MIX_UNSYNCED /* each unsynced write is kept, lost or cut, as the seed has it */
} fault_survival;

/* Puts the files to what the power cut left of them, and the power on again. Everything must be closed. */
void fault_vfs_restore(fault_vfs *vfs, fault_survival survival, uint64_t seed);

#endif
