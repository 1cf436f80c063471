/* server.c: a server of our own, with a certificate made for it: HTTP/2 is what clients speak over TLS.
 */
#include "server.h"

#include "bench.h"
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN "a-token-of-the-benchmark"

static FILE *open_output(int output) {
  FILE *lines = fdopen(output, "r");
  if (lines == NULL) bench_fail("reading a pipe failed: %s", strerror(errno));
  return lines;
}

static void make_certificate(const char *certificate, const char *key) {
  const char *words[] = {"openssl",
                         "req",
                         "-x509",
                         "-newkey",
                         "ec",
                         "-pkeyopt",
                         "ec_paramgen_curve:P-256",
                         "-nodes",
                         "-keyout",
                         key,
                         "-out",
                         certificate,
                         "-days",
                         "1",
                         "-subj",
                         "/CN=localhost",
                         "-addext",
                         "subjectAltName=DNS:localhost,IP:127.0.0.1",
                         NULL};
  int output;
  pid_t process = process_start(words, true, &output);
  FILE *lines = open_output(output);
  while (fgetc(lines) != EOF) continue;
  (void)fclose(lines);
  if (process_wait(process) != 0) bench_fail("openssl made no certificate");
}

/* Whether the line tells where it serves. */
static bool find_url(const char *line, char *ret_url, size_t size) {
  static const char before[] = "Listening on ";
  static const char scheme[] = "https://";
  const char *begin = strstr(line, before);
  if (begin == NULL) return false;
  begin += strlen(before);
  if (strncmp(begin, scheme, strlen(scheme)) != 0) return false;
  size_t length = strlen(scheme) + strcspn(begin + strlen(scheme), "\"/ \n");
  if (length >= size) return false;
  memcpy(ret_url, begin, length);
  ret_url[length] = '\0';
  return true;
}

static char *path_in(const char *directory, const char *name) {
  char *path;
  if (asprintf(&path, "%s/%s", directory, name) < 0) bench_fail("out of memory");
  return path;
}

void bench_server_prepare(bench_server *server, const char *directory) {
  *server = (bench_server){.certificate = path_in(directory, "server.crt"),
                           .key = path_in(directory, "server.key")};
  make_certificate(server->certificate, server->key);
  if (setenv("DENO_KV_ACCESS_TOKEN", TOKEN, 1) != 0 || setenv("TUPLET_ACCESS_TOKEN", TOKEN, 1) != 0 ||
      setenv("DENO_CERT", server->certificate, 1) != 0)
    bench_fail("out of memory");
}

void bench_server_done(bench_server *server) {
  free(server->certificate);
  free(server->key);
}

void bench_server_start(bench_server *server, const char *program, const char *database) {
  const char *words[] = {program,      "--sqlite-path",     database,    "serve",     "--addr", "127.0.0.1:0",
                         "--tls-cert", server->certificate, "--tls-key", server->key, NULL};
  int output;
  server->process = process_start(words, true, &output);
  server->log = open_output(output);
  char line[1024];
  bool is_found = false;
  while (!is_found && fgets(line, sizeof line, server->log) != NULL)
    is_found = find_url(line, server->url, sizeof server->url);
  if (!is_found) bench_fail("%s did not begin to serve", program);
}

void bench_server_stop(bench_server *server) {
  if (process_end(server->process, SIGTERM) != 0) bench_fail("the server did not end well");
  (void)fclose(server->log);
}
