# Every target is one thing to do; `make` alone lists them. Variables: ARCHIVE=folder AS_OF=2024-06-28 ARGS="--json"
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := qgtm_core qgtm_resources qgtm_assets qgtm_jobs qgtm_sensors qgtm_api
OPTIONS := $(if $(ARCHIVE),--archive "$(ARCHIVE)") $(if $(AS_OF),--as-of $(AS_OF)) $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help install run up backtest evidence test check format lock bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## make .venv and install the locked packages (quick when nothing has changed)

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is not there; install Python 3.11 or newer" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $$($(PYTHON) --version) is too old; 3.11 is needed (make PYTHON=python3.12 install)" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: $(PYTHON) has no venv; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(STAMP): requirements.lock pyproject.toml | $(BIN)/python
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/python -m uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/python -m uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $(STAMP)

run: install ## bring history in and run one session, from signals to transaction costs
	$(BIN)/qgtm run $(OPTIONS)

up: install ## run everything that runs for long, until Ctrl-C; the web page is http://127.0.0.1:3000
	$(BIN)/qgtm up $(OPTIONS)

backtest: install ## replay history (FROM=2015-01-02 TO=2024-06-28)
	$(BIN)/qgtm backtest $(if $(ARCHIVE),--archive "$(ARCHIVE)") $(if $(FROM),--from $(FROM)) $(if $(TO),--to $(TO)) $(ARGS)

evidence: install ## judge every strategy over history and show the league table (FROM=2006-01-03 TO=2024-06-28)
	$(BIN)/qgtm evidence --run $(if $(ARCHIVE),--archive "$(ARCHIVE)") $(if $(FROM),--from $(FROM)) $(if $(TO),--to $(TO)) $(ARGS)

test: install ## run every test and hold the coverage gates
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report= $(ARGS)
	$(BIN)/python -m coverage report --include='qgtm_core/*' --fail-under=95
	$(BIN)/python -m coverage report --omit='qgtm_core/*' --fail-under=85

check: install ## format, lint, types and imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install ## put the code in form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: install ## write requirements.lock anew from pyproject.toml
	$(BIN)/python -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header pyproject.toml --group tests --group lint --group build -o requirements.lock

bench: install ## measure speed, look-ahead, crash recovery (ARCHIVE=folder of history) and peers (PEERS=folder)
	$(BIN)/python -m benchmarks all $(if $(ARCHIVE),--archive "$(ARCHIVE)") $(if $(PEERS),--peers "$(PEERS)") $(ARGS)

clean: ## remove caches; .venv and .qgtm stay
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.*
