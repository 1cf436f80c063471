/* certificate.h: TLS as the operator sees it: from the options to what connections are made with, and what
 * the log says about certificates and handshakes. */
#ifndef TP_SERVER_CERTIFICATE_H
#define TP_SERVER_CERTIFICATE_H

#include "net/listener.h"
#include "server/config/config.h"

/* What `config` says about TLS, with its files read; NULL when it is not wanted. Errors: as
 * tp_tls_context_new. */
tuplet_status tp_certificate_open(const tp_serve_config *config, const tp_log *log,
                                  tp_tls_context **ret_context, tuplet_error *error);

/* Reads the files again; one that cannot be used changes nothing, and is told of in the log. NULL is fine. */
void tp_certificate_reload(tp_tls_context *context, const tp_log *log);

/* Writes a debug line on how a handshake ended. */
void tp_certificate_log_handshake(const tp_log *log, const tp_listener_handshake *handshake);

#endif
