# The two commands: `make run` and `make test`. Both install what they need first (.ci/deps).

# A release build by default: it is what people judge parlor by, and what the late viewer's first
# picture is measured on. `make run PROFILE=dev` is there in a fraction of the time after a change.
PROFILE ?= release
# More arguments for parlor: make run ARGS='--listen [::]:9000'
ARGS ?=

export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

.DEFAULT_GOAL := run
.PHONY: run build test rust web browser bench deps help

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

run: build ## serve with the built-in defaults; a test picture stands in where no camera is
	@$(if $(filter dev,$(PROFILE)),target/debug,target/$(PROFILE))/parlor serve --demo $(ARGS)

build: ## build only
	@.ci/deps build
	cargo build --locked --profile $(PROFILE)

test: ## everything that a push has to pass
	@.ci/deps test
	@$(MAKE) --no-print-directory rust web browser

rust: ## format, lints, tests and documentation of the Rust side
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo test --locked
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps

web: ## types and tests of the page
	web/node_modules/.bin/tsc -p web
	node --test $(sort $(wildcard web/test/*.test.js web/test/*.test.mjs))

browser: ## real browsers against a real parlor
	cargo build --locked
	@set -e; for test in $(sort $(wildcard tests/browser/*.test.mjs)); do \
	    echo "node --test $$test"; node --test $$test; done

bench: ## forwarding against the machine's floor
	@.ci/deps build
	cargo bench --locked

deps: ## install what building and testing need, nothing else
	@.ci/deps test
