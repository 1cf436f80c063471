/** Lists: an iterator over a list of the addon, which is opened with the first entry that is asked for. */
import { traced } from "./errors.js";
import { checkSelector, isEventual, kindOf, selectorOf } from "./keys.js";
import { type Database, type List, type ListOptions, native, type Selector } from "./native.js";
import type { KvEntry, KvListOptions, KvListSelector } from "./types.js";

const batchSizeMax = 1000;

type Step = IteratorResult<KvEntry<unknown>, undefined>;

export class KvListIterator {
  #database: Database;
  #selector: Selector;
  #options: KvListOptions & { encoded?: boolean };
  #list: List | undefined;
  /** How many more entries the limit allows. */
  #left: number;
  #done = false;
  /** Where the iterator stands; undefined when the addon's list knows. */
  #cursor: string | undefined;
  #begun: boolean;
  #isRemote = false;
  /** The last of the steps that a server has not answered yet. */
  #pending: Promise<unknown> | undefined;

  constructor(database: Database, selector: KvListSelector, options: KvListOptions & { encoded?: boolean }) {
    const limit = options.limit;
    if (limit !== undefined && !(Number.isInteger(limit) && limit > 0)) {
      throw new Error(`Limit must be a positive integer: received ${limit}`);
    }
    const batchSize = options.batchSize ?? limit ?? 1;
    if (!(Number.isInteger(batchSize) && batchSize > 0)) {
      throw new Error(`batchSize must be a positive integer: received ${batchSize}`);
    }
    this.#database = database;
    this.#selector = selectorOf(selector);
    this.#options = { ...options };
    this.#left = limit ?? Infinity;
    this.#cursor = options.cursor || undefined;
    this.#begun = this.#cursor !== undefined;
  }

  get cursor(): string {
    if (!this.#begun) throw new Error("Cannot get cursor before first iteration");
    return this.#cursor ??= native.listCursor(this.#list as List);
  }

  async next(): Promise<Step> {
    // Steps that are asked for at once are made one after the other.
    const go = (): Step | Promise<Step> => this.#step();
    const step = this.#pending === undefined ? go() : this.#pending.then(go, go);
    if (!(step instanceof Promise)) return step;
    const settle = () => {
      if (this.#pending === step) this.#pending = undefined;
    };
    this.#pending = step;
    step.then(settle, settle);
    return await traced(step);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #step(): Step | Promise<Step> {
    if (this.#done || this.#left === 0) return { done: true, value: undefined };
    this.#list ??= this.#open();
    // While a server is asked, nobody can ask for the cursor of the entry before.
    if (this.#isRemote && this.#begun) this.#cursor ??= native.listCursor(this.#list);
    const entry = native.listNext(this.#list);
    if (!(entry instanceof Promise)) return this.#take(entry);
    this.#isRemote = true;
    return entry.then((entry) => this.#take(entry));
  }

  #take(entry: KvEntry<unknown> | undefined): Step {
    this.#begun = true;
    if (entry === undefined) {
      this.#done = true;
      this.#cursor = "";
      native.listClose(this.#list as List);
      return { done: true, value: undefined };
    }
    this.#left--;
    this.#cursor = undefined;
    return { done: false, value: entry };
  }

  #open(): List {
    const { batchSize, cursor, limit, reverse, encoded, consistency } = this.#options;
    checkSelector(this.#selector);
    if (cursor && typeof cursor !== "string") {
      throw new TypeError(`A cursor must be a string: received ${kindOf(cursor)}`);
    }
    if (batchSize && batchSize > batchSizeMax) throw new TypeError(`Too many entries (max ${batchSizeMax})`);
    const options: ListOptions = {
      limit: limit ?? 0,
      batchSize: batchSize ?? 0,
      reverse: Boolean(reverse),
      cursor: cursor || "",
      eventual: isEventual(consistency),
      encoded: Boolean(encoded),
    };
    return native.listOpen(this.#database, this.#selector, options);
  }
}
