## Unsupervised learning of video representations using LSTMs.
##
##   make demo    trains a small model on bouncing digits, draws what it predicts
##   make test    runs every test, in single and in double precision
##   make lint    checks the style of the Python files
##   make gpu-check   on a machine with a GPU: builds for it, runs every test, sanitizers,
##                a training run at full size; writes benchmarks/results
##   make bench   times training on this CPU, beside PyTorch where that is installed;
##                writes benchmarks/results
##   make check-all   all that can be checked on one machine, in 90 minutes: sanitizers,
##                both precisions, one and two threads, the oldest and the newest packages,
##                the Pythons that are there, campaigns of kills and of damaged files
##   make build   builds the CPU libraries of cudamat (CUDA: make -C cudamat help)
##   make clean   removes what was built; .venv stays
##   make help    prints this
##
## demo, test, lint and build first make what is missing or out of date: .venv with the
## packages needed, the configuration module, the CPU libraries.
##
##   PYTHON=python3     the Python that .venv is made of, and that gpu-check runs in
##   PYTEST_ARGS="-x"   arguments for pytest
##   GPU_CHECK_ARGS="--stage tests"   arguments for gpu-check
##   TORCH_PYTHON=path  a Python that has PyTorch, for bench; .venv's if left out
##   PEER=path          another PyTorch script that bench compares with
##   BENCH_ARGS="--quick"             arguments for bench
##   CHECK_ARGS="--stage oldest"      arguments for check-all; --list says which there are

PYTHON ?= python3
# From here on everything runs in .venv; paths are relative, so that a folder with a
# space in its name is no trouble.
VENV_PYTHON := .venv/bin/python
INSTALLED := .venv/installed
CONFIG := videolstm/config_pb2.py
LIBRARIES := cudamat/libcudamat_cpu.so cudamat/libcudamat_cpu_double.so

# What is tested a second time with the library in double precision.
DOUBLE_TESTS := $(wildcard tests/cudamat tests/videolstm)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: demo test lint build gpu-check bench check-all clean help

# One thing at a time here, so that the output can be read, and every core for the
# libraries: .NOTPARALLEL does not reach the makes that are started below.
.NOTPARALLEL:
ifeq ($(MAKELEVEL),0)
  MAKEFLAGS += -j$(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
endif

demo: build
	$(VENV_PYTHON) -m videolstm.tools.demo

test: build
	$(VENV_PYTHON) -m pytest $(PYTEST_ARGS)
	CUDAMAT_PRECISION=double $(VENV_PYTHON) -m pytest $(DOUBLE_TESTS) $(PYTEST_ARGS)

lint: $(INSTALLED)
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .

# Without .venv and without a network: the Python at hand has what it needs, or says so.
gpu-check:
	@$(PYTHON) -m benchmarks.gpu_check $(GPU_CHECK_ARGS)

bench: build
	@$(VENV_PYTHON) -m benchmarks.bench $(if $(TORCH_PYTHON),--torch-python \
	'$(TORCH_PYTHON)') $(if $(PEER),--peer '$(PEER)') $(BENCH_ARGS)

check-all: build
	@$(VENV_PYTHON) -m tests.campaigns.check_all $(CHECK_ARGS)

build: $(INSTALLED) $(CONFIG) $(LIBRARIES)

# ---------------------------------------------------------------------------
# What they need
# ---------------------------------------------------------------------------

# Python that complains where the chosen Python cannot make .venv.
define CHECK_PYTHON
import sys
if sys.version_info < (3, 10):
    sys.exit("error: %s is Python %d.%d; 3.10 or newer is needed: make PYTHON=..."
             % ((sys.executable,) + sys.version_info[:2]))
try:
    import ensurepip, venv
except ImportError:
    sys.exit("error: %s cannot make a virtual environment, because it lacks ensurepip "
             "(on Debian and Ubuntu: apt-get install python3-venv)." % sys.executable)
endef
export CHECK_PYTHON

$(INSTALLED): pyproject.toml setup.py
	@command -v $(PYTHON) >/dev/null || { echo "error: there is no $(PYTHON): install \
	Python 3.10 or newer, or name yours with PYTHON=" >&2; exit 1; }
	@$(VENV_PYTHON) -m pip --version >/dev/null 2>&1 \
	|| { $(PYTHON) -c "$$CHECK_PYTHON" && $(PYTHON) -m venv --clear .venv; }
	@echo "installing packages into .venv: a minute the first time"
	@CUDAMAT_TARGET=none $(VENV_PYTHON) -m pip install --quiet \
	--disable-pip-version-check --editable '.[test]'
	@touch $@

$(CONFIG): config.proto | $(INSTALLED)
	@.venv/bin/protoc --proto_path=. --python_out=videolstm config.proto
	@touch $@

SOURCES := cudamat/Makefile $(wildcard cudamat/src/*)

cudamat/libcudamat_cpu.so: $(SOURCES) | $(INSTALLED)
	@$(MAKE) --no-print-directory -C cudamat cpu PYTHON=../$(VENV_PYTHON)
	@touch $@

cudamat/libcudamat_cpu_double.so: $(SOURCES) | $(INSTALLED)
	@$(MAKE) --no-print-directory -C cudamat cpu PRECISION=double \
	PYTHON=../$(VENV_PYTHON)
	@touch $@

clean:
	@$(MAKE) --no-print-directory -C cudamat clean
	rm -rf build *.egg-info .pytest_cache .ruff_cache $(CONFIG)
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

help:
	@sed -n 's/^## \{0,1\}//p' Makefile
