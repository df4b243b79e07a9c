# The whole interface of a checkout. `make demo` and `make test` each work on a fresh Debian 12, as root or with sudo.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
# The lab and the tests need root (Docker, debootstrap); root must not leave its files in the user's checkout.
AS_ROOT := $(SUDO) env PYTHONDONTWRITEBYTECODE=1 TESTCONTAINERS_RYUK_DISABLED=true \
  HYPOTHESIS_STORAGE_DIRECTORY=/tmp/fleetpy-hypothesis
# Nothing of what is only checked goes into the user's own directories, or is told to anybody.
VAGRANT := env VAGRANT_CHECKPOINT_DISABLE=1 VAGRANT_HOME=$(CURDIR)/$(VENV)/vagrant \
  VAGRANT_DOTFILE_PATH=$(CURDIR)/$(VENV)/vagrant-machines vagrant
SOURCES := fleetpy agent scheduler api cli lab tests benchmarks docs

.PHONY: help setup demo check vagrant-program test test-fast simulate chaos fuzz bench kit docs man clean

help:  ## show what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.ready  ## a virtual environment with everything in it

$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer with venv is missing: installing Debian's python3-venv"; \
	  $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq python3 python3-venv; }
	@echo "Setting up $(VENV): about a minute the first time"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,docs]'
	@touch $@

demo: setup  ## three real hosts, units on them, one killed: watch (KEEP=1 keeps the lab)
	@$(AS_ROOT) $(BIN)/fleet-lab demo $(if $(KEEP),--keep)

check: setup vagrant-program  ## format, lint, types, layers, the Vagrantfile
	@$(BIN)/ruff format --check --quiet . || { echo "not formatted: run $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@told=$$($(BIN)/lint-imports --no-cache) || { echo "$$told"; exit 1; }
	@echo "layers kept"
	@cd vagrant && told=$$($(VAGRANT) validate --ignore-provider 2>&1) || { echo "$$told"; exit 1; }
	@echo "Vagrantfile valid"

vagrant-program:
	@command -v vagrant >/dev/null || { \
	  echo "Vagrant is missing: installing Debian's vagrant"; \
	  $(SUDO) apt-get update -qq && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends vagrant >/dev/null; }

test: setup  ## every test: unit, contract, integration (real etcd), cluster (real systemd hosts)
	@$(AS_ROOT) $(BIN)/fleet-lab images
	@$(AS_ROOT) $(BIN)/pytest -p no:cacheprovider $(PYTEST_ARGS)

test-fast: setup  ## the tests that need nothing but Python
	@$(BIN)/pytest -p no:cacheprovider tests/unit tests/fuzz $(PYTEST_ARGS)

simulate: setup  ## the cluster in virtual time, with faults: SEEDS=1000 of them, or SEED=n with all that happens in it
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),$(if $(SEEDS),--seeds $(SEEDS))) $(if $(FIRST),--first $(FIRST))

chaos: setup  ## random faults on real hosts, and proof that no promise was broken (MINUTES=10, SEED=…)
	@$(AS_ROOT) $(BIN)/fleet-lab chaos --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

fuzz: setup  ## what reads input from outside, fed by coverage-guided fuzzing (MINUTES=10, TARGET=…)
	@$(BIN)/python -m tests.fuzz --minutes $(or $(MINUTES),10) $(if $(TARGET),--target $(TARGET))

bench: setup  ## measure, with plots (benchmarks/README.md)
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@$(AS_ROOT) $(BIN)/python -m benchmarks

kit: setup  ## dist/kit: all that makes a Debian 12 machine a host (vagrant/, docs/deploying.md)
	@$(BIN)/fleet-lab kit dist/kit

docs: setup  ## the documentation as a site, in site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "docs: site/index.html"

man: setup  ## the manual pages, in build/man (MANDIR=/usr/local/share/man: there)
	@$(BIN)/python -m docs.man $(or $(MANDIR),build/man)
	@echo "man: man -l $(or $(MANDIR),build/man)/man1/fleetctl.1"

clean:  ## remove what make made here: the environment, caches, the site, the lab and its images
	@if [ -x $(BIN)/fleet-lab ]; then $(AS_ROOT) $(BIN)/fleet-lab down --all --images || true; fi
	@rm -rf $(VENV) site dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
