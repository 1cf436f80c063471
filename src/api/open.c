/* open.c: from a path to a store, or to a file as a whole; the only place that knows the concrete engines. */
#include "api/open.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/hex.h"
#include "base/status.h"
#include "engine/remote/remote_engine.h"
#include "engine/sqlite/file.h"
#include "engine/sqlite/process.h"
#include "engine/sqlite/sqlite_engine.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static const char memory_path[] = ":memory:";

static tuplet_status append_working_directory(tp_buffer *out, tuplet_error *error) {
  char *directory = getcwd(NULL, 0);
  if (directory == NULL) return tp_fail(error, TUPLET_IO, "the working directory: %s", strerror(errno));
  tp_buffer_append_text(out, directory);
  free(directory);
  return TUPLET_OK;
}

/* As mkdir -p, for the directories of a path that ends in a file's name; only the user may enter new ones. */
static tuplet_status make_directories(const char *path, tuplet_error *error) {
  char *copy = strdup(path);
  if (copy == NULL) return tp_fail_nomem(error);
  tuplet_status status = TUPLET_OK;
  for (char *slash = strchr(copy + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    if (mkdir(copy, 0700) != 0 && errno != EEXIST) {
      status = tp_fail(error, TUPLET_IO, "making the directory %s: %s", copy, strerror(errno));
      break;
    }
    *slash = '/';
  }
  free(copy);
  return status;
}

/* $XDG_DATA_HOME/tuplet/<SHA-256 of the working directory>/kv.sqlite3: each project has its own, as with
 * Deno. */
static tuplet_status default_path(tp_buffer *out, tuplet_error *error) {
  const char *data_home = getenv("XDG_DATA_HOME");
  if (data_home != NULL && data_home[0] == '/') {
    tp_buffer_append_text(out, data_home);
  } else {
    const char *home = getenv("HOME");
    if (home == NULL || home[0] != '/') {
      return tp_fail(error, TUPLET_INVALID,
                     "no path given, and no place for the default one: set HOME, XDG_DATA_HOME or "
                     "DENO_KV_DEFAULT_PATH");
    }
    tp_buffer_append_format(out, "%s/.local/share", home);
  }
  tp_buffer directory;
  tp_buffer_init(&directory, out->allocator);
  tuplet_status status = append_working_directory(&directory, error);
  uint8_t digest[32];
  if (status == TUPLET_OK && (directory.failed || EVP_Digest(directory.data, directory.size, digest, NULL,
                                                             EVP_sha256(), NULL) != 1)) {
    status = tp_fail_nomem(error);
  }
  tp_buffer_done(&directory);
  if (status != TUPLET_OK) return status;
  tp_buffer_append_text(out, "/tuplet/");
  tp_hex_append(out, tuplet_view(digest, sizeof digest));
  tp_buffer_append(out, "/kv.sqlite3", sizeof "/kv.sqlite3");
  if (out->failed) return tp_fail_nomem(error);
  out->size--; /* the NUL is not part of it */
  return make_directories((const char *)out->data, error);
}

static bool is_url(const char *path) {
  return strncasecmp(path, "http://", 7) == 0 || strncasecmp(path, "https://", 8) == 0;
}

/* The path to open, whole, so that it means the same file if the working directory changes. */
static tuplet_status resolve_path(const char *path, tp_buffer *out, tuplet_error *error) {
  if (path == NULL) path = getenv("DENO_KV_DEFAULT_PATH");
  if (path == NULL || (path[0] == '\0' && path == getenv("DENO_KV_DEFAULT_PATH")))
    return default_path(out, error);
  if (path[0] == '\0') return tp_fail(error, TUPLET_INVALID, "the path of a database cannot be empty");
  if (path[0] != '/' && strcmp(path, memory_path) != 0 && !is_url(path)) {
    tuplet_status status = append_working_directory(out, error);
    if (status != TUPLET_OK) return status;
    tp_buffer_append_byte(out, '/');
  }
  tp_buffer_append_text(out, path);
  return TUPLET_OK;
}

/* A variable of the environment; NULL when it is empty, too. */
static const char *environment(const char *name) {
  const char *value = getenv(name);
  return value != NULL && value[0] != '\0' ? value : NULL;
}

static tuplet_status open_remote(const char *url, const tuplet_open_options *options, tp_clock clock,
                                 tp_engine **ret_engine, tuplet_error *error) {
  const char *ca_file = options->ca_file;
  if (ca_file == NULL) ca_file = environment("DENO_CERT");
  if (ca_file == NULL) ca_file = environment("SSL_CERT_FILE");
  const tp_remote_config config = {
      .allocator = options->allocator,
      .clock = clock,
      .url = url,
      .access_token =
          options->access_token != NULL ? options->access_token : environment("DENO_KV_ACCESS_TOKEN"),
      .ca_file = ca_file,
      .timeout_ms = options->timeout_ms,
      .http = options->http,
  };
  return tp_remote_engine_open(&config, ret_engine, error);
}

static tuplet_status open_local(const char *path, const tuplet_open_options *options, tp_clock clock,
                                const tp_open_wants *wants, tp_engine **ret_engine, tuplet_error *error) {
  const tp_sqlite_config config = {
      .allocator = options->allocator,
      .clock = clock,
      .path = strcmp(path, memory_path) == 0 ? NULL : path,
      .read_only = options->read_only,
      .cache_kib = options->cache_kib == 0 ? TUPLET_CACHE_KIB_DEFAULT : options->cache_kib,
      .memory_size_max = options->memory_size_max,
      .durability = options->durability,
      .stats = wants->stats,
      .gives_up = wants->gives_up,
  };
  return tp_sqlite_engine_open(&config, ret_engine, error);
}

/* wants: NULL: it is not for a server. */
static tuplet_status open_store(const char *path, const tuplet_open_options *options, tp_clock clock,
                                const tp_open_wants *wants, tp_store **ret_store, tuplet_owned *ret_path,
                                tuplet_error *error) {
  tp_buffer buffer;
  tuplet_owned resolved = {0};
  tp_buffer_init(&buffer, options->allocator);
  tuplet_status status = resolve_path(path, &buffer, error);
  if (status == TUPLET_OK) status = tp_buffer_take(&buffer, &resolved, error);
  if (status != TUPLET_OK) goto out;

  tp_engine *engine;
  if (!is_url(resolved.data))
    status = open_local(resolved.data, options, clock, wants != NULL ? wants : &(tp_open_wants){0}, &engine,
                        error);
  else if (wants == NULL)
    status = open_remote(resolved.data, options, clock, &engine, error);
  else
    status = tp_fail(error, TUPLET_UNSUPPORTED, "%s: only files and :memory: can be served, not URLs",
                     (const char *)resolved.data);
  if (status != TUPLET_OK) goto out;
  tp_store_config store_config = {options->allocator, clock, options->read_only};
  status = tp_store_open(&store_config, engine, ret_store, error);
  if (status == TUPLET_OK && ret_path != NULL) {
    *ret_path = resolved;
    resolved = (tuplet_owned){0};
  }
out:
  tp_buffer_done(&buffer);
  tuplet_owned_free(&resolved);
  return status;
}

tuplet_status tp_open_store(const char *path, const tuplet_open_options *options, tp_clock clock,
                            tp_store **ret_store, tuplet_owned *ret_path, tuplet_error *error) {
  return open_store(path, options, clock, NULL, ret_store, ret_path, error);
}

tuplet_status tp_open_store_for_server(const char *path, const tuplet_open_options *options, tp_clock clock,
                                       const tp_open_wants *wants, tp_store **ret_store,
                                       tuplet_owned *ret_path, tuplet_error *error) {
  return open_store(path, options, clock, wants, ret_store, ret_path, error);
}

tuplet_status tp_file_copy(const char *from, const char *to, tuplet_error *error) {
  return tp_sqlite_file_copy(from, to, error);
}

tuplet_status tp_file_survey_take(const char *path, tp_clock clock, tp_file_survey *ret_survey,
                                  tuplet_error *error) {
  int64_t counts[TP_SQLITE_FILE_COUNTS];
  tuplet_status status = tp_sqlite_file_count(path, tp_clock_unix_ms(&clock), counts, error);
  if (status != TUPLET_OK) return status;
  *ret_survey = (tp_file_survey){
      .entries = counts[0], .expiring = counts[1], .queued = counts[2], .delivering = counts[3]};
  for (int i = 0; i < 8; i++) /* big-endian, followed by two zero bytes */
    ret_survey->last_commit.bytes[i] = (uint8_t)((uint64_t)counts[4] >> (56 - 8 * i));
  return TUPLET_OK;
}

void tp_open_process_is_ours(void) {
  tp_sqlite_process_is_ours();
}

const char *tp_open_sqlite_version(void) {
  return tp_sqlite_engine_version();
}
