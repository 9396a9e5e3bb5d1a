# On a fresh machine two commands do everything: make demo, make test.
# Needs Python 3.11 or newer, make and a package index; everything else goes into .venv.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test check format docs bench clean
.DEFAULT_GOAL := help

help:  ## say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "minewatch needs Python 3.11 or newer, and $(PYTHON) is older: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/installed-test: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@ .venv/installed

.venv/installed-bench: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@ .venv/installed

demo: .venv/installed  ## run the whole pipeline, offline, on the made-up valley
	$(BIN)/minewatch demo demo --overwrite

test: .venv/installed-test check  ## install what the checks need and run every check

check:  ## run every check: style, types, layers, tests, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest
	$(MAKE) --no-print-directory docs

format: .venv/installed-test  ## put the code into the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/installed-test  ## build the documentation into site/
	$(BIN)/zensical build --clean --strict

bench: .venv/installed-bench  ## measure what is promised about speed and memory (some minutes)
	$(BIN)/python benchmarks/explore.py
	$(BIN)/python benchmarks/explore_maps.py
	$(BIN)/python benchmarks/store.py
	$(BIN)/python benchmarks/imagery.py --points 10
	$(BIN)/python benchmarks/context.py

clean:  ## remove what was made, but not the virtual environment
	rm -rf site demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
