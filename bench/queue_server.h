/* queue_server.h: a server of our own for as long as something is measured over the network. Errors end the
 * program. */
#ifndef BENCH_QUEUE_SERVER_H
#define BENCH_QUEUE_SERVER_H

#include <stdio.h>
#include <sys/types.h>

typedef struct queue_server {
  pid_t process;
  FILE *log;     /* what it prints; open for as long as it runs */
  char url[128]; /* tuplet_open opens it: its token and authority are in the environment */
} queue_server;

/* Starts `program serve`, over TLS, with a new database in `directory`, on a free port of this machine. */
void queue_server_start(queue_server *server, const char *program, const char *directory);
void queue_server_stop(queue_server *server);

#endif
