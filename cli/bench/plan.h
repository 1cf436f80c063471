/* plan.h: what is to be measured, and how: all that a run of the load generator is told. */
#ifndef TP_CLI_BENCH_PLAN_H
#define TP_CLI_BENCH_PLAN_H

#include "tuplet.h"

typedef enum tp_bench_workload {
  TP_BENCH_GET,
  TP_BENCH_GETMANY,
  TP_BENCH_SET,
  TP_BENCH_MIXED,    /* four gets for each set */
  TP_BENCH_TRANSFER, /* reads two accounts, checks both, sets both */
  TP_BENCH_SUM,      /* all add to one key */
  TP_BENCH_LIST,
  TP_BENCH_WATCH, /* one writes, all others are told */
  TP_BENCH_QUEUE, /* messages are put into the queue, delivered and finished */
  TP_BENCH_WORKLOAD_COUNT,
  /* Not to be chosen: what stands before and after. */
  TP_BENCH_FILL = TP_BENCH_WORKLOAD_COUNT,
  TP_BENCH_AUDIT, /* adds up the accounts */
  TP_BENCH_CLEAR
} tp_bench_workload;

typedef enum tp_bench_http {
  TP_BENCH_HTTP_AUTO, /* in clear HTTP/2 by prior knowledge, as Deno's client; over TLS what ALPN chooses */
  TP_BENCH_HTTP_1,
  TP_BENCH_HTTP_2
} tp_bench_http;

enum {
  TP_BENCH_GETMANY_MAX = 10,
  TP_BENCH_LIST_MAX = 1000,
  TP_BENCH_NAME_SIZE = 65,  /* 64 characters and a NUL */
  TP_BENCH_ACCOUNT = 1000,  /* what each account of the transfers begins with */
  TP_BENCH_FILL_COUNT = 500 /* keys are written and removed so many at a time, if they are small */
};

#define TP_BENCH_VALUE_SIZE_MAX ((uint64_t)65536)

typedef struct tp_bench_plan {
  char name[TP_BENCH_NAME_SIZE]; /* the second part of every key, after "tuplet-bench" */
  uint64_t key_count;
  size_t value_size;
  double zipf_exponent; /* 0: all keys are as likely */
  unsigned batch;       /* keys of a getmany, entries of a list */
  unsigned connection_count;
  unsigned in_flight; /* of a connection */
  unsigned thread_count;
  int64_t warm_up_ms;
  int64_t duration_ms;
  double rate; /* operations a second; 0: the next one begins when one has ended */
  uint64_t seed;
} tp_bench_plan;

/* What a target needs to be opened. */
typedef struct tp_bench_place {
  const char *path;    /* a file, ":memory:" or a URL */
  const char *token;   /* for a URL; may be NULL */
  const char *ca_file; /* PEM: authorities to trust besides the system's; NULL: none */
  tp_bench_http http;
} tp_bench_place;

#endif
