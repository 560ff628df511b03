# The first use of a target makes .venv and installs what the target needs, as pyproject.toml lists it; the package
# itself is never installed: PYTHONPATH=dev finds it in this checkout. With PYTHON set (`PYTHON=python3 make test-gpu`)
# that interpreter is used as it is, and nothing is installed.

BASE_PYTHON ?= python3
PYTEST_ARGS ?= -n auto

ifeq ($(origin PYTHON), undefined)
PYTHON := .venv/bin/python
CORE := .venv/core.stamp
TEST := .venv/test.stamp
MLIR := mlir-opt
endif

export PYTHONPATH := $(CURDIR)/dev$(if $(PYTHONPATH),:$(PYTHONPATH))
export PIP_DISABLE_PIP_VERSION_CHECK := 1

SEEDS ?= 0:200
SANITIZER ?= memcheck
PROCESSES ?= 0

.PHONY: help demo docs test fuzz test-gpu sanitize lint lint-style lint-types lint-layers format clean distclean mlir-opt

help:
	@echo 'make demo      compile resnet50 for this CPU, run it, compare it with the ONNX reference'
	@echo 'make test      all tests that need no GPU (PYTEST_ARGS="-n 2 tests/ir" selects)'
	@echo 'make fuzz      random graphs next to ONNX Runtime (SEEDS=0:2000 PROCESSES=16 tries those, 16 at a time)'
	@echo 'make test-gpu  the tests that need an NVIDIA GPU'
	@echo 'make sanitize  their kernels under compute-sanitizer (SANITIZER=racecheck for another of its tools)'
	@echo 'make lint      ruff, pyright, import-linter'
	@echo 'make docs      the op reference and the list of ONNX operators, docs/ops.md and operators.md, and the tables'
	@echo 'make format    rewrite the sources as ruff wants them'
	@echo 'make clean     remove build outputs and caches; distclean removes .venv too'

demo: $(CORE)
	PYTHON='$(PYTHON)' examples/demo.sh build/demo

test: $(TEST) $(MLIR)
	$(PYTHON) -m pytest -m 'not gpu' $(PYTEST_ARGS)

fuzz: $(TEST)
	PYTHONPATH=dev:tests/support OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
	  $(PYTHON) -m fuzzing --seeds $(SEEDS) --processes $(PROCESSES) $(FUZZ_ARGS)

test-gpu: $(TEST)
	$(PYTHON) -m pytest -m gpu tests/gpu

sanitize: $(TEST)
	compute-sanitizer --tool $(SANITIZER) --report-api-errors no --error-exitcode 1 \
	  $(PYTHON) -m pytest -m gpu tests/gpu/test_strategies.py

lint: lint-style lint-types lint-layers

lint-style: $(TEST)
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check

lint-types: $(TEST)
	$(PYTHON) -m pyright --pythonpath "$$(command -v $(PYTHON))"

lint-layers: $(TEST)
	$(PYTHON) -c 'from importlinter.cli import lint_imports_command as lint; lint()'

format: $(TEST)
	$(PYTHON) -m ruff check --fix
	$(PYTHON) -m ruff format

docs: $(CORE)
	$(PYTHON) -m kernelwright.ir.reference > docs/ops.md.new
	mv docs/ops.md.new docs/ops.md
	$(PYTHON) -m kernelwright.compiler.onnx.operators > docs/operators.md.new
	mv docs/operators.md.new docs/operators.md
	$(PYTHON) benchmarks/report.py

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name .venv -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean
	rm -rf .venv

# Dumps are held against upstream's own mlir-opt. Without it the tests that need it are skipped, each with that reason.
mlir-opt:
	@.ci/need 'command -v mlir-opt-22' mlir-22-tools || echo 'make: going on without mlir-opt-22: its tests are skipped'

.venv/bin/kernelwright: .ci/need
	@$(BASE_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'make: kernelwright needs Python 3.11 or later; name one with BASE_PYTHON=...'; exit 1; }
	@.ci/need '$(BASE_PYTHON) -c "import ensurepip"' python3-venv
	$(BASE_PYTHON) -m venv .venv
	@printf '#!/bin/sh\nhere=$$(dirname "$$(readlink -f "$$0")")\nPYTHONPATH="$$here/../../dev$${PYTHONPATH:+:$$PYTHONPATH}" exec "$$here/python" -m kernelwright "$$@"\n' > $@
	@chmod +x $@
	@ln -sf kernelwright .venv/bin/kw

# $(call requirements,EXTRAS): the core dependencies and those of the named extras, one a line.
requirements = .venv/bin/python -c 'import sys, tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
  print(*p["dependencies"], *(r for x in sys.argv[1:] for r in p["optional-dependencies"][x]), sep="\n")' $(1)

.venv/core.stamp: pyproject.toml .venv/bin/kernelwright
	$(call requirements,) > .venv/core.txt
	.venv/bin/python -m pip install --quiet -r .venv/core.txt
	@touch $@

.venv/test.stamp: .venv/core.stamp
	$(call requirements,cuda test) > .venv/test.txt
	.venv/bin/python -m pip install --quiet -r .venv/test.txt
	@touch $@
