#!/usr/bin/env bash
# Runs the addon's own tests in Node with an addon that was built with sanitizers (make asan, make tsan).
#
#   sanitized.sh ADDON TUPLET
#
# Node is not instrumented, so the sanitizers' libraries are loaded ahead of it. What it has not freed at its end would be
# reported as leaks; that the addon frees what it takes memory.test.mjs shows.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TUPLET_ADDON=$(realpath "$1")
TUPLET=$(realpath "$2")
LD_PRELOAD=$(ldd "$TUPLET_ADDON" | sed -nE 's/.* (\/.*lib(a|ub|t)san\.so[^ ]*) .*/\1/p' | sort | paste -sd ' ')
: "${LD_PRELOAD:?$1 is not built with sanitizers}"
ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
TSAN_OPTIONS=${TSAN_OPTIONS:-}:ignore_noninstrumented_modules=1:report_signal_unsafe=0
NODE_OPTIONS="--import $here/shallow.mjs"
export TUPLET_ADDON TUPLET ASAN_OPTIONS TSAN_OPTIONS NODE_OPTIONS
node_path=$(command -v node)
export LD_PRELOAD
exec "$node_path" --test --test-concurrency=2 --test-reporter=spec \
  "$here"/{arguments,lifetimes,processes,remote}.test.mjs
