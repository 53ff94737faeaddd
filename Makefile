# Every target does its own set-up, in .venv; stamps keep repeated calls quick. `make` alone lists them.
# Another interpreter: make PYTHON=python3.12 …; further options of the experiments: make experiments OPTIONS=…

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Two installations into one environment at once would break it.
.NOTPARALLEL:

PYTHON ?= python3
SCALE ?= smoke
OPTIONS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check
STUBS := .venv-stubs

# rustup installs here; a shell that was open before does not know.
export PATH := $(PATH):$(HOME)/.cargo/bin

RUST := Cargo.toml Cargo.lock $(shell find smaragdine-core protos -name '*.rs' -o -name '*.proto' -o -name Cargo.toml)
PACKAGE := pyproject.toml README.md $(shell find packaging/wheel -type f)
MODULES := $(shell find python -type f ! -path '*/__pycache__/*')

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/.demo ## train a small BERT here, account its energy: demo/report.html
	$(BIN)/smaragdine demo -o demo

.PHONY: test
test: $(VENV)/.dev ## all tests, Rust then Python
	cargo test --workspace --quiet
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --basetemp="$$(mktemp -d)" tests/unit tests/house
	$(BIN)/python -m pytest --ignore=tests/unit --ignore=tests/house

.PHONY: test-jax
test-jax: $(VENV)-jax/.made $(VENV)/.dev ## trainings in JAX, Flax, Equinox and Haiku, with the newest JAX that the interpreter allows
	PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONPATH=python KERAS_BACKEND=jax $(VENV)-jax/bin/python -m pytest tests/in_jax

.PHONY: coverage-jax
coverage-jax: $(VENV)-jax/.made $(VENV)/.dev ## the same for JAX: libraries × ways to train, some minutes
	PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONPATH=python $(VENV)-jax/bin/python experiments/coverage/in_jax/run.py --fresh

.PHONY: overhead-jax
overhead-jax: $(VENV)-jax/.made $(VENV)/.dev ## what recording costs a training in JAX, about ten minutes
	PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONPATH=python:. $(VENV)-jax/bin/python -m experiments.overhead.in_jax.run

.PHONY: quick
quick: $(VENV)/.dev ## what can be tested in under a minute, without daemon, TensorFlow, browser or root; says what it leaves out
	$(BIN)/python -m pytest -q --quick --numprocesses 2 --dist loadfile tests/unit

.PHONY: test-torch
test-torch: $(VENV)-torch/.made $(VENV)/.dev ## PyTorch end to end, in an environment of its own: 6 GB of disk at first, then some minutes
	SMARAGDINE_BIN=$(CURDIR)/$(BIN)/smaragdined $(VENV)-torch/bin/python -m pytest -p no:dash -W ignore -s tests/pytorch experiments/tests/test_coverage_torch.py

.PHONY: coverage-torch
coverage-torch: $(VENV)-torch/.made $(VENV)/.dev ## the same for PyTorch: models × ways to train, about fifteen minutes
	SMARAGDINE_BIN=$(CURDIR)/$(BIN)/smaragdined PYTHONPATH=python $(VENV)-torch/bin/python experiments/coverage/in_torch/run.py --fresh

.PHONY: overhead-torch
overhead-torch: $(VENV)-torch/.made $(VENV)/.dev ## what recording costs a training in PyTorch, about six minutes
	SMARAGDINE_BIN=$(CURDIR)/$(BIN)/smaragdined PYTHONPATH=python:. $(VENV)-torch/bin/python -m experiments.overhead.in_torch.run

.PHONY: test-clusters
test-clusters: $(VENV)-clusters/.made $(VENV)/.dev ## jobs of thousands of traces on Spark, Polars, Dask and Ray, and in object storage; needs Java 17
	SMARAGDINE_BIN=$(CURDIR)/$(BIN)/smaragdined PYTHONPATH=python $(VENV)-clusters/bin/python -m pytest -p no:dash -W ignore -s tests/clusters

