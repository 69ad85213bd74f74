# What each target does: make help

SHELL := /bin/bash
.DEFAULT_GOAL := all
# A target that failed half-way would be taken for made.
.DELETE_ON_ERROR:

MODULE := build/ngx_http_upstream_etcd_module.so
CARGO ?= cargo
# Where cargo builds; absolute, since recipes and tests start in different directories.
CARGO_TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
export CARGO_TARGET_DIR

# The nginx that the module is built for: Debian's, configured in build/nginx, where nobody names
# another one.
ifeq ($(NGINX_BUILD_DIR)$(NGINX_SOURCE_DIR),)
HEADERS := headers
# Not exported: to a make or script that is started from here, somebody would have named another
# nginx.
FOR_NGINX := NGINX_BUILD_DIR=$(CURDIR)/build/nginx/objs
endif

# nginx's own modules directory, as it was configured. Debian's nginx is not in an ordinary user's
# PATH.
MODULES_PATH ?= $(shell PATH=$$PATH:/usr/local/sbin:/usr/sbin $(or $(NGINX),nginx) -V 2>&1 | \
	sed -n 's/.*--modules-path=\([^ ]*\).*/\1/p')

##@ Build

.PHONY: all
all: module ## build the module (the default)

# What is shipped. Of both cargo makes one set of features of what they have in common, whichever of
# them is then built: so nothing is compiled twice.
SHIPPED := -p ngx-http-upstream-etcd-module -p firehose-router

# Cargo's profile of what is built to be used: `release`, or `demo`, which is compiled in a third of
# the time and shares all with `make run`.
NGX_CARGO_PROFILE ?= release
BUILT := $(CARGO_TARGET_DIR)/$(NGX_CARGO_PROFILE)
ifeq ($(NGX_CARGO_PROFILE),demo)
# With another set of features nothing would be shared.
SHIPPED += -p demo-node
endif

# Panics name files of sources: they must not depend on the directories of a machine, so that the
# same commit makes the same files everywhere. The profile `demo` is for the machine that it is
# built on.
ifneq ($(NGX_CARGO_PROFILE),demo)
REMAPPED := RUSTFLAGS="$(strip $(RUSTFLAGS) \
	--remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo \
	--remap-path-prefix=$(CARGO_TARGET_DIR)=/target \
	--remap-path-prefix=$(CURDIR)=/firehose-router)"
endif

.PHONY: module
module: $(HEADERS)
	$(FOR_NGINX) $(REMAPPED) $(CARGO) build --locked --profile $(NGX_CARGO_PROFILE) $(SHIPPED) --lib
	@mkdir -p build
	@# A running nginx has the old file mapped: a new file takes its place, none is written over.
	@install -m 644 $(BUILT)/libngx_http_upstream_etcd_module.so $(MODULE)
	@echo "== built $(MODULE)"

.PHONY: release
release: $(HEADERS) ## build the module and the program, optimized
	$(FOR_NGINX) $(REMAPPED) $(CARGO) build --locked --profile $(NGX_CARGO_PROFILE) $(SHIPPED)
	@mkdir -p build
	@install -m 644 $(BUILT)/libngx_http_upstream_etcd_module.so $(MODULE)
	@install -m 755 $(BUILT)/firehose-router build/firehose-router
	@echo "== built $(MODULE) and build/firehose-router"

# What is shipped contains code of others, whose licenses have to be shipped with it.
LICENSES := build/third-party.txt

.PHONY: licenses
licenses: ## collect the licenses of all crates in build/third-party.txt, \
	and run cargo-deny if it is installed
	@mkdir -p build
	@$(CARGO) run --locked --quiet --profile demo -p third-party licenses > $(LICENSES)
	@echo "== made $(LICENSES)"
	@! $(CARGO) deny --version >/dev/null 2>&1 || $(CARGO) deny --locked --workspace check

SBOM := build/sbom.cdx.json

.PHONY: sbom
sbom: ## list the crates in module and program in build/sbom.cdx.json (CycloneDX)
	@mkdir -p build
	@$(CARGO) run --locked --quiet --profile demo -p third-party sbom > $(SBOM)
	@echo "== made $(SBOM)"

.PHONY: headers
headers:
	@scripts/configure-nginx.sh

.PHONY: demo-node
demo-node:
	$(CARGO) build --locked --profile demo $(SHIPPED) -p demo-node --bin demo-node
	@mkdir -p build
	@install -m 755 $(CARGO_TARGET_DIR)/demo/demo-node build/demo-node

