/* tokens_file.c: the file of tokens: read by the server, changed by `tuplet token`. */
#include "server/access/tokens_file.h"

#include "base/random.h"
#include "base/status.h"
#include "server/access/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCK_ATTEMPTS = 1000, LOCK_PAUSE_MS = 10 };

static const char introduction[] =
    "# The tokens of a tuplet server, a line each; `tuplet token` makes and revokes them. A running server\n"
    "# notices changes by itself. What is here opens nothing: of the tokens there are hashes only.\n";

/* ---- Reading ---- */

static tp_tokens_stamp stamp_of(const struct stat *attributes) {
  return (tp_tokens_stamp){.device = attributes->st_dev,
                           .inode = attributes->st_ino,
                           .size = attributes->st_size,
                           .changed_at = attributes->st_ctim,
                           .modified_at = attributes->st_mtim};
}

static bool times_equal(struct timespec a, struct timespec b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool tp_tokens_stamp_equals(const tp_tokens_stamp *a, const tp_tokens_stamp *b) {
  return a->device == b->device && a->inode == b->inode && a->size == b->size &&
         times_equal(a->changed_at, b->changed_at) && times_equal(a->modified_at, b->modified_at);
}

bool tp_tokens_file_stamp(const char *file, tp_tokens_stamp *ret_stamp) {
  struct stat attributes;
  if (lstat(file, &attributes) != 0) return false;
  *ret_stamp = stamp_of(&attributes);
  return true;
}

static tuplet_status check_attributes(const char *file, const struct stat *attributes, tuplet_error *error) {
  uid_t user = geteuid();
  if (user != 0 && attributes->st_uid != user && attributes->st_uid != 0)
    return tp_fail(error, TUPLET_IO,
                   "%s must belong to the user who runs this, %u, or to root; it belongs to %u.", file,
                   (unsigned)user, (unsigned)attributes->st_uid);
  if ((attributes->st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return tp_fail(error, TUPLET_IO, "%s can be written by others than its owner; run: chmod go-w '%s'", file,
                   file);
  return TUPLET_OK;
}

tuplet_status tp_tokens_file_read(const tuplet_allocator *allocator, const char *file,
                                  tp_tokens_file *ret_read, tuplet_error *error) {
  struct stat attributes;
  tp_tokens_file found = {0};
  tp_buffer text;
  tp_buffer_init(&text, allocator);
  tuplet_status status = tp_private_file_read(file, TP_TOKENS_TEXT_SIZE_MAX, &text, &attributes, error);
  if (status == TUPLET_OK) status = check_attributes(file, &attributes, error);
  if (status == TUPLET_OK)
    status = tp_tokens_parse(allocator, file, tp_buffer_view(&text), &found.tokens, error);
  tp_buffer_done(&text);
  if (status != TUPLET_OK) return status;
  found.stamp = stamp_of(&attributes);
  found.is_exposed = (attributes.st_mode & S_IRWXO) != 0;
  *ret_read = found;
  return TUPLET_OK;
}

/* ---- The lock ---- */

/* The file while it is being changed. */
typedef struct tokens_edit {
  const char *file;
  int descriptor; /* locked */
  struct stat attributes;
  tp_buffer text; /* as it was */
  tp_tokens *tokens;
} tokens_edit;

static void pause_a_moment(void) {
  const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};
  (void)nanosleep(&pause, NULL);
}

/* Opens what has the name now. */
static tuplet_status open_file(const char *file, bool make, int *ret_descriptor, tuplet_error *error) {
  int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (make ? O_CREAT : 0);
  *ret_descriptor = open(file, flags, S_IRUSR | S_IWUSR);
  if (*ret_descriptor >= 0) return TUPLET_OK;
  switch (errno) {
  case ENOENT:
    if (!make) return tp_fail(error, TUPLET_IO, "%s is not there.", file);
    return tp_fail(error, TUPLET_IO, "Cannot make %s: %s.", file, strerror(ENOENT));
  case ELOOP: return tp_fail(error, TUPLET_IO, "%s must not be a symbolic link.", file);
  case EISDIR: return tp_fail(error, TUPLET_IO, "%s is not a regular file.", file);
  default: return tp_fail(error, TUPLET_IO, "Cannot open %s: %s.", file, strerror(errno));
  }
}

/* Whether the name is still that of the open file: who had the lock before may have replaced it. */
static bool is_current(const char *file, int descriptor) {
  struct stat named, opened;
  return lstat(file, &named) == 0 && fstat(descriptor, &opened) == 0 && named.st_dev == opened.st_dev &&
         named.st_ino == opened.st_ino;
}

static tuplet_status lock_file(const char *file, bool make, int *ret_descriptor, tuplet_error *error) {
  for (int i = 0; i < LOCK_ATTEMPTS; i++) {
    int descriptor;
    tuplet_status status = open_file(file, make, &descriptor, error);
    if (status != TUPLET_OK) return status;
    bool locked = flock(descriptor, LOCK_EX | LOCK_NB) == 0;
    int reason = errno;
    if (locked && is_current(file, descriptor)) {
      *ret_descriptor = descriptor;
      return TUPLET_OK;
    }
    (void)close(descriptor);
    if (!locked && reason != EWOULDBLOCK && reason != EINTR)
      return tp_fail(error, TUPLET_IO, "Cannot lock %s: %s.", file, strerror(reason));
    if (!locked) pause_a_moment();
  }
  return tp_fail(error, TUPLET_BUSY, "%s is being changed by another process; try again later.", file);
}

/* ---- Changing ---- */

/* edit_end has to follow in any case. */
static tuplet_status edit_begin(tokens_edit *edit, const char *file, bool make, tuplet_error *error) {
  edit->file = file;
  edit->descriptor = -1;
  edit->tokens = NULL;
  tp_buffer_init(&edit->text, NULL);
  tuplet_status status = lock_file(file, make, &edit->descriptor, error);
  if (status == TUPLET_OK)
    status = tp_private_file_read_open(edit->descriptor, file, TP_TOKENS_TEXT_SIZE_MAX, &edit->text,
                                       &edit->attributes, error);
  if (status == TUPLET_OK) status = check_attributes(file, &edit->attributes, error);
  if (status == TUPLET_OK)
    status = tp_tokens_parse(NULL, file, tp_buffer_view(&edit->text), &edit->tokens, error);
  return status;
}

static void edit_end(tokens_edit *edit) {
  tp_tokens_free(edit->tokens);
  tp_buffer_done(&edit->text);
  if (edit->descriptor >= 0) (void)close(edit->descriptor); /* which unlocks it */
}

/* Puts the text in the file's place. */
static tuplet_status edit_replace(const tokens_edit *edit, tuplet_bytes text, tuplet_error *error) {
  char uuid[TP_UUID_TEXT_SIZE];
  char *draft = NULL;
  if (text.size > TP_TOKENS_TEXT_SIZE_MAX)
    return tp_fail(error, TUPLET_INVALID, "%s would become too long: it may have %zu bytes.", edit->file,
                   TP_TOKENS_TEXT_SIZE_MAX);
  tuplet_status status = tp_random_uuid(uuid, error);
  if (status != TUPLET_OK) return status;
  if (asprintf(&draft, "%s.%s", edit->file, uuid) < 0) return tp_fail_nomem(error);
  if (!tp_private_file_create(draft, text, &edit->attributes)) {
    status = tp_fail(error, TUPLET_IO, "Cannot write beside %s: %s.", edit->file, strerror(errno));
  } else if (rename(draft, edit->file) != 0) {
    status = tp_fail(error, TUPLET_IO, "Cannot replace %s: %s.", edit->file, strerror(errno));
    (void)unlink(draft);
  } else {
    tp_private_file_sync_folder(edit->file);
  }
  free(draft);
  return status;
}

/* A token that no other has the id of. */
static tuplet_status make_token(const tp_tokens *tokens, tp_token *token, char ret_text[TP_TOKEN_TEXT_SIZE],
                                tuplet_error *error) {
  tuplet_status status;
  do {
    status = tp_token_make(token, ret_text, error);
  } while (status == TUPLET_OK && tp_tokens_find(tokens, token->id) != NULL);
  return status;
}

tuplet_status tp_tokens_file_add(const char *file, tp_token *token, char ret_text[TP_TOKEN_TEXT_SIZE],
                                 tuplet_error *error) {
  tokens_edit edit;
  tp_buffer text;
  tp_buffer_init(&text, NULL);
  tuplet_status status = edit_begin(&edit, file, true, error);
  if (status == TUPLET_OK && tp_tokens_find_name(edit.tokens, token->name) != NULL)
    status = tp_fail(error, TUPLET_INVALID,
                     "There is a token named %s already; revoke it, or choose another name.", token->name);
  if (status == TUPLET_OK && tp_tokens_count(edit.tokens) == TP_TOKENS_MAX)
    status =
        tp_fail(error, TUPLET_INVALID, "%s holds %d tokens, as many as there may be.", file, TP_TOKENS_MAX);
  if (status == TUPLET_OK) status = make_token(edit.tokens, token, ret_text, error);
  if (status == TUPLET_OK) {
    if (edit.text.size == 0) tp_buffer_append_text(&text, introduction);
    if (edit.text.size > 0) tp_buffer_append(&text, edit.text.data, edit.text.size);
    tp_token_print(token, &text);
    status = text.failed ? tp_fail_nomem(error) : edit_replace(&edit, tp_buffer_view(&text), error);
  }
  tp_buffer_done(&text);
  edit_end(&edit);
  return status;
}

static const tp_token *find(const tp_tokens *tokens, const char *name_or_id) {
  uint64_t id;
  const tp_token *token = tp_tokens_find_name(tokens, name_or_id);
  if (token == NULL && tp_token_id_parse((tuplet_bytes){name_or_id, strlen(name_or_id)}, &id))
    token = tp_tokens_find(tokens, id);
  return token;
}

/* Appends all of a text but the line of that number, from 1. */
static void append_without_line(tp_buffer *out, tuplet_bytes text, size_t line) {
  const char *begin = text.data, *end = begin + text.size;
  for (size_t number = 1; begin < end; number++) {
    const char *newline = memchr(begin, '\n', (size_t)(end - begin));
    const char *next = newline != NULL ? newline + 1 : end;
    if (number != line) tp_buffer_append(out, begin, (size_t)(next - begin));
    begin = next;
  }
}

tuplet_status tp_tokens_file_remove(const char *file, const char *name_or_id, tp_token *ret_token,
                                    tuplet_error *error) {
  tokens_edit edit;
  tp_buffer text;
  tp_buffer_init(&text, NULL);
  tuplet_status status = edit_begin(&edit, file, false, error);
  const tp_token *token = status == TUPLET_OK ? find(edit.tokens, name_or_id) : NULL;
  if (status == TUPLET_OK && token == NULL)
    status = tp_fail(error, TUPLET_NOT_FOUND, "%s holds no token with that name or id.", file);
  if (status == TUPLET_OK) {
    append_without_line(&text, tp_buffer_view(&edit.text), token->line);
    status = text.failed ? tp_fail_nomem(error) : edit_replace(&edit, tp_buffer_view(&text), error);
  }
  if (status == TUPLET_OK) {
    *ret_token = *token;
    ret_token->databases = (tuplet_bytes){0};
  }
  tp_buffer_done(&text);
  edit_end(&edit);
  return status;
}
