#!/usr/bin/env bash
# deb.sh: the Debian packages on a clean Debian: a fresh minimal system in a folder, which systemd boots as a container.
# They install with what they depend on and nothing else, the service starts with all of its hardening and serves a real
# Deno program, reloads, survives an upgrade, starts by its socket, goes away and leaves the data; a program compiles
# against the library.
#
# Usage: deb.sh FOLDER_OF_PACKAGES      as root; needs the network, some minutes, and 1 GB
set -euo pipefail
packages=$(realpath "$1")
cd "$(dirname "$0")/.."
[ "$(id -u)" -eq 0 ] || {
  echo 'deb: only root can install a system into a folder' >&2
  exit 1
}
deno=$PWD/test/clients/node_modules/.bin/deno
work=$(mktemp -d)
root=$work/root
container=
finish() {
  if [ -n "$container" ]; then
    kill "$container" 2>/dev/null || true
    wait "$container" 2>/dev/null || true
  fi
  rm -rf --one-file-system "$work"
}
trap finish EXIT
say() { printf 'deb: %s\n' "$*"; }
fail() {
  say "$*" >&2
  if [ -n "${init:-}" ]; then inside journalctl --no-pager -u tuplet -n 30 >&2 || true; fi
  exit 1
}

say 'a clean system'
. /etc/os-release
mkdir -p build/deb-cache
debootstrap --variant=minbase --cache-dir="$PWD/build/deb-cache" --include=systemd,systemd-sysv,dbus,ca-certificates \
  "$VERSION_CODENAME" "$root" >"$work/log" 2>&1 || fail "debootstrap: $(tail -n 5 "$work/log")"
rm -f "$root/etc/apt/sources.list"
cp -r /etc/apt/sources.list* "$root/etc/apt/"
mkdir "$root/packages"
cp "$packages"/{tuplet,libtuplet0,libtuplet-dev}_*.deb "$root/packages/"

say 'booting it'
systemd-nspawn -q -D "$root" --register=no --keep-unit --boot --console=pipe </dev/null >"$work/boot" 2>&1 &
container=$!
init=
inside() { nsenter -t "$init" -a env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
booted() {
  init=$(pgrep -P "$container" | head -n 1)
  [ -n "$init" ] && inside systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded'
}
for ((i = 0; i < 300; i++)); do
  if booted; then break; fi
  sleep 0.2
done
booted || fail "it does not come up: $(tail -n 20 "$work/boot")"

say 'installing tuplet'
inside apt-get -qq update
inside sh -c 'apt-get -qq -y --no-install-recommends install /packages/tuplet_*.deb' >"$work/log" 2>&1 ||
  fail "apt-get: $(tail -n 20 "$work/log")"
inside systemctl is-active --quiet tuplet && fail 'the installation has started the server'
inside tuplet version
[ "$(inside dpkg -V tuplet)" = '' ] || fail 'what is installed is not what was packaged'

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
token=a-token-of-the-package-test
inside sh -c "umask 077 && echo $token >/etc/tuplet/access-token"
inside mkdir -p /etc/systemd/system/tuplet.service.d /etc/systemd/system/tuplet.socket.d
printf '[Service]\nLoadCredential=access-token:/etc/tuplet/access-token\n' >"$root/etc/systemd/system/tuplet.service.d/t.conf"
printf '[Socket]\nListenStream=\nListenStream=127.0.0.1:%s\n' "$port" >"$root/etc/systemd/system/tuplet.socket.d/t.conf"
cat >>"$root/etc/tuplet/tuplet.conf" <<END
addr = 127.0.0.1:$port
access-token-file = /run/credentials/tuplet.service/access-token
tokens-file = /etc/tuplet/tokens
END
inside install -m 0640 -o root -g tuplet /dev/null /etc/tuplet/tokens
reader=$(inside tuplet token create --quiet --read-only --tokens-file /etc/tuplet/tokens reader)
inside systemctl daemon-reload

program() { # program fill|check [TOKEN]
  DENO_KV_ACCESS_TOKEN=${2:-$token} "$deno" run -A --unstable-kv --no-config --no-lock test/clients/deno/carried_over.ts \
    "http://127.0.0.1:$port" "$1" >"$work/program" 2>&1 || return 1
  ! grep -q '"error"' "$work/program"
}

say 'the service, as it is hardened'
inside systemctl start tuplet || fail 'it does not start'
program fill || fail "the Deno program: $(cat "$work/program")"
program check || fail "the Deno program: $(cat "$work/program")"
if program fill "$reader"; then fail 'a token that may only read has written'; fi
grep -q 'Writes are disabled' "$work/program" || fail "a token that may only read: $(cat "$work/program")"
inside find /var/lib/tuplet -name '*.sqlite*' | grep -q . || fail 'there is no database where it should be'
inside systemctl reload tuplet || fail 'it does not reload'
program check || fail "after the reload: $(cat "$work/program")"
[ "$(inside systemctl show tuplet -P NRestarts)" = 0 ] || fail 'it was restarted'

say 'an upgrade restarts it'
before=$(inside systemctl show tuplet -P MainPID)
inside sh -c 'apt-get -qq -y --reinstall -o Dpkg::Options::=--force-confold install /packages/tuplet_*.deb' >"$work/log" 2>&1 ||
  fail "apt-get: $(tail -n 20 "$work/log")"
[ "$(inside systemctl show tuplet -P MainPID)" != "$before" ] || fail 'it runs on'
program check || fail "after the upgrade: $(cat "$work/program")"
inside systemctl stop tuplet
[ "$(inside systemctl show tuplet -P Result)" = success ] || fail 'it did not end well'

say 'its socket starts it'
inside sed -i '/^addr = /d' /etc/tuplet/tuplet.conf
inside systemctl start tuplet.socket
inside systemctl is-active --quiet tuplet && fail 'it runs before anybody has come'
program check || fail "through the socket: $(cat "$work/program")"
inside systemctl is-active --quiet tuplet || fail 'somebody else has answered'

say 'removing it keeps the data'
inside apt-get -qq -y remove tuplet >"$work/log" 2>&1 || fail "apt-get: $(tail -n 20 "$work/log")"
inside systemctl is-active --quiet tuplet tuplet.socket && fail 'it runs on'
inside apt-get -qq -y purge tuplet >"$work/log" 2>&1 || fail "apt-get: $(tail -n 20 "$work/log")"
inside find /var/lib/tuplet -name '*.sqlite*' | grep -q . || fail 'the databases are gone'

say 'a program with the library'
inside sh -c 'apt-get -qq -y --no-install-recommends install gcc libc6-dev pkg-config /packages/lib*.deb' >"$work/log" 2>&1 ||
  fail "apt-get: $(tail -n 20 "$work/log")"
cp examples/hello.c "$root/packages/"
# shellcheck disable=SC2016
inside sh -c 'cd /packages && gcc hello.c $(pkg-config --cflags --libs tuplet) -o hello && ./hello' || fail 'it does not compile or run'

if command -v lintian >/dev/null; then
  say 'lintian'
  lintian --allow-root --fail-on error,warning "$packages"/*.changes || fail 'lintian has found something'
fi
say 'everything holds'
