/* range_survey.c: what the range hub finds out by asking the engine: whether others committed, and what will
 * expire.
 *
 * Commits go on meanwhile: before the engine is asked the agenda begins to collect all expiries of what is
 * committed from then on, and afterwards both are put together. */
#include "base/alloc.h"
#include "base/buffer.h"
#include "base/status.h"
#include "store/range_private.h"

#include <string.h>

enum {
  REFILL_COUNT = TP_RANGE_EXPIRIES_MAX / 4, /* fewer known expiries than that, */
  REFILL_AHEAD_MS = 60000,                  /* and these end in so short a time: more are looked up */
  RETRY_MS = 100                            /* after a failure, which readers meet, too */
};

/* Expiries, found by a survey. */
typedef struct findings {
  tp_survey survey; /* first, so that the one is found from the other */
  tp_expiry_agenda found;
} findings;

static tuplet_status on_expiring(tp_survey *survey, tuplet_bytes key, int64_t expires_at_ms,
                                 tuplet_error *error) {
  findings *result = (findings *)(void *)survey;
  tp_expiry_agenda *found = &result->found;
  size_t count = found->count;
  tp_expiry_agenda_add(found, key, expires_at_ms);
  return found->count > count ? TUPLET_OK : tp_fail_nomem(error);
}

static bool is_later(const tuplet_versionstamp *a, const tuplet_versionstamp *b) {
  return memcmp(a->bytes, b->bytes, sizeof a->bytes) > 0;
}

/* ---- Commits of others; the mutex is held ---- */

/* Where the database was when it was surveyed. */
static void note_last(tp_range_hub *hub, const tp_survey *survey) {
  bool is_ahead = is_later(&survey->last, &hub->complete);
  if (!hub->is_following) {
    hub->is_following = true;
    if (is_ahead) hub->complete = survey->last;
    /* Who committed between the survey and the first commit that was told? */
    else if (is_later(&hub->complete_from, &survey->last))
      hub->surveys_needed++;
  } else if (is_ahead && !survey->is_own) {
    hub->complete = survey->last;
    tp_range_hub_lose_all(hub);
  }
}

/* Whether others have committed. */
static bool find_foreign_commits(tp_range_hub *hub, tp_engine *engine) {
  tp_survey survey = {.after_ms = INT64_MAX, .on_expiring = on_expiring};
  if (engine->ops->survey(engine, &survey, NULL) != TUPLET_OK) return true; /* the next survey will tell */
  (void)pthread_mutex_lock(&hub->mutex);
  bool is_foreign = hub->is_following && !survey.is_own && is_later(&survey.last, &hub->complete);
  (void)pthread_mutex_unlock(&hub->mutex);
  return is_foreign;
}

/* ---- Surveys ---- */

/* Puts what was found into the agenda, which has collected since `collected_from`. The mutex is held. */
static void merge(tp_expiry_agenda *agenda, const tp_expiry_agenda *found, bool is_all) {
  int64_t until_ms = INT64_MAX;
  if (!is_all) {
    int64_t last_ms = found->items[found->count - 1].at_ms;
    bool is_mass = found->items[0].at_ms == last_ms;
    until_ms = is_mass ? last_ms : last_ms - 1; /* some of the last moment may not have been found */
    if (is_mass && agenda->until_ms >= last_ms) agenda->mass_ms = last_ms;
  }
  tp_expiry_agenda_cut(agenda, until_ms);
  for (size_t i = 0; i < found->count; i++)
    tp_expiry_agenda_add(agenda, (tuplet_bytes){found->items[i].key, found->items[i].key_size},
                         found->items[i].at_ms);
}

static void wake_the_lost(tp_range_hub *hub) {
  for (tp_range_member *member = hub->members; member != NULL; member = member->next)
    if (member->has_lost_track) tp_range_member_lose(hub, member);
}

