/* bench.c: `tuplet bench`, a load generator. What it does is in the folder bench; here are its order, signals
 * and endings. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench_report.h"
#include "database.h"
#include "output.h"
#include "report.h"

enum { SIDES_MAX = 2 };

/* A target and what is known about it for all workloads. */
typedef struct bench_side {
  tp_bench_place place;
  char *token;
  size_t token_size;
} bench_side;

typedef struct bench {
  tp_cli_context *context;
  tp_cli_bench_options options;
  bench_side sides[SIDES_MAX];
  size_t side_count;
  sigset_t signals; /* that end it; blocked, and looked for now and then */
  bool is_interrupted;
  bool shows_progress;
  tp_bench_observer observer;
} bench;

/* One workload under way. */
typedef struct bench_round {
  tp_bench_workload workload;
  tp_bench_plan plan;
  tp_bench_data data;
  tp_bench_session sessions[SIDES_MAX];
  tp_bench_result results[SIDES_MAX]; /* of all slices */
  bool is_measured;
  double *rates[SIDES_MAX]; /* of each slice in which all did something */
  size_t slice_count;       /* of those */
} bench_round;

/* ---- While it runs ---- */

static void on_progress(void *context, tp_bench_workload workload, double seconds,
                        const tp_bench_tally *tally) {
  const bench *all = context;
  if (all->shows_progress) tp_cli_bench_progress(workload, seconds, tally);
}

/* The first signal ends the measurement, and leaves time to tidy up; the second one ends the program. */
static bool wants_end(void *context) {
  bench *all = context;
  struct timespec now = {0};
  if (!all->is_interrupted && sigtimedwait(&all->signals, NULL, &now) > 0) {
    all->is_interrupted = true;
    (void)pthread_sigmask(SIG_UNBLOCK, &all->signals, NULL);
  }
  return all->is_interrupted;
}

static void take_signals(bench *all) {
  (void)sigemptyset(&all->signals);
  (void)sigaddset(&all->signals, SIGINT);
  (void)sigaddset(&all->signals, SIGTERM);
  (void)pthread_sigmask(SIG_BLOCK, &all->signals, NULL);
}

static tp_cli_exit fail_on(const bench *all, const tp_bench_session *session, const tuplet_error *error) {
  if (all->shows_progress) tp_cli_bench_progress_end();
  (void)tp_cli_fail(session->target != NULL ? session->target->place->path : NULL, error);
  return TP_CLI_EXIT_SYSTEM;
}

/* ---- Measuring ---- */

/* Adds a slice to the whole. */
static void add_result(tp_bench_result *whole, const tp_bench_result *slice) {
  whole->seconds += slice->seconds;
  tp_bench_tally_merge(&whole->tally, &slice->tally);
  whole->rate = whole->seconds > 0 ? (double)whole->tally.completed / whole->seconds : 0;
}

/* What it came to goes to the rates of the slice that is under way. */
static tp_cli_exit measure_slice(bench *all, bench_round *round, size_t side) {
  tp_bench_session *session = &round->sessions[side];
  tp_bench_result result;
  tuplet_error error;
  int64_t slice_count = all->side_count > 1 ? (int64_t)all->options.slice_count : 1;
  int64_t duration_ms = round->plan.duration_ms / slice_count;
  tp_cli_exit code = TP_CLI_EXIT_OK;
  if (tp_bench_session_measure(session, round->plan.warm_up_ms / slice_count,
                               duration_ms < 1 ? 1 : duration_ms, round->plan.rate, &result,
                               &error) == TUPLET_OK) {
    add_result(&round->results[side], &result);
    round->rates[side][round->slice_count] = result.rate;
  } else {
    code = fail_on(all, session, &error);
  }
  tp_bench_result_done(&result);
  return code;
}

