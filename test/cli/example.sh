#!/bin/sh
# example.sh: an example program prints what it should, on a new file and on the same file again.
#
# Usage: example.sh PROGRAM FIRST SECOND
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for expected in "$2" "$3"; do
  printed=$("$1" "$work/hello.sqlite3")
  if [ "$printed" != "$(printf '%b' "$expected")" ]; then
    printf 'expected %s\nprinted  %s\n' "$expected" "$printed" >&2
    exit 1
  fi
done
