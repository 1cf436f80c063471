/* secrets.c: what a server has to remember about a database from one start to the next. */
#include "server/access/secrets.h"

#include "base/hex.h"
#include "base/status.h"
#include "codec/base64.h"
#include "server/access/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_SIZE_MAX = 4096, ACCESS_TOKEN_BYTES = 33 };

static const char introduction[] =
    "# Made by `tuplet serve` for the database of the same name. Whoever reads this can open the database.\n"
    "# Without this file the next start makes a new token.\n";

static tuplet_status make_access_token(const tuplet_allocator *allocator, tp_secrets *secrets,
                                       tuplet_error *error) {
  uint8_t bytes[ACCESS_TOKEN_BYTES];
  tuplet_status status = tp_random_fill(bytes, sizeof bytes, error);
  if (status != TUPLET_OK) return status;
  tp_buffer text;
  tp_buffer_init(&text, allocator);
  tp_base64_append(&text, (tuplet_bytes){bytes, sizeof bytes});
  if (text.failed) {
    status = tp_fail_nomem(error);
  } else {
    memcpy(secrets->access_token, text.data, text.size);
    secrets->access_token[text.size] = '\0';
  }
  OPENSSL_cleanse(bytes, sizeof bytes);
  if (text.data != NULL) OPENSSL_cleanse(text.data, text.size);
  tp_buffer_done(&text);
  return status;
}

tuplet_status tp_secrets_make(const tuplet_allocator *allocator, tp_secrets *ret_secrets,
                              tuplet_error *error) {
  _Static_assert(TP_SECRETS_ACCESS_TOKEN_SIZE == ACCESS_TOKEN_BYTES / 3 * 4 + 1, "the token fits exactly");
  tp_secrets secrets;
  tuplet_status status = tp_random_uuid(secrets.database_id, error);
  if (status == TUPLET_OK) status = make_access_token(allocator, &secrets, error);
  if (status == TUPLET_OK)
    status = tp_random_fill(secrets.session_secret, sizeof secrets.session_secret, error);
  if (status == TUPLET_OK) *ret_secrets = secrets;
  OPENSSL_cleanse(&secrets, sizeof secrets);
  return status;
}

/* ---- The file's text ---- */

static bool is_lower_hex_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool is_uuid(const char *text, size_t size) {
  if (size != TP_UUID_TEXT_SIZE - 1) return false;
  for (size_t i = 0; i < size; i++) {
    bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !is_lower_hex_digit(text[i])) return false;
  }
  return true;
}

static bool parse_line(const char *line, size_t size, tp_secrets *secrets, unsigned *seen) {
  if (size == 0 || *line == '#') return true;
  const char *blank = memchr(line, ' ', size);
  if (blank == NULL) return false;
  size_t name_size = (size_t)(blank - line);
  const char *value = blank + 1;
  size_t value_size = size - name_size - 1;
  if (name_size == 11 && memcmp(line, "database-id", 11) == 0) {
    if (!is_uuid(value, value_size)) return false;
    memcpy(secrets->database_id, value, value_size);
    *seen |= 1;
  } else if (name_size == 12 && memcmp(line, "access-token", 12) == 0) {
    if (value_size != sizeof secrets->access_token - 1) return false;
    memcpy(secrets->access_token, value, value_size);
    *seen |= 2;
  } else if (name_size == 14 && memcmp(line, "session-secret", 14) == 0) {
    if (!tp_hex_read(value, value_size, secrets->session_secret, sizeof secrets->session_secret))
      return false;
    *seen |= 4;
  } else {
    return false;
  }
  return true;
}

