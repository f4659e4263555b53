# Everything runs in .venv, which is built once from the lock files: `make` prints what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=
# LANES=3 shares the tests of `make test` out among so many processes, each with servers of its own.
LANES ?=

.DEFAULT_GOAL := help
.PHONY: help install demo test soak bench live lint check lock clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## Build .venv with everything pinned, and Azurite for the demo and the tests

demo: $(STAMP) ## Copy S3 to Azure on real servers here, and prove it (KEEP=1: leave all running)
	$(BIN)/awcopy demo $(if $(KEEP),--keep) $(ARGS)

test: $(STAMP) ## Run every test (ARGS='tests/unit -x' narrows it, LANES=3 runs three side by side)
	@$(BIN)/python -m tests.browser.chromium
	$(BIN)/pytest $(if $(LANES),-n $(LANES) --dist loadfile --no-loadscope-reorder) $(ARGS)

soak: $(STAMP) ## Simulate thousands of accidents (SEEDS=20000)
	$(BIN)/pytest tests/simulation -k exactly_right --timeout=0 --sim-seeds=$(or $(SEEDS),5000) $(ARGS)

bench: $(STAMP) ## Measure what a copy costs, beside rclone, a sync, and being looked at
	$(BIN)/python -m bench.copy
	$(BIN)/python -m bench.server_side
	$(BIN)/python -m bench.sync
	$(BIN)/python -m bench.dashboard

live: $(STAMP) ## Check on real accounts what no test here can (docs/live-checks.md; HERE=1: a dry run)
	@$(BIN)/python -m tests.live $(if $(HERE),--here)

lint: $(STAMP) ## Check style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint ## Before a push: lint, unit and contract tests
	$(BIN)/pytest tests/unit tests/contract $(ARGS)

# No address of any registry goes into a lock file: the reader's own configuration decides.
UV_COMPILE = $(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 \
	--no-strip-extras --no-emit-index-url --no-emit-find-links --no-header
lock: $(STAMP) ## Pin the newest allowed versions again (Python and npm)
	$(UV_COMPILE) --upgrade --extra demo --extra dev -o requirements-dev.lock pyproject.toml
	$(UV_COMPILE) --upgrade --no-annotate -c requirements-dev.lock -o requirements.lock pyproject.toml
	echo 'hatchling' | $(UV_COMPILE) --upgrade --no-annotate -c requirements-dev.lock -o docker/build.lock -
	node=$$($(BIN)/python -c 'from awcopy.demo.azurite_install import node_path; print(node_path())') && \
		npm=$${node%/bin/node}/lib/node_modules/npm/bin/npm-cli.js && cd awcopy/demo/azurite && \
		rm -f package-lock.json && "$$node" "$$npm" install --package-lock-only \
		--omit-lockfile-registry-resolved=true --no-audit --no-fund

clean: ## Remove .venv and everything that tools left here
	rm -rf $(VENV) .coverage .coverage.* htmlcov dist build .mypy_cache .pytest_cache .ruff_cache \
		.import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements-dev.lock pyproject.toml awcopy/demo/azurite/package-lock.json
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "awcopy needs Python 3.11 or newer; '$(PYTHON)' is not. Try: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m awcopy.demo.azurite_install
	@touch $@
