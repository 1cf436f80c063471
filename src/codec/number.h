/* number.h: doubles as JavaScript writes and reads them. Independent of the process's locale. Allocates
 * nothing. */
#ifndef TP_CODEC_NUMBER_H
#define TP_CODEC_NUMBER_H

#include "tuplet.h"

enum {
  TP_NUMBER_TEXT_SIZE = 32
}; /* room for any number's text and its NUL (the longest has 25 characters) */

/* Writes `number` as JavaScript's Number::toString does (ECMA-262, 6.1.6.1.20): the fewest digits that read
 * back as the same number, "1e+21", "5e-324", "NaN", "-Infinity"; but minus zero is "-0", so that nothing is
 * lost. NUL-ended; returns the length without the NUL. Any thread. */
size_t tp_number_to_text(double number, char ret_text[TP_NUMBER_TEXT_SIZE]);

/* Reads `text`, all of it, as a JavaScript numeric literal: decimal with fraction and exponent, 0x, 0o or 0b,
 * with
 * '_' between digits; before it may stand one '+' or '-'. NaN and Infinity are read too. Correctly rounded;
 * what is too large becomes infinity. False when the text is anything else (spaces, 010, 1n, 1__0). Any
 * thread. */
bool tp_number_from_text(const char *text, size_t size, double *ret_number);

#endif