static tuplet_status parse(const char *file, const char *text, size_t size, tp_secrets *ret_secrets,
                           tuplet_error *error) {
  tp_secrets secrets = {0};
  unsigned seen = 0;
  size_t number = 1;
  for (size_t start = 0; start < size; number++) {
    const char *end = memchr(text + start, '\n', size - start);
    size_t line_size = end == NULL ? size - start : (size_t)(end - text) - start;
    if (!parse_line(text + start, line_size, &secrets, &seen))
      return tp_fail(error, TUPLET_FORMAT,
                     "Line %zu of %s is not understood. Without the file a new one is made.", number, file);
    start += line_size + 1;
  }
  if (seen != 7)
    return tp_fail(error, TUPLET_FORMAT, "%s is not complete. Without the file a new one is made.", file);
  *ret_secrets = secrets;
  return TUPLET_OK;
}

static void print(const tp_secrets *secrets, tp_buffer *out) {
  tp_buffer_append_text(out, introduction);
  tp_buffer_append_format(out, "database-id %s\naccess-token %s\nsession-secret ", secrets->database_id,
                          secrets->access_token);
  tp_hex_append(out, (tuplet_bytes){secrets->session_secret, sizeof secrets->session_secret});
  tp_buffer_append_byte(out, '\n');
}

/* ---- The file ---- */

/* Who owns the file could give the server secrets that he knows. */
static tuplet_status check_owner(const char *file, const struct stat *attributes, tuplet_error *error) {
  if (attributes->st_uid == geteuid()) return TUPLET_OK;
  return tp_fail(error, TUPLET_IO, "%s must belong to the server's user, %u; it belongs to %u.", file,
                 (unsigned)geteuid(), (unsigned)attributes->st_uid);
}

/* TUPLET_NOT_FOUND when there is none. */
static tuplet_status read_file(const tuplet_allocator *allocator, const char *file, tp_secrets *ret_secrets,
                               tp_secrets_source *ret_source, tuplet_error *error) {
  struct stat attributes;
  tp_buffer text;
  tp_buffer_init(&text, allocator);
  tuplet_status status = tp_private_file_read(file, FILE_SIZE_MAX, &text, &attributes, error);
  if (status == TUPLET_OK) status = check_owner(file, &attributes, error);
  if (status == TUPLET_OK) {
    *ret_source = (attributes.st_mode & (S_IRWXG | S_IRWXO)) != 0 ? TP_SECRETS_EXPOSED : TP_SECRETS_KEPT;
    status = parse(file, (const char *)text.data, text.size, ret_secrets, error);
  }
  if (text.data != NULL) OPENSSL_cleanse(text.data, text.size);
  tp_buffer_done(&text);
  return status;
}

/* Whether an error number means that the file system cannot do such a thing at all. */
static bool is_unsupported(int number) {
  return number == EPERM || number == EOPNOTSUPP || number == ENOSYS || number == EINVAL;
}

/* Gives the draft its name, unless something has it (EEXIST). Not every file system has hard links, or can
 * rename without replacing; without either the file is written again in its place, where others might see
 * half of it. False: errno tells why. */
static bool give_name(const char *draft, const char *file, tuplet_bytes text) {
  if (link(draft, file) == 0) return true;
  if (!is_unsupported(errno) && errno != EMLINK) return false;
  if (renameat2(AT_FDCWD, draft, AT_FDCWD, file, RENAME_NOREPLACE) == 0) return true;
  if (!is_unsupported(errno)) return false;
  return tp_private_file_create(file, text, NULL);
}

/* Whether no file can be made in a folder, as opposed to something having gone wrong. */
static bool is_hopeless(int number) {
  return number == EROFS || number == EACCES || is_unsupported(number);
}

/* Writes the whole text under another name first, so that nobody ever sees half of it, then gives it its
 * name, unless somebody else was faster. TUPLET_UNSUPPORTED when no file can be made there. */
