# Every command of the project. CI calls these targets and nothing else.
#
# Needed beforehand: a Rust toolchain, Python 3.11, Node 20, make. `make test` fetches the rest:
# cargo-deny with cargo, the SDKs with pip and npm, curl, Chromium and Prometheus with apt-get.

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.ONESHELL:

CARGO       ?= cargo
PYTHON      ?= python3
SUDO        := $(if $(filter 0,$(shell id -u)),,sudo)
FUZZ_TIME   ?= 60

# Tools that only the tests need live here and in .venv: nothing is installed as a service.
TOOLS       := target/tools
VERSION_deny := 0.20.2
VERSION_fuzz := 0.13.2
BALANCERS   := $(foreach tool,haproxy nginx,$(if $(wildcard /usr/sbin/$(tool)),,$(TOOLS)/usr/sbin/$(tool)))
PROMETHEUS  := $(shell command -v prometheus || echo $(CURDIR)/$(TOOLS)/usr/bin/prometheus)

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

## Using it

.PHONY: run
run: ## the demo, without keys or network; with CONFIG=file the proxy itself
	$(CARGO) run --locked --release -p nearway -- $(if $(CONFIG),serve --config $(CONFIG),demo)

.PHONY: docker
docker: ## the container image nearway:latest (needs docker)
	docker build --file deploy/docker/Dockerfile --tag nearway:latest .

## Checking it

.PHONY: test
test: lint doc deny unit sdk ## everything that CI runs, and all that it needs

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

.PHONY: sdk
sdk: build deps .venv/.done tests/sdk/node_modules/.package-lock.json ## real clients: Python, Node, curl, WebSocket, Prometheus, a browser
	PROMETHEUS=$(PROMETHEUS) .venv/bin/pytest tests/sdk

.PHONY: test-slow
test-slow: ## the Rust tests again, optimised and with 20 times the random cases
	PROPTEST_CASES=5120 $(CARGO) test --locked --workspace --release

.PHONY: faults
faults: ## each fault of a region under load, as a table of what clients saw (four minutes)
	$(CARGO) test --locked -p nearway-tests --test faults -- --nocapture

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
	$(CARGO) bench --locked -p nearway-wire --bench scan

.PHONY: bench-routing
bench-routing: $(BALANCERS) ## how near each way to choose comes to the oracle (13 minutes); WORLDS=text for some
	$(CARGO) bench --locked -p nearway --bench routing $(if $(PROFILE),--profile $(PROFILE))

## What the others need

.PHONY: build
build: ## the debug binary, as the SDK tests use it
	$(CARGO) build --locked -p nearway

.PHONY: deps
deps: $(foreach tool,curl chromium,$(if $(shell command -v $(tool)),,$(tool))) $(PROMETHEUS)

.PHONY: curl chromium
curl chromium:
	$(SUDO) apt-get update
	$(SUDO) apt-get install --yes --no-install-recommends $@

# Unpacked, not installed: Debian's package would start a service.
$(CURDIR)/$(TOOLS)/usr/bin/prometheus:
	apt-cache show prometheus >/dev/null 2>&1 || $(SUDO) apt-get update
	rm -rf $(TOOLS)/deb
	mkdir -p $(TOOLS)/deb
	(cd $(TOOLS)/deb; apt-get download prometheus)
	dpkg-deb --extract $(TOOLS)/deb/prometheus_*.deb $(TOOLS)
	$@ --version

# The same for those that the benchmark compares with, each with the libraries that are not installed
# here: the script under its name says where they are. The benchmark does without what cannot be had.
$(TOOLS)/usr/sbin/haproxy $(TOOLS)/usr/sbin/nginx: $(TOOLS)/usr/sbin/%:
	root=$(CURDIR)/$(TOOLS)/$*
	rm -rf $$root
	mkdir -p $$root $(@D)
	fetch() {
	  libraries=$$(apt-get --simulate --no-install-recommends install $* | sed -n 's/^Inst \(lib[^ ]*\).*/\1/p')
	  (cd $$root && apt-get download $* $$libraries)
	}
	fetch || { $(SUDO) apt-get update && fetch; } || true
	find $$root -name '*.deb' -exec dpkg-deb --extract {} $$root ';'
	printf '#!/bin/sh\nLD_LIBRARY_PATH=$$(echo %s/usr/lib/*-linux-gnu*) exec %s/usr/sbin/$* "$$@"\n' $$root $$root >$@
	chmod +x $@
	$@ -v || { rm $@; echo "bench-routing does without $*: it cannot be fetched, or does not start"; }

# Unoptimised, they are built three times as fast, and still answer in a second.
$(TOOLS)/bin/cargo-deny $(TOOLS)/bin/cargo-fuzz: $(TOOLS)/bin/cargo-%:
	export CARGO_PROFILE_DEV_DEBUG=0
	$(CARGO) install --debug --locked --root $(TOOLS) --target-dir $(TOOLS)/build cargo-$*@$(VERSION_$*)
	rm -rf $(TOOLS)/build

.venv/.done: tests/sdk/requirements.txt
	$(PYTHON) -c 'import ensurepip' || { $(SUDO) apt-get update; $(SUDO) apt-get install --yes python3-venv; }
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --requirement $<
	touch $@

tests/sdk/node_modules/.package-lock.json: tests/sdk/package.json tests/sdk/package-lock.json
	cd tests/sdk
	npm ci --no-audit --no-fund
