// Deno KV's package for Node (@deno/kv) against a tuplet server, and what its messages look like in the file.

import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";
import { runNodeChecks, spawnDeno, startServer, temporaryFolder } from "./lib/harness.mjs";

test("Node: @deno/kv over HTTP/1.1", async (t) => {
  const folder = await temporaryFolder(t);
  const server = await startServer(t, join(folder, "kv.sqlite"));
  await runNodeChecks(t, "node/client.mjs", [server.url]);
});