static tuplet_status write_file(const char *file, tuplet_bytes text, tuplet_error *error) {
  char uuid[TP_UUID_TEXT_SIZE];
  char *draft = NULL;
  tuplet_status status = tp_random_uuid(uuid, error);
  if (status != TUPLET_OK) return status;
  if (asprintf(&draft, "%s.%s", file, uuid) < 0) return tp_fail_nomem(error);

  bool made = tp_private_file_create(draft, text, NULL);
  if (made) {
    made = give_name(draft, file, text) || errno == EEXIST;
    int reason = errno;
    (void)unlink(draft);
    errno = reason;
  }
  if (made)
    tp_private_file_sync_folder(file);
  else
    status = tp_fail(error, is_hopeless(errno) ? TUPLET_UNSUPPORTED : TUPLET_IO, "Cannot make %s: %s.", file,
                     strerror(errno));
  free(draft);
  return status;
}

/* An id that is the same for the same file each time, where none can be kept: a UUID (version 8) made from
 * the path. */
static bool derive_database_id(const char *path, char ret_id[TP_UUID_TEXT_SIZE]) {
  static const char label[] = "tuplet database ";
  uint8_t digest[EVP_MAX_MD_SIZE];
  char *absolute = realpath(path, NULL);
  const char *name = absolute != NULL ? absolute : path;
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  bool made = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(context, label, sizeof label) == 1 &&
              EVP_DigestUpdate(context, name, strlen(name)) == 1 &&
              EVP_DigestFinal_ex(context, digest, NULL) == 1;
  EVP_MD_CTX_free(context);
  free(absolute);
  if (!made) return false;

  char hex[32];
  digest[6] = (uint8_t)(0x80 | (digest[6] & 0x0f));
  digest[8] = (uint8_t)(0x80 | (digest[8] & 0x3f));
  tp_hex_write(digest, 16, hex);
  (void)snprintf(ret_id, TP_UUID_TEXT_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
                 hex + 20);
  return true;
}

static tuplet_status make_file(const tuplet_allocator *allocator, const char *path, const char *file,
                               tp_secrets *ret_secrets, tp_secrets_source *ret_source, tuplet_error *error) {
  tp_secrets secrets;
  tuplet_status status = tp_secrets_make(allocator, &secrets, error);
  if (status != TUPLET_OK) return status;
  tp_buffer text;
  tp_buffer_init(&text, allocator);
  print(&secrets, &text);
  status = text.failed ? tp_fail_nomem(error) : write_file(file, tp_buffer_view(&text), error);
  if (text.data != NULL) OPENSSL_cleanse(text.data, text.size);
  tp_buffer_done(&text);

  if (status == TUPLET_OK) {
    status = read_file(allocator, file, ret_secrets, ret_source, error);
    if (status == TUPLET_NOT_FOUND)
      status = tp_fail(error, TUPLET_IO, "%s went away while it was made.", file);
  } else if (status == TUPLET_UNSUPPORTED) {
    if (!derive_database_id(path, secrets.database_id))
      return tp_fail(error, TUPLET_IO, "OpenSSL has no SHA-256.");
    *ret_secrets = secrets;
    *ret_source = TP_SECRETS_FLEETING;
    status = TUPLET_OK;
  }
  OPENSSL_cleanse(&secrets, sizeof secrets);
  return status;
}

tuplet_status tp_secrets_load(const tuplet_allocator *allocator, const char *path, tp_secrets *ret_secrets,
                              tp_secrets_source *ret_source, tuplet_owned *ret_file, tuplet_error *error) {
  tuplet_owned file;
  tp_buffer name;
  tp_buffer_init(&name, allocator);
  tp_buffer_append_format(&name, "%s.secrets", path);
  tuplet_status status = tp_buffer_take(&name, &file, error);
  tp_buffer_done(&name);
  if (status != TUPLET_OK) return status;

  status = read_file(allocator, file.data, ret_secrets, ret_source, error);
  if (status == TUPLET_NOT_FOUND)
    status = make_file(allocator, path, file.data, ret_secrets, ret_source, error);
  if (status == TUPLET_OK)
    *ret_file = file;
  else
    tuplet_owned_free(&file);
  return status;
}