.PHONY: firehose-router
firehose-router: ## build the program `firehose-router`
	$(REMAPPED) $(CARGO) build --locked --profile $(NGX_CARGO_PROFILE) $(SHIPPED) --bin firehose-router
	@mkdir -p build
	@install -m 755 $(BUILT)/firehose-router build/firehose-router

.PHONY: deps
deps: ## install what is missing to build and run (apt, Debian 12)
	@scripts/install-dependencies.sh run

##@ Try

# Checks the ports first, so that nobody waits for a build to choose others.
.PHONY: run
run: ## install what is missing, build; etcd, nginx and three nodes until Ctrl-C \
	(PORT=8080 ETCD_PORT=2379)
	@scripts/check-ports.sh
	@scripts/say-plan.sh run
	@scripts/install-dependencies.sh run
	@$(if $(HEADERS),$(MAKE) --no-print-directory $(HEADERS))
	@$(FOR_NGINX) scripts/build-demo.sh run
	@scripts/run.sh

##@ Test

.PHONY: quick
quick: ## install what is missing, and run the tests that need no build
	@scripts/install-dependencies.sh test
	@scripts/test.sh quick

.PHONY: test
test: ## install what is missing, build, and run all tests that need no other system
	@scripts/say-plan.sh test
	@scripts/install-dependencies.sh test
	@scripts/test.sh quick
	@$(if $(HEADERS),$(MAKE) --no-print-directory $(HEADERS))
	@$(FOR_NGINX) scripts/test.sh built

# One test or module: T=slow_start, T=drain::sticky, T=cookie.
T ?=

.PHONY: test-unit
test-unit: ## build, and run the unit and property tests (T=NAME: those with it in their names)
	@scripts/install-dependencies.sh test
	@$(if $(HEADERS),$(MAKE) --no-print-directory $(HEADERS))
	@$(FOR_NGINX) scripts/test.sh unit $(T)

.PHONY: test-e2e
test-e2e: ## build, and run the end-to-end tests (T=NAME: one of them, or a module)
	@scripts/install-dependencies.sh test
	@$(if $(HEADERS),$(MAKE) --no-print-directory $(HEADERS))
	@$(FOR_NGINX) scripts/test.sh end-to-end $(T)

.PHONY: test-page
test-page: ## build, and test the page of etcd_status in Chromium (T=NAME, WRITE_SCREENSHOT=1)
	@scripts/install-dependencies.sh test
	@$(if $(HEADERS),$(MAKE) --no-print-directory $(HEADERS))
	@$(FOR_NGINX) scripts/build-demo.sh test
	@$(FOR_NGINX) scripts/test-page.sh $(T)

.PHONY: test-versions
test-versions: ## run the end-to-end tests with nginx and etcd of Debian 12, 13 and unstable \
	(VERSIONS='debian-13 nginx-src' T=NAME; T=--part: some of each subject)
	@scripts/install-dependencies.sh test
	@scripts/versions.sh $(T)

.PHONY: test-patroni
test-patroni: ## build, and test on a bare Debian 12 that peers follow a switchover of Patroni's
	@scripts/install-dependencies.sh test
	@$(if $(HEADERS),$(MAKE) --no-print-directory $(HEADERS))
	@$(FOR_NGINX) scripts/build-demo.sh end-to-end
	@scripts/test-patroni.sh

.PHONY: test-slow
test-slow: ## build, and run what takes an hour or more: a soak, fuzzing, sanitizers
	@scripts/install-dependencies.sh test
	@$(if $(HEADERS),$(MAKE) --no-print-directory $(HEADERS))
	@$(FOR_NGINX) scripts/test.sh slow

# The image's name, and further arguments of `docker build`: IMAGE_ARGS='--target official
# --build-arg NGINX_VERSION=1.30.6'.
IMAGE ?= firehose-router
DOCKER ?= docker

##@ Container image

.PHONY: image
image: ## build the container image (IMAGE=firehose-router IMAGE_ARGS=…)
	DOCKER_BUILDKIT=1 $(DOCKER) build -t $(IMAGE) \
		--build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) \
		$(if $(findstring --target,$(IMAGE_ARGS)),,--target router) $(IMAGE_ARGS) .

