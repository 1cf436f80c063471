/* input.h: what the commands read from files and standard input. */
#ifndef TP_CLI_INPUT_H
#define TP_CLI_INPUT_H

#include <stddef.h>

#include "command.h"

/* No key, value or list of operations comes near; a wrong file is refused before it fills memory. */
#define TP_CLI_INPUT_SIZE_MAX ((size_t)64 << 20)

/* Everything in a file ("-": standard input), with a NUL after it that size does not count. The caller frees
 * *ret_data. Errors are reported. */
tp_cli_exit tp_cli_input_read(const char *path, char **ret_data, size_t *ret_size);

/* Takes the next line off a text (which it changes: the newline becomes a NUL): its start, or NULL after the
 * last. ret_size does not count the line's end. */
char *tp_cli_line_next(char **rest, size_t *rest_size, size_t *ret_size);

/* Bytes from hex digits of either case. Turned in place. False when the text is not hex. */
bool tp_cli_hex_decode(char *text, size_t size, size_t *ret_size);

#endif
