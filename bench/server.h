/* server.h: a server of our own for as long as something is measured over the network. Errors end the
 * program. */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include <stdio.h>
#include <sys/types.h>

typedef struct bench_server {
  char *certificate;
  char *key;
  pid_t process;
  FILE *log;     /* what it prints; open for as long as it runs */
  char url[128]; /* tuplet_open opens it: its token and authority are in the environment */
} bench_server;

/* Makes a certificate in `directory`, which this program trusts from then on. */
void bench_server_prepare(bench_server *server, const char *directory);
void bench_server_done(bench_server *server);

/* Starts `program serve` of the file `database`, over TLS, on a free port of this machine; it may be stopped
 * and started again. */
void bench_server_start(bench_server *server, const char *program, const char *database);
void bench_server_stop(bench_server *server);

#endif
