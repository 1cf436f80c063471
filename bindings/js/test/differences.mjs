// What differs from Deno's built-in database, on purpose: what, why, and how it shows in the outcomes of the differential
// test (drop_in/): `deno` on the one side stands for `tuplet` on the other, in the cases whose names match; or `outcomes`
// has the two whole outcomes of each case.

/** Messages of Deno that speak of how it is made, or of what JavaScript stumbled over. */
const inner =
  /serde_v8 error: [^"\\]*|Cannot read properties of (undefined|null) \(reading 'length'\)|Invalid range/g;

const resizable = "rejects TypeError: serde_v8 error: can't create slice from resizable ArrayBuffer";
const committed = 'resolves {ok: true, versionstamp: "stamp1"}';
const missing = "{key: [Uint8Array(0 0)], value: null, versionstamp: null}";
const found = '{key: [Uint8Array(0 0)], value: "value", versionstamp: "stamp1"}';

/** What views of resizable buffers do in keys and as values, where Deno refuses them. */
const ofResizable = {
  "keys: a resizable buffer's view for get": `resolves ${missing}`,
  "keys: a resizable buffer's view for getMany": `resolves [{key: ["a"], value: null, versionstamp: null}, ${missing}]`,
  "keys: a resizable buffer's view for set": committed,
  "keys: a resizable buffer's view for delete": "resolves undefined",
  "keys: a resizable buffer's view for check": committed,
  "keys: a resizable buffer's view for atomic set": committed,
  "keys: a resizable buffer's view for atomic delete": committed,
  "keys: a resizable buffer's view for sum": committed,
  "keys: a resizable buffer's view for mutate": committed,
  "keys: a resizable buffer's view for list prefix": "resolves {done: true, value: undefined}",
  "keys: a resizable buffer's view for list from": "resolves {done: true, value: undefined}",
  "keys: a resizable buffer's view for list before": "resolves {done: true, value: undefined}",
  "keys: a resizable buffer's view for keysIfUndelivered": committed,
  "keys: a resizable buffer's view for watch": `resolves {value: [${missing}], done: false}`,
  "values: a resizable buffer, stored and read": "resolves Uint8Array(0 0)",
  "values: a resizable buffer, in an atomic operation": committed,
  "values: a resizable buffer, by mutate": committed,
};

/** The second delivery of a watch of three keys, of which "b" has not changed. */
const secondDelivery = (b) =>
  'resolves [{value: [{key: ["a"], value: null, versionstamp: null}, ' +
  '{key: ["b"], value: Uint8Array(1), versionstamp: "stamp1"}, {key: ["c"], value: null, versionstamp: null}], ' +
  `done: false}, {value: [{key: ["a"], value: KvU64 {value: 1n}, versionstamp: "stamp2"}, {${b}, versionstamp: "stamp1"}, ` +
  '{key: ["c"], value: KvU64 {value: 5n}, versionstamp: "stamp2"}], done: false}]';
const afterChange = (key) =>
  `resolves {value: [{key: ${key}, value: {list: [1]}, versionstamp: "stamp1"}, ` +
  '{key: ["b"], value: 1, versionstamp: "stamp2"}], done: false}';

export default [
  {
    what: "An argument of the wrong kind is a TypeError as in Deno, with a message that says what was expected.",
    why: "Deno's message is that of its insides (serde_v8, or a property of undefined).",
    deno: inner,
    tuplet:
      /A key must be an array of its parts: received \w+|An array was expected|received \w+, expected `strong` or `eventual`|(Keys to watch|keysIfUndelivered|backoffSchedule) must be an array( of (keys|numbers))?: received \w+|(delay|An interval of backoffSchedule) must be a number: received \w+|A cursor must be a string: received \w+|Invalid check/g,
  },
  {
    what: "A key that a bigint makes too large is told the same way everywhere.",
    why: "Deno puts another word in front for each place, or replaces the reason by it.",
    cases: /bigint of 256 bytes/,
    deno: /(Invalid mutation: )?BigUint requires more than 255 bytes to be represented|Invalid check|Invalid enqueue/g,
    tuplet: /BigUint requires more than 255 bytes to be represented/g,
  },
  {
    what: "Shared memory is refused with a TypeError when it is given, as everything else that cannot be cloned.",
    why: "Deno has an Error for it, and for bytes another one at the commit.",
    cases: /shared memory/,
    deno: /(throws|rejects) (Error: #<SharedArrayBuffer> could not be cloned\.|TypeError: <difference 0>)/g,
    tuplet:
      /(throws|rejects) TypeError: (#<SharedArrayBuffer> could not be cloned\.|A key cannot hold a view of shared memory)/g,
  },
  {
    what: "What cannot be cloned is named as the runtime names it.",
    why: "Node's V8 is another version than Deno's.",
    cases: /values: an iterator/,
    deno: /\[object Array Iterator\]/g,
    tuplet: /\[object Array Iterator\]|#<Object>/g,
  },
  {
    what: "A sum of a number with something that is none has one sentence.",
    why: "Deno has two, for what is stored and for the operand.",
    cases: /atomics: mutate with sum/,
    deno: /unsupported value type/g,
    tuplet: /Some of the parameters are not valid V8 values/g,
  },
  {
    what: "min and max of something else than a KvU64 are refused at commit, whatever the checks.",
    why: "It is a mistake of the program, which is better known than not.",
    cases: /atomics: a min of a string with a check that fails/,
    deno: /resolves \{ok: false\}/,
    tuplet: /rejects TypeError: Failed to perform 'min' mutation on a non-U64 operand/,
  },
  {
    what: "Views of resizable buffers are bytes as all others.",
    why: "Deno refuses them, with a message of its insides.",
    outcomes: {
      ...Object.fromEntries(Object.entries(ofResizable).map(([name, tuplet]) => [name, { deno: resizable, tuplet }])),
      "keys: a resizable buffer's view, written, read back": {
        deno: `resolves [${JSON.stringify(resizable)}, ${JSON.stringify(resizable)}]`,
        tuplet: `resolves [${JSON.stringify(committed)}, ${JSON.stringify(`resolves ${found}`)}, ${JSON.stringify(found)}]`,
      },
    },
  },
  {
    what: "keysIfUndelivered are checked when the message is enqueued: at most ten keys that can be written.",
    why: "Deno takes others, and fails to store them when nobody is there to be told.",
    cases: /for keysIfUndelivered|with eleven keys/,
    deno: /resolves \{ok: true, versionstamp: "stamp1"\}/,
    tuplet:
      /rejects TypeError: (key cannot be empty|Key too large for write \(max 2048 bytes\)|Too many keys if undelivered \(max 10\))/,
  },
  {
    what: "A key that is too large to be read is too large to be watched.",
    why: "Deno allows a byte more, of a key that cannot be written.",
    cases: /keys: 2049 bytes for watch/,
    deno: /^resolves \{value: \[\{key: \["x{20}"…2047\], value: null, versionstamp: null\}\], done: false\}$/,
    tuplet: /^rejects TypeError: Key too large for read \(max 2049 bytes\)$/,
  },
  {
    what: "A key to which the versionstamp is added must have room for it: 22 bytes.",
    why: "Deno writes a key that it then refuses to read.",
    cases: /keys: a versionstamped key that becomes too large/,
    deno: /^resolves \{ok: true, versionstamp: "stamp1"\}$/,
    tuplet: /^rejects TypeError: Key too large for write \(max 2048 bytes\)$/,
  },
  {
    what: "Every delivery of a watch is made anew.",
    why: "Deno gives keys and values that have not changed a second time: who changes them changes what comes later.",
    outcomes: {
      "watches: tells all of the keys": {
        deno: secondDelivery("key: <6>, value: <7>"), // the very objects of the first
        tuplet: secondDelivery('key: ["b"], value: Uint8Array(1)'),
      },
      "watches: entries are made anew each time": {
        deno: afterChange('["a", "more"]'),
        tuplet: afterChange('["a"]'),
      },
    },
  },
  {
    what: "The cursor of a list is to be read before the database is closed.",
    why: "It is made when it is asked for.",
    outcomes: {
      "ends: a list that is under way when the database is closed": {
        deno: 'resolves ["rejects BadResource: Bad resource ID", "AmEAIYAAAAAAAAAA"]',
        tuplet: "rejects BadResource: Bad resource ID",
      },
    },
  },
  {
    what: "What a getter in a key throws comes through.",
    why: "Deno replaces it by a message of its insides.",
    cases: /keys: a key with a getter that throws/,
    deno: /^rejects TypeError: <difference 0>$/,
    tuplet: /^rejects RangeError: no part$/,
  },
  {
    what: "The bytes of a Uint8Array are taken when it is given to an atomic operation, as those of other values.",
    why: "Deno takes them at the commit: what changes in between is stored.",
    cases: /values: a value that is changed between set\(\) and commit\(\)/,
    deno: /Uint8Array\(2\)/,
    tuplet: /Uint8Array\(1\)/,
  },
  {
    what: "A Uint8Array whose buffer was transferred away is refused.",
    why: "Deno stores no bytes.",
    cases: /values: a detached buffer/,
    deno: /^resolves \{key: \["a"\], value: Uint8Array\(\), versionstamp: "stamp1"\}$/,
    tuplet: /^rejects TypeError: Cannot perform Construct on a detached (or out-of-bounds )?ArrayBuffer$/,
  },
  {
    what: "An atomic operation that fails, fails as a whole.",
    why: "Deno's database keeps what stood before the mutation that failed.",
    cases: /atomics: what a bad sum leaves behind/,
    deno: /\{key: \["b"\], value: 1, versionstamp: "stamp2"\}/,
    tuplet: /\{key: \["b"\], value: null, versionstamp: null\}/,
  },
  {
    what: "An entry that has expired is gone, for reads, lists, checks and watches.",
    why: "Deno shows it until it is swept away, up to a minute later.",
    cases: /writes: an entry that (has expired|expires at once)/,
    deno: /value: 1, versionstamp: "stamp1"|\{ok: false\}/,
    tuplet: /value: null, versionstamp: null|\{ok: true, versionstamp: "stamp1"\}/,
  },
  {
    what: "A mistake in the arguments is told before that the database is closed.",
    why: "Deno does so for most mistakes, but not for all.",
    cases: /ends: (get of no key|set of an empty key) after/,
    deno: /BadResource: Bad resource ID/,
    tuplet: /TypeError: (<difference 0>|key cannot be empty)/,
  },
  {
    what: "listenQueue of a database that was disposed of rejects, as of one that was closed.",
    why: "Deno resolves at once, as if it had listened.",
    cases: /queues: listening after dispose/,
    deno: /resolves undefined/,
    tuplet: /rejects Error: Queue already closed/,
  },
  {
    what: "A handler of listenQueue that is no function is refused.",
    why: "Deno uses up the attempts of every message with it.",
    cases: /queues: a handler that is no function/,
    deno: /resolves undefined/,
    tuplet: /rejects TypeError: The handler of a queue must be a function: received number/,
  },
  {
    what: "A handler has a second argument: the message's id and attempt.",
    why: "A message may come more than once; the id is for noticing it.",
    cases: /queues: what a handler is given/,
    deno: /resolves 1/,
    tuplet: /resolves 2/,
  },
];
