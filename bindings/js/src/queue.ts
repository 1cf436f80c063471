/** The queue: messages as they are enqueued, and handling those that come. */
import { encodePayload } from "./codec.js";
import { BadResource, traced } from "./errors.js";
import { checkKey, kindOf } from "./keys.js";
import { type Database, type Enqueue, type Message, native, type Stored } from "./native.js";
import { countOf } from "./options.js";
import type { KvEnqueueOptions, KvKey, KvListenOptions, KvMessageInfo } from "./types.js";

const delayMsMax = 30 * 24 * 60 * 60 * 1000;
const intervalsMax = 5;
const intervalMsMax = 60 * 60 * 1000;
const inFlightMax = 1000;

/** A message as it was given: its value is taken at once, the rest is looked at when it is written. */
export interface Draft {
  readonly payload: Stored;
  readonly delay: number | bigint;
  readonly keysIfUndelivered: readonly KvKey[];
  readonly backoff: readonly number[] | null;
}

function checkDelay(delay: number): void {
  if (delay < 0) throw new TypeError(`Delay must be >= 0: received ${delay}`);
  if (delay > delayMsMax) throw new TypeError(`Delay cannot be greater than 30 days: received ${delay}`);
  if (Number.isNaN(delay)) throw new TypeError("Delay cannot be NaN");
}

function checkBackoff(backoff: readonly number[]): void {
  if (backoff.length > intervalsMax) {
    throw new TypeError(`Invalid backoffSchedule, max ${intervalsMax} intervals allowed`);
  }
  for (let i = 0; i < backoff.length; i++) {
    const interval = backoff[i] as number;
    if (interval < 0 || interval > intervalMsMax || Number.isNaN(interval)) {
      throw new TypeError(`Invalid backoffSchedule, interval at index ${i} is invalid`);
    }
  }
}

/** Throws a TypeError for a delay and a schedule that cannot be, and what encoding the value throws. */
export function draftOf(value: unknown, options: KvEnqueueOptions | null | undefined): Draft {
  if (options?.delay !== undefined) checkDelay(options.delay);
  if (options?.backoffSchedule !== undefined) checkBackoff(options.backoffSchedule);
  return {
    payload: encodePayload(value),
    delay: options?.delay ?? 0,
    keysIfUndelivered: options?.keysIfUndelivered ?? [],
    backoff: options?.backoffSchedule ?? null,
  };
}

/** Milliseconds, whole ones. */
function wholeMs(name: string, value: unknown): number {
  if (typeof value === "number" || typeof value === "bigint") return Math.trunc(Number(value));
  throw new TypeError(`${name} must be a number: received ${kindOf(value)}`);
}

/** A message as the addon takes it. Throws a TypeError for what is no number and no key. */
export function messageOf(draft: Draft): Enqueue {
  const { payload, keysIfUndelivered, backoff } = draft;
  if (!Array.isArray(keysIfUndelivered)) {
    throw new TypeError(`keysIfUndelivered must be an array of keys: received ${kindOf(keysIfUndelivered)}`);
  }
  for (let i = 0; i < keysIfUndelivered.length; i++) checkKey(keysIfUndelivered[i]);
  if (backoff !== null && !Array.isArray(backoff)) {
    throw new TypeError(`backoffSchedule must be an array of numbers: received ${kindOf(backoff)}`);
  }
  const intervals = backoff && Array.from(backoff, (interval) => wholeMs("An interval of backoffSchedule", interval));
  return [payload, wholeMs("delay", draft.delay), keysIfUndelivered, intervals];
}

type Handler = (value: unknown, message: KvMessageInfo) => Promise<void> | void;

async function handle(handler: Handler, message: Message, info: KvMessageInfo): Promise<void> {
  let isHandled = false;
  try {
    await handler(native.payload(message), info);
    isHandled = true;
  } catch (error) {
    console.error("Exception in queue handler", error);
  }
  try {
    await native.finish(message, isHandled);
  } catch (error) {
    // It comes again. That it does so because the database was closed is no news.
    if (!(error instanceof BadResource)) console.error("A message of the queue could not be finished", error);
  }
}

/** Listens until the database is closed. */
export async function listenQueue(database: Database, handler: Handler, options: KvListenOptions): Promise<void> {
  if (typeof handler !== "function") {
    throw new TypeError(`The handler of a queue must be a function: received ${kindOf(handler)}`);
  }
  const inFlight = countOf("maxInFlight", options.maxInFlight, inFlightMax);
  await traced(new Promise<void>((resolve, reject) => {
    const deliver = (message: Message, id: string, attempt: number): void => {
      void handle(handler, message, { id, attempt });
    };
    const end = (error: Error | undefined): void => error === undefined ? resolve() : reject(error);
    native.listen(database, inFlight, deliver, end).catch(reject);
  }));
}
