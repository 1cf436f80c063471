/* fault_disk.c: what a disk holds of some files. */
#include "support/fault_disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECTOR_SIZE = 512 };

typedef struct contents {
  uint8_t *data;
  size_t size;
} contents;

/* A write, or a truncation (data NULL, offset the new size), that was not synced. */
typedef struct change {
  struct change *next;
  uint8_t *data;
  size_t size, offset;
} change;

struct fault_disk_file {
  fault_disk_file *next;
  char *path;
  bool exists;   /* now */
  bool named;    /* the directory on the disk has it */
  bool journals; /* its syncs sync the directory */
  contents synced;
  change *changes; /* since the last sync, in order */
  change **last_change;
  /* Of a file that was removed, while the directory on the disk still has it: what comes back. */
  bool has_ghost;
  contents ghost;
};

struct fault_disk {
  fault_disk_file *files;
};

static void *need(void *memory) {
  if (memory == NULL) abort();
  return memory;
}

/* ---- Contents ---- */

static void contents_resize(contents *c, size_t size) {
  if (size > c->size) {
    c->data = need(realloc(c->data, size));
    memset(c->data + c->size, 0, size - c->size);
  }
  c->size = size;
}

static void contents_write(contents *c, const uint8_t *data, size_t size, size_t offset) {
  if (size == 0) return;
  if (offset + size > c->size) contents_resize(c, offset + size);
  memcpy(c->data + offset, data, size);
}

static void contents_clear(contents *c) {
  free(c->data);
  *c = (contents){0};
}

static void contents_load(contents *c, const char *path) {
  FILE *stream = fopen(path, "rb");
  if (stream == NULL) return;
  uint8_t block[8192];
  for (size_t size; (size = fread(block, 1, sizeof block, stream)) > 0;) {
    contents_write(c, block, size, c->size);
  }
  (void)fclose(stream);
}

static void contents_store(const contents *c, const char *path) {
  FILE *stream = need(fopen(path, "wb"));
  if (c->size > 0 && fwrite(c->data, 1, c->size, stream) != c->size) abort();
  if (fclose(stream) != 0) abort();
}

/* ---- Files ---- */

static void add_change(fault_disk_file *file, const void *data, size_t size, size_t offset) {
  change *added = need(calloc(1, sizeof *added));
  added->size = size;
  added->offset = offset;
  if (data != NULL) added->data = memcpy(need(malloc(size)), data, size);
  *file->last_change = added;
  file->last_change = &added->next;
}

static void drop_changes(fault_disk_file *file) {
  for (change *c = file->changes, *next; c != NULL; c = next) {
    next = c->next;
    free(c->data);
    free(c);
  }
  file->changes = NULL;
  file->last_change = &file->changes;
}

static void apply(contents *c, const change *made, size_t size) {
  if (made->data == NULL) {
    contents_resize(c, made->offset);
  } else {
    contents_write(c, made->data, size, made->offset);
  }
}

static void apply_changes(fault_disk_file *file) {
  for (const change *c = file->changes; c != NULL; c = c->next) apply(&file->synced, c, c->size);
  drop_changes(file);
}

static fault_disk_file *find(fault_disk *disk, const char *path) {
  fault_disk_file *file = disk->files;
  while (file != NULL && strcmp(file->path, path) != 0) file = file->next;
  return file;
}

fault_disk *fault_disk_new(void) {
  return need(calloc(1, sizeof(fault_disk)));
}

static void drop_files(fault_disk *disk) {
  for (fault_disk_file *file = disk->files, *next; file != NULL; file = next) {
    next = file->next;
    drop_changes(file);
    contents_clear(&file->synced);
    contents_clear(&file->ghost);
    free(file->path);
    free(file);
  }
  disk->files = NULL;
}

void fault_disk_free(fault_disk *disk) {
  if (disk == NULL) return;
  drop_files(disk);
  free(disk);
}

