# Every target makes what it needs on a machine with Python 3.11, Java and Maven.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Processes that share the tests, many of which wait; each has a Kafka of its own.
WORKERS ?= 2

.PHONY: demo test test-slow conformance bench lint clean

$(STAMP): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Tidemill needs Python 3.11: install it, or set PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -e '.[dev]'
	touch $(STAMP)

.venv: $(STAMP)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/pytest -m "not slow and not chaos" -n $(WORKERS) --dist worksteal

test-slow: $(STAMP)
	$(BIN)/pytest -m "slow or chaos" --timeout=1800

conformance: $(STAMP)
	@$(BIN)/python -m tests.conformance

demo: $(STAMP)
	$(BIN)/tidemill demo

bench: $(STAMP)
	$(BIN)/tidemill bench

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
