// etcd's requests as gRPC sends them, made by hand: a client that only speaks HTTP/2 can then be its load.

import { request2 } from "../../test/clients/lib/connect.mjs";
import { decode } from "../../test/clients/lib/protobuf.mjs";

const KEY = Buffer.from("bench");
const HEADERS = { "content-type": "application/grpc", "te": "trailers" };

/** A field of bytes, shorter than 128. */
function field(number, bytes) {
  if (bytes.length > 127) throw new Error(`a field of ${bytes.length} bytes is too long for its length to be one byte`);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
}

/** A message as gRPC frames it: not compressed, its length, itself. */
function framed(message) {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** PutRequest { key, value } of one key: every put is a revision of its own, whatever its key. */
export function putRequest(url, valueSize) {
  const body = framed(Buffer.concat([field(1, KEY), field(2, Buffer.alloc(valueSize, 120))]));
  return { url: `${url}/etcdserverpb.KV/Put`, headers: HEADERS, body };
}

/** RangeRequest { key }: linearizable, as nothing else is asked for. */
export function rangeRequest(url) {
  return { url: `${url}/etcdserverpb.KV/Range`, headers: HEADERS, body: framed(field(1, KEY)) };
}

/** RangeResponse { header { revision }, kvs { value } } of a framed answer. */
export function readRangeResponse(bytes) {
  const response = decode(bytes.subarray(5, 5 + bytes.readUInt32BE(1)));
  const header = decode(response[1][0]);
  const value = response[2] && decode(response[2][0])[5][0];
  return { revision: Number(header[3][0]), value };
}

/** The store's revision, which each put adds 1 to, and the key's value, undefined when there is none. */
export async function lookAtKey(url) {
  const { url: target, headers, body } = rangeRequest(url);
  const answer = await request2(url, { path: new URL(target).pathname, headers, body });
  if (answer.body.length < 5) throw new Error(`${target} answered ${answer.status} without a message`);
  return readRangeResponse(answer.body);
}
