# All set-up is done here: `make run` and `make test` need only Python 3.11 to 3.13 and make (3.81 will do).
#   ARGS    passed on to plumbline, pytest, the benchmark or the locker: make run ARGS="resnet18-quick --seed 7"
#   PYTHON  the interpreter that makes the virtual environment
#   VENV    where that environment is
PYTHON ?= python3
VENV ?= .venv
ARGS =

UV_VERSION = 0.13.9
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed
SAY = printf '%s\n'

# Another environment's paths must not leak into this one. Where pip finds packages stays the machine's choice;
# where it puts them does not.
unexport PYTHONPATH PYTHONHOME PYTHONSAFEPATH VIRTUAL_ENV MYPYPATH PIP_TARGET PIP_PREFIX PIP_ROOT PIP_USER

.PHONY: help setup run test torture tutorial docs lint bench lock clean

help:
	@$(SAY) \
	  "make run     set up, then train and test a baseline (ARGS go to plumbline fit)" \
	  "make test    set up, then lint, types and all tests (ARGS go to pytest)" \
	  "make torture set up, then kill a training 200 times and more, and fuzz every reader for 10 minutes" \
	  "make tutorial set up, then run the notebooks on CIFAR-10 and keep their outputs" \
	  "make docs    set up, then build the pages as a site in build/docs" \
	  "make lint    set up, then lint and types" \
	  "make bench   set up, then measure a step side by side (ARGS go to plumbline bench)" \
	  "make setup   make $(VENV) from requirements.lock" \
	  "make lock    write requirements.lock anew (ARGS=--upgrade takes newer versions)" \
	  "make clean   remove $(VENV) and caches; runs/ is kept"

setup: $(INSTALLED)

run: $(INSTALLED)
	@$(BIN)/plumbline fit $(ARGS)

# First what counts processor time: what runs beside it on shared cores would make it dearer. Then two files of
# tests at a time with one thread each: processes whose threads share cores wait for one another.
# 5 is pytest's word for no test: ARGS may name tests of one kind only.
test: lint
	@$(SAY) "== tests"
	@export OMP_NUM_THREADS=1; alone=0; rest=0; \
	  $(BIN)/python -m pytest -q -m alone $(ARGS) || alone=$$?; \
	  case $$alone in 0|5) ;; *) exit $$alone ;; esac; \
	  $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not alone" $(ARGS) || rest=$$?; \
	  if [ $$rest -eq 5 ]; then exit $$alone; fi; exit $$rest

torture: $(INSTALLED)
	@work=$$(mktemp -d) && trap 'rm -rf "$$work"' EXIT && \
	  OMP_NUM_THREADS=1 $(BIN)/python tests/torture/kill.py "$$work/kills" $(ARGS) && \
	  OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz/run.py "$$work/fuzz" --seconds 600

tutorial: $(INSTALLED)
	@OMP_NUM_THREADS=2 $(BIN)/python -m tutorial.make $(ARGS)

docs: $(INSTALLED)
	@$(BIN)/python -m sphinx -q -W --keep-going -n -b html -d build/doctrees docs build/docs
	@$(SAY) "build/docs/index.html"

lint: $(INSTALLED)
	@$(SAY) "== lint"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { $(SAY) "Mend the format: $(BIN)/ruff format ." >&2; exit 1; }
	@$(SAY) "== types"
	@$(BIN)/mypy

bench: $(INSTALLED)
	@$(BIN)/plumbline bench $(or $(ARGS),step)

# Wheels only: building a source archive would fetch build tools that no hash covers.
# A terminal sees pip's download bars; a log sees errors only.
$(INSTALLED): requirements.lock pyproject.toml $(BIN)/python
	@$(SAY) "== set-up of $(VENV) (the first time, PyTorch makes this a download of some 3 GB on Linux)"
	@quiet=; test -t 1 || quiet=-qq; \
	  $(BIN)/python -m pip install $$quiet --disable-pip-version-check --require-hashes --only-binary :all: \
	    -r requirements.lock && \
	  $(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { \
	  $(SAY) "plumbline needs Python 3.11, 3.12 or 3.13, and there is no '$(PYTHON)' here." \
	    "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  $(SAY) "plumbline needs Python 3.11, 3.12 or 3.13, but '$(PYTHON)' is $$("$(PYTHON)" -V 2>&1)." \
	    "Name another: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  package=$$("$(PYTHON)" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
	  $(SAY) "'$(PYTHON)' cannot make virtual environments: its venv or ensurepip module is missing." \
	    "On Debian and Ubuntu: apt install $$package (elsewhere: the package that holds ensurepip)." >&2; exit 1; }
	@"$(PYTHON)" -m venv --clear $(VENV)

# Old pins are kept where they still fit. uv comes into an environment of its own, thrown away at the end.
lock:
	@work=$$(mktemp -d) && trap 'rm -rf "$$work"' EXIT && \
	  "$(PYTHON)" -m venv "$$work/venv" && \
	  "$$work/venv/bin/python" -m pip install -qq --disable-pip-version-check uv==$(UV_VERSION) && \
	  UV_PYTHON_DOWNLOADS=never "$$work/venv/bin/uv" pip compile -q --python "$$work/venv/bin/python" \
	    --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --custom-compile-command "make lock" --group dev --extra export --extra serve --extra tune --extra timm -o requirements.lock $(ARGS) pyproject.toml >/dev/null && \
	  $(SAY) "requirements.lock: $$(grep -c '==' requirements.lock) packages"

# Only what is really a virtual environment is removed, whatever VENV says.
clean:
	@test ! -f "$(VENV)/pyvenv.cfg" || rm -rf "$(VENV)"
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	@find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
