/* job.c: what would block runs on a thread of its own. */
#include "job.h"

#include "environment.h"

#include <pthread.h>
#include <signal.h>

void tp_js_jobs_init(tp_js_jobs *jobs, tp_js_handle *owner) {
  *jobs = (tp_js_jobs){.owner = owner};
  jobs->last_link = &jobs->first;
}

static void run_jobs(tp_js_jobs *jobs) {
  tp_js_handle *owner = jobs->owner; /* a reference */
  tp_js_environment *environment = owner->environment;
  tp_js_environment_ref(environment);
  (void)pthread_mutex_lock(&environment->mutex);
  for (tp_js_job *job; (job = jobs->first) != NULL;) {
    jobs->first = job->next;
    if (jobs->first == NULL) jobs->last_link = &jobs->first;
    (void)pthread_mutex_unlock(&environment->mutex);
    job->run(job);
    (void)pthread_mutex_lock(&environment->mutex);
  }
  jobs->is_running = false;
  (void)pthread_mutex_unlock(&environment->mutex);
  tp_js_handle_unref(owner);

  (void)pthread_mutex_lock(&environment->mutex);
  environment->thread_count--;
  (void)pthread_cond_broadcast(&environment->thread_ended);
  (void)pthread_mutex_unlock(&environment->mutex);
  tp_js_environment_unref(environment);
}

static void *run_thread(void *context) {
  (void)pthread_setname_np(pthread_self(), "tp-js");
  run_jobs(context);
  return NULL;
}

/* A program's signals are for its own threads. */
static int start_thread(tp_js_jobs *jobs) {
  pthread_attr_t attributes;
  pthread_t thread;
  sigset_t all, before;
  int rc = pthread_attr_init(&attributes);
  if (rc != 0) return rc;
  (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  rc = pthread_create(&thread, &attributes, run_thread, jobs);
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  (void)pthread_attr_destroy(&attributes);
  return rc;
}

void tp_js_job_submit(tp_js_jobs *jobs, tp_js_job *job) {
  tp_js_environment *environment = jobs->owner->environment;
  job->next = NULL;
  (void)pthread_mutex_lock(&environment->mutex);
  *jobs->last_link = job;
  jobs->last_link = &job->next;
  bool is_first = !jobs->is_running;
  if (is_first) {
    jobs->is_running = true;
    environment->thread_count++;
    tp_js_handle_ref(jobs->owner);
  }
  (void)pthread_mutex_unlock(&environment->mutex);
  if (is_first && start_thread(jobs) != 0) run_jobs(jobs);
}
