// KV Connect by hand: a session, a key, and the request that reads it, for clients that know nothing of all that.

import { exchange, request1, Session } from "../../test/clients/lib/connect.mjs";
import { BYTES, SET, snapshotRead } from "../../test/clients/lib/protobuf.mjs";

// ["floor"], as keys are encoded: a text's mark, its bytes, its end.
const KEY = Buffer.from("\x02floor\x00", "latin1");

/** Whether a server answers. */
export async function answers(url, token) {
  return (await exchange(request1, url, token)).status === 200;
}

/** A request that reads one value of this size: { url, headers, body }, after writing that value. */
export async function preparedRead(url, token, valueSize) {
  const session = await Session.open(request1, url, token);
  const value = { data: Buffer.alloc(valueSize, 120), encoding: BYTES };
  await session.write({ mutations: [{ key: KEY, value, type: SET }] });
  const entry = await session.get(KEY);
  if (entry?.value.length !== valueSize) throw new Error(`${url} did not give back what was written`);
  const body = snapshotRead({ start: KEY, end: Buffer.concat([KEY, Buffer.from([0])]), limit: 1 });
  return { url: `${url}${session.endpoint}/snapshot_read`, headers: session.headers, body };
}
