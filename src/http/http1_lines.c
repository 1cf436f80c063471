/* http1_lines.c: the lines of an HTTP/1.1 head, and of the trailers behind a chunked body, byte by byte, as
 * RFC 9112 has them and not one byte looser.
 *
 *   head      = request-line *( field-line ) CRLF        trailers = *( field-line ) CRLF
 *   request-line = token SP target SP "HTTP/" DIGIT "." DIGIT CRLF
 *   field-line   = token ":" value CRLF
 *
 * llhttp, which reads what the lines say, forgives much: line feeds alone, folded lines, names of no length,
 * and more. Where two readers of one connection forgive differently, requests are smuggled past the first.
 * So here nothing is forgiven, and llhttp sees only what has passed. */
#include "http/private.h"

#include <string.h>

/* What comes next. */
enum {
  LINES_NOWHERE, /* neither head nor trailers */
  LINES_METHOD,
  LINES_TARGET_BEGIN,
  LINES_TARGET,
  LINES_VERSION,
  LINES_LF, /* of any line but the last */
  LINES_BEGIN,
  LINES_NAME,
  LINES_VALUE,
  LINES_LAST_LF,
  LINES_BAD
};

void tp_http1_lines_start_head(tp_http1_lines *lines) {
  *lines = (tp_http1_lines){.state = LINES_METHOD};
}

void tp_http1_lines_start_trailers(tp_http1_lines *lines) {
  *lines = (tp_http1_lines){.state = LINES_BEGIN};
}

bool tp_http1_lines_are_open(const tp_http1_lines *lines) {
  return lines->state != LINES_NOWHERE;
}

bool tp_http1_lines_are_foreign(const tp_http1_lines *lines) {
  return lines->is_foreign;
}

bool tp_http1_lines_are_in_first(const tp_http1_lines *lines) {
  return lines->state >= LINES_METHOD && lines->state <= LINES_VERSION;
}

/* Bit n of word m is set for the byte 32 m + n: digits, letters and !#$%&'*+-.^_`|~ */
static bool is_token(uint8_t byte) {
  static const uint32_t tokens[8] = {0, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff};
  return (tokens[byte / 32] >> byte % 32 & 1) != 0;
}

/* RFC 3986 knows fewer characters; but clients send them as they are. */
static bool is_target(uint8_t byte) {
  return byte > ' ' && byte < 0x7f && byte != '#';
}

static bool is_value(uint8_t byte) {
  return (byte >= ' ' && byte != 0x7f) || byte == '\t';
}

static uint8_t after_version(tp_http1_lines *lines, uint8_t byte) {
  static const char version[] = "HTTP/0.0\r";
  char wanted = version[lines->version_size++];
  bool is_right = wanted == '0' ? byte >= '0' && byte <= '9' : byte == (uint8_t)wanted;
  lines->is_foreign = !is_right && lines->version_size <= strlen("HTTP/") && is_token(byte);
  if (!is_right) return LINES_BAD;
  return wanted == '\r' ? LINES_LF : LINES_VERSION;
}

static uint8_t after(tp_http1_lines *lines, uint8_t byte) {
  switch (lines->state) {
  case LINES_METHOD: /* a first byte that is none llhttp refuses, as it does methods that it does not know */
    if (byte == ' ') return LINES_TARGET_BEGIN;
    return is_token(byte) ? LINES_METHOD : LINES_BAD;
  case LINES_TARGET_BEGIN: return is_target(byte) ? LINES_TARGET : LINES_BAD;
  case LINES_TARGET:
    if (byte == ' ') return LINES_VERSION;
    return is_target(byte) ? LINES_TARGET : LINES_BAD;
  case LINES_VERSION: return after_version(lines, byte);
  case LINES_LF: return byte == '\n' ? LINES_BEGIN : LINES_BAD;
  case LINES_BEGIN:
    if (byte == '\r') return LINES_LAST_LF;
    return is_token(byte) ? LINES_NAME : LINES_BAD;
  case LINES_NAME:
    if (byte == ':') return LINES_VALUE;
    return is_token(byte) ? LINES_NAME : LINES_BAD;
  case LINES_VALUE:
    if (byte == '\r') return LINES_LF;
    return is_value(byte) ? LINES_VALUE : LINES_BAD;
  case LINES_LAST_LF: return byte == '\n' ? LINES_NOWHERE : LINES_BAD;
  default: return LINES_BAD;
  }
}

/* Whether bytes are printable ASCII, eight at once: nearly all that a value is made of. Any that is none has
 * the highest bit, or gets it by one of the sums. */
enum { BLOCK_SIZE = 8 };
static bool is_printable_block(const char *data) {
  const uint64_t ones = UINT64_MAX / 255;
  uint64_t word;
  memcpy(&word, data, sizeof word);
  return ((word | (word - ones * ' ') | (word + ones)) & ones * 0x80) == 0;
}

/* How many of the bytes leave the state as it is. Most of a head are such bytes, and this is quicker than
 * asking for what comes after each. */
static size_t skip_run(uint8_t state, const char *data, size_t size) {
  size_t run = 0;
  switch (state) {
  case LINES_METHOD:
  case LINES_NAME:
    while (run < size && is_token((uint8_t)data[run])) run++;
    break;
  case LINES_TARGET:
    while (run < size && is_target((uint8_t)data[run])) run++;
    break;
  case LINES_VALUE:
    while (size - run >= BLOCK_SIZE && is_printable_block(data + run)) run += BLOCK_SIZE;
    while (run < size && is_value((uint8_t)data[run])) run++;
    break;
  default: break;
  }
  return run;
}

bool tp_http1_lines_check(tp_http1_lines *lines, const char *data, size_t size, size_t *ret_size) {
  size_t used = 0;
  while (used < size && lines->state != LINES_NOWHERE) {
    used += skip_run(lines->state, data + used, size - used);
    if (used == size) break;
    lines->state = after(lines, (uint8_t)data[used++]);
    if (lines->state == LINES_BAD) break;
  }
  *ret_size = used;
  return lines->state != LINES_BAD;
}
