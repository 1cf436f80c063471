// Random bytes and values that come again with their seed.

/** A number from 0 to n - 1 at each call. */
export function randomOf(seed) {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ state >>> 16, 0x21f0aaad);
    mixed = Math.imul(mixed ^ mixed >>> 15, 0x735a2d97);
    return ((mixed ^ mixed >>> 15) >>> 0) % n;
  };
}

/** The bytes with a few of them changed, taken out, doubled or cut off; the header stays. */
export function damaged(bytes, random) {
  const changed = [...bytes];
  for (let n = 1 + random(4); n > 0 && changed.length > 2; n--) {
    const at = 2 + random(changed.length - 2);
    switch (random(5)) {
      case 0:
        changed[at] = random(256);
        break;
      case 1:
        changed[at] ^= 1 << random(8);
        break;
      case 2:
        changed.splice(at, 1 + random(3));
        break;
      case 3:
        changed.splice(at, 0, ...changed.slice(2 + random(changed.length - 2)).slice(0, 1 + random(8)));
        break;
      default:
        changed.length = at;
    }
  }
  return Uint8Array.from(changed);
}

const views = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array,
  Float64Array, BigInt64Array, BigUint64Array, DataView];
const errors = [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError];

function text(random) {
  const limit = [0x80, 0x100, 0x10000][random(3)];
  return String.fromCharCode(...Array.from({ length: random(12) }, () => random(limit)));
}

function number(random) {
  const numbers = [0, -0, 1, -1, 2 ** 30 - 1, 2 ** 30, -(2 ** 30), 2 ** 31, 2 ** 32, NaN, Infinity, -Infinity, 5e-324, 0.1];
  return random(2) ? numbers[random(numbers.length)] : (random(2 ** 32) - 2 ** 31) / 2 ** random(32);
}

function primitive(random) {
  const made = [() => undefined, () => null, () => random(2) === 1, () => number(random), () => text(random),
    () => (random(2) ? -1n : 1n) * BigInt(random(2 ** 32)) ** BigInt(random(9))];
  return made[random(made.length)]();
}

function view(random) {
  const View = views[random(views.length)];
  const size = View.BYTES_PER_ELEMENT ?? 1;
  const buffer = Uint8Array.from({ length: 64 }, () => random(256)).buffer;
  return new View(buffer, size * random(4), random(5));
}

/** Fills a container from a pool of values, its own among them. */
const containers = [
  (items, random) => Object.assign({}, ...items.map((item) => ({ [random(3) ? text(random) : random(50)]: item }))),
  (items, random) => Object.assign([...items], random(4) ? {} : { [text(random) || "x"]: items[0] }),
  (items, random) => items.reduce((array, item) => (array[random(3) ? array.length : array.length + 2] = item, array), []),
  (items) => new Set(items),
  (items, random) => new Map(items.map((item) => [random(2) ? item : primitive(random), item])),
  (items, random) => new errors[random(errors.length)](text(random), random(2) ? { cause: items[0] } : undefined),
  (items, random) => new Date(number(random)),
  (items, random) => Object([true, number(random), text(random), 5n][random(4)]),
  (items, random) => new RegExp("[" + "a^b\u00e9\u65e5"[random(5)] + "]", ["", "g", "dgimsuy"][random(3)]),
  (items, random) => view(random),
];

/** A value of random shape, in which objects are shared and refer to themselves. */
export function randomValue(random) {
  const pool = [primitive(random), primitive(random)];
  for (let n = random(14); n > 0; n--) {
    const items = Array.from({ length: random(7) }, () => pool[random(pool.length)]);
    pool.push(containers[random(containers.length)](items, random));
  }
  const last = pool[pool.length - 1];
  const whole = pool.find((value) => Array.isArray(value));
  if (whole !== undefined && random(2)) whole.push(last);
  return last;
}