.PHONY: demo-image
demo-image: firehose-router demo-node ## build the image of the nodes in compose.yaml
	DOCKER_BUILDKIT=1 $(DOCKER) build -t firehose-router-demo-node --target demo-node .

# What that image gets: build/demo has the programs that `make test` tests, hardly optimized.
PROGRAMS ?= build
BUILT_PROGRAMS := $(if $(filter build,$(PROGRAMS)),release demo-node)

# Before what is built for them.
.PHONY: test-dependencies
test-dependencies:
	@scripts/install-dependencies.sh test

.PHONY: test-image
test-image: test-dependencies $(BUILT_PROGRAMS) licenses sbom ## build the image of what is built \
	here, and test it and compose.yaml on a Docker engine (PROGRAMS=build/demo)
	@$(FOR_NGINX) PROGRAMS=$(PROGRAMS) scripts/test-image.sh

.PHONY: test-official
test-official: test-dependencies licenses sbom ## build the image with the official nginx, or \
	with a stand-in for it, and test it on a Docker engine
	@scripts/test-official.sh

.PHONY: arm64
arm64: ## build module and program for Debian's nginx on arm64, in build/arm64
	@scripts/arm64.sh build

.PHONY: test-arm64
test-arm64: ## the same, and test it under qemu's emulation
	@scripts/arm64.sh

##@ Develop

.PHONY: lint
lint: $(HEADERS) ## rustfmt, widths, and clippy for the whole workspace, warnings as errors
	$(CARGO) fmt --all --check
	scripts/check-width.sh
	$(FOR_NGINX) $(CARGO) clippy --locked --workspace --all-targets -- -D warnings

.PHONY: docs
docs: $(HEADERS) ## write generated tables and manual pages, and build the site in build/docs
	@mkdir -p completions man
	WRITE_DOCS=1 $(CARGO) test --locked --profile demo -p directive-table --test reference
	WRITE_DOCS=1 $(CARGO) test --locked --profile demo -p doc-tables --test versions
	WRITE_DOCS=1 $(CARGO) test --locked --profile demo -p status-document --test documentation
	WRITE_DOCS=1 $(CARGO) test --locked --profile demo -p firehose-router cli::documentation
	$(CARGO) run --locked --profile demo -p book

.PHONY: check-links
check-links: ## list the links to other sites in the documentation, with their answers
	@scripts/check-links.sh

.PHONY: bench
bench: ## measure against the same nginx with static servers (QUICK=1: a look; \
	WRITE_BASELINE=1: for the column "last")
	@scripts/install-dependencies.sh test
	@$(MAKE) --no-print-directory module
	$(REMAPPED) $(CARGO) bench --locked -p benchmarks --bench pick -- $(if $(QUICK),--quick)
	$(REMAPPED) $(CARGO) run --locked --release -p benchmarks

.PHONY: bench-gate
bench-gate: ## count instructions and compare them with benches/baseline.json \
	(WRITE_BASELINE=1: write it)
	@scripts/install-dependencies.sh test
	@$(if $(HEADERS),$(MAKE) --no-print-directory $(HEADERS))
	@$(FOR_NGINX) scripts/build-demo.sh test
	@scripts/bench-gate.sh

.PHONY: bench-beside
bench-beside: ## measure another build of the module beside this one (OLD=path/to/old.so; \
	PARTS=fleet,idle: some parts; QUICK=1: a look)
	@test -n "$(OLD)" || { echo "error: OLD=path/to/old.so is missing" >&2; exit 1; }
	@scripts/install-dependencies.sh test
	@$(if $(NEW),,$(MAKE) --no-print-directory module)
	OLD="$(abspath $(OLD))" $(if $(NEW),ETCD_MODULE="$(abspath $(NEW))") \
		$(REMAPPED) $(CARGO) run --locked --release -p benchmarks

.PHONY: bench-peers
bench-peers: ## measure beside nginx with reloads, HAProxy, Envoy and Caddy (QUICK=1: a look)
	@scripts/install-dependencies.sh test
	@$(MAKE) --no-print-directory module
	$(REMAPPED) $(CARGO) build --locked --release -p benchmarks
	@scripts/neighbours/peers.sh

.PHONY: bench-services
bench-services: ## measure many services by name, beside nginx with a map, HAProxy and Envoy \
	(QUICK=1: a look; SERVICES=1000: as many; ROUNDS=100: as often removed and added again)
	@scripts/install-dependencies.sh test
	@$(MAKE) --no-print-directory module
	$(REMAPPED) $(CARGO) build --locked --release -p benchmarks
	@scripts/neighbours/services.sh

