#!/usr/bin/env bash
# installed.sh: what `make install` puts in place is enough for a program of somebody else's: the README's example
# compiles as C and as C++, with the shared library and the static one, and runs; the shared library exports the
# public names alone, and all of them. The program runs from there, its manual reads without a warning, its completion
# loads, systemd takes its units and finds them locked up well, and a configuration that is there is left as it is.
#
# Usage: installed.sh SOURCE_ROOT BUILD_ROOT
set -euo pipefail
source_root=$1
build_root=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  printf 'installed: %s\n' "$*" >&2
  exit 1
}

meson install -C "$build_root" --no-rebuild --quiet --destdir "$work/root" >"$work/log" 2>&1 ||
  fail "meson install: $(cat "$work/log")"

installed() { # installed PATTERN...: each is a file
  local pattern found
  for pattern in "$@"; do
    found=$(cd "$work/root" && find . -path "*/$pattern" -type f)
    [ -n "$found" ] || fail "does not install $pattern"
  done
}
for page in "$source_root"/man/*.[0-9]; do installed "man${page##*.}/${page##*/}"; done
installed bin/tuplet bash-completion/completions/tuplet site-functions/_tuplet vendor_completions.d/tuplet.fish \
  systemd/system/tuplet.{service,socket} sysusers.d/tuplet.conf etc/tuplet/tuplet.conf examples/tuplet.conf
program=$(find "$work/root" -path '*/bin/tuplet')
version=$("$program" --version)
[[ $version =~ ^tuplet\ [0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "tuplet --version: $version"

for page in $(find "$work/root" -path '*/man/man?/*'); do
  "$source_root/test/cli/man.sh" "$page" || fail "${page##*/} does not read well"
done

for file in $(find "$work/root" -path '*/bash-completion/completions/*'); do
  bash -n "$file" && bash -c 'source "$1" && complete -p tuplet' bash "$file" >"$work/log" 2>&1 ||
    fail "${file##*/} does not load: $(cat "$work/log")"
done

# systemd looks for the program where the unit says; here that is inside of the folder.
units=$work/units
mkdir "$units"
find "$work/root" -path '*/systemd/system/tuplet.*' -exec cp {} "$units" \;
sed -i "s|^ExecStart=|&$work/root|" "$units/tuplet.service"
(cd "$units" && systemd-analyze verify --man=no --recursive-errors=no ./tuplet.service ./tuplet.socket) >"$work/log" 2>&1 ||
  fail "systemd-analyze verify: $(cat "$work/log")"
[ ! -s "$work/log" ] || fail "systemd-analyze verify: $(cat "$work/log")"
# 0 is a service that may do nothing, 10 one that may do anything; a server of the network cannot do without the network.
systemd-analyze security --no-pager --offline=yes --threshold=12 "$units/tuplet.service" >"$work/log" 2>&1 ||
  fail "systemd-analyze security: $(cat "$work/log")"
systemd-sysusers --dry-run "$(find "$work/root" -path '*/sysusers.d/tuplet.conf')" >"$work/log" 2>&1 ||
  fail "systemd-sysusers: $(cat "$work/log")"

config=$(find "$work/root" -path '*/etc/tuplet/tuplet.conf')
echo '# mine' >"$config"
meson install -C "$build_root" --no-rebuild --quiet --destdir "$work/root" >"$work/log" 2>&1 ||
  fail "meson install, again: $(cat "$work/log")"
[ "$(cat "$config")" = '# mine' ] || fail 'an installation overwrites the configuration'

mapfile -t headers < <(cd "$work/root" && find . -name '*.h' -printf '%P\n')
[ "${#headers[@]}" -eq 1 ] && [[ ${headers[0]} == *include/tuplet.h ]] || fail "installs headers: ${headers[*]}"

pc=$(find "$work/root" -name tuplet.pc)
[ -n "$pc" ] || fail 'no tuplet.pc'
export PKG_CONFIG_PATH=${pc%/*} PKG_CONFIG_SYSROOT_DIR=$work/root
LD_LIBRARY_PATH=$(dirname "$(find "$work/root" -name libtuplet.so)")
export LD_LIBRARY_PATH
read -ra cflags < <(pkg-config --cflags tuplet)
read -ra shared < <(pkg-config --libs tuplet)
read -ra static < <(pkg-config --libs --static tuplet | sed 's/-ltuplet\b/-l:libtuplet.a/')

exported=$(nm -D --defined-only "$LD_LIBRARY_PATH/libtuplet.so" | awk '{print $3}' | sort)
declared=$("${CC:-cc}" -E -P "${cflags[@]}" -include tuplet.h -x c /dev/null | tr '\n' ' ' |
  grep -oE '__attribute__\(\(visibility[^;]*;' | grep -oE '\btuplet_[a-z0-9_]+ ?\(' | tr -d ' (' | sort -u)
different=$(comm -3 <(printf '%s\n' "$exported") <(printf '%s\n' "$declared"))
[ -z "$different" ] || fail "exported but not declared, or (indented) declared but not exported:"$'\n'"$different"

# The C block of the README, as it stands there.
awk '/^```c$/ {on = 1; next} /^```$/ {on = 0} on' "$source_root/README.md" >"$work/example.c"
sed 's/tuplet_key key =/auto key =/; s/= {0}/= {}/' "$work/example.c" >"$work/example.cpp"
warnings=(-Wall -Wextra -Werror -pedantic)

try() { # try NAME COMPILER...
  local name=$1
  shift
  "$@" -o "$work/$name" || fail "$name does not compile"
  (cd "$work" && rm -f app.sqlite3* && "./$name" >"$name.out") || fail "$name does not run"
  [ "$(cat "$work/$name.out")" = Lovelace ] || fail "$name printed: $(cat "$work/$name.out")"
}
try c_shared "${CC:-cc}" -std=c11 "${warnings[@]}" "${cflags[@]}" "$work/example.c" "${shared[@]}"
try c_static "${CC:-cc}" -std=c17 "${warnings[@]}" "${cflags[@]}" "$work/example.c" "${static[@]}"
if command -v "${CXX:-c++}" >/dev/null; then
  try cpp_shared "${CXX:-c++}" -std=c++17 "${warnings[@]}" "${cflags[@]}" "$work/example.cpp" "${shared[@]}"
fi
