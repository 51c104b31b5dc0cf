# Every command of the project. CI calls these targets and nothing else.
#
# Needed beforehand: a Rust toolchain with a C compiler, make. `make test` fetches the rest:
# cargo-deny with cargo.

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.ONESHELL:

CARGO       ?= cargo
FUZZ_TIME   ?= 60

# Tools that only the tests need live here.
TOOLS       := target/tools
VERSION_deny := 0.20.2
VERSION_fuzz := 0.13.2

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

## Checking it

.PHONY: test
test: lint doc deny unit ## everything that CI runs, and all that it needs

.PHONY: check
check: test ## the same as test

.PHONY: fmt
fmt: ## format the code
	$(CARGO) fmt --all

.PHONY: lint
lint: ## formatting and clippy, warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

.PHONY: doc
doc: ## the documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

.PHONY: deny
deny: $(TOOLS)/bin/cargo-deny ## licences, banned crates, sources (no network)
	$(CARGO) fetch --locked
	$< --locked --offline check --hide-inclusion-graph bans licenses sources

.PHONY: advisories
advisories: $(TOOLS)/bin/cargo-deny ## known vulnerabilities (clones the RustSec database)
	$< --locked check advisories

.PHONY: unit
unit: ## the Rust tests: unit, property, sockets, end to end
	$(CARGO) test --locked --workspace

.PHONY: test-slow
test-slow: ## the Rust tests again, optimised and with 20 times the random cases
	PROPTEST_CASES=5120 $(CARGO) test --locked --workspace --release

.PHONY: fuzz-smoke
fuzz-smoke: $(TOOLS)/bin/cargo-fuzz ## each fuzz target for FUZZ_TIME seconds
	export PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" RUSTC_BOOTSTRAP=1 # sanitizers are a nightly option
	for dir in crates/*/fuzz; do
	  targets=$$($(CARGO) fuzz list --fuzz-dir $$dir)
	  for target in $$targets; do
	    $(CARGO) fuzz run --fuzz-dir $$dir $$target -- -max_total_time=$(FUZZ_TIME)
	  done
	done

.PHONY: bench
bench: ## the benchmarks
	$(CARGO) bench --locked --workspace --benches

## What the others need

# Unoptimised, they are built three times as fast, and still answer in a second.
$(TOOLS)/bin/cargo-deny $(TOOLS)/bin/cargo-fuzz: $(TOOLS)/bin/cargo-%:
	export CARGO_PROFILE_DEV_DEBUG=0
	$(CARGO) install --debug --locked --root $(TOOLS) --target-dir $(TOOLS)/build cargo-$*@$(VERSION_$*)
	rm -rf $(TOOLS)/build
