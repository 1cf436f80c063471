// What a value is, as text that is the same for the same value in every runtime: types, numbers by Object.is, holes, the
// order of properties and items, which objects are the same one, circles. Does not recurse.

const errorNames = ["EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError"];

/** What structured clone takes an object for. */
function typeOf(object) {
  if (object instanceof Error) return errorNames.includes(object.name) ? object.name : "Error";
  if (ArrayBuffer.isView(object)) return Object.getPrototypeOf(object).constructor.name;
  return Object.prototype.toString.call(object).slice(8, -1);
}

function primitive(value) {
  switch (typeof value) {
    case "number":
      return Object.is(value, -0) ? "-0" : String(value);
    case "bigint":
      return `${value}n`;
    case "string":
      return JSON.stringify(value); // lone surrogates are escaped
    default:
      return String(value);
  }
}

/** What an object is apart from its properties, and the values that belong to it besides them. */
function nature(object, stacks) {
  const type = typeOf(object);
  switch (type) {
    case "Date":
      return [type, object.getTime()];
    case "RegExp":
      return [type, object.source, object.flags];
    case "Boolean":
    case "Number":
    case "BigInt":
    case "String":
      return [type, object.valueOf()];
    case "Map":
      return [type, ...[...object].flat()];
    case "Set":
      return [type, ...object];
    case "ArrayBuffer":
      return [type, new Uint8Array(object).join(), object.resizable ?? false, object.maxByteLength ?? object.byteLength];
    case "Array":
      return [type, object.length];
    default:
      break;
  }
  if (ArrayBuffer.isView(object)) return [type, object.buffer, object.byteOffset, object.byteLength];
  if (!(object instanceof Error)) return [type];
  const own = ["message", "cause"].filter((name) => Object.hasOwn(object, name)).flatMap((name) => [name, object[name]]);
  return [type, ...own, ...stacks ? ["stack", object.stack] : []];
}

/** Lines, one for each object in the order in which they are met. stacks: whether errors' stacks count. */
export function describe(root, { stacks = true } = {}) {
  const ids = new Map();
  const objects = [];
  const told = (value) => {
    if (typeof value !== "object" || value === null) return primitive(value);
    if (!ids.has(value)) ids.set(value, objects.push(value) - 1);
    return `#${ids.get(value)}`;
  };
  const lines = [told(root)];
  for (let i = 0; i < objects.length; i++) {
    const object = objects[i];
    const [type, ...parts] = nature(object, stacks);
    const skipped = ArrayBuffer.isView(object) || type === "String" || object instanceof Error;
    const properties = skipped ? [] : Object.keys(object).map((key) => `${told(key)}: ${told(object[key])}`);
    const symbols = object instanceof Error ? 0 : Object.getOwnPropertySymbols(object).length;
    lines.push([type, ...parts.map(told), ...properties, symbols].join(" | "));
  }
  return lines;
}
