#!/bin/sh
# http_clients_test.sh: real clients (curl, nghttp, h2load) against http_echo, on HTTP/1.1 and HTTP/2.
# Usage: http_clients_test.sh HTTP_ECHO [tls]
set -eu
server=$1
tls=${2:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

scheme=http
set --
if [ -n "$tls" ]; then
  scheme=https
  export CURL_CA_BUNDLE="$work/cert.pem"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/key.pem" -out "$work/cert.pem" \
    -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 2>"$work/openssl" || fail "$(cat "$work/openssl")"
  set -- "$work/cert.pem" "$work/key.pem"
fi

mkfifo "$work/stdin"
"$server" 2 "$@" <"$work/stdin" >"$work/port" &
server_pid=$!
exec 3>"$work/stdin"
while [ ! -s "$work/port" ]; do
  kill -0 "$server_pid" || fail "the server did not start"
  sleep 0.05
done
url="$scheme://127.0.0.1:$(cat "$work/port")"

head -c 3000000 /dev/urandom >"$work/body"
head -c 5000000 /dev/urandom >"$work/too-large"
for version in --http1.1 --http2-prior-knowledge --http1.0 --http2; do
  get="curl -sS --max-time 20 $version"
  $get --data-binary "@$work/body" "$url/echo" >"$work/answer"
  cmp "$work/body" "$work/answer" || fail "$version: the body came back changed"
  [ "$($get "$url/big" | wc -c)" = 16777216 ] || fail "$version: a large response"
  [ "$($get "$url/stream" | wc -l)" = 5 ] || fail "$version: a stream"
  [ "$($get "$url/later")" = later ] || fail "$version: an answer from another thread"
  [ "$($get -I -o /dev/null -w '%{http_code}' "$url/")" = 200 ] || fail "$version: HEAD"
  # curl 7.88 cannot use a connection with prior knowledge again; nghttp below does.
  [ "$version" = --http2-prior-knowledge ] || [ "$($get -d a "$url/1" "$url/2")" = aa ] ||
    fail "$version: two requests on one connection"
  status=$($get -o /dev/null -w '%{http_code}' --data-binary "@$work/too-large" "$url/" || true)
  [ "$status" = 413 ] || fail "$version: a body beyond the limit got $status"
  status=$($get -o /dev/null -w '%{http_code}' -H "x: $(head -c 40000 /dev/zero | tr '\0' x)" "$url/" || true)
  [ "$status" = 431 ] || fail "$version: headers beyond the limit got $status"
done
$get -H 'Transfer-Encoding: chunked' --http1.1 --data-binary "@$work/body" "$url/echo" | cmp - "$work/body" ||
  fail "a chunked body"

# A client that stops reading a stream is noticed, and others are served meanwhile.
curl -sS --max-time 1 --limit-rate 1000 --http2-prior-knowledge "$url/big" >/dev/null 2>&1 || true

nghttp -nv --window-bits=12 "$url/stream" "$url/later" "$url/echo" >"$work/nghttp" || fail "nghttp"
[ "$(grep -c ':status: 200' "$work/nghttp")" = 3 ] || fail "nghttp: three answers"

for arguments in "-m 50" "--h1"; do
  # shellcheck disable=SC2086 # two words on purpose
  h2load -n 5000 -c 20 -t 1 $arguments -d "$work/port" "$url/echo" >"$work/h2load" || fail "h2load $arguments"
  grep -q '5000 succeeded, 0 failed' "$work/h2load" || fail "h2load $arguments: $(cat "$work/h2load")"
done

# Drained while a stream is under way: the stream comes to its end, then the server does.
curl -sS --max-time 20 --http2-prior-knowledge "$url/stream" >"$work/stream" &
curl_pid=$!
sleep 0.05
exec 3>&-
wait "$curl_pid" || fail "the stream was cut by the drain"
[ "$(wc -l <"$work/stream")" = 5 ] || fail "the stream lost lines"
wait "$server_pid" || fail "the server did not end well"
