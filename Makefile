# The project's tasks; `make help` lists them.
# Only make is required: `make install` gets the rest from apt and PyPI. PYTHON=/path/to/python3 selects the Python.

BIN := .venv/bin
STAMP := .venv/.installed
CHECKOV_STAMP := .local/checkov/.installed
ARGS ?=
# Further programs that a target needs from apt, set beside the target.
PROGRAMS :=

# uv installs in a tenth of pip's time. Where uv fails (it does not read pip's configuration of proxies and indexes),
# pip installs; both check the lock's hashes. Both compile bytecode: with PYTHONDONTWRITEBYTECODE each of the many
# processes of a test run would otherwise compile it again.
install = $(BIN)/uv pip install --quiet --compile-bytecode --python $(2) --require-hashes -r $(1) 2>/dev/null || \
	$(2) -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1)

.DEFAULT_GOAL := help
.PHONY: help install system up test lint format lock bench bench-commands bench-edge bench-capacity bench-far bench-flights bench-flood bench-images package test-all test-browser test-compose test-corpora test-current test-infra test-package test-places test-observability test-one-server test-supply test-docs test-soak test-upgrade soak fuzz docs sbom audit clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: system $(STAMP) ## create .venv with the locked packages; from apt, where missing, nginx, Redis and the tests' programs

system:
	@PYTHON="$(PYTHON)" sh devstack/bootstrap.sh $(PROGRAMS)

$(STAMP): requirements/dev.txt requirements/uv.txt pyproject.toml | system
	@echo "Installing the locked packages"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(call install,$<,$(BIN)/python)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@
	@echo "Installed: .venv/bin/prewmanager"

# Installed only for the targets that need it: the templates' tests alone would add half as much again.
.venv/.installed-%: requirements/%.txt | $(STAMP)
	@echo "Installing what $< locks"
	@$(call install,$<,$(BIN)/python)
	@touch $@

# A separate environment: checkov pins older versions of packages that the others use.
$(CHECKOV_STAMP): requirements/checkov.txt | $(STAMP)
	@echo "Installing what $< locks"
	@$(BIN)/python -m venv --clear $(@D)
	@$(call install,$<,$(@D)/bin/python)
	@touch $@

# A single simple command: make runs it without a shell, so that signals reach it.
up: install ## start the whole system on this machine, in the foreground
	@$(BIN)/python -m devstack

# One worker more than cores, since some tests wait for programs.
test: install ## run all tests with branch coverage; ARGS="-k lambda -x" for pytest
	$(BIN)/python -m pytest -n $$(expr $$(getconf _NPROCESSORS_ONLN) + 1) --dist loadfile --no-loadscope-reorder --cov --cov-branch --cov-report=term-missing:skip-covered \
		$(or $(ARGS),--cov-fail-under=95)

test-all: install ## run all suites in a row, one table at the end; takes a quarter of an hour (ARGS="test-docs test-infra")
	$(BIN)/python -m tests.all_suites $(ARGS)

test-browser: PROGRAMS := chromium
test-browser: install .venv/.installed-browser ## test the page in headless Chromium
	PREW_TEST_BROWSER=1 $(BIN)/python -m pytest tests/browser $(ARGS)

test-compose: install ## start docker-compose.yml on a Docker engine, and test it
	PREW_TEST_COMPOSE=1 $(BIN)/python -m pytest tests/compose $(ARGS)

test-package: install ## run the functions' packages on Lambda's Python version: LAMBDA_PYTHON=/path/to/python3.14
	PREW_TEST_LAMBDA_PYTHON="$(LAMBDA_PYTHON)" $(BIN)/python -m pytest tests/shipping $(ARGS)

test-places: install ## have photos below other keys, at the bucket's root and in a second source, with and without nginx's cache, by Lambda and by workers
	PREW_TEST_PLACES=1 $(BIN)/python -m pytest tests/e2e/test_sources.py $(ARGS)

