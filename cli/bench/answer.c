/* answer.c: what is read in the same way from several kinds of answers. */
#include "answer.h"

#include "base/status.h"

enum { SENTENCE_SIZE_MAX = 160 };

tuplet_status tp_bench_answer_refused(const tp_bench_call *call, tuplet_error *error) {
  char sentence[SENTENCE_SIZE_MAX + 1];
  size_t size = 0;
  for (; size < call->answer.size && size < SENTENCE_SIZE_MAX; size++) {
    uint8_t byte = call->answer.data[size];
    if (byte < 0x20 || byte == 0x7f) break;
    sentence[size] = (char)byte;
  }
  sentence[size] = '\0';
  tuplet_status status = call->status == 401 || call->status == 403 ? TUPLET_DENIED
                         : call->status >= 500                      ? TUPLET_BUSY
                                                                    : TUPLET_INVALID;
  return tp_fail(error, status, "HTTP %u: %s", call->status, sentence);
}

uint64_t tp_bench_answer_number(const tp_row *row) {
  if (row->encoding != TUPLET_ENCODING_LE64 || row->value.size != 8) return 0;
  const uint8_t *bytes = row->value.data;
  uint64_t number = 0;
  for (size_t i = 8; i-- > 0;) number = number << 8 | bytes[i];
  return number;
}
