/* bounds.c: what the bounds are when nobody says otherwise. */
#include "server/config/bounds.h"

tp_bounds tp_bounds_default(void) {
  return (tp_bounds){.connections_max = 16384,
                     .connections_per_address_max = 4096,
                     .requests_per_connection_max = 256,
                     .requests_max = 16384,
                     .header_size_max = (size_t)32 * 1024,
                     .body_size_max = (size_t)1536 * 1024,
                     .header_timeout_ms = 15000,
                     .body_timeout_ms = 30000,
                     .idle_timeout_ms = 75000,
                     .send_timeout_ms = 30000,
                     .drain_timeout_ms = 5000,
                     .watches_per_connection_max = 128,
                     .watches_max = 32768,
                     .memory_max = (size_t)768 * 1024 * 1024};
}
