/* instructions_codec.c: keys, values and texts, to bytes and back. */
#include "instructions.h"

#include <stdlib.h>
#include <string.h>

enum { WARM_UP = 20, OPERATIONS = 100 };

static const char value_text[] =
    "{ id: 123456n, name: \"Ada Lovelace\", address: { street: \"12 St James's Square\", city: \"London\", "
    "zip: \"SW1Y 4JH\" }, born: new Date(\"1815-12-10T00:00:00.000Z\"), score: 98.6, active: true, "
    "tags: [\"mathematics\", \"machines\", \"poetry\"], visits: new Map([[\"home\", 12], [\"notes\", 7]]), "
    "key: new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]) }";

static const char json_text[] =
    "{\"id\": 123456, \"name\": \"Ada Lovelace\", \"address\": {\"street\": \"12 St James's Square\", "
    "\"city\": \"London\", \"zip\": \"SW1Y 4JH\"}, \"born\": \"1815-12-10\", \"score\": 98.6, "
    "\"active\": true, \"tags\": [\"mathematics\", \"machines\", \"poetry\"], \"visits\": [12, 7], "
    "\"notes\": null}";

static const uint8_t id[16] = {1, 0, 3, 0xff, 5, 6, 7, 0, 9, 10, 11, 12, 13, 14, 15, 16};

typedef struct codec {
  tuplet_owned key; /* encoded */
  tuplet_owned value_bytes;
  tuplet_value value; /* of value_text */
  tuplet_owned json_bytes;
  tuplet_value json; /* of json_text */
  tuplet_error error;
} codec;

static void check(codec *c, tuplet_status status) {
  instructions_check(status, &c->error);
}

static void encode_key(codec *c, tuplet_owned *ret_key) {
  tuplet_key key = TUPLET_KEY("users", 123456789, tuplet_view(id, sizeof id), 2.5, "name", TUPLET_TRUE);
  check(c, tuplet_key_encode(key, NULL, ret_key, &c->error));
}

static void key_encode(codec *c) {
  tuplet_owned key;
  encode_key(c, &key);
  tuplet_owned_free(&key);
}

static void key_decode(codec *c) {
  tuplet_key_parts *parts;
  check(c, tuplet_key_decode(tuplet_view(c->key.data, c->key.size), NULL, &parts, &c->error));
  tuplet_key_parts_free(parts);
}

static void key_print(codec *c) {
  tuplet_owned text;
  tuplet_key key = tuplet_key_of(tuplet_view(c->key.data, c->key.size));
  check(c, tuplet_key_to_text(key, NULL, &text, &c->error));
  tuplet_owned_free(&text);
}

static void value_decode(codec *c) {
  tuplet_tree *tree = tuplet_tree_new(NULL);
  if (tree == NULL) bench_fail("out of memory");
  tuplet_node *root;
  check(c, tuplet_tree_decode(tree, c->value, &root, &c->error));
  tuplet_tree_free(tree);
}

static void value_parse(codec *c) {
  tuplet_value value;
  tuplet_owned bytes;
  check(c, tuplet_value_from_text(value_text, sizeof value_text - 1, NULL, &value, &bytes, &c->error));
  tuplet_owned_free(&bytes);
}

static void value_print(codec *c) {
  tuplet_owned text;
  check(c, tuplet_value_to_text(c->value, NULL, &text, &c->error));
  tuplet_owned_free(&text);
}

static void json_parse(codec *c) {
  tuplet_value value;
  tuplet_owned bytes;
  check(c, tuplet_value_from_json(json_text, sizeof json_text - 1, NULL, &value, &bytes, &c->error));
  tuplet_owned_free(&bytes);
}

static void json_print(codec *c) {
  tuplet_owned text;
  check(c, tuplet_value_to_json(c->json, NULL, &text, &c->error));
  tuplet_owned_free(&text);
}

static const struct {
  const char *name;
  void (*operate)(codec *c);
} workloads[] = {
    {"key-encode", key_encode},     {"key-decode", key_decode},   {"key-print", key_print},
    {"value-decode", value_decode}, {"value-parse", value_parse}, {"value-print", value_print},
    {"json-parse", json_parse},     {"json-print", json_print},
};

void instructions_codec(const char *only) {
  codec c;
  encode_key(&c, &c.key);
  check(&c,
        tuplet_value_from_text(value_text, sizeof value_text - 1, NULL, &c.value, &c.value_bytes, &c.error));
  check(&c, tuplet_value_from_json(json_text, sizeof json_text - 1, NULL, &c.json, &c.json_bytes, &c.error));
  for (size_t i = 0; i < sizeof workloads / sizeof workloads[0]; i++) {
    if (!instructions_wants(only, workloads[i].name)) continue;
    for (int j = 0; j < WARM_UP; j++) workloads[i].operate(&c);
    instructions_begin();
    for (int j = 0; j < OPERATIONS; j++) workloads[i].operate(&c);
    instructions_end(workloads[i].name, OPERATIONS);
  }
  tuplet_owned_free(&c.key);
  tuplet_owned_free(&c.value_bytes);
  tuplet_owned_free(&c.json_bytes);
}
