/** Watches, of keys and of ranges, as streams. */
import { checkKey, checkSelector, kindOf, selectorOf, withOwnKeys } from "./keys.js";
import { type Database, native } from "./native.js";
import { countOf } from "./options.js";
import type { KvEntryMaybe, KvKey, KvListSelector, KvRangeChanges, KvWatchRangeOptions } from "./types.js";

const changesMax = 10_000;

/** A stream of what `next` resolves to, until that is null; `close` is called once, whatever ends it. readAhead: how
 * many deliveries are fetched before they are asked for. */
function streamOf<T>(next: () => Promise<T | null>, close: () => void, readAhead: number): ReadableStream<T> {
  let isOpen = true;
  const end = (): void => {
    if (isOpen) close();
    isOpen = false;
  };
  return new ReadableStream<T>({
    async pull(controller) {
      try {
        const delivery = await next();
        if (!isOpen) return; // cancelled meanwhile
        if (delivery !== null) return controller.enqueue(delivery);
      } catch (error) {
        end();
        return controller.error(error);
      }
      end();
      controller.close();
    },
    cancel: end,
  }, { highWaterMark: readAhead });
}

/** As Deno's, the stream has the first delivery ready before it is read. */
export function watch(
  database: Database,
  keys: readonly KvKey[],
  options: { raw?: boolean },
): ReadableStream<KvEntryMaybe<unknown>[]> {
  const raw = Boolean(options.raw);
  if (!Array.isArray(keys)) throw new TypeError(`Keys to watch must be an array: received ${kindOf(keys)}`);
  for (let i = 0; i < keys.length; i++) checkKey(keys[i]);
  const own = keys.map((key: KvKey) => key.slice());
  const watch = native.watchOpen(database, own, raw);
  const next = async () => {
    const entries = await native.watchNext(watch);
    return entries && withOwnKeys(entries, own.map((key) => key.slice()));
  };
  return streamOf(next, () => native.watchClose(watch), 1);
}

/** Nothing is fetched before it is asked for: a list that a delivery asks for is then newer than that delivery, and no
 * older than the one after it. */
export function watchRange<T>(
  database: Database,
  selector: KvListSelector,
  options: KvWatchRangeOptions,
): ReadableStream<KvRangeChanges<T>> {
  const range = selectorOf(selector);
  checkSelector(range);
  const watch = native.rangeWatchOpen(database, range, countOf("maxChanges", options.maxChanges, changesMax));
  return streamOf(
    async () => {
      const changes = await native.rangeWatchNext(watch);
      if (changes === null) return null;
      const { mustReread, entries, versionstamp } = changes;
      return { reread: mustReread, entries: entries as KvEntryMaybe<T>[], versionstamp };
    },
    () => native.rangeWatchClose(watch),
    0,
  );
}
