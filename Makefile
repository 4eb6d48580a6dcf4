# make demo | test | test-fast | test-latest | stories | lint | bench | lock | install | demo-down | clean
# Needs git, make and Python 3.11 or later; as root it installs the rest, else it says what to install.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := framework executor placement discovery specs tests
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install lint lock simulate test test-fast test-latest stories demo demo-down bench clean

help:
	@echo "make demo         start a real local cluster, run the example stack on it, show what runs where"
	@echo "make demo-down    stop and remove all of that"
	@echo "make test         run every test, those on a real cluster too (make test-fast: without those)"
	@echo "make test-latest  run the tests without a cluster on the newest release of every library that setup.py allows"
	@echo "make stories      kill and freeze every part of a real cluster, and check that nothing is lost or doubled"
	@echo "make simulate     play 2,000 seeds of the simulated cluster (SEEDS=N for others)"
	@echo "make lint         check style and types"
	@echo "make bench        measure, into docs/benchmarks.md"
	@echo "make lock         renew requirements.lock, the exact releases that all of this installs"
	@echo "make clean        remove what make made in this directory"

# Exactly the releases of requirements.lock, by their hashes. setuptools comes first, as pymesos is published as a source
# archive only; with no isolation it is built by that release and by no newer one. The checksum of what the environment is made
# from: another one, or another Python, makes it again.
PIP_INSTALL = $(BIN)/python -m pip -qq --disable-pip-version-check install
LOCKED = $(PIP_INSTALL) --no-deps --no-build-isolation
HTTP_PARSER := ./framework/compat/http-parser

install:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or later is needed, and $(PYTHON) is $$($(PYTHON) --version 2>&1): make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m framework.local.prepare
	@state="$$(cat setup.py pyproject.toml requirements.lock $(HTTP_PARSER)/setup.py | sha256sum) $$($(PYTHON) -c 'import sys; print(sys.version)')"; \
	if [ "$$(cat $(VENV)/made-from 2>/dev/null)" != "$$state" ] || ! $(BIN)/python -c '' 2>/dev/null; then \
	  echo "Making the Python environment in $(VENV) ..."; \
	  $(PYTHON) -m venv --clear $(VENV) && \
	  sed -n '/^setuptools==/,/[^\\]$$/p' requirements.lock > $(VENV)/setuptools.lock && \
	  $(LOCKED) --require-hashes -r $(VENV)/setuptools.lock && \
	  $(LOCKED) --require-hashes -r requirements.lock && \
	  $(LOCKED) $(HTTP_PARSER) -e . && \
	  echo "$$state" > $(VENV)/made-from; \
	fi

# http-parser is ours, beside the lock; setup.py says why.
lock:
	@$(PYTHON) -m venv --clear $(VENV)-lock
	@$(VENV)-lock/bin/python -m pip -qq --disable-pip-version-check install uv==0.13.9
	$(VENV)-lock/bin/uv pip compile setup.py --extra dev --universal --python-version 3.11 --upgrade --generate-hashes \
	  --no-emit-package http-parser --no-annotate --no-emit-index-url --custom-compile-command "make lock" --quiet \
	  --output-file requirements.lock
	@rm -rf $(VENV)-lock

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PACKAGES)

# What needs no cluster shares the processors; real clusters get them one after the other.
ALONE := cluster or docker or zookeeper
test: test-fast
	$(BIN)/pytest -m "($(ALONE)) and not stories" --durations=20 $(PYTEST_ARGS)

test-fast: install
	$(BIN)/pytest -n auto --dist worksteal -m "not ($(ALONE)) and not stories" $(PYTEST_ARGS)

# The ranges of setup.py promise that whatever is released within them works: this looks.
test-latest:
	@$(PYTHON) -m framework.local.prepare
	@$(PYTHON) -m venv --clear $(VENV)-latest
	$(VENV)-latest/bin/python -m pip -qq --disable-pip-version-check install --upgrade -e '.[dev]'
	$(VENV)-latest/bin/python -m pip --disable-pip-version-check list
	$(VENV)-latest/bin/pytest -n auto --dist worksteal -m "not ($(ALONE)) and not stories" $(PYTEST_ARGS)

stories: install
	$(BIN)/pytest tests/conformance/test_stories*.py -m "stories or not stories" --durations=0 $(PYTEST_ARGS)

demo: install
	@$(BIN)/framework local demo

demo-down:
	@if [ -x $(BIN)/framework ]; then $(BIN)/framework local down --engine; else echo "Nothing was started from here."; fi

SEEDS ?= 2000
simulate: install
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

bench: install
	$(BIN)/python -m tests.bench

clean:
	rm -rf $(VENV) $(VENV)-lock $(VENV)-latest build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
