/* certificate.c: TLS as the operator sees it. */
#include "server/host/certificate.h"

#include <string.h>
#include <time.h>

static void print_day(int64_t unix_ms, char ret_text[16]) {
  time_t seconds = (time_t)(unix_ms / 1000);
  struct tm tm;
  ret_text[0] = '\0';
  if (gmtime_r(&seconds, &tm) != NULL) (void)strftime(ret_text, 16, "%Y-%m-%d", &tm);
}

/* A server with a bad certificate is of more use than none, to clients that do not look, but somebody should.
 */
static void log_certificate(tp_tls_context *context, const tp_log *log) {
  tp_tls_certificate certificate;
  char first_day[16], last_day[16];
  tp_tls_context_certificate(context, &certificate);
  print_day(certificate.not_before_ms, first_day);
  print_day(certificate.not_after_ms, last_day);
  if (certificate.is_valid_now)
    tp_log_write(log, TP_LOG_INFO, "TLS certificate: %s, valid until %s", certificate.subject, last_day);
  else
    tp_log_write(log, TP_LOG_WARNING,
                 "The TLS certificate, %s, is valid only from %s until %s: clients refuse it",
                 certificate.subject, first_day, last_day);
  if (certificate.key_is_exposed)
    tp_log_write(log, TP_LOG_WARNING,
                 "The TLS key can be read by everybody on this machine; take that right away "
                 "(chmod o= FILE)");
}

tuplet_status tp_certificate_open(const tp_serve_config *config, const tp_log *log,
                                  tp_tls_context **ret_context, tuplet_error *error) {
  *ret_context = NULL;
  if (config->tls_cert == NULL) return TUPLET_OK;
  const tp_tls_config tls = {.cert_file = config->tls_cert,
                             .key_file = config->tls_key,
                             .client_ca_file = config->tls_client_ca,
                             .client_is_optional = config->tls_client_mode == TP_TLS_CLIENT_OPTIONAL,
                             .version_min =
                                 config->tls_version_min == 13 ? TP_TLS_VERSION_1_3 : TP_TLS_VERSION_1_2,
                             .clock = tp_clock_system()};
  tuplet_status status = tp_tls_context_new(NULL, &tls, ret_context, error);
  if (status == TUPLET_OK) log_certificate(*ret_context, log);
  return status;
}

void tp_certificate_reload(tp_tls_context *context, const tp_log *log) {
  tuplet_error error;
  if (context == NULL) return;
  if (tp_tls_context_reload(context, &error) == TUPLET_OK)
    log_certificate(context, log);
  else
    tp_log_write(log, TP_LOG_ERROR, "The TLS certificate stays as it was: %s", error.message);
}

static void log_field(tp_log_line *line, const char *name, const char *value) {
  tp_log_text(line, name, (tuplet_bytes){value, strlen(value)});
}

void tp_certificate_log_handshake(const tp_log *log, const tp_listener_handshake *handshake) {
  tp_log_line line;
  bool failed = handshake->failure != NULL;
  tp_log_begin(&line, log, TP_LOG_DEBUG, failed ? "TLS handshake failed" : "TLS handshake");
  log_field(&line, "peer", handshake->peer);
  if (failed) {
    log_field(&line, "reason", handshake->failure);
  } else {
    log_field(&line, "tls", handshake->version);
    log_field(&line, "cipher", handshake->cipher);
    log_field(&line, "alpn", handshake->alpn);
    tp_log_flag(&line, "resumed", handshake->is_resumed);
  }
  tp_log_end(&line);
}
