# All that there is to do here, each by one word; `make help` lists them.
# Only make is needed beforehand: `make install` gets the rest from apt and PyPI. Which Python: PYTHON=/path/to/python3

BIN := .venv/bin
STAMP := .venv/.installed
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install system up test lint format lock bench clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: system $(STAMP) ## make .venv with the locked packages; nginx and Redis from apt where missing

system:
	@PYTHON="$(PYTHON)" sh devstack/bootstrap.sh

$(STAMP): requirements/dev.txt pyproject.toml | system
	@echo "Installing the locked packages (a minute or two at first)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@
	@echo "Installed: .venv/bin/prewmanager"

# One simple command: make runs it without a shell between, so that signals reach it.
up: install ## start the whole system on this machine, in the foreground
	@$(BIN)/python -m devstack

test: install ## run all tests with branch coverage; ARGS="-k lambda -x" for pytest
	$(BIN)/python -m pytest --cov --cov-branch --cov-report=term-missing:skip-covered $(ARGS)

lint: install ## formatting, ruff, mypy, and who may import whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install ## format the code, and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: system ## resolve the dependencies of pyproject.toml into requirements/dev.txt; ARGS=--upgrade for newer ones
	$(BIN)/python -m venv .local/uv
	.local/uv/bin/pip install --quiet --disable-pip-version-check uv
	.local/uv/bin/uv pip compile pyproject.toml --quiet --extra resize \
		--group devstack --group test --group lint --group build \
		--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		-o requirements/dev.txt $(ARGS)
	rm -rf .local/uv

bench: install ## run the benchmarks
	$(BIN)/python -m benchmarks $(ARGS)

clean: ## remove all that the other targets made: .venv, .local, dist, caches
	rm -rf .venv .local dist build htmlcov .coverage .coverage.* .*_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
