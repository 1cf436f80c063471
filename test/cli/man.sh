#!/bin/sh
# man.sh: a man page gives no warning and says something.
#
# Usage: man.sh PAGE
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
man --warnings -E UTF-8 -l -Tutf8 -Z "$1" >"$work/page" 2>"$work/warnings"
cat "$work/warnings" >&2
[ ! -s "$work/warnings" ] && [ "$(wc -c <"$work/page")" -gt 2000 ]