fault_disk_file *fault_disk_open(fault_disk *disk, const char *path, bool existed, bool with_directory) {
  fault_disk_file *file = find(disk, path);
  if (file == NULL) {
    file = need(calloc(1, sizeof *file));
    file->path = need(strdup(path));
    file->last_change = &file->changes;
    file->named = existed;
    if (existed) contents_load(&file->synced, path);
    file->next = disk->files;
    disk->files = file;
  }
  file->exists = true;
  file->journals = with_directory;
  return file;
}

void fault_disk_write(fault_disk_file *file, const void *data, size_t size, size_t offset) {
  if (size > 0) add_change(file, data, size, offset);
}

void fault_disk_truncate(fault_disk_file *file, size_t size) {
  add_change(file, NULL, 0, size);
}

void fault_disk_sync(fault_disk *disk, fault_disk_file *file) {
  apply_changes(file);
  if (file->journals && !file->named) fault_disk_sync_directory(disk);
}

void fault_disk_remove(fault_disk *disk, const char *path) {
  fault_disk_file *file = find(disk, path);
  if (file == NULL || !file->exists) return;
  drop_changes(file);
  if (file->named) {
    contents_clear(&file->ghost);
    file->ghost = file->synced;
    file->has_ghost = true;
    file->synced = (contents){0};
  } else {
    contents_clear(&file->synced);
  }
  file->named = false;
  file->exists = false;
}

void fault_disk_sync_directory(fault_disk *disk) {
  for (fault_disk_file *file = disk->files; file != NULL; file = file->next) {
    file->named = file->exists;
    file->has_ghost = false;
    contents_clear(&file->ghost);
  }
}

/* ---- After the power cut ---- */

/* SplitMix64. */
static uint64_t next_random(uint64_t *state) {
  uint64_t word = *state += UINT64_C(0x9E3779B97F4A7C15);
  word = (word ^ word >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  word = (word ^ word >> 27) * UINT64_C(0x94D049BB133111EB);
  return word ^ word >> 31;
}

/* How much of a change reached the disk. */
static size_t survived(const change *c, fault_survival survival, uint64_t *state) {
  if (survival == FAULT_LOSE_UNSYNCED) return 0;
  if (survival == FAULT_KEEP_UNSYNCED) return c->size;
  uint64_t chance = next_random(state) % 4;
  if (chance == 0) return 0;
  if (chance == 1 && c->size > SECTOR_SIZE) {
    return (size_t)(next_random(state) % (c->size / SECTOR_SIZE)) * SECTOR_SIZE;
  }
  return c->size;
}

static void restore_file(fault_disk_file *file, fault_survival survival, uint64_t *state) {
  bool named = survival == FAULT_KEEP_UNSYNCED || file->named;
  if (!named && survival == FAULT_MIX_UNSYNCED) named = next_random(state) % 2 == 0;
  if (!named && file->has_ghost) {
    contents_store(&file->ghost, file->path);
    return;
  }
  if (!named || !file->exists) {
    (void)unlink(file->path); /* it may not be there */
    return;
  }
  for (const change *c = file->changes; c != NULL; c = c->next) {
    size_t size = survived(c, survival, state);
    bool kept = c->data != NULL || survival == FAULT_KEEP_UNSYNCED ||
                (survival == FAULT_MIX_UNSYNCED && next_random(state) % 2 == 0);
    if (kept) apply(&file->synced, c, size);
  }
  contents_store(&file->synced, file->path);
}

void fault_disk_restore(fault_disk *disk, fault_survival survival, uint64_t seed) {
  for (fault_disk_file *file = disk->files; file != NULL; file = file->next) {
    restore_file(file, survival, &seed);
    /* Shared memory is no file: a new start has none. */
    size_t size = strlen(file->path) + sizeof "-shm";
    char *shm_path = need(malloc(size));
    (void)snprintf(shm_path, size, "%s-shm", file->path);
    (void)unlink(shm_path); /* only a database has one */
    free(shm_path);
  }
  drop_files(disk);
}
