# flowlake: `make help` lists the commands; each does its own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

unexport PYTHONDONTWRITEBYTECODE  # or every process compiles all modules anew

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench laws explore soak openapi settings lock clean

help: ## List the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(READY) ## Make the virtual environment from the lock file

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "flowlake needs Python 3.11 or newer: make PYTHON=/path/to/python3 ..."; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Simulated AWS, ingest, first answers; no account needed
	$(BIN)/flowlake demo

test: setup ## Every test but bench and soak
	$(BIN)/python -m pytest -n 3 --dist worksteal

check: setup ## Lint, types, format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup ## Measure beside polars and DuckDB
	$(BIN)/python -m tests.bench.bench_ingest
	$(BIN)/python -m tests.bench.bench_inventory
	$(BIN)/python -m tests.bench.bench_queries
	$(BIN)/python -m tests.bench.bench_policy
	$(BIN)/python -m tests.bench.bench_explain
	$(BIN)/python -m tests.bench.bench_backtest
	$(BIN)/python -m tests.bench.bench_listing

laws: setup ## Who, how often, what happened: against 5 M records' truth
	$(BIN)/python -m tests.world_laws --records 5M

explore: setup ## The properties over examples never drawn before
	$(BIN)/python -m pytest -n 3 --dist worksteal -m hypothesis --hypothesis-profile=explore

soak: setup ## Long chaos runs, and an hour of everything at once
	$(BIN)/python -m pytest -m soak
	$(BIN)/python -m tests.e2e.soak --minutes 60

openapi: setup ## Write api/openapi.json anew, from routes and reports
	$(BIN)/python -m api.openapi

settings: setup ## Write infra/settings.md and the chart's schema anew, from Settings
	$(BIN)/python -m lake.declared

lock: setup ## Resolve the dependencies again
	$(BIN)/uv pip compile -q pyproject.toml --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links -o requirements.lock
	$(BIN)/uv pip compile -q pyproject.toml --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links -o requirements-dev.lock
	$(BIN)/uv pip compile -q pyproject.toml --extra kubernetes --extra postgres --extra traces \
	  --universal --python-version 3.11 --constraint requirements.lock \
	  --generate-hashes --no-emit-index-url --no-emit-find-links -o infra/requirements.lock
	echo checkov | $(BIN)/uv pip compile -q - --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links -o tests/checkov.lock

clean: ## Remove what setup and tests made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .cache demo-lake
