# Each target prepares what it needs and does nothing twice.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV_VERSION := 0.13.9

.PHONY: help demo test check bench faults soak simulate format clean
SEEDS ?= 10000

help:            ## Say what there is to make
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(READY)   ## Run the main job on bundled real data, on Ray
	@$(BIN)/lucent demo

test: $(READY)   ## Run all tests
	@$(BIN)/python -m pytest

check: $(READY)  ## Format, lint, types, import contracts, docs
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q tests/docs runtime strategies agents

bench: $(READY)  ## Measure speed as ratios to the plain loop, in the same run
	@$(BIN)/python -m tests.benchmarks.ticks
	@$(BIN)/python -m tests.benchmarks.vaults
	@$(BIN)/python -m tests.benchmarks.supervisor
	@$(BIN)/python -m tests.benchmarks.latency
	@$(BIN)/python -m tests.benchmarks.opening
	@$(BIN)/python -m tests.benchmarks.store

faults: $(READY) ## Measure recovery, rescaling and scaling on Ray
	@$(BIN)/python -m tests.benchmarks.faults

soak: $(READY)   ## Watch memory for ten minutes while the log is too slow
	@$(BIN)/python -m tests.benchmarks.soak

simulate: $(READY) ## Simulate SEEDS whole runs (10,000 unless told) under faults
	@$(BIN)/python -m runtime.engine.simulation --seeds $(SEEDS)

format: $(READY) ## Format the code and mend what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:           ## Remove what was made here
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info

$(READY): pyproject.toml requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "lucent needs Python 3.11 or newer: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "lucent needs Python 3.11 or newer, this is $$($(PYTHON) --version)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "lucent needs the venv module: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) || { echo "lucent needs a Python package index to install from"; exit 1; }
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --constraint requirements.lock --editable '.[dev]' || { echo "lucent could not install what requirements.lock names"; exit 1; }
	@touch $@
