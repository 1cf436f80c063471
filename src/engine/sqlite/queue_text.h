/* queue_text.h: how the texts beside a message are written in Deno's tables: its schedule, the keys for what
 * cannot be delivered, its id. */
#ifndef TP_ENGINE_SQLITE_QUEUE_TEXT_H
#define TP_ENGINE_SQLITE_QUEUE_TEXT_H

#include "base/buffer.h"
#include "engine/engine.h"

/* "[100,1000]"; Deno's default schedule when the message brings none. */
void tp_queue_schedule_append(tp_buffer *out, const tp_enqueue *enqueue);

/* "[[2,97,0],[2,98,0]]" */
void tp_queue_keys_append(tp_buffer *out, const tp_enqueue *enqueue);

/* Takes the first delay off a schedule. *ret_delay_ms is -1 when there is none left, or when the text is
 * none. The rest lies in the arena. Errors: TUPLET_NOMEM. */
tuplet_status tp_queue_schedule_next(tuplet_bytes schedule, tp_arena *arena, int64_t *ret_delay_ms,
                                     tuplet_bytes *ret_rest, tuplet_error *error);

/* The keys of such a text, in the arena. Errors: TUPLET_CORRUPT (it is not one), TUPLET_NOMEM. */
tuplet_status tp_queue_keys_read(tuplet_bytes text, tp_arena *arena, const tuplet_bytes **ret_keys,
                                 size_t *ret_count, tuplet_error *error);

/* The attempt that an id stands for, from 1, and the size of the id without it; and the id of the attempt
 * after, in the arena (data NULL: out of memory). */
uint32_t tp_queue_id_attempt(tuplet_bytes id, size_t *ret_public_size);
tuplet_bytes tp_queue_id_next(tuplet_bytes id, tp_arena *arena);

#endif
