/* queue_time.h: how well the queue keeps to its times: retries, delays, and what a neighbour enqueues. Errors
 * end the program. */
#ifndef BENCH_QUEUE_TIME_H
#define BENCH_QUEUE_TIME_H

enum {
  QUEUE_TIME_MESSAGES = 5,
  QUEUE_TIME_INTERVALS = 5, /* of each message's schedule */
  QUEUE_TIME_RETRIES = QUEUE_TIME_MESSAGES * QUEUE_TIME_INTERVALS
};

/* Messages that fail each time, with a schedule of 100, 200, 500, 1000 and 50 ms: how far each retry's
 * handler begins from where it should, counted from the call that tells of the failure. path: or URL. */
void queue_time_retries(const char *path, double ret_off_ms[QUEUE_TIME_RETRIES]);

/* Messages with these times as delays: the same, counted from the call that enqueues. */
void queue_time_delays(const char *path, double ret_off_ms[QUEUE_TIME_INTERVALS]);

/* Another process enqueues `count` messages to the file at `path`, one after the other with a pause in
 * between: how long each takes from before the call until the handler of a listener here begins. */
void queue_time_neighbour(const char *path, int count, double *ret_ms);

/* What that process does: this program runs itself with these two arguments, in place of its options. */
#define QUEUE_TIME_NEIGHBOUR "--as-neighbour" /* PATH COUNT */
void queue_time_enqueue(const char *path, int count);

#endif
