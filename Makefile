# Everyday commands. `make demo` needs a Rust toolchain and nothing else; `make test` installs what the
# tests talk to (Debian packages, with root or sudo); some install client libraries, into target/.

SHELL := /bin/bash
CARGO ?= cargo
DEMO_ARGS ?=
MINUTES ?= 60
SEED ?= 1
PART ?= all
SECONDS ?= 60
TARGET ?=

.PHONY: help demo build test gauntlet gauntlet-servers soak soak-packages drill fuzz lint doc golden packages clean \
	bench bench-docs bench-instructions bench-syscalls bench-fleet bench-micro bench-packages count-packages

help:            ## this list
	@grep -E '^[a-z-]+: *.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 20

demo:            ## build and run a gateway with an echo backend, a tenant, tokens and curl lines to try
	$(CARGO) run --quiet --bin tollgate -- demo $(DEMO_ARGS)

build:           ## the release binary: target/release/tollgate
	$(CARGO) build --release --bin tollgate

test: packages   ## install what the tests need, then run all of them
	$(CARGO) test --quiet

gauntlet: packages ## ask the published list of hostile inputs, a line for each row (docs/gauntlet.md); then real servers
	$(CARGO) test --quiet --test it gauntlet::report::the_whole_list_in_lines -- --exact --ignored --nocapture
	$(MAKE) gauntlet-servers

gauntlet-servers: ## install nginx, httpd, Tomcat and others, and ask whether they read what was judged
	@./deploy/install-packages nginx apache2-bin php-cli php-fpm gunicorn nodejs libtomcat10-java default-jdk-headless
	$(CARGO) test --quiet --test it differential:: -- --ignored --nocapture

lint:            ## formatting, clippy and documentation, warnings denied
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --document-private-items --quiet

golden:          ## rewrite the golden files (then read the diff)
	UPDATE_GOLDEN=1 $(CARGO) test --quiet

bench: bench-packages ## CPU per request beside nginx, HAProxy and others: `make bench SCENARIO=hot64,tls ROUNDS=5` (or all)
	$(CARGO) bench --quiet --bench gateway

bench-docs:      ## write the figures of the last runs into docs/performance.md
	$(CARGO) bench --quiet --bench gateway -- page

bench-instructions: count-packages ## user instructions and allocations of a request against their budgets (`UPDATE=1` writes them)
	$(CARGO) bench --quiet --bench gateway -- instructions

bench-fleet: bench-packages ## what a fleet asks its Redis for, beside the model: `make bench-fleet GATEWAYS=50 RATE=2000 TOKENS=100000`
	$(CARGO) bench --quiet --bench gateway -- fleet

bench-micro:     ## the parts of a decision alone: canonical form, rules, permissions, tokens
	$(CARGO) bench --quiet --bench parts

bench-syscalls: bench-packages count-packages ## system calls of a request
	$(CARGO) bench --quiet --bench gateway -- syscalls

soak: soak-packages ## half load while everything fails in turn: `make soak MINUTES=60 SEED=1`
	$(CARGO) test --release --quiet --test soak -- --minutes $(MINUTES) --seed $(SEED)

drill: soak-packages ## three gateways over one Redis, sentinels, a cluster, and what operators fear: `make drill PART=all SEED=1` (docs/drill.md)
	$(CARGO) test --quiet --test drill -- --part $(PART) --seed $(SEED)

fuzz:            ## try what strangers may send, a line for each target: `make fuzz SECONDS=60 TARGET=head` (docs/fuzzing.md)
	@./fuzz/run $(SECONDS) $(TARGET)

packages:
	@./deploy/install-packages redis-server faketime libnss-wrapper curl nodejs npm python3 python3-venv

bench-packages:
	@./deploy/install-packages redis-server nginx libnginx-mod-http-lua haproxy caddy nghttp2-client

count-packages:
	@./deploy/install-packages redis-server valgrind strace

soak-packages:
	@./deploy/install-packages redis-server

clean:           ## remove what was built
	$(CARGO) clean
	rm -rf fuzz/target
