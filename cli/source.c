/* source.c: where the value of a command comes from. */
#include "source.h"

#include <string.h>

#include "input.h"
#include "report.h"

bool tp_cli_source_option(const tp_cli_command *command, int option, tp_cli_source *source) {
  switch (option) {
  case TP_CLI_OPTION_VALUE_FILE: source->path = optarg; return true;
  case TP_CLI_OPTION_RAW: source->format = TP_CLI_FORMAT_BYTES; return true;
  default: break;
  }
  if (tp_cli_format_parse(optarg, &source->format)) return true;
  (void)tp_cli_fail_usage(command, "--encoding must be text, json, bytes, v8 or le64, not '%s'", optarg);
  return false;
}

tp_cli_exit tp_cli_source_operands(const tp_cli_command *command, char **operands, int count,
                                   tp_cli_source *source) {
  int expected = source->path != NULL ? 0 : 1;
  if (count < expected) return tp_cli_fail_usage(command, "a value is missing");
  if (count > expected) {
    return tp_cli_fail_usage(command, "'%s' is one argument too many", operands[expected]);
  }
  if (expected == 0) return TP_CLI_EXIT_OK;
  if (strcmp(operands[0], "-") == 0) {
    source->path = "-";
  } else if (tp_cli_format_is_binary(source->format)) {
    return tp_cli_fail_usage(command, "bytes are read from --value-file (- is standard input)");
  } else {
    source->text = operands[0];
  }
  return TP_CLI_EXIT_OK;
}

tp_cli_exit tp_cli_source_read(const tp_cli_source *source, tp_cli_value *ret_value) {
  const char *data = source->text;
  size_t size = data != NULL ? strlen(data) : 0;
  if (data == NULL) {
    tp_cli_exit code = tp_cli_input_read(source->path, &ret_value->input, &size);
    if (code != TP_CLI_EXIT_OK) return code;
    data = ret_value->input;
  }
  return tp_cli_value_read("value", data, size, source->format, ret_value);
}
