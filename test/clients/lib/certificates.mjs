// Certificates for tests, made on the spot by the openssl command as an operator would.

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./harness.mjs";

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

async function openssl(...args) {
  const { code, stderr } = await run("openssl", args);
  assert.equal(code, 0, `openssl ${args.join(" ")}: ${stderr}`);
}

/** An authority: { cert, key }, the paths of its files. */
export async function makeAuthority(folder, name) {
  const authority = { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  await openssl(
    "req",
    "-x509",
    ...KEY,
    "-keyout",
    authority.key,
    "-out",
    authority.cert,
    "-subj",
    `/CN=${name}`,
  );
  return authority;
}

/** A certificate of the authority's, for servers at this machine or for clients; { cert, key }. days: -1: expired. */
export async function makeCertificate(folder, name, authority, { forClients = false, days = 2 } = {}) {
  const made = { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  const [request, extensions] = [join(folder, `${name}.csr`), join(folder, `${name}.ext`)];
  await openssl("req", ...KEY, "-keyout", made.key, "-out", request, "-subj", `/CN=${name}`);
  await writeFile(
    extensions,
    `basicConstraints=CA:FALSE\nextendedKeyUsage=${forClients ? "clientAuth" : "serverAuth"}\n` +
      "subjectAltName=DNS:localhost,IP:127.0.0.1\n",
  );
  const signed = [
    "-CA",
    authority.cert,
    "-CAkey",
    authority.key,
    "-set_serial",
    String(randomInt(1, 2 ** 31)),
  ];
  await openssl(
    "x509",
    "-req",
    "-in",
    request,
    ...signed,
    "-days",
    String(days),
    "-extfile",
    extensions,
    "-out",
    made.cert,
  );
  return made;
}