.PHONY: lint
lint: $(VENV)/.dev ## formatting, clippy, ruff, mypy and which way imports go; changes nothing
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

.PHONY: format
format: $(VENV)/.dev ## format Rust and Python in place
	cargo fmt --all
	$(BIN)/ruff check --fix --quiet || true
	$(BIN)/ruff format

.PHONY: stubs
stubs: $(STUBS)/.made ## generate python/smaragdine/v1 from protos/
	protos/generate.sh $(STUBS)/bin/python

.PHONY: check-stubs
check-stubs: stubs ## fail where the committed stubs are not what protos/ gives
	git diff --exit-code -- python/smaragdine/v1
	@new=$$(git ls-files --others --exclude-standard python/smaragdine/v1); test -z "$$new" || { \
	  echo "error: generated but not committed: $$new" >&2; exit 1; }

.PHONY: wheel
wheel: dist/.built ## build the wheel, in release: dist/smaragdine-*.whl

.PHONY: fakes
fakes: $(VENV)/.made | toolchain ## build the wheel of smaragdine-fakes, sensors for anybody's tests: dist/fakes/*.whl
	rm -rf dist/fakes
	$(PIP) wheel --quiet --no-deps --wheel-dir dist/fakes tests/fakes

.PHONY: check-wheel
check-wheel: dist/.built fakes ## install the wheels bare, on the oldest and the newest dependencies, and start their commands
	packaging/check-wheel.sh "$(PYTHON)" $(VENV)-lowest packaging/lowest.txt
	packaging/check-wheel.sh "$(PYTHON)" $(VENV)-highest
	packaging/check-fakes.sh "$(PYTHON)" $(VENV)-fakes

.PHONY: bench
bench: $(VENV)/.dev ## every number of speed with what it is compared to: experiments/speed/README.md, a quarter of an hour
	$(BIN)/python -m experiments.speed.run $(OPTIONS)

.PHONY: instructions
instructions: $(VENV)/.dev ## instructions of the hot loops, held to those that are committed to 3 %; needs valgrind
	$(BIN)/python -m experiments.speed.instructions $(OPTIONS)

.PHONY: fuzz
fuzz: toolchain ## a million inputs that nobody should send, about ten minutes; `make test` tries 20,000 of them
	TMPDIR=$$(test -w /dev/shm && echo /dev/shm || echo /tmp) SMARAGDINE_FUZZ_INPUTS=1000000 \
	  cargo test --package smaragdine-core --test fuzz -- --nocapture

.PHONY: attack
attack: $(VENV)/.dev ## attacks on traces, daemon and page, on loopback: docs/security.md; most need root, skips say why
	SMARAGDINE_ATTACK=whole $(BIN)/python -m pytest -rs tests/attacks

.PHONY: experiments
experiments: $(VENV)/.dev ## the paper's evaluation, and its table: SCALE=smoke (minutes), small (an hour) or paper
	$(BIN)/python experiments/run.py --scale $(SCALE) $(OPTIONS)

.PHONY: accuracy
accuracy: $(VENV)/.dev ## every policy against a truth known by construction: the whole table, about half an hour
	$(BIN)/python experiments/accuracy/run.py
	$(BIN)/python experiments/accuracy/live.py

.PHONY: coverage
coverage: $(VENV)/.coverage ## how much operation time leads to the model's layers: all models × modes, about an hour
	$(BIN)/python experiments/coverage/run.py --fresh

.PHONY: register-accuracy
register-accuracy: $(VENV)-peers/.made $(VENV)/.dev ## register energy of this and other tools against the truth, half an hour; needs root
	$(BIN)/python experiments/register-accuracy/run.py

.PHONY: docs
docs: $(VENV)/.dev ## check that the commands and links that README and docs/ show exist
	$(BIN)/python -m pytest tests/house/test_docs.py

