/* limits.h: every limit of a database, with a name. They are Deno KV's, which a server must take as they are:
 * what Deno's client lets through must not fail here, and what a file of ours holds Deno must be able to
 * read. */
#ifndef TP_CODEC_LIMITS_H
#define TP_CODEC_LIMITS_H

enum {
  /* Keys, encoded, bytes. A range's bound may have one byte more: the key that follows the largest one. */
  TP_LIMIT_KEY_WRITE_SIZE_MAX = 2048,
  TP_LIMIT_KEY_READ_SIZE_MAX = 2049,
  TP_LIMIT_KEY_BIGINT_SIZE_MAX = 255, /* magnitude: its length is one byte of the encoding */

  TP_LIMIT_VALUE_SIZE_MAX = 65536,

  /* One read. */
  TP_LIMIT_READ_RANGES_MAX = 10,
  TP_LIMIT_READ_ENTRIES_MAX = 1000,      /* summed over its ranges */
  TP_LIMIT_LIST_BATCH_DEFAULT = 100,     /* entries, when neither batch size nor limit is given */
  TP_LIMIT_LIST_BATCH_UNASKED_MAX = 500, /* entries, when only a limit is given */

  /* One atomic operation. */
  TP_LIMIT_ATOMIC_CHECKS_MAX = 100,
  TP_LIMIT_ATOMIC_MUTATIONS_MAX = 1000, /* mutations and enqueues together */
  TP_LIMIT_ATOMIC_SIZE_MAX = 819200,    /* keys, values and payloads */
  TP_LIMIT_ATOMIC_KEYS_SIZE_MAX = 81920,

  TP_LIMIT_WATCH_KEYS_MAX = 10,

  /* Queues. */
  TP_LIMIT_QUEUE_PAYLOAD_SIZE_MAX = 65536,
  TP_LIMIT_QUEUE_BACKOFF_COUNT_MAX = 5,       /* through the API */
  TP_LIMIT_QUEUE_BACKOFF_WIRE_COUNT_MAX = 10, /* through the protocol */
  TP_LIMIT_QUEUE_BACKOFF_MS_MAX = 3600000,
  TP_LIMIT_QUEUE_UNDELIVERED_KEYS_MAX = 10, /* through the protocol */
  TP_LIMIT_QUEUE_IN_FLIGHT_DEFAULT = 100,
  TP_LIMIT_QUEUE_IN_FLIGHT_MAX = 1000,

  TP_LIMIT_ACCESS_TOKEN_SIZE_MIN = 12 /* characters */
};

#define TP_LIMIT_QUEUE_DELAY_MS_MAX ((int64_t)30 * 24 * 60 * 60 * 1000)

#endif