BINDIR ?= /usr/local/bin
DATADIR ?= /usr/local/share
MANDIR ?= $(DATADIR)/man
# Debian's own packages have zsh's completions in another directory.
ZSHDIR ?= $(DATADIR)/zsh/site-functions

# Only what is missing is built, so that `make && sudo make install` runs no cargo as root.
$(MODULE):
	@$(MAKE) --no-print-directory module

##@ Install

.PHONY: install
install: $(MODULE) ## copy the module to nginx's modules directory (MODULES_PATH), its manual \
	page, alert rules with their runbook, and a dashboard (DATADIR, MANDIR, DESTDIR)
	@test -n "$(MODULES_PATH)" || { \
		echo "error: nginx is not there: set NGINX or MODULES_PATH" >&2; exit 1; }
	install -D -m 644 $(MODULE) $(DESTDIR)$(MODULES_PATH)/$(notdir $(MODULE))
	install -D -m 644 man/ngx_http_upstream_etcd_module.7 \
		$(DESTDIR)$(MANDIR)/man7/ngx_http_upstream_etcd_module.7
	install -d $(DESTDIR)$(DATADIR)/firehose-router/prometheus \
		$(DESTDIR)$(DATADIR)/firehose-router/grafana
	install -m 644 contrib/prometheus/*.yml $(DESTDIR)$(DATADIR)/firehose-router/prometheus
	install -m 644 contrib/grafana/*.json $(DESTDIR)$(DATADIR)/firehose-router/grafana
	install -D -m 644 docs/how-to/monitoring.md \
		$(DESTDIR)$(DATADIR)/firehose-router/docs/how-to/monitoring.md
	@echo "== to load it, at the top of nginx.conf: load_module $(MODULES_PATH)/$(notdir $(MODULE));"


PROGRAM := build/firehose-router

$(PROGRAM):
	@$(MAKE) --no-print-directory firehose-router

.PHONY: install-router
install-router: $(PROGRAM) ## copy firehose-router to /usr/local/bin (BINDIR), and its \
	manual pages and completions (DATADIR, MANDIR, ZSHDIR, DESTDIR)
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(BINDIR)/firehose-router
	install -d $(DESTDIR)$(MANDIR)/man1
	install -m 644 man/firehose-router*.1 $(DESTDIR)$(MANDIR)/man1
	install -D -m 644 completions/firehose-router \
		$(DESTDIR)$(DATADIR)/bash-completion/completions/firehose-router
	install -D -m 644 completions/_firehose-router $(DESTDIR)$(ZSHDIR)/_firehose-router
	install -D -m 644 completions/firehose-router.fish \
		$(DESTDIR)$(DATADIR)/fish/vendor_completions.d/firehose-router.fish

##@ Packages

.PHONY: deb
deb: ## install what is missing, build, and make Debian packages in build/packages
	@scripts/install-dependencies.sh package
	@$(MAKE) --no-print-directory release licenses sbom
	@scripts/build-deb.sh

.PHONY: dist
dist: ## make an archive of HEAD with all crates in build/, which builds without a network
	@scripts/make-dist.sh

.PHONY: test-dist
test-dist: dist ## build from this archive without a network
	@scripts/install-dependencies.sh run
	@scripts/check-dist.sh

.PHONY: reproducible
reproducible: ## build HEAD twice in two directories, and compare the files
	@scripts/install-dependencies.sh run
	@$(if $(HEADERS),$(MAKE) --no-print-directory $(HEADERS))
	@$(FOR_NGINX) scripts/check-reproducible.sh

.PHONY: test-packages
test-packages: ## build packages and test them on a bare Debian 12 (BARE_DEBIAN=13: Debian 13)
	@scripts/test-packages.sh

.PHONY: test-configure
test-configure: ## test configure --add-dynamic-module with the sources of an nginx
	@scripts/install-dependencies.sh run
	@scripts/check-configure.sh

##@ Other

.PHONY: clean
clean: ## remove what was built
	rm -rf build
	$(CARGO) clean

.PHONY: help
help: ## list the targets
	@sed -n -e ':begin' -e '/^[a-z0-9-]*:.*## .*\\$$/ { N; s/\\\n\t*//; b begin' -e '}' \
		-e 's/^##@ \(.*\)/\n\1:/p' \
		-e 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18
