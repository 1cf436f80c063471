/* tls_hello.c: the first bytes of a connection, before OpenSSL sees them: whether they are TLS, and that a
 * greeting is no larger than one is. */
#include "net/tls_private.h"

enum { /* RFC 8446, sections 5.1 and 4 */
       RECORD_HEAD_SIZE = 5,
       RECORD_HANDSHAKE = 22,
       MESSAGE_HEAD_SIZE = 4,
       MESSAGE_CLIENT_HELLO = 1
};

tp_tls_greeting tp_tls_greeting_of(uint8_t first) {
  if (first == RECORD_HANDSHAKE) return TP_TLS_GREETING_TLS;
  /* A method's name; HTTP/2's preface, too, begins so. */
  return first >= 'A' && first <= 'Z' ? TP_TLS_GREETING_HTTP : TP_TLS_GREETING_OTHER;
}

static bool check_message_byte(tp_tls_hello *hello, uint8_t byte) {
  if (hello->message_head_size == 0) {
    if (byte != MESSAGE_CLIENT_HELLO) return false;
  } else {
    hello->message_size = hello->message_size << 8 | byte;
  }
  hello->message_head_size++;
  return hello->message_head_size < MESSAGE_HEAD_SIZE || hello->message_size <= TP_TLS_HELLO_SIZE_MAX;
}

/* Only the beginning of the message counts: OpenSSL sees to it that nothing follows its end. */
static bool check_content(tp_tls_hello *hello, const uint8_t *data, size_t size) {
  if (hello->head[0] != RECORD_HANDSHAKE) return true; /* OpenSSL says what it thinks of it */
  for (size_t i = 0; i < size && hello->message_head_size < MESSAGE_HEAD_SIZE; i++) {
    if (!check_message_byte(hello, data[i])) return false;
  }
  return true;
}

bool tp_tls_hello_check(tp_tls_hello *hello, tuplet_bytes bytes) {
  const uint8_t *data = bytes.data;
  size_t at = 0;
  while (at < bytes.size) {
    if (hello->head_size < RECORD_HEAD_SIZE) {
      hello->head[hello->head_size++] = data[at++];
      hello->record_left = (uint32_t)hello->head[3] << 8 | hello->head[4];
    } else {
      size_t size = bytes.size - at < hello->record_left ? bytes.size - at : hello->record_left;
      if (!check_content(hello, data + at, size)) return false;
      at += size;
      hello->record_left -= (uint32_t)size;
    }
    if (hello->head_size == RECORD_HEAD_SIZE && hello->record_left == 0) hello->head_size = 0;
  }
  return true;
}
