/* open.h: from a path to a store; the only place that knows the concrete engines. */
#ifndef TP_API_OPEN_H
#define TP_API_OPEN_H

#include "store/store.h"

/* Opens the database that `path` names, as tuplet_open describes; options are complete, not NULL. ret_path
 * (may be NULL) gets the path that was opened in the end, NUL-ended, the caller's to free. */
tuplet_status tp_open_store(const char *path, const tuplet_open_options *options, tp_clock clock,
                            tp_store **ret_store, tuplet_owned *ret_path, tuplet_error *error);

#endif
