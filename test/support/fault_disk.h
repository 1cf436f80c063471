/* fault_disk.h: what a disk holds of some files: what was synced for certain, what was only written perhaps.
 * Part of fault_vfs. One thread at a time. Ends the process when there is no memory. */
#ifndef TEST_SUPPORT_FAULT_DISK_H
#define TEST_SUPPORT_FAULT_DISK_H

#include "support/fault_vfs.h"

#include <stddef.h>

typedef struct fault_disk fault_disk;
typedef struct fault_disk_file fault_disk_file;

fault_disk *fault_disk_new(void);
void fault_disk_free(fault_disk *disk);

/* `existed`: before it was opened. `with_directory`: its syncs sync the directory too, as SQLite does for a
 * new log or journal. The file lives as long as the disk. */
fault_disk_file *fault_disk_open(fault_disk *disk, const char *path, bool existed, bool with_directory);
void fault_disk_write(fault_disk_file *file, const void *data, size_t size, size_t offset);
void fault_disk_truncate(fault_disk_file *file, size_t size);
void fault_disk_sync(fault_disk *disk, fault_disk_file *file);
void fault_disk_remove(fault_disk *disk, const char *path);
void fault_disk_sync_directory(fault_disk *disk);

/* Writes the files as the disk holds them, removes the others, and begins anew. */
void fault_disk_restore(fault_disk *disk, fault_survival survival, uint64_t seed);

#endif