/* Finds out all of it. The mutex is not held. False: it failed. */
static bool survey_all(tp_range_hub *hub, tp_engine *engine, int64_t now_ms) {
  (void)pthread_mutex_lock(&hub->mutex);
  tp_expiry_agenda *agenda = &hub->agenda;
  uint64_t needed = hub->surveys_needed;
  int64_t known_until_ms = agenda->until_ms;
  bool starts_over = !tp_range_hub_is_surveyed(hub);
  findings result = {.survey = {.after_ms = starts_over ? now_ms : known_until_ms,
                                .expiring_max = TP_RANGE_EXPIRIES_MAX,
                                .on_expiring = on_expiring}};
  tp_expiry_agenda_init(&result.found, hub->allocator, TP_RANGE_EXPIRIES_MAX);
  result.found.until_ms = INT64_MAX;
  agenda->until_ms = INT64_MAX; /* it collects from here on */
  (void)pthread_mutex_unlock(&hub->mutex);

  tuplet_status status = engine->ops->survey(engine, &result.survey, NULL);

  (void)pthread_mutex_lock(&hub->mutex);
  if (status == TUPLET_OK) {
    merge(agenda, &result.found, result.found.count < TP_RANGE_EXPIRIES_MAX);
    note_last(hub, &result.survey);
    if (starts_over) hub->surveys_made = needed;
    if (tp_range_hub_is_surveyed(hub)) wake_the_lost(hub);
  } else {
    tp_expiry_agenda_cut(agenda, known_until_ms);
  }
  (void)pthread_mutex_unlock(&hub->mutex);
  tp_expiry_agenda_done(&result.found);
  return status == TUPLET_OK;
}

/* ---- Expiry; the mutex is held ---- */

static bool needs_refill(const tp_expiry_agenda *agenda, int64_t now_ms) {
  return agenda->until_ms != INT64_MAX && agenda->count < REFILL_COUNT &&
         agenda->until_ms - now_ms < REFILL_AHEAD_MS;
}

static void tell_expired(tp_range_hub *hub, int64_t now_ms) {
  static const tuplet_versionstamp none;
  tp_expiry_agenda *agenda = &hub->agenda;
  size_t due = tp_expiry_agenda_due(agenda, now_ms);
  if (hub->expired_until_ms < now_ms) hub->expired_until_ms = now_ms;
  for (size_t i = 0; i < due; i++)
    tp_range_hub_note_key(hub, (tuplet_bytes){agenda->items[i].key, agenda->items[i].key_size}, &none);
  tp_expiry_agenda_drop(agenda, due);
  if (agenda->mass_ms == TP_EXPIRES_NEVER || agenda->mass_ms > now_ms) return;
  agenda->mass_ms = TP_EXPIRES_NEVER;
  tp_range_hub_lose_all(hub);
}

/* When it is to look again, unix. */
static int64_t next_ms(const tp_expiry_agenda *agenda) {
  int64_t due_ms = agenda->count > 0 ? agenda->items[0].at_ms : INT64_MAX;
  if (agenda->mass_ms != TP_EXPIRES_NEVER && agenda->mass_ms < due_ms) due_ms = agenda->mass_ms;
  if (agenda->until_ms != INT64_MAX && agenda->until_ms - REFILL_AHEAD_MS < due_ms &&
      agenda->count < REFILL_COUNT)
    due_ms = agenda->until_ms - REFILL_AHEAD_MS;
  return due_ms == INT64_MAX ? TP_EXPIRES_NEVER : due_ms;
}

int64_t tp_range_hub_serve(tp_range_hub *hub, tp_engine *engine, int64_t now_ms, bool may_be_foreign) {
  if (tp_range_hub_member_count(hub) == 0) return TP_EXPIRES_NEVER;
  (void)pthread_mutex_lock(&hub->mutex);
  tell_expired(hub, now_ms);
  /* What expired beyond what was known may have been removed by now. */
  bool is_late = hub->is_following && hub->agenda.until_ms < now_ms;
  if (is_late) {
    hub->surveys_needed++;
    tp_range_hub_lose_all(hub);
  }
  bool is_surveyed = tp_range_hub_is_surveyed(hub);
  bool refills = needs_refill(&hub->agenda, now_ms);
  bool asks = may_be_foreign || hub->waiting_count > 0;
  (void)pthread_mutex_unlock(&hub->mutex);

  if (is_surveyed && asks && find_foreign_commits(hub, engine)) {
    (void)pthread_mutex_lock(&hub->mutex);
    hub->surveys_needed++;
    (void)pthread_mutex_unlock(&hub->mutex);
    is_surveyed = false;
  }
  bool is_well = true;
  if (!is_surveyed || refills) is_well = survey_all(hub, engine, now_ms);

  (void)pthread_mutex_lock(&hub->mutex);
  int64_t due_ms = next_ms(&hub->agenda);
  bool is_to_go_on = !tp_range_hub_is_surveyed(hub);
  (void)pthread_mutex_unlock(&hub->mutex);
  int64_t least_ms = now_ms + (is_well ? 1 : RETRY_MS); /* not at once, whatever failed */
  if (is_to_go_on || !is_well) return least_ms;
  return due_ms == TP_EXPIRES_NEVER || due_ms > least_ms ? due_ms : least_ms;
}
