/* server.c: a server of our own, with a certificate made for it: HTTP/2 is what clients speak over TLS.
 */
#include "server.h"

#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define TOKEN "a-token-of-the-benchmark"

/* For the exit handler alone, which takes no argument: a benchmark that fails leaves no server behind. */
static pid_t process_to_end;

static void end_process(void) {
  if (process_to_end > 0) (void)kill(process_to_end, SIGKILL);
}

/* What it prints goes to *ret_output. */
static pid_t start_program(const char *const *words, FILE **ret_output) {
  int ends[2];
  pid_t process;
  posix_spawn_file_actions_t actions;
  if (pipe(ends) != 0 || posix_spawn_file_actions_init(&actions) != 0 ||
      posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO) != 0 ||
      posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO) != 0 ||
      posix_spawn_file_actions_addclose(&actions, ends[0]) != 0)
    bench_fail("making a pipe failed: %s", strerror(errno));
  int rc = posix_spawnp(&process, words[0], &actions, NULL, (char *const *)(uintptr_t)words, environ);
  if (rc != 0) bench_fail("%s: %s", words[0], strerror(rc));
  (void)posix_spawn_file_actions_destroy(&actions);
  (void)close(ends[1]);
  *ret_output = fdopen(ends[0], "r");
  if (*ret_output == NULL) bench_fail("reading a pipe failed: %s", strerror(errno));
  return process;
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
  FILE *output;
  pid_t process = start_program(words, &output);
  while (fgetc(output) != EOF) continue;
  (void)fclose(output);
  int status = 0;
  if (waitpid(process, &status, 0) != process || status != 0) bench_fail("openssl made no certificate");
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
      setenv("DENO_CERT", server->certificate, 1) != 0 || atexit(end_process) != 0)
    bench_fail("out of memory");
}

void bench_server_done(bench_server *server) {
  free(server->certificate);
  free(server->key);
}

void bench_server_start(bench_server *server, const char *program, const char *database) {
  const char *words[] = {program,      "--sqlite-path",     database,    "serve",     "--addr", "127.0.0.1:0",
                         "--tls-cert", server->certificate, "--tls-key", server->key, NULL};
  server->process = start_program(words, &server->log);
  process_to_end = server->process;
  char line[1024];
  bool is_found = false;
  while (!is_found && fgets(line, sizeof line, server->log) != NULL)
    is_found = find_url(line, server->url, sizeof server->url);
  if (!is_found) bench_fail("%s did not begin to serve", program);
}

void bench_server_stop(bench_server *server) {
  int status = 0;
  if (kill(server->process, SIGTERM) != 0 || waitpid(server->process, &status, 0) != server->process ||
      status != 0)
    bench_fail("the server did not end well");
  (void)fclose(server->log);
  process_to_end = 0;
}
