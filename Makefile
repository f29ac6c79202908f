# Each target sets up what it needs; `.venv/.ready-*` is written last, so an interrupted set-up is done again.
PYTHON ?= python3
READY := .venv/.ready-$(shell cat pyproject.toml constraints.txt | sha256sum | cut -c1-16)
BIN := .venv/bin

.PHONY: setup demo test lint bench check-agents channel-figures

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@echo "setting up .venv (1.8 GB with a CPU build of torch; minutes)" >&2
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]' >&2
	@touch $@

demo: $(READY)
	$(BIN)/airsplit run topologies/quickstart.yaml --hil local

test: lint
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	@$(BIN)/python -m benchmarks

check-agents: $(READY)
	$(BIN)/python -m benchmarks.agents

channel-figures: $(READY)
	$(BIN)/python -m benchmarks.channel_figures docs/channel
