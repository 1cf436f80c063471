/* clerk.c: a few threads for work that waits for disks. */
#include "server/databases/clerk.h"

#include "base/alloc.h"
#include "base/status.h"
#include "base/thread.h"

struct tp_clerk {
  const tuplet_allocator *allocator;
  pthread_mutex_t mutex; /* for all below */
  pthread_cond_t changed;
  tp_clerk_job *first;
  tp_clerk_job *last;
  size_t busy; /* threads that run a job */
  bool stopping;
  size_t thread_count;
  pthread_t threads[];
};

/* The next job; NULL: the thread is to end. With the mutex held. */
static tp_clerk_job *next_job(tp_clerk *clerk) {
  /* A job that runs may still submit another one. */
  while (clerk->first == NULL && !(clerk->stopping && clerk->busy == 0))
    (void)pthread_cond_wait(&clerk->changed, &clerk->mutex);
  tp_clerk_job *job = clerk->first;
  if (job == NULL) return NULL;
  clerk->first = job->next;
  if (clerk->first == NULL) clerk->last = NULL;
  return job;
}

static void *run_thread(void *context) {
  tp_clerk *clerk = context;
  (void)pthread_mutex_lock(&clerk->mutex);
  for (tp_clerk_job *job; (job = next_job(clerk)) != NULL;) {
    clerk->busy++;
    (void)pthread_mutex_unlock(&clerk->mutex);
    job->run(job);
    (void)pthread_mutex_lock(&clerk->mutex);
    clerk->busy--;
    if (clerk->stopping) (void)pthread_cond_broadcast(&clerk->changed);
  }
  (void)pthread_mutex_unlock(&clerk->mutex);
  return NULL;
}

tuplet_status tp_clerk_start(const tuplet_allocator *allocator, size_t thread_count, tp_clerk **ret_clerk,
                             tuplet_error *error) {
  size_t size = sizeof(tp_clerk) + thread_count * sizeof(pthread_t);
  tp_clerk *clerk = tp_alloc_array_zeroed(allocator, 1, size);
  if (clerk == NULL) return tp_fail_nomem(error);
  clerk->allocator = allocator;
  if (pthread_mutex_init(&clerk->mutex, NULL) != 0) goto out_free;
  if (pthread_cond_init(&clerk->changed, NULL) != 0) {
    (void)pthread_mutex_destroy(&clerk->mutex);
    goto out_free;
  }
  while (clerk->thread_count < thread_count) {
    tuplet_status status =
        tp_thread_start(&clerk->threads[clerk->thread_count], "tuplet-clerk", run_thread, clerk, error);
    if (status != TUPLET_OK) {
      tp_clerk_stop(clerk);
      return status;
    }
    clerk->thread_count++;
  }
  *ret_clerk = clerk;
  return TUPLET_OK;

out_free:
  tp_free(allocator, clerk);
  return tp_fail_nomem(error);
}

void tp_clerk_submit(tp_clerk *clerk, tp_clerk_job *job) {
  job->next = NULL;
  (void)pthread_mutex_lock(&clerk->mutex);
  *(clerk->last != NULL ? &clerk->last->next : &clerk->first) = job;
  clerk->last = job;
  (void)pthread_cond_signal(&clerk->changed);
  (void)pthread_mutex_unlock(&clerk->mutex);
}

void tp_clerk_stop(tp_clerk *clerk) {
  if (clerk == NULL) return;
  (void)pthread_mutex_lock(&clerk->mutex);
  clerk->stopping = true;
  (void)pthread_cond_broadcast(&clerk->changed);
  (void)pthread_mutex_unlock(&clerk->mutex);
  for (size_t i = 0; i < clerk->thread_count; i++) (void)pthread_join(clerk->threads[i], NULL);
  (void)pthread_cond_destroy(&clerk->changed);
  (void)pthread_mutex_destroy(&clerk->mutex);
  tp_free(clerk->allocator, clerk);
}
