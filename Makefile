# Steersman's front door: `make help`. The recipes are one-liners; deploy/setup/ holds what they call.
#
# PYTHON=    the Python to build on (default: the first of python3, python3.11, ... that is 3.11 to 3.13)
# ENGINE=    cpu or cuda (default: cuda where nvidia-smi finds a GPU)
# PORT=      where `make demo` listens on 127.0.0.1
# DATA_DIR=  what the demo keeps: registry, logs, snapshots
# ARGS=      more arguments for pytest, as in: make test ARGS="-k spans -x"; -n 0 runs the tests in one process

SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?=
ENGINE ?= auto
PORT ?= 8000
DATA_DIR ?= .demo
ARGS ?=
export PYTHON ENGINE

BIN := .venv/bin

##@ Start here

.PHONY: demo
demo: installed ## Start the server on 127.0.0.1:8000 with the bundled model, its vectors and a registry (PORT=, DATA_DIR=)
	@exec $(BIN)/steersman demo --port "$(PORT)" --data-dir "$(DATA_DIR)"

.PHONY: test
test: installed ## Run the whole test suite but for GPU, benchmark and soak tests (ARGS= for pytest)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 $(ARGS)

##@ Develop

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
	     /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	     /^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: export VERIFY = always
setup: installed ## Make .venv, install the locked packages and this tree, and say which versions it got (ENGINE=, PYTHON=)

.PHONY: check
check: installed ## Check format, lint, types, layers, scripts and Dockerfile
	@deploy/setup/check.sh

.PHONY: format
format: installed ## Rewrite the Python files as `make check` wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: test-gpu
test-gpu: installed ## Run the tests that need an NVIDIA GPU; without one they are skipped
	$(BIN)/python -m pytest -m "gpu and not bench" $(ARGS)

.PHONY: bench
bench: installed ## Run the benchmarks (over an hour); figures go to docs/benchmarks
	$(BIN)/python -m pytest -m "bench and not gpu" --ignore=tests/bench/test_registry.py --ignore=tests/bench/test_server.py --ignore=tests/bench/test_monitoring.py -s $(ARGS)

.PHONY: bench-registry
bench-registry: installed ## Measure the registry with 10,000 vectors (ten minutes); figures go to docs/benchmarks
	$(BIN)/python -m pytest -m bench tests/bench/test_registry.py -s $(ARGS)

.PHONY: bench-server
bench-server: installed ## Measure the server beside plain vLLM, and how fast flags flip (ten minutes); figures go to docs/benchmarks
	$(BIN)/python -m pytest -m bench tests/bench/test_server.py -s $(ARGS)

.PHONY: bench-monitoring
bench-monitoring: installed ## Measure what metrics, decision lines and quality of answers cost (ten minutes); figures go to docs/benchmarks
	$(BIN)/python -m pytest -m bench tests/bench/test_monitoring.py -s $(ARGS)

.PHONY: bench-gpu
bench-gpu: installed ## Run the benchmarks that need an NVIDIA GPU (a quarter of an hour); without one they fail
	$(BIN)/python -m pytest -m "bench and gpu" -s $(ARGS)

.PHONY: dashboards
dashboards: installed ## Write deploy/grafana/dashboards/*.json from their declarations
	$(BIN)/python -m deploy.grafana.build

.PHONY: dashboard-pictures
dashboard-pictures: installed ## Draw docs/dashboards/*.png from a demo load of five minutes (needs Debian's prometheus)
	$(BIN)/python -m deploy.grafana.demo_pictures $(ARGS)

.PHONY: top-picture
top-picture: installed ## Draw docs/pictures/top.svg: `steersman top` over a made-up scene
	$(BIN)/python deploy/pictures/top.py docs/pictures/top.svg

.PHONY: lock
lock: ## Resolve requirements/*.lock anew for both engines (no GPU needed)
	@"$$(deploy/setup/python.sh)" deploy/setup/lock.py

.PHONY: metrics-page
metrics-page: installed ## Write docs/metrics.md anew from the list of metrics
	$(BIN)/python -m steersman_server.monitor.page docs/metrics.md

.PHONY: docker-check
docker-check: ## Run the Dockerfile's cpu steps in an empty root folder, without Docker (root, minutes)
	@"$$(deploy/setup/python.sh)" deploy/setup/docker_check.py

.PHONY: clean
clean: ## Remove .venv, builds and caches; the demo's data stay
	rm -rf .venv .venv-* build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

##@ Demo model

.PHONY: demo-model
demo-model: installed ## Train the demo model and make its vectors anew (an hour)
	$(BIN)/python -m steersman_demo.train --out vectors/demo-model
	$(MAKE) demo-vectors

.PHONY: demo-vectors
demo-vectors: installed ## Make vectors/library anew by steersman's own commands, and the README's tables of it (half an hour)
	$(BIN)/python -m steersman_demo.make_vectors $(ARGS)

.PHONY: demo-intents
demo-intents: installed ## Train the demo's intent classifier anew and write its figures into docs/intents.md
	$(BIN)/python -m steersman_demo.intents.make

.PHONY: demo-findings
demo-findings: installed ## Try findings of practice on the demo model (a quarter of an hour) and write docs/findings.md
	OMP_NUM_THREADS=1 $(BIN)/python -m steersman_demo.findings $(ARGS)

.PHONY: demo-quality
demo-quality: installed ## Measure the detectors of degenerate answers and write their figures into docs/quality.md
	$(BIN)/python -m steersman_demo.quality

# .venv as the lock files and pyproject.toml say; does nothing when they have not changed.
.PHONY: installed
installed:
	@deploy/setup/develop.sh