test-infra: PROGRAMS := kubectl
test-infra: install .venv/.installed-infra $(CHECKOV_STAMP) ## lint templates, manifests and Dockerfiles, deploy the templates to moto's server, and test the result
	$(BIN)/cfn-lint infra/*.yaml
	$(BIN)/hadolint nginx/Dockerfile containers/*.Dockerfile
	.local/checkov/bin/checkov --config-file infra/.checkov.yaml --directory infra
	$(BIN)/python -m pytest tests/infra $(ARGS)

test-current: install ## run the suites on the current Python, nginx, Valkey and Redis, of Debian's next release (ARGS="valkey nginx")
	$(BIN)/python -m tests.current $(ARGS)

test-corpora: install ## render previews of the test images of Pillow, thumbor and pypng (50 MB from PyPI)
	PREW_TEST_CORPORA=1 $(BIN)/python -m pytest tests/lambda_resize/test_trials.py $(ARGS)

test-observability: install .venv/.installed-observability ## test dashboard and alerts with promtool, Grafana's SDK, and a real Prometheus under load and in twelve incidents
	PREW_TEST_PROMETHEUS=1 $(BIN)/python -m pytest tests/observability tests/e2e/test_prometheus.py tests/e2e/test_incidents.py $(ARGS)

test-one-server: install ## follow docs/how-to/one-server.md in namespaces with a real systemd; needs root
	PREW_TEST_ONE_SERVER=1 $(BIN)/python -m pytest tests/one_server/test_with_systemd.py $(ARGS)

test-supply: install .venv/.installed-supply ## test the audit with pip-audit and the bills of materials with CycloneDX's schema
	PREW_TEST_SUPPLY=1 $(BIN)/python -m pytest tests/supply $(ARGS)

test-docs: install .venv/.installed-docs ## run the documents' commands on a local system, and build the site
	PREW_TEST_DOCS=1 $(BIN)/python -m pytest tests/docs $(ARGS)

test-upgrade: install ## run the previous release's service and function beside these: PREVIOUS=v1.2.0 names it
	PREW_TEST_UPGRADE=1 $(BIN)/python -m pytest tests/upgrade $(ARGS)

test-soak: install ## run the soak for half a minute
	PREW_TEST_SOAK=1 $(BIN)/python -m pytest tests/soak $(ARGS)

soak: install ## load the whole system under faults, and check every answer: SOAK_MINUTES=10, SEED=… repeats a run
	@$(BIN)/python -m tests.soak

fuzz: install ## search for photos that cost most for their bytes: FUZZ_MINUTES=10, SEED=… draws the same first files
	@$(BIN)/python -m tests.fuzz

lint: install ## check formatting, ruff, mypy, and the import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install ## format the code, and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

LOCKED := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
LOCKS := dev bench browser build checkov docs function infra local observability server service supply uv
# The source of each lock file, where it is not the group of the same name.
from_dev := pyproject.toml --extra resize --extra jxl --extra pdf --extra otel $(addprefix --group ,devstack test lint build ship)
from_local := pyproject.toml --extra resize --group local
from_server := pyproject.toml --extra resize --group server
from_service := pyproject.toml
from_uv := --group pyproject.toml:install
# All but these use the versions of `dev`.
FREE_LOCKS := dev checkov uv

.PHONY: $(LOCKS:%=lock-%)
lock: $(LOCKS:%=lock-%) ## resolve the dependencies of pyproject.toml into requirements/*.txt; ARGS=--upgrade for newer ones

$(LOCKS:%=lock-%): lock-%: install
	$(BIN)/uv pip compile --quiet $(or $(from_$*),--group pyproject.toml:$*) \
		$(if $(filter $*,$(FREE_LOCKS)),,--constraint requirements/dev.txt) $(LOCKED) -o requirements/$*.txt $(ARGS)

$(patsubst %,lock-%,$(filter-out $(FREE_LOCKS),$(LOCKS))): lock-dev

bench: install .venv/.installed-bench ## measure existing previews, misses and memory at rest against their targets (ARGS=--quick)
	$(BIN)/python -m benchmarks.request_path $(ARGS)

bench-flights: install .venv/.installed-bench ## measure many waiters for one preview against the reference implementation and the limit
	$(BIN)/python -m benchmarks.flights $(ARGS)

bench-capacity: install ## measure what one miss costs each part, the inputs of docs/how-to/capacity.md (ARGS=--quick)
	$(BIN)/python -m benchmarks.unit_costs $(ARGS)

bench-far: install .venv/.installed-bench ## measure misses and a burst where S3 is as far away as a real one, beside handlers of Node (ARGS=--quick)
	VIPS_CONCURRENCY=1 $(BIN)/python -m benchmarks.far $(ARGS)

bench-flood: install .venv/.installed-bench ## measure honest misses while one client asks for made-up names (ARGS=--quick)
	$(BIN)/python -m benchmarks.honest_misses $(ARGS)

bench-edge: install .venv/.installed-bench ## measure a miss at the edge against Node and sharp, cold and warm (ARGS=--quick)
	$(BIN)/python -m benchmarks.edge $(ARGS)

bench-images: install .venv/.installed-bench ## measure the image core against sharp, Pillow, thumbor, ImageMagick (ARGS=--quick)
	$(BIN)/python -m benchmarks.images $(ARGS)

bench-commands: install ## measure the operators' commands on 200,000 objects, half an hour (ARGS="--objects 20000")
	$(BIN)/python -m benchmarks.commands $(ARGS)

docs: install .venv/.installed-docs ## build the documents as a site into .local/site; a broken link is an error
	@$(BIN)/python -m devstack.docs_source .local/docs-source
	$(BIN)/zensical build --strict --config-file zensical.toml

package: install ## build the functions' deployment packages for x86_64 and arm64 into dist/
	@$(BIN)/python -m shipping $(ARGS)

sbom: install .venv/.installed-supply ## list in dist/ what images and packages contain, as CycloneDX
	@$(BIN)/python -m shipping.sbom $(ARGS)

audit: install .venv/.installed-supply ## ask OSV for known vulnerabilities of the locked versions: OSV_URL=… asks a mirror
	@$(BIN)/python -m shipping.audit $(ARGS)

clean: ## delete everything that the other targets made: .venv, .local, dist, caches
	rm -rf .venv .local dist build htmlcov .coverage .coverage.* .*_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
