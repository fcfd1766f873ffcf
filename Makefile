# The two commands a newcomer needs are `make run` and `make test`; everything else is for developers.
SHELL := /bin/sh
VENV  := .venv
PY    := $(VENV)/bin/python
TORCH := torch==2.13.0
PIP   := $(PY) -m pip --disable-pip-version-check -q install --no-compile
PORT  ?= 8080
DATA  ?= var/demo
TESTS ?= tests
export PYTHONDONTWRITEBYTECODE :=
export PIP_ROOT_USER_ACTION = ignore

.PHONY: run test bench bench-gpu check lock audit clean doctor setup setup-dev

run: setup
	@$(VENV)/bin/careline serve --port $(PORT) --data $(DATA)

doctor: setup
	@$(VENV)/bin/careline doctor

# What kills parts of the running program goes one at a time: an emergency has 0.15 s to be written down, and two
# servers that start beside it on two cores take that from it. The browser's two drivers (one blocking, one not) cannot
# share a process, so each folder has its own.
test: setup-dev
	@$(PY) -m pytest -q -n 2 --dist loadgroup -m "not browser" --ignore tests/faults $(TESTS)
	@$(PY) -m pytest -q tests/faults
	@$(PY) -m pytest -q -m browser tests/connectors
	@$(PY) -m pytest -q -m browser tests/browser

check: setup-dev
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check bot nlu generation connectors tests requirements
	@$(VENV)/bin/mypy

bench: setup-dev
	@$(PY) -m tests.bench

# On a machine with a GPU: SHAPE=8b, CONCURRENCY=1,16,64,256. Without one it shows that it works, with a tiny model.
bench-gpu: setup-dev
	@$(PY) -m tests.bench.bench_gpu $(if $(SHAPE),--shape $(SHAPE)) $(if $(CONCURRENCY),--concurrency $(CONCURRENCY))

lock: $(VENV)/.tools
	@$(VENV)-tools/bin/python requirements/make_lock.py

audit: $(VENV)/.tools
	@$(VENV)-tools/bin/python requirements/audit.py

setup: $(VENV)/.run
setup-dev: $(VENV)/.dev

$(VENV)/bin/python:
	@sh requirements/find_python.sh $(VENV)

$(VENV)/.run: requirements/run.lock pyproject.toml | $(VENV)/bin/python
	@echo "[1/3] Installing the locked packages (about a minute on 2 cores) ..."
	@$(PIP) --no-deps --ignore-requires-python --require-hashes -r requirements/run.lock
	@echo "[2/3] Installing PyTorch ..."
	@$(PIP) "$(TORCH)" 2>&1 | sed -n '/ERROR: Could not\|ERROR: No matching/p'; $(PY) -c "import torch"
	@$(PIP) --no-deps -e .
	@echo "[3/3] Training the dialogue model ..."
	@$(VENV)/bin/careline train
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.run
	@echo "Installing the test tools ..."
	@$(PIP) --no-deps --ignore-requires-python --require-hashes -r requirements/dev.lock
	@$(VENV)/bin/careline train --articles  # once here, not at the start of every server of the tests
	@touch $@

$(VENV)/.tools: requirements/tools.lock
	@test -x $(VENV)-tools/bin/python || sh requirements/find_python.sh $(VENV)-tools
	@$(VENV)-tools/bin/python -m pip --disable-pip-version-check -q install --require-hashes -r requirements/tools.lock
	@mkdir -p $(VENV) && touch $@

clean:
	rm -rf $(VENV) $(VENV)-tools build models test-artifacts .pytest_cache .mypy_cache .ruff_cache