/* One target at a stretch; two by turns, and who begins changes from slice to slice. */
static tp_cli_exit measure(bench *all, bench_round *round) {
  size_t slice_count = all->side_count > 1 ? all->options.slice_count : 1;
  for (size_t side = 0; side < all->side_count; side++) {
    round->rates[side] = calloc(slice_count, sizeof *round->rates[side]);
    if (round->rates[side] == NULL) return tp_cli_fail_memory();
  }
  for (size_t slice = 0; slice < slice_count && !all->is_interrupted; slice++) {
    bool has_rates = true;
    for (size_t turn = 0; turn < all->side_count; turn++) {
      size_t side = (turn + slice) % all->side_count;
      tp_cli_exit code = measure_slice(all, round, side);
      if (code != TP_CLI_EXIT_OK) return code;
      has_rates = has_rates && round->rates[side][round->slice_count] > 0;
    }
    round->is_measured = true;
    if (has_rates) round->slice_count++; /* others have no ratio */
  }
  return TP_CLI_EXIT_OK;
}

/* Failures of operations, or a comparison that is none. */
static tp_cli_exit judge(const bench *all, const bench_round *round) {
  for (size_t i = 0; i < all->side_count; i++) {
    const tp_bench_tally *tally = &round->results[i].tally;
    if (tally->fault_count > 0)
      return tp_cli_fail_as(TP_CLI_EXIT_SYSTEM, "%s: %llu operations of %s failed", all->sides[i].place.path,
                            (unsigned long long)tally->failed, tp_bench_workload_name(round->workload));
  }
  if (all->side_count > 1 && round->slice_count < all->options.slice_count && !all->is_interrupted)
    return tp_cli_fail_as(TP_CLI_EXIT_SYSTEM,
                          "%zu slices went by in which nothing was done: they must be longer, or fewer",
                          all->options.slice_count - round->slice_count);
  return TP_CLI_EXIT_OK;
}

static tp_cli_exit report(bench *all, bench_round *round, const bool *verified) {
  tp_cli_exit code = TP_CLI_EXIT_OK;
  if (all->shows_progress) tp_cli_bench_progress_end();
  for (size_t i = 0; i < all->side_count && code == TP_CLI_EXIT_OK; i++) {
    if (all->side_count > 1 || round->workload == all->options.workloads[0])
      tp_cli_bench_print_head(all->context, &round->sessions[i], &round->plan);
    tp_cli_bench_row row = {round->workload, &round->plan, &round->sessions[i], &round->results[i],
                            verified[i]};
    code = tp_cli_bench_print_row(all->context, &row);
  }
  if (code == TP_CLI_EXIT_OK && all->side_count > 1 && round->slice_count > 0) {
    tp_cli_bench_slices slices = {round->rates[0], round->rates[1], round->slice_count};
    code = tp_cli_bench_print_slices(all->context, round->workload, &slices);
  }
  tp_cli_flush(all->context);
  return code == TP_CLI_EXIT_OK ? judge(all, round) : code;
}

/* ---- A workload, from its keys to what is left ---- */

static tp_cli_exit begin_round(bench *all, bench_round *round) {
  tuplet_error error;
  if (tp_bench_data_init(&round->data, &round->plan, &error) != TUPLET_OK) {
    (void)tp_cli_fail(NULL, &error);
    return TP_CLI_EXIT_SYSTEM;
  }
  for (size_t i = 0; i < all->side_count; i++) {
    tp_bench_session *session = &round->sessions[i];
    *session =
        (tp_bench_session){.data = &round->data, .workload = round->workload, .observer = &all->observer};
    if (tp_bench_tally_init(&round->results[i].tally, &error) != TUPLET_OK ||
        tp_bench_target_open(&all->sides[i].place, &round->data, &session->target, &error) != TUPLET_OK ||
        (!all->options.reuses && tp_bench_session_fill(session, &error) != TUPLET_OK))
      return fail_on(all, session, &error);
  }
  return TP_CLI_EXIT_OK;
}