.PHONY: clean
clean: ## remove what the other targets made, the demo's result included
	rm -rf target dist demo demo-* $(VENV) $(VENV)-lowest $(VENV)-highest $(VENV)-fakes $(VENV)-peers $(VENV)-jax $(VENV)-torch $(VENV)-clusters $(STUBS)
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The environment.

.PHONY: toolchain
toolchain:
	@command -v cargo >/dev/null || { \
	  echo "There is no Rust toolchain here. This line gets it; then call make again:" >&2; \
	  echo "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y" >&2; \
	  exit 1; }
	@command -v cc >/dev/null || { \
	  echo "There is no C compiler here, which Rust needs to link. On Debian and Ubuntu:" >&2; \
	  echo "  sudo apt-get install build-essential" >&2; \
	  exit 1; }

.PHONY: interpreter
interpreter:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	  echo "$(PYTHON) is no Python 3.10 or newer; name one: make PYTHON=python3.12" >&2; \
	  exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu:" >&2; \
	  echo "  sudo apt-get install python3-venv" >&2; \
	  exit 1; }

$(VENV)/.made: | toolchain interpreter
	"$(PYTHON)" -m venv $(VENV)
	touch $@

# Editable: changes of the Python package need no new call, changes of the daemon do.
$(VENV)/.demo: $(RUST) $(PACKAGE) $(VENV)/.made | toolchain
	$(PIP) install --quiet --editable '.[demo]'
	touch $@

$(VENV)/.dev: $(RUST) $(PACKAGE) $(VENV)/.made | toolchain
	$(PIP) install --quiet --editable '.[demo,dev]'
	touch $(VENV)/.demo $@

# keras-hub asks for tensorflow-text, which its models do not need: no dependency is installed but those listed.
$(VENV)/.coverage: experiments/coverage/requirements.txt $(VENV)/.dev
	$(PIP) install --quiet --no-deps --requirement $<
	touch $@

# An environment apart: JAX and its libraries are no part of the product, and 0.6 GB.
$(VENV)-jax/.made: tests/in_jax/requirements.txt | interpreter
	"$(PYTHON)" -m venv $(VENV)-jax
	$(VENV)-jax/bin/python -m pip install --disable-pip-version-check --quiet --requirement $<
	touch $@

# An environment apart: each peer brings a hundred packages of its own.
$(VENV)-peers/.made: experiments/register-accuracy/requirements.txt | interpreter
	"$(PYTHON)" -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip install --disable-pip-version-check --quiet --requirement $<
	touch $@

# An environment apart: engines that read what is recorded here, none of which the product needs.
$(VENV)-clusters/.made: tests/clusters/requirements.txt | interpreter
	"$(PYTHON)" -m venv $(VENV)-clusters
	$(VENV)-clusters/bin/python -m pip install --disable-pip-version-check --quiet --requirement $<
	touch $@

# An environment apart: the wheel of PyTorch brings CUDA's libraries, which it needs to be imported at all.
$(VENV)-torch/.made: tests/pytorch/requirements.txt | interpreter
	"$(PYTHON)" -m venv $(VENV)-torch
	$(VENV)-torch/bin/python -m pip install --disable-pip-version-check --quiet --no-cache-dir --requirement $<
	touch $@

# An environment apart: newer generators write code that older TensorFlow's protobuf cannot load.
# grpcio-tools 1.62.3 has wheels for Python 3.10 to 3.12 and needs the pkg_resources that setuptools 81 dropped.
$(STUBS)/.made: | interpreter
	"$(PYTHON)" -m venv $(STUBS)
	$(STUBS)/bin/python -m pip install --disable-pip-version-check --quiet \
	  --only-binary=:all: 'grpcio-tools==1.62.3' 'setuptools<81'
	touch $@

dist/.built: $(RUST) $(PACKAGE) $(MODULES) $(VENV)/.made | toolchain
	rm -rf dist
	$(PIP) wheel --quiet --no-deps --wheel-dir dist .
	touch $@
