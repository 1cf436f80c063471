/* queue_db.h: what the queue's workloads share. Errors end the program. */
#ifndef BENCH_QUEUE_DB_H
#define BENCH_QUEUE_DB_H

#include <semaphore.h>
#include <tuplet.h>

/* Ends the program unless status is TUPLET_OK. */
void queue_check(tuplet_status status, const tuplet_error *error);

/* path: or URL. */
tuplet_db *queue_open(const char *path);

void queue_semaphore_init(sem_t *semaphore, unsigned count);
void queue_wait_for(sem_t *semaphore);
void queue_pause_ms(int64_t ms);

#endif
