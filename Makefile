# Everyday commands. The build itself is meson's; see CONTRIBUTING.md.
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
SOAK_QUERIES ?= 200000
MESON = meson setup --buildtype=debugoptimized

.PHONY: all demo test bench soak lint format fuzz install clean test-clients setup

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@test -f third_party/duckdb/libduckdb.so && test -f third_party/duckdb/duckdb.h || \
	  { echo "make: DuckDB is not here yet: run scripts/setup.sh first" >&2; exit 1; }
	$(MESON) $(BUILD) -Dtests=false

setup:
	scripts/setup.sh

demo:
	scripts/demo.sh

test:
	python3 tests/run.py

lint:
	python3 tests/run.py --only lint --all-tidy

fuzz:
	python3 tests/run.py --only fuzz --fuzz-seconds 60

bench: all
	python3 bench/run.py

soak: all
	python3 tests/e2e/soak.py
	python3 tests/e2e/kill_rounds.py 300
	for n in 1 3 7; do python3 tests/oracle/run.py --workers $$n --cores 1 || exit 1; done
	python3 tests/oracle/run.py --scale 20
	python3 tests/oracle/fuzz.py --count $(SOAK_QUERIES) --workers 3

test-clients:
	@echo "No clients of other systems are tested yet: none of their protocols is spoken yet."

format:
	find src tests tools \( -name '*.c' -o -name '*.h' \) | xargs clang-format-14 -i

install: all
	install -D -m 755 $(BUILD)/src/cli/eider $(DESTDIR)$(PREFIX)/bin/eider
	install -D -m 755 third_party/duckdb/libduckdb.so $(DESTDIR)$(PREFIX)/lib/eider/libduckdb.so

clean:
	rm -rf build build-asan build-tsan build-fuzz build-test-logs
