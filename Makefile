# Everything a person does with this repository. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CARGO ?= cargo
JOBS ?= 2
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
LATHE := $(TARGET_DIR)/debug/lathe
SEEDS ?= 1000
STEPS ?= 100000
SLOTS ?= 60
FUZZ_SECONDS ?= 600
# What tests and lints take. `build` makes the binaries alone.
ALL := --workspace

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## Install the system packages that the build needs (a C compiler)
	@scripts/deps.sh

.PHONY: build
build: deps ## Build the lathe binary, optimised for this machine
	$(CARGO) build -j $(JOBS) -p lathe

.PHONY: devnet
devnet: build ## Build, make keys and genesis, run a local four-node network and show it finalizing
	$(LATHE) devnet $(ARGS)

.PHONY: test
test: deps verify unit spec-tests e2e ## Format, lints, every test, the conformance suite, a 12-slot network

.PHONY: unit
unit: ## Unit, property, simulation and lockstep tests of all crates
	$(CARGO) test -j $(JOBS) $(ALL) --no-fail-fast

.PHONY: spec-tests
spec-tests: deps ## Run the leanSpec conformance fixtures and print the table
	$(CARGO) run -q -j $(JOBS) -p lathe-spec-tests

.PHONY: sim
sim: deps ## Run the seeded simulator: make sim SEEDS=1000 SLOTS=60
	$(CARGO) run -q -j $(JOBS) -p lathe-sim -- --seeds $(SEEDS) --slots $(SLOTS)

.PHONY: e2e
e2e: build ## A real 12-slot network on loopback, with one node killed and restarted
	scripts/accept.sh short

.PHONY: torture
torture: build ## Attacks, kills, power loss and failing writes on real nodes: an hour; ARGS=attacks for a part
	$(CARGO) test -j $(JOBS) -p lathe --test torture -- --ignored --test-threads=1 --nocapture $(ARGS)

.PHONY: accept
accept: build ## The long acceptance runs, on an otherwise idle machine
	scripts/accept.sh full

.PHONY: dashboards
dashboards: build ## Prometheus with all panels, no Docker needed; starts a network if none runs
	LATHE=$(LATHE) scripts/dashboards.sh $(ARGS)

.PHONY: el
el: ## Install the execution clients that tests and development networks pair with
	@JOBS=$(JOBS) scripts/el.sh

.PHONY: lean-pq
lean-pq: ## Install leanVM's published bindings, for --aggregation-backend lean-pq
	@scripts/lean-pq.sh

.PHONY: accept-el
accept-el: build el ## Long runs with real execution clients: pairs of every kind, and one killed fifty times
	LATHE=$(LATHE) scripts/accept-el.sh

.PHONY: accept-proofs
accept-proofs: deps ## Proofs of every broken relation by a prover that lies, 200,000 mutants and random strings
	$(CARGO) test -j $(JOBS) -p lathe-stark --lib -- --ignored --nocapture

.PHONY: bench
bench: deps ## Benchmarks, each printed beside the primitive that bounds it
	scripts/bench.sh

.PHONY: portable
portable: ## The signature schemes in every build that this machine can run: the bytes must be the same in each
	scripts/portable.sh

.PHONY: mutants
mutants: deps ## Break one consensus rule at a time and see a test fail: make mutants RULES=target
	$(CARGO) run -q -j $(JOBS) -p lathe-mutants -- $(RULES)

.PHONY: planted
planted: deps ## Plant one bug at a time and see a seed of the simulator find it: make planted BUGS=ledger
	$(CARGO) run -q -j $(JOBS) -p lathe-mutants --bin planted -- $(BUGS)

.PHONY: differential
differential: ## The store against a transcription of the specification, random steps: make differential STEPS=100000
	LATHE_DIFFERENTIAL_STEPS=$(STEPS) $(CARGO) test -j $(JOBS) -p lathe-forkchoice --test specification -- --nocapture

.PHONY: fuzz
fuzz: deps ## Search inputs that break a decoder, ten minutes each: make fuzz FUZZ_SECONDS=60 TARGETS="ssz snappy"
	@FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz.sh $(TARGETS)

.PHONY: verify
verify: ## Check format, lints and dependencies; changes nothing
	$(CARGO) fmt --all --check
	$(CARGO) clippy -j $(JOBS) $(ALL) --all-targets -- -D warnings
	@scripts/deny.sh
	@if command -v python3 >/dev/null; then python3 contrib/monitoring/dashboards.py verify; else echo "no python3: the dashboards' files are not compared"; fi
	@scripts/machete.sh

.PHONY: fix
fix: ## Format and apply the lints' suggestions
	$(CARGO) fmt --all
	$(CARGO) clippy -j $(JOBS) $(ALL) --all-targets --fix --allow-dirty --allow-staged

.PHONY: advisories
advisories: ## Check dependencies against the advisory database (needs the network)
	$(CARGO) deny check advisories

.PHONY: dist
dist: deps ## Build the binary that is shipped: thin LTO, for any x86-64-v3 machine
	RUSTFLAGS="-C target-cpu=x86-64-v3" $(CARGO) build --profile dist -p lathe

.PHONY: deb
deb: dist ## Build the Debian package: binary, manual pages, completions, service (needs cargo-deb)
	@mkdir -p target/deb/man
	$(TARGET_DIR)/dist/lathe man --out target/deb/man
	$(TARGET_DIR)/dist/lathe completions bash > target/deb/lathe.bash
	$(TARGET_DIR)/dist/lathe completions zsh > target/deb/_lathe
	$(CARGO) deb -p lathe --profile dist --no-build

.PHONY: book-test
book-test: build ## Run the commands of README and book as they are written, from fresh directories
	LATHE=$(LATHE) scripts/book-test.py $(PAGES)

.PHONY: docker
docker: ## Build the container image
	docker build -t lathe .
