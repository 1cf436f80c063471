// TLS: real clients over https, which protocol they agree on, certificates that are replaced while clients are
// connected, certificates that clients show, and what is refused.

import assert from "node:assert/strict";
import { chmod, copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test from "node:test";
import tls from "node:tls";
import { makeAuthority, makeCertificate } from "./lib/certificates.mjs";
import { exchange, requestOver, Session } from "./lib/connect.mjs";
import {
  eventually,
  run,
  runDenoChecks,
  runNodeChecks,
  spawnDeno,
  startServer,
  temporaryFolder,
  TOKEN,
  tuplet,
  VECTORS,
  within,
} from "./lib/harness.mjs";
import * as pb from "./lib/protobuf.mjs";

const ANSWER_TIMEOUT_MS = 20_000;

/** A server with a certificate in folder/cert.pem and folder/key.pem, and what a client needs to trust it. */
async function startSecureServer(t, args = []) {
  const folder = await temporaryFolder(t);
  const authority = await makeAuthority(folder, "authority");
  const place = { folder, authority, cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
  await install(place, await makeCertificate(folder, "first", authority));
  const options = ["--tls-cert", place.cert, "--tls-key", place.key, "--log-level", "debug", ...args];
  const server = await startServer(t, join(folder, "kv.sqlite"), { args: options });
  return Object.assign(server, {
    place,
    ca: authority.cert,
    request: requestOver(await readFile(authority.cert)),
  });
}

async function install(place, { cert, key }) {
  await copyFile(cert, place.cert);
  await copyFile(key, place.key);
}

/** The handshakes that the server has logged: { tls, alpn, ... } of each that succeeded. */
function handshakes(server) {
  return server.stderr.split("\n").filter((line) => line.includes('msg="TLS handshake"')).map((line) =>
    Object.fromEntries([...line.matchAll(/(\w+)=("[^"]*"|\S+)/g)].map(([, name, value]) => [name, value]))
  );
}

/** The name in the certificate that a new connection is shown. */
function nameShown(server) {
  const shown = new Promise((done, fail) => {
    const socket = tls.connect({ port: server.port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      done(socket.getPeerCertificate().subject.CN);
      socket.end();
    }).on("error", fail);
  });
  return within(ANSWER_TIMEOUT_MS, "a handshake", shown);
}

/** Asks for a reload and waits until the log says how it went. */
async function reload(server, pattern) {
  const before = server.stderr.length;
  server.child.kill("SIGHUP");
  await eventually(
    ANSWER_TIMEOUT_MS,
    `"${pattern}" in the log`,
    () => pattern.test(server.stderr.slice(before)),
  );
}

function curl(server, args, { path = "/healthz", scheme = "https" } = {}) {
  const url = `${scheme}://localhost:${server.port}${path}`;
  const format = "\n%{http_version} %{http_code}";
  return run("curl", ["-sS", "--max-time", "20", "--cacert", server.ca, "-w", format, ...args, url]);
}

/** curl's exchange of metadata, which shows that the server understood. */
const question = [
  "-H",
  `authorization: Bearer ${TOKEN}`,
  "-H",
  "content-type: application/json",
  "--data-binary",
  '{"supportedVersions":[2,3]}',
];

for (const program of ["crud.ts", "list.ts", "watch.ts"]) {
  test(`Deno over https uses HTTP/2 and TLS 1.3: ${program}`, async (t) => {
    const server = await startSecureServer(t);
    await runDenoChecks(t, `deno/${program}`, [server.url, VECTORS], { DENO_CERT: server.ca });
    const seen = handshakes(server);
    assert.ok(seen.length > 0);
    assert.deepEqual(new Set(seen.map(({ tls, alpn }) => `${tls} ${alpn}`)), new Set(["TLSv1.3 h2"]));
  });
}

test("Deno does not connect to a server whose certificate it does not trust", async (t) => {
  const server = await startSecureServer(t);
  const child = spawnDeno("deno/watch_until.ts", [server.url, "1"]);
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
  child.stdin.end();
  await eventually(ANSWER_TIMEOUT_MS, "a refusal", () => errors.includes("invalid peer certificate"));
  child.kill("SIGKILL");
  await eventually(
    ANSWER_TIMEOUT_MS,
    "a line in the log",
    () => server.stderr.includes("TLS handshake failed"),
  );
  assert.equal(handshakes(server).length, 0);
});

test("Node: @deno/kv over https", async (t) => {
  const server = await startSecureServer(t);
  await runNodeChecks(t, "node/client.mjs", [server.url], { NODE_EXTRA_CA_CERTS: server.ca });
  const seen = handshakes(server);
  assert.ok(seen.length > 0);
  assert.deepEqual(new Set(seen.map(({ alpn }) => alpn)), new Set(["http/1.1"]));
});

test("curl, in each version of HTTP and of TLS", async (t) => {
  const server = await startSecureServer(t);
  for (
    const [args, version] of [
      [["--http1.0"], "1.1"],
      [["--http1.1"], "1.1"],
      [["--http2"], "2"],
      [[], "2"],
      [["--no-alpn"], "1.1"],
      [["--tls-max", "1.2"], "2"],
      [["--tlsv1.3"], "2"],
    ]
  ) {
    const { code, stdout, stderr } = await curl(server, [...args, ...question], { path: "/" });
    assert.equal(code, 0, `curl ${args}: ${stderr}`);
    assert.match(stdout, /"token"/, `curl ${args}`);
    assert.equal(stdout.split("\n").at(-1), `${version} 200`, `curl ${args}`);
  }
  assert.deepEqual(
    handshakes(server).map(({ tls, alpn }) => `${tls} ${alpn}`),
    [
      "TLSv1.3 http/1.0",
      "TLSv1.3 http/1.1",
      "TLSv1.3 h2",
      "TLSv1.3 h2",
      "TLSv1.3 none",
      "TLSv1.2 h2",
      "TLSv1.3 h2",
    ],
  );
  const old = await curl(server, ["--tls-max", "1.1"]);
  assert.equal(old.code, 35, old.stderr);
  assert.match(old.stderr, /protocol version/);
  const clear = await curl(server, [], { scheme: "http" });
  assert.match(clear.stdout, /This port speaks TLS/);
  assert.match(clear.stdout, /1\.1 400$/);
});

test("--tls-version-min 1.3 refuses TLS 1.2", async (t) => {
  const server = await startSecureServer(t, ["--tls-version-min", "1.3"]);
  assert.equal((await curl(server, question, { path: "/" })).code, 0);
  assert.equal((await curl(server, ["--tls-max", "1.2", ...question], { path: "/" })).code, 35);
});

test("openssl s_client: trust, resumption, and what is refused", async (t) => {
  const server = await startSecureServer(t);
  const connect = (...args) =>
    run("openssl", [
      "s_client",
      "-connect",
      `127.0.0.1:${server.port}`,
      "-CAfile",
      server.ca,
      "-verify_return_error",
      ...args,
    ]);
  const plain = await connect();
  assert.match(plain.stdout, /Verify return code: 0 \(ok\)/);
  const resumed = await connect("-tls1_2", "-reconnect");
  assert.equal([...resumed.stdout.matchAll(/^Reused, TLSv1\.2/gm)].length, 5);
  const strange = await connect("-alpn", "spdy/3");
  assert.match(strange.stderr, /no application protocol/);
  const weak = await connect(
    "-tls1_2",
    "-cipher",
    "AES256-SHA:DHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA@SECLEVEL=0",
  );
  assert.match(weak.stderr, /handshake failure/);
  const again = await run("openssl", ["s_client", "-connect", `127.0.0.1:${server.port}`, "-tls1_2"], {
    input: "R\n",
  });
  assert.match(again.stderr, /no renegotiation/);
});

test("h2load and nghttp over https", async (t) => {
  const server = await startSecureServer(t);
  const body = join(server.place.folder, "question.json");
  await writeFile(body, '{"supportedVersions":[2,3]}');
  const headers = ["-H", `authorization: Bearer ${TOKEN}`, "-H", "content-type: application/json"];
  for (const args of [["-m", "20"], ["--h1"]]) {
    const { code, stdout } = await run("h2load", [
      "-n",
      "2000",
      "-c",
      "10",
      ...args,
      "-d",
      body,
      ...headers,
      `${server.url}/`,
    ]);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /2000 succeeded, 0 failed/);
  }
  const seen = handshakes(server).map(({ alpn }) => alpn);
  assert.equal(seen.filter((alpn) => alpn === "h2").length, 10);
  assert.equal(seen.filter((alpn) => alpn === "http/1.1").length, 10);
  const pushed = await run("nghttp", ["-nv", "-d", body, ...headers, `${server.url}/`]);
  assert.match(pushed.stdout, /The negotiated protocol: h2/);
  assert.match(pushed.stdout, /:status: 200/);
});

test("the first version of the exchange is answered with an https URL", async (t) => {
  const server = await startSecureServer(t);
  const answer = await exchange(server.request, server.url, TOKEN, { supportedVersions: [1] });
  assert.equal(new URL(JSON.parse(answer.body).endpoints[0].url).protocol, "https:");
});

test("a new certificate by SIGHUP, while a watch of Deno's stays open", async (t) => {
  const server = await startSecureServer(t);
  const session = await Session.open(server.request, server.url, TOKEN);
  const set = (number) =>
    session.write({
      mutations: [{
        key: pb.stringKey("watched"),
        value: { data: Buffer.from([0xff, 0x0f, 0x49, number << 1]), encoding: pb.V8 },
        type: pb.SET,
      }],
    });
  const child = spawnDeno("deno/watch_until.ts", [server.url, "3"], { DENO_CERT: server.ca });
  t.after(() => child.kill("SIGKILL"));
  const values = [];
  child.stdin.end();
  createInterface({ input: child.stdout }).on("line", (line) => values.push(JSON.parse(line)));
  const exited = new Promise((done) => child.once("close", done));
  const seen = (value) => eventually(ANSWER_TIMEOUT_MS, `the value ${value}`, () => values.at(-1) === value);
  await seen(null);
  await set(1);
  await seen(1);
  const connections = () => handshakes(server).filter(({ alpn }) => alpn === "h2").length;
  const before = connections();

  assert.equal(await nameShown(server), "first");
  await install(server.place, await makeCertificate(server.place.folder, "second", server.place.authority));
  await reload(server, /TLS certificate: CN=second/);
  assert.equal(await nameShown(server), "second");
  await set(2);
  await seen(2);

  await writeFile(server.place.key, "nonsense");
  await reload(server, /level=error .*stays as it was.*key\.pem/);
  assert.equal(await nameShown(server), "second");
  await set(3);
  assert.equal(await within(ANSWER_TIMEOUT_MS, "the end of Deno's program", exited), 0);
  assert.deepEqual(values, [null, 1, 2, 3]);
  assert.equal(connections(), before); /* it has had one connection all the time */
});

test("an expired certificate and a key that everybody may read are told of", async (t) => {
  const server = await startSecureServer(t);
  const { place } = server;
  assert.match(server.stderr, /level=info msg="TLS certificate: CN=first, valid until /);
  assert.doesNotMatch(server.stderr, /The TLS key can be read/);
  await chmod(place.key, 0o644);
  await reload(server, /level=warning .*The TLS key can be read by everybody/);
  await install(place, await makeCertificate(place.folder, "late", place.authority, { days: -1 }));
  await reload(server, /level=error .*stays as it was: .*cert\.pem has expired on /);
  assert.equal(await nameShown(server), "first");
  const options = ["--tls-cert", place.cert, "--tls-key", place.key];
  const late = await startServer(t, join(place.folder, "late.sqlite"), { args: options });
  assert.match(late.stderr, /level=warning .*CN=late, is valid only from /);
  assert.equal(await nameShown(late), "late");
});

test("certificates of clients, required and optional", async (t) => {
  const folder = await temporaryFolder(t);
  const [ours, theirs] = [await makeAuthority(folder, "ours"), await makeAuthority(folder, "theirs")];
  const good = await makeCertificate(folder, "good", ours, { forClients: true });
  const bad = await makeCertificate(folder, "bad", theirs, { forClients: true });
  const show = ({ cert, key }) => ["--cert", cert, "--key", key, ...question];
  const statusOf = async (server, args) => {
    const { code, stdout } = await curl(server, args, { path: "/" });
    return code === 0 ? stdout.split("\n").at(-1).split(" ")[1] : "refused";
  };
  const required = await startSecureServer(t, ["--tls-client-ca", ours.cert]);
  assert.equal(await statusOf(required, show(good)), "200");
  assert.equal(await statusOf(required, question), "refused");
  assert.equal(await statusOf(required, show(bad)), "refused");
  const optional = await startSecureServer(t, [
    "--tls-client-ca",
    ours.cert,
    "--tls-client-mode",
    "optional",
  ]);
  assert.equal(await statusOf(optional, show(good)), "200");
  assert.equal(await statusOf(optional, question), "200");
  assert.equal(await statusOf(optional, show(bad)), "refused");
});

test("a server that cannot use its certificate does not start, and says why", async (t) => {
  const folder = await temporaryFolder(t);
  const authority = await makeAuthority(folder, "authority");
  const [one, other] = [
    await makeCertificate(folder, "one", authority),
    await makeCertificate(folder, "other", authority),
  ];
  const serve = (...args) => tuplet(["serve", ":memory:", "--addr", "127.0.0.1:0", ...args]);
  const missing = await serve("--tls-cert", join(folder, "nowhere.pem"), "--tls-key", one.key);
  assert.equal(missing.code, 5);
  assert.match(missing.stderr, /nowhere\.pem cannot be opened: No such file/);
  const mixed = await serve("--tls-cert", one.cert, "--tls-key", other.key);
  assert.equal(mixed.code, 5);
  assert.match(mixed.stderr, /other\.key is not that of the \(first\) certificate in .*one\.pem/);
  const half = await serve("--tls-cert", one.cert);
  assert.equal(half.code, 2);
  assert.match(half.stderr, /--tls-key is missing/);
});
