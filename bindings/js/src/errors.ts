/** Errors: which class a mistake or a failure is told with. */

/** What the statuses of libtuplet are called (include/tuplet.h). */
const codes: Readonly<Record<number, string>> = {
  [-1]: "TUPLET_MISUSE",
  [-2]: "TUPLET_INVALID",
  [-3]: "TUPLET_LIMIT",
  [-4]: "TUPLET_SYNTAX",
  [-5]: "TUPLET_MALFORMED",
  [-6]: "TUPLET_TYPE",
  [-7]: "TUPLET_RANGE",
  [-8]: "TUPLET_READ_ONLY",
  [-9]: "TUPLET_CLOSED",
  [-10]: "TUPLET_BUSY",
  [-11]: "TUPLET_FULL",
  [-12]: "TUPLET_IO",
  [-13]: "TUPLET_NOMEM",
  [-14]: "TUPLET_FORMAT",
  [-15]: "TUPLET_CORRUPT",
  [-16]: "TUPLET_UNSUPPORTED",
  [-17]: "TUPLET_DENIED",
  [-18]: "TUPLET_UNKNOWN",
};

/** What went wrong outside the program: with the file, the disk, the server, or a value that cannot be decoded.
 * Mistakes of the program are a TypeError or a RangeError, as in Deno.
 *
 * @example
 * ```ts
 * try {
 *   await kv.set(["a"], 1);
 * } catch (error) {
 *   if (error instanceof KvError && error.code === "TUPLET_FULL") await makeRoom();
 *   else throw error;
 * }
 * ```
 */
export class KvError extends Error {
  /** What it was, for programs:
   *
   * | code | |
   * | --- | --- |
   * | `TUPLET_READ_ONLY` | the database cannot take writes |
   * | `TUPLET_BUSY` | another process held the file for too long, or the server is too busy |
   * | `TUPLET_FULL` | the disk is full |
   * | `TUPLET_IO` | reading or writing the file failed, or the server cannot be reached |
   * | `TUPLET_NOMEM` | out of memory |
   * | `TUPLET_FORMAT` | the file is no database, or of a newer version |
   * | `TUPLET_CORRUPT` | the file is damaged |
   * | `TUPLET_MALFORMED` | a stored value cannot be decoded |
   * | `TUPLET_UNSUPPORTED` | this database, or this runtime, cannot do that |
   * | `TUPLET_DENIED` | the server refuses the access token, or this to its bearer |
   * | `TUPLET_UNKNOWN` | the connection was lost; the write may have been committed, wholly or not at all |
   */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }

  override get name(): string {
    return "KvError";
  }
}

interface BadResourceConstructor {
  new (message: string): Error;
  readonly prototype: Error;
}

class OwnBadResource extends Error {
  override name = "BadResource";
}

/** The error of a database that is closed: Deno's own class in Deno. */
export const BadResource: BadResourceConstructor =
  (globalThis as { Deno?: { errors?: { BadResource?: BadResourceConstructor } } }).Deno?.errors?.BadResource ??
    OwnBadResource;
Object.defineProperty(OwnBadResource, "name", { value: "BadResource" });

export function closedError(): Error {
  return new BadResource("Bad resource ID");
}

/** What a promise of the addon's comes to. Its errors were made on the addon's way back, where nobody had called: they
 * are given the stack of those who await this. */
export async function traced<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof Error) Error.captureStackTrace(error, traced);
    throw error;
  }
}

/** The error of a status of libtuplet. */
export function errorOf(status: number, message: string): Error {
  switch (codes[status]) {
    case "TUPLET_MISUSE":
    case "TUPLET_INVALID":
    case "TUPLET_LIMIT":
    case "TUPLET_SYNTAX":
    case "TUPLET_TYPE":
      return new TypeError(message);
    case "TUPLET_RANGE":
      return new RangeError(message);
    case "TUPLET_CLOSED":
      return closedError();
    default:
      return new KvError(codes[status] ?? `TUPLET_${status}`, message);
  }
}
