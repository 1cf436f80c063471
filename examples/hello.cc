// hello.cc: the same from C++: a handle that closes itself, keys from C++ values, a list. Usage: hello [FILE]
#include <cstdio>
#include <memory>
#include <string>
#include <tuplet.h>

struct Closer {
  void operator()(tuplet_db *db) const {
    tuplet_close(db);
  }
  void operator()(tuplet_list *list) const {
    tuplet_list_close(list);
  }
};

int main(int argc, char **argv) {
  tuplet_error error = {};
  auto failed = [&error] {
    std::fprintf(stderr, "hello: %s\n", error.message);
    return 1;
  };

  tuplet_db *opened = nullptr;
  if (tuplet_open(argc > 1 ? argv[1] : ":memory:", nullptr, &opened, &error) != TUPLET_OK) return failed();
  std::unique_ptr<tuplet_db, Closer> db(opened);

  for (const char *name : {"Ada", "Grace"}) {
    const std::string text = std::string("Hello, ") + name;
    if (tuplet_set(db.get(), TUPLET_KEY("greetings", name), tuplet_value_bytes(text.data(), text.size()),
                   TUPLET_NEVER, nullptr, &error) != TUPLET_OK) {
      return failed();
    }
  }

  auto prefix_literal = TUPLET_KEY("greetings"); // holds the parts that the key points to
  tuplet_key prefix = prefix_literal;
  tuplet_selector selector = {&prefix, nullptr, nullptr};
  tuplet_list *listing = nullptr;
  if (tuplet_list_open(db.get(), &selector, nullptr, &listing, &error) != TUPLET_OK) return failed();
  std::unique_ptr<tuplet_list, Closer> list(listing);

  const tuplet_entry *entry = nullptr;
  tuplet_status status;
  while ((status = tuplet_list_next(list.get(), &entry, &error)) == TUPLET_OK) {
    std::printf("%.*s\n", static_cast<int>(entry->value.data.size),
                static_cast<const char *>(entry->value.data.data));
  }
  return status == TUPLET_DONE ? 0 : failed();
}
