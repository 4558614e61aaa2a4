# make demo: the environment, a truth catalogue and a small survey of it; make test: the environment, every check, every test.
PYTHON ?= python3
CORES ?= $(shell nproc)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete

.PHONY: demo test env lint bench clean

demo: env
	$(BIN)/snakemake --cores $(CORES) --scheduler greedy --configfile config/examples/demo.yaml
	@echo "Look at results/demo/report.html; the catalogue is results/demo/truth.h5"

test: env lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

env: $(STAMP)

$(STAMP): pyproject.toml requirements/py311.txt requirements/py312.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "galcen needs Python 3.11 or newer; found %d.%d: set PYTHON=python3.11" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python \
		-r requirements/$$($(PYTHON) -c 'import sys; print("py311" if sys.version_info < (3, 12) else "py312")').txt
	$(BIN)/uv pip install --quiet --no-deps --python $(BIN)/python -e .
	@touch $@

lint: env
	$(BIN)/ruff format --no-cache --check src tests benchmarks
	$(BIN)/ruff check --no-cache src tests benchmarks
	$(BIN)/basedpyright
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/python tests/workflow/lint.py
	$(BIN)/lint-imports
	$(BIN)/codespell src tests docs workflow config README.md CHANGELOG.md

bench: env
	$(BIN)/python benchmarks/run_all.py

clean:
	rm -rf results .snakemake
