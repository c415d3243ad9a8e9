# The two commands: `make run` and `make test`. Both install what they need first (.ci/deps).

# A release build by default: it is what people judge parlor by, and what the late viewer's first
# picture is measured on. `make run PROFILE=dev` is there in a fraction of the time after a change.
PROFILE ?= release
# More arguments for parlor: make run ARGS='--listen [::]:9000'
ARGS ?=

# The browsers meet a development build in `make test`, which has it already. What is measured there
# means little, so the late viewer's picture gets more time than the release build's one second.
BROWSER_PROFILE ?= dev
BROWSER_OPTIONS ?= $(if $(filter dev,$(BROWSER_PROFILE)),--light --budget 25000 --runs 1)

# How long `make fuzz` runs each target.
FUZZ_SECONDS ?= 60

# All that `make test` printed, of which it repeats at the end what was skipped.
TEST_LOG = $(or $(CARGO_TARGET_DIR),target)/test.log

binary = $(or $(CARGO_TARGET_DIR),target)/$(if $(filter dev,$(1)),debug,$(1))/parlor

# Cargo builds the binary beside its tests with the tests' set of features; asking for it the same way
# spares a second build of half the dependencies.
build_for_browser = $(if $(filter dev,$(1)),cargo test --locked --no-run --test rooms,cargo build --locked --profile $(1))

export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

.DEFAULT_GOAL := run
.PHONY: run build test rust web browser firefox weak whip bench fuzz deps deny sbom help deb image container test-appliance

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

run: build ## serve with the built-in defaults; a test picture stands in where no camera is
	@$(call binary,$(PROFILE)) serve --demo $(ARGS)

build: ## build only
	@.ci/deps build
	cargo build --locked --profile $(PROFILE)

test: ## everything that a push has to pass
	@.ci/deps test
	@mkdir -p $(dir $(TEST_LOG))
	@bash -o pipefail -c '$(MAKE) --no-print-directory rust web browser 2>&1 | tee $(TEST_LOG)'; \
	status=$$?; echo; echo 'Not tested in this run:'; \
	grep '^skipped: ' $(TEST_LOG) | sort -u || echo '  nothing was skipped'; exit $$status

rust: ## format, lints, tests and documentation of the Rust side
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo test --locked
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps

web: ## types and tests of the page
	web/node_modules/.bin/tsc -p web
	node --test $(sort $(wildcard web/test/*.test.js web/test/*.test.mjs))

browser: ## real browsers against a real parlor; OPTIONS='--shots DIR' writes screenshots, OPTIONS='--scene lan' runs one scene
	$(call build_for_browser,$(BROWSER_PROFILE))
	node tests/browser/run.mjs $(call binary,$(BROWSER_PROFILE)) $(BROWSER_OPTIONS) $(OPTIONS)

weak: ## the picture over a limited path and one that loses packets, between network namespaces (root, a quiet machine)
	cargo build --locked --release
	node tests/browser/run.mjs $(call binary,release) --scene weak

firefox: ## Firefox's layers, in a room with Chromium and the camera, between network namespaces (root, a quiet machine)
	$(call build_for_browser,$(BROWSER_PROFILE))
	node tests/browser/run.mjs $(call binary,$(BROWSER_PROFILE)) --scene firefox-lan

whip: ## clients that are none of ours, by WHIP and WHEP; AIORTC=, FFMPEG=, AV= name what is not installed (tests/whip/run.mjs)
	cargo build --locked --profile $(BROWSER_PROFILE)
	node tests/whip/run.mjs $(call binary,$(BROWSER_PROFILE))

fuzz: ## each fuzz target for FUZZ_SECONDS (60), in turn; needs a nightly compiler and cargo-fuzz
	fuzz/run.sh $(FUZZ_SECONDS)

deb: ## a Debian package of a release build, for this machine's architecture: target/debian
	@.ci/deps build
	@command -v cargo-deb >/dev/null || cargo install --locked cargo-deb
	cargo deb --locked

# What `make deb` has made, and `make image`: the newest.
package = "$$(ls -t $(or $(CARGO_TARGET_DIR),target)/debian/parlor_*_$$(dpkg --print-architecture).deb | head -n 1)"
disk = "$$(ls -t target/image/parlor-*.$(1) | head -n 1)"

image: deb ## a disk image of Debian 13 with parlor, and its update bundle: target/image (root, amd64; ARCH=amd64)
	@test "$(or $(ARCH),amd64)" = amd64 || { echo "ARCH=$(ARCH): so far there is an image for amd64" >&2; exit 2; }
	image/disk/keys
	image/disk/build $(package) target/image

container: ## the container's image, called parlor, by podman or docker
	$(or $(ENGINE),$(shell command -v podman || echo docker)) build -f Containerfile -t parlor .

test-appliance: image container ## the package in Debian 12 and 13, the container, the disk image in QEMU (root; an hour without KVM)
	image/debian/test $(package)
	node image/container/test.mjs parlor
	node image/disk/test-root.mjs $${WORK:-/var/tmp/parlor-image}/root
	node image/disk/test.mjs $(call disk,img) --bundle $(call disk,raucb)

bench: ## forwarding against the machine's floor
	@.ci/deps build
	cargo bench --locked

deps: ## install what building and testing need, nothing else
	@.ci/deps test

deny: ## advisories, licences and sources of what parlor depends on; needs cargo-deny
	cargo deny --config .cargo/deny.toml --locked check

sbom: ## a bill of materials, CycloneDX 1.6, in target/parlor.cdx.json
	.ci/sbom > $(or $(CARGO_TARGET_DIR),target)/parlor.cdx.json
