/* serve.h: `tuplet serve`, as the command line starts it. */
#ifndef TP_SERVER_SERVE_H
#define TP_SERVER_SERVE_H

/* Serves a database until SIGTERM or SIGINT. argv[0] is the program's name, the rest are the options and the
 * operand of `serve` (without the word itself); argv is reordered. Call it once, from the main thread, before
 * other threads are there.
 *
 * Returns the exit code: 0 after an orderly end and after --help, 2 when the command line is wrong, 5 when
 * the database or the address cannot be used. */
int tp_serve_main(int argc, char **argv);

#endif
