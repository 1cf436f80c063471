/* text_date.c: moments as ISO 8601 text. The calendar is the proleptic Gregorian one. */
#include "codec/text_date.h"

#include <math.h>
#include <stdio.h>

enum { SECOND_MS = 1000, MINUTE_MS = 60 * SECOND_MS, HOUR_MS = 60 * MINUTE_MS, DAY_MS = 24 * HOUR_MS };

static const double date_ms_max = 8.64e15;

bool tp_date_has_text(double unix_ms) {
  return fabs(unix_ms) <= date_ms_max && unix_ms == trunc(unix_ms) && !(unix_ms == 0 && signbit(unix_ms));
}

/* ---- Days and dates ----
 * Years are counted from March, so that the leap day is a year's last; eras have 400 years and 146097 days.
 */

enum { ERA_YEARS = 400, ERA_DAYS = 146097, DAYS_TO_1970 = 719468 /* from 0000-03-01 */ };

static int64_t divide_down(int64_t a, int64_t b) {
  return a / b - (a % b < 0);
}

static int64_t days_from_date(int64_t year, int month, int day) {
  if (month <= 2) year--;
  int64_t era = divide_down(year, ERA_YEARS);
  int64_t year_of_era = year - era * ERA_YEARS;
  int month_from_march = (month + 9) % 12;
  int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
  int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * ERA_DAYS + day_of_era - DAYS_TO_1970;
}

static void date_from_days(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day) {
  days += DAYS_TO_1970;
  int64_t era = divide_down(days, ERA_DAYS);
  int64_t day_of_era = days - era * ERA_DAYS;
  int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / (ERA_DAYS - 1)) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t month_from_march = (5 * day_of_year + 2) / 153;
  *ret_day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
  *ret_month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
  *ret_year = era * ERA_YEARS + year_of_era + (*ret_month <= 2);
}

static int days_in_month(int64_t year, int month) {
  static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : days[month - 1];
}

size_t tp_date_to_text(double unix_ms, char ret_text[TP_DATE_TEXT_SIZE]) {
  int64_t ms = (int64_t)unix_ms, year;
  int month, day;
  int64_t days = divide_down(ms, DAY_MS);
  int time = (int)(ms - days * DAY_MS);
  date_from_days(days, &year, &month, &day);
  const char *year_format = year >= 0 && year <= 9999 ? "%04d" : "%+07d";
  char year_text[8];
  (void)snprintf(year_text, sizeof year_text, year_format, (int)year);
  int size = snprintf(ret_text, TP_DATE_TEXT_SIZE, "%s-%02d-%02dT%02d:%02d:%02d.%03dZ", year_text, month, day,
                      time / HOUR_MS, time / MINUTE_MS % 60, time / SECOND_MS % 60, time % SECOND_MS);
  return (size_t)size;
}

/* ---- Reading ---- */

typedef struct cursor {
  const char *at;
  const char *end;
} cursor;

static bool take(cursor *c, char expected) {
  if (c->at == c->end || *c->at != expected) return false;
  c->at++;
  return true;
}

static bool take_digits(cursor *c, int count, int *ret_number) {
  if (c->end - c->at < count) return false;
  int number = 0;
  for (int i = 0; i < count; i++) {
    char digit = c->at[i];
    if (digit < '0' || digit > '9') return false;
    number = number * 10 + (digit - '0');
  }
  c->at += count;
  *ret_number = number;
  return true;
}

static bool take_date(cursor *c, int64_t *ret_days) {
  int year, month = 1, day = 1;
  bool plus = take(c, '+'), minus = !plus && take(c, '-');
  if (!take_digits(c, plus || minus ? 6 : 4, &year)) return false;
  if (minus && year == 0) return false; /* the standard rules -000000 out */
  if (minus) year = -year;
  if (take(c, '-')) {
    if (!take_digits(c, 2, &month) || month < 1 || month > 12) return false;
    if (take(c, '-') && (!take_digits(c, 2, &day) || day < 1 || day > days_in_month(year, month)))
      return false;
  }
  *ret_days = days_from_date(year, month, day);
  return true;
}

/* Behind the seconds: ".5", ".123", ".123456" (cut to milliseconds). */
static bool take_fraction(cursor *c, int *ret_ms) {
  int ms = 0, scale = 100, digit;
  if (!take_digits(c, 1, &digit)) return false;
  do {
    ms += digit * scale;
    scale /= 10;
  } while (take_digits(c, 1, &digit));
  *ret_ms = ms;
  return true;
}

/* Behind the "T". */
static bool take_time(cursor *c, int64_t *ret_ms) {
  int hour, minute, second = 0, ms = 0;
  if (!take_digits(c, 2, &hour) || !take(c, ':') || !take_digits(c, 2, &minute)) return false;
  if (take(c, ':')) {
    if (!take_digits(c, 2, &second)) return false;
    if (take(c, '.') && !take_fraction(c, &ms)) return false;
  }
  bool midnight = hour == 24 && minute == 0 && second == 0 && ms == 0;
  if ((hour > 23 && !midnight) || minute > 59 || second > 59) return false;
  *ret_ms = (int64_t)hour * HOUR_MS + (int64_t)minute * MINUTE_MS + (int64_t)second * SECOND_MS + ms;
  if (take(c, 'Z')) return true;
  bool plus = take(c, '+');
  if (!plus && !take(c, '-')) return false;
  if (!take_digits(c, 2, &hour) || !take(c, ':') || !take_digits(c, 2, &minute)) return false;
  if (hour > 23 || minute > 59) return false;
  int64_t offset = (int64_t)hour * HOUR_MS + (int64_t)minute * MINUTE_MS;
  *ret_ms += plus ? -offset : offset;
  return true;
}

bool tp_date_from_text(tuplet_bytes text, double *ret_unix_ms) {
  if (text.size == 0) return false;
  cursor c = {.at = text.data, .end = (const char *)text.data + text.size};
  int64_t days, ms = 0;
  if (!take_date(&c, &days)) return false;
  if (take(&c, 'T') && !take_time(&c, &ms)) return false;
  if (c.at != c.end) return false;
  double unix_ms = (double)(days * DAY_MS + ms);
  if (fabs(unix_ms) > date_ms_max) return false;
  *ret_unix_ms = unix_ms;
  return true;
}
