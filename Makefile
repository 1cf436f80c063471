# What there is to do with tuplet; `make help` lists it. Meson builds, scripts/setup installs what is missing.

PREFIX       ?= /usr/local
FUZZ_RUNS    ?= 200000
SOAK_SECONDS ?= 180
ARGS         ?=

SANITIZED = --buildtype=debug -Doptimization=1

.DEFAULT_GOAL := help
.PHONY: help serve test build js js-docs install format check asan tsan fuzz soak h2spec bench bench-check bench-queue \
  bench-growth bench-js pgo deb deb-test clean setup-build setup-js setup-test setup-tools setup-deb setup-deb-test setup-peers

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

serve: build ## build, then serve a database of your own; more for `tuplet serve` in ARGS="..."
	build/tuplet serve $(ARGS)

test: build configure-sanitizers setup-test js ## run every test there is
	scripts/test --fuzz-runs 20000

build: setup-build build/build.ninja ## build the library and the program, build/tuplet
	ninja -C build

js: setup-js ## build the JavaScript package, bindings/js
	npm --prefix bindings/js run --silent build

js-docs: js ## write its reference, docs/javascript-api.md, from the comments of its sources
	npm --prefix bindings/js run --silent docs

install: build ## install below PREFIX (/usr/local), inside DESTDIR when that is set
	meson configure build -Dprefix=$(abspath $(PREFIX))
	ninja -C build
	meson install -C build --no-rebuild $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))
	if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" -eq 0 ]; then ldconfig; fi

format: setup-tools ## put every C file into the project's format
	scripts/check format --write

check: setup-tools build js ## format, clang-tidy, cppcheck
	scripts/check

asan: setup-test js build-asan/build.ninja ## unit tests under the address, leak and undefined-behaviour sanitizers
	scripts/test asan

tsan: setup-test js build-tsan/build.ninja ## unit tests under the thread sanitizer
	scripts/test tsan

fuzz: setup-test build-fuzz/build.ninja ## search with every fuzz target, for FUZZ_RUNS inputs each
	scripts/test --fuzz-runs $(FUZZ_RUNS) fuzz

deb: setup-deb ## build Debian packages into build/deb
	scripts/deb

deb-test: setup-deb-test deb ## install them on a clean Debian in a folder and serve from there (as root)
	test/deb.sh build/deb

soak: build setup-test ## everything at once for SOAK_SECONDS (180): ends with flat memory and no descriptor left
	SOAK_SECONDS=$(SOAK_SECONDS) TUPLET=build/tuplet node --test --test-reporter=spec test/clients/soak/soak.mjs

h2spec: build ## optional: HTTP/2's conformance tests, strictly; needs Go, and fetches them once
	scripts/h2spec

bench: build ## measure, beside every peer that is installed; ARGS="--help" tells what else
	node bench/peers/main.mjs --dir build $(ARGS)

bench-check: build setup-test ## count the instructions of fixed work; fails when they have become more. ARGS=--write renews
	bench/instructions.py build/bench/instructions $(ARGS)

bench-queue: build setup-test ## measure the queue, beside Deno's; ARGS="--help" tells what else
	build/bench/queue --dir build --tuplet build/tuplet --deno test/clients/node_modules/.bin/deno $(ARGS)

bench-growth: build setup-test ## measure a file of 10,000,000 keys beside one of 10,000; ARGS="--help" tells what else
	build/bench/growth --dir build --tuplet build/tuplet $(ARGS)

bench-js: js setup-test ## measure the JavaScript package, beside Deno's and Node's; ARGS="--help" tells what else
	node bindings/js/bench/main.mjs --dir build $(ARGS)

pgo: setup-build ## build a faster build-pgo/tuplet: optimised for what a minute of work did, across all files (gcc)
	scripts/pgo

clean: ## remove what was built
	rm -rf build build-asan build-tsan build-fuzz build-pgo bindings/js/build bindings/js/dist

setup-build setup-js setup-test setup-tools setup-deb setup-deb-test: setup-%:
	@scripts/setup $*

setup-peers: ## optional: install what Debian has of what `make bench` measures beside ours
	@scripts/setup peers

.PHONY: configure-sanitizers
configure-sanitizers: build-asan/build.ninja build-tsan/build.ninja build-fuzz/build.ninja

build/build.ninja: | setup-build
	meson setup build --buildtype=release

build-asan/build.ninja: | setup-test
	meson setup build-asan $(SANITIZED) -Db_sanitize=address,undefined -Djs=true

build-tsan/build.ninja: | setup-test
	meson setup build-tsan $(SANITIZED) -Db_sanitize=thread -Djs=true

build-fuzz/build.ninja: | setup-test
	CC=clang meson setup build-fuzz $(SANITIZED) -Db_sanitize=address,undefined -Db_lundef=false -Dfuzz=true
