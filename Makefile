# make demo   serve a real data set in the browser
# make test   everything that must pass: ruff, mypy, the documentation, and the tests
#
# Both set up .venv first, with nothing needed but make, Python 3.11 or newer and the package
# registries. ARGS are handed on: make demo ARGS="--port 8001", make bench ARGS=...
# PYTHON=python3.13 chooses an interpreter; .venv is made anew when that changes.

SHELL := /bin/sh
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

# A pyenv shim may be on the PATH and yet not run: ask each one.
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11
ifndef PYTHON
PYTHON := $(shell for python in $(CANDIDATES); do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
endif

.PHONY: help demo test lint typing docs coverage screenshots translations bench dist clean

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

demo: $(VENV)/demo.stamp
	$(BIN)/python -m examples.airports $(ARGS)

# The tests come last, so that their closing line does.
test: lint typing docs
	$(BIN)/python -m pytest --cov --cov-report=term $(ARGS)

lint: $(VENV)/all.stamp
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

typing: $(VENV)/all.stamp
	$(BIN)/python -m mypy

docs: $(VENV)/all.stamp
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

# Which lines are missing, in a browser.
coverage: $(VENV)/all.stamp
	$(BIN)/python -m pytest -q --cov --cov-report=html $(ARGS)
	@echo "Open htmlcov/index.html"

# The pictures in docs/screenshots.
screenshots: $(VENV)/all.stamp
	$(BIN)/python -m tests.screenshots $(ARGS)

# The catalogues of translated texts, brought up to date and compiled.
translations: $(VENV)/all.stamp
	$(BIN)/python -m tests.catalogues

bench: $(VENV)/all.stamp
	$(BIN)/python -m benchmarks $(ARGS)

dist: $(VENV)/all.stamp
	rm -rf build dist
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) build dist docs/_build htmlcov .coverage .coverage.* .mypy_cache .ruff_cache \
		.pytest_cache .hypothesis *.egg-info

# Twice quiet, since setuptools explains editable installations at length; errors still show.
INSTALL := $(BIN)/python -m pip install -qq

# A stamp is as old as the last installation of what pyproject.toml asks for.
$(VENV)/demo.stamp: pyproject.toml $(VENV)/made
	@echo 'Installing what the demo needs into $(VENV) ...'
	@$(INSTALL) --editable '.[dev]' --group demo
	@touch $@

$(VENV)/all.stamp: pyproject.toml $(VENV)/made
	@echo 'Installing what the tests need into $(VENV) ...'
	@$(INSTALL) --editable '.[all]' --group all
	@touch $@ $(VENV)/demo.stamp

# Not the same Python, or not the same directory, as when the environment was made: made anew.
IDENTITY := $(PYTHON) $(shell $(PYTHON) -c 'import sys; print(sys.version_info[:3])' 2>/dev/null) $(CURDIR)
ifneq ($(IDENTITY),$(shell cat $(VENV)/made 2>/dev/null && test -x $(BIN)/python))
.PHONY: $(VENV)/made
endif

$(VENV)/made:
	@test -n "$(PYTHON)" || { echo 'wsgikit needs Python 3.11 or newer: apt-get install python3' >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(MAKE) --no-print-directory python3-venv
	@echo 'Making $(VENV) with $(PYTHON) ...'
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) --upgrade 'pip>=25.1'
	@echo '$(IDENTITY)' > $@

# Debian keeps the venv module's better half in a package of its own.
.PHONY: python3-venv
python3-venv:
	@if [ "$$(id -u)" = 0 ]; then as_root=; elif sudo -n true 2>/dev/null; then as_root=sudo; else \
		echo 'wsgikit needs the venv module: sudo apt-get install python3-venv' >&2; exit 2; fi; \
	$$as_root apt-get update -qq && $$as_root apt-get install -y -qq python3-venv