/* Removes what was written. `code` stays what it is if it is a failure already. */
static tp_cli_exit end_round(bench *all, bench_round *round, tp_cli_exit code) {
  for (size_t i = 0; i < all->side_count; i++) {
    tp_bench_session *session = &round->sessions[i];
    tuplet_error error;
    if (session->target != NULL && session->has_keys && !all->options.keeps &&
        tp_bench_session_clear(session, &error) != TUPLET_OK) {
      if (code == TP_CLI_EXIT_OK) code = fail_on(all, session, &error); /* else the cause has been told */
      (void)tp_cli_fail_as(code, "%s: what is under [\"tuplet-bench\", \"%s\"] is still there",
                           all->sides[i].place.path, round->plan.name);
    }
    tp_bench_target_close(session->target);
    tp_bench_result_done(&round->results[i]);
  }
  tp_bench_data_done(&round->data);
  for (size_t i = 0; i < all->side_count; i++) free(round->rates[i]);
  return code;
}

static tp_cli_exit run_round(bench *all, tp_bench_workload workload) {
  bench_round round = {.workload = workload};
  bool verified[SIDES_MAX] = {false};
  if (!tp_cli_bench_options_plan(&all->options, workload, &round.plan)) return TP_CLI_EXIT_USAGE;
  tp_cli_exit code = begin_round(all, &round);
  if (code == TP_CLI_EXIT_OK && !all->is_interrupted) code = measure(all, &round);
  for (size_t i = 0;
       i < all->side_count && code == TP_CLI_EXIT_OK && !all->is_interrupted && workload == TP_BENCH_TRANSFER;
       i++) {
    tuplet_error error;
    verified[i] = tp_bench_session_verify(&round.sessions[i], &error) == TUPLET_OK;
    if (!verified[i]) code = fail_on(all, &round.sessions[i], &error);
  }
  if (round.is_measured) {
    tp_cli_exit reported = report(all, &round, verified);
    if (code == TP_CLI_EXIT_OK) code = reported;
  }
  code = end_round(all, &round, code);
  if (all->shows_progress) tp_cli_bench_progress_end();
  return code;
}

/* ---- The command ---- */

static tp_cli_exit init_side(bench *all, const char *path, const char *token_path) {
  bench_side *side = &all->sides[all->side_count++];
  if (token_path != NULL) {
    tp_cli_exit code = tp_cli_access_token_read(token_path, &side->token, &side->token_size);
    if (code != TP_CLI_EXIT_OK) return code;
  }
  side->place = (tp_bench_place){.path = path,
                                 .token = side->token != NULL ? side->token : getenv("DENO_KV_ACCESS_TOKEN"),
                                 .ca_file = all->options.ca_file,
                                 .http = all->options.http};
  if (side->place.ca_file == NULL) side->place.ca_file = getenv("DENO_CERT");
  if (side->place.ca_file == NULL) side->place.ca_file = getenv("SSL_CERT_FILE");
  return TP_CLI_EXIT_OK;
}

static tp_cli_exit init_sides(bench *all) {
  const tp_cli_context *context = all->context;
  const tp_cli_bench_options *options = &all->options;
  tp_cli_exit code = init_side(all, context->db_path, context->token_path);
  if (code != TP_CLI_EXIT_OK || options->versus_path == NULL) return code;
  return init_side(all, options->versus_path,
                   options->versus_token_path != NULL ? options->versus_token_path : context->token_path);
}

static tp_cli_exit run(tp_cli_context *context, int argc, char **argv) {
  bench all = {.context = context, .shows_progress = !context->quiet && isatty(STDERR_FILENO) == 1};
  tp_cli_exit code;
  tuplet_error error;
  if (!tp_cli_bench_options_read(context, argc, argv, &all.options, &code)) return code;
  if (context->quiet) all.shows_progress = false;
  all.observer = (tp_bench_observer){on_progress, wants_end, &all};
  if (all.options.plan.name[0] == '\0' && tp_bench_name_make(all.options.plan.name, &error) != TUPLET_OK) {
    (void)tp_cli_fail(NULL, &error);
    return TP_CLI_EXIT_SYSTEM;
  }
  code = init_sides(&all);
  if (code == TP_CLI_EXIT_OK) take_signals(&all);
  for (size_t i = 0; i < all.options.workload_count && code == TP_CLI_EXIT_OK && !all.is_interrupted; i++)
    code = run_round(&all, all.options.workloads[i]);
  if (code == TP_CLI_EXIT_OK && all.is_interrupted) code = tp_cli_fail_as(TP_CLI_EXIT_SYSTEM, "interrupted");
  if (all.options.keeps && code == TP_CLI_EXIT_OK) tp_cli_bench_print_kept(context, &all.options.plan);
  for (size_t i = 0; i < all.side_count; i++) {
    if (all.sides[i].token != NULL) explicit_bzero(all.sides[i].token, all.sides[i].token_size);
    free(all.sides[i].token);
  }
  return code;
}

