/* config_table.h: every option of `tuplet serve`: its name, what it takes, where it is kept, what it is for.
 */
#ifndef TP_SERVER_CONFIG_TABLE_H
#define TP_SERVER_CONFIG_TABLE_H

#include "server/config/config.h"
#include "server/config/config_value.h"

typedef enum tp_option_kind {
  TP_OPTION_SWITCH,      /* bool */
  TP_OPTION_TEXT,        /* const char * */
  TP_OPTION_TOKEN,       /* const char *, an access token; never shown */
  TP_OPTION_ADDRESS,     /* const char *, checked */
  TP_OPTION_ADDRESSES,   /* tp_serve_config.addresses; may come several times */
  TP_OPTION_WEBHOOKS,    /* tp_serve_config.webhooks, likewise */
  TP_OPTION_COUNT,       /* uint32_t */
  TP_OPTION_SIZE,        /* size_t, bytes */
  TP_OPTION_DURATION,    /* uint32_t, milliseconds */
  TP_OPTION_CHOICE,      /* int, one of `choices` */
  TP_OPTION_UNUSED,      /* a number that is checked and forgotten */
  TP_OPTION_UNSUPPORTED, /* known, to say that it cannot be had */
} tp_option_kind;

typedef struct tp_option_choice {
  const char *text; /* NULL ends the list */
  int value;
} tp_option_choice;

typedef struct tp_option {
  const char *name;     /* "data-dir": --data-dir, TUPLET_DATA_DIR, "data-dir = " */
  const char *variable; /* denokv's environment variable of the same meaning, or NULL */
  const char *argument; /* in --help; NULL for a switch */
  const char *help;     /* lines of at most 68 characters; NULL: not shown */
  const char *section;  /* heading before it, in --help; NULL: the same as the one before */
  tp_option_kind kind;
  size_t offset;         /* in tp_serve_config */
  tp_config_range range; /* of numbers */
  const tp_option_choice *choices;
} tp_option;

enum { TP_OPTIONS_MAX = 64 };
extern const tp_option tp_options[];
extern const size_t tp_option_count; /* at most TP_OPTIONS_MAX */

/* The number of the option of that name; tp_option_count when there is none. */
size_t tp_option_find(const char *name, size_t name_size);

/* The environment variable "TUPLET_...". */
enum { TP_OPTION_VARIABLE_SIZE = 64 };
void tp_option_variable(const tp_option *option, char ret_name[TP_OPTION_VARIABLE_SIZE]);

#endif
