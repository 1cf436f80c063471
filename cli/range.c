/* range.c: a range of keys, from the options --prefix, --start and --end. */
#include "range.h"

#include "value.h"

tp_cli_exit tp_cli_range_init(const tp_cli_range_texts *texts, tp_cli_range *range) {
  const char *given[3] = {texts->prefix, texts->start, texts->end};
  static const char *const names[3] = {"prefix", "start", "end"};
  const tuplet_key **members[3] = {&range->selector.prefix, &range->selector.start, &range->selector.end};
  for (size_t i = 0; i < 3; i++) {
    if (given[i] == NULL) continue;
    tp_cli_exit code = tp_cli_key_read(names[i], given[i], &range->owned[i]);
    if (code != TP_CLI_EXIT_OK) return code;
    range->keys[i] = tuplet_key_of(tuplet_view(range->owned[i].data, range->owned[i].size));
    *members[i] = &range->keys[i];
  }
  return TP_CLI_EXIT_OK;
}

void tp_cli_range_done(tp_cli_range *range) {
  for (size_t i = 0; i < 3; i++) tuplet_owned_free(&range->owned[i]);
}