const tp_cli_command tp_cli_bench = {
    .name = "bench",
    .summary = "load a database with work, and measure it",
    .help = "Usage: tuplet bench [OPTION]... WORKLOAD...\n"
            "\n"
            "Loads a database with operations and prints how many it does in a second and how\n"
            "long they take. It is a server by its URL, any that speaks KV Connect, or a file,\n"
            "which is used through the library. What is written lies under\n"
            "[\"tuplet-bench\", NAME], and is removed in the end.\n"
            "\n"
            "Workloads:\n"
            "  get        reads a key\n"
            "  getmany    reads some keys in one snapshot\n"
            "  set        overwrites a key\n"
            "  mixed      four gets for each set\n"
            "  transfer   moves an amount between two accounts: reads both, checks both, sets\n"
            "             both, and begins anew when one has changed; in the end the accounts\n"
            "             must hold together what they did before\n"
            "  sum        adds 1 to a counter, all to the same one\n"
            "  list       lists some keys that follow each other\n"
            "  watch      writes a key that all others watch; an operation is one of them being\n"
            "             told, and the next write begins when all have been\n"
            "  queue      puts a message into the queue, waits until it is delivered, and\n"
            "             finishes it; not on a database whose queue is in use\n"
            "\n" TP_CLI_DATABASE_HELP "\n"
            "      --versus DB        a second database: both are measured by turns, and the\n"
            "                         ratio printed, slice by slice and the median\n"
            "      --versus-access-token-file FILE\n"
            "                         its access token; when not given, it is that of the first\n"
            "      --slices N         of --versus: how many turns each gets [10]\n"
            "  -c, --connections N    how many connections to a server [8]\n"
            "  -m, --in-flight N      operations under way on each at a time [1]\n"
            "  -t, --threads N        that share the connections [1]\n"
            "      --rate N           operations a second that begin, whether or not others have\n"
            "                         ended; latencies count from when each was due. When not\n"
            "                         given, the next one begins when one has ended\n"
            "  -n, --keys N           how many keys there are [10000]\n"
            "  -s, --value-size N     bytes of a value [100]\n"
            "      --distribution D   which keys are used: uniform or zipf [uniform]\n"
            "      --zipf-exponent X  how much more the popular ones are [0.99]\n"
            "      --batch N          keys of a getmany, at most 10, or of a list, at most 1000;\n"
            "                         when not given, 10 or 100\n"
            "      --warm-up T        time before measuring [1s]\n"
            "      --duration T       time of measuring, of each database [10s]\n"
            "      --http V           auto, 1 or 2 [auto]\n"
            "      --ca-file PEM      authorities to trust besides the system's; when not given,\n"
            "                         what DENO_CERT or SSL_CERT_FILE names\n"
            "      --seed N           of what is drawn at random [1]\n"
            "      --name NAME        the second part of the keys; when not given, a new one\n"
            "      --keep             leave what was written\n"
            "      --reuse            use what a run with this --name has kept\n"
            "  -j, --json             print a JSON object on a line for each result\n"
            "  -q, --quiet            show no progress\n"
            "  -h, --help             print this\n"
            "\n"
            "Exit status: 0 success, 2 usage, 5 the database cannot be used, an operation\n"
            "failed, transfers were not atomic, or it was interrupted.\n"
            "\n"
            "  tuplet bench --db http://127.0.0.1:4512 -c 64 get set\n",
    .run = run,
};
