# Each target first sets up .venv if it is missing or the requirements have changed. With CONSTRAINTS=constraints.txt, pip
# installs the versions in that file, which were tested together; without it, the newest that pyproject.toml allows.
PYTHON ?= python3
PROFILE ?= standard
OUT ?= reports
NOTEBOOKS ?=
JOBS ?= 1
BIN := .venv/bin
CONSTRAINTS ?=
BUNDLE ?= autoencoders.zip
BENCH ?= time_to_error epoch growth classical disk series
BACKENDS := tensorflow jax torch
TWO := -n 2 --dist loadfile --no-loadscope-reorder
# PyTorch's threads otherwise wait in a long busy loop, which is very slow when another process uses the same cores.
export GOMP_SPINCOUNT ?= 1000

.PHONY: report solutions test test-backends bench matrix lab lint bundle constraints

# The three chapters, headless: prints the verdict table and the path of the page. NOTEBOOKS names others, or is --all.
report: .venv/ready
	$(BIN)/python -m aelib run $(NOTEBOOKS) --profile $(PROFILE) --jobs $(JOBS) --out $(OUT)

# The worked solutions of the exercises, executed and published beside the report.
solutions: .venv/ready
	$(BIN)/python -m aelib.series.solutions --out $(OUT)/solutions

# Two processes, because half of the tests wait for a kernel. Files in alphabetical order, or the slow tests of the
# notebooks would start last.
test: .venv/ready
	$(BIN)/python -m pytest $(TWO)

# The tests that must pass on every Keras backend, with a process for each, and the quick series on JAX and PyTorch.
test-backends: .venv/ready-backends
	for backend in $(BACKENDS); do \
		KERAS_BACKEND=$$backend $(BIN)/python -m pytest -m backend $(TWO) || exit 1; \
	done
	for backend in jax torch; do \
		$(BIN)/python -m aelib run --all --profile quick --backend $$backend --jobs 2 --out $(OUT)/$$backend || exit 1; \
	done

# The benchmarks; each writes a table, JSON and a plot to reports/benchmarks. They need full MNIST (in the folder
# AELIB_DATA, or downloaded), and nothing else should run at the same time. To run only one: make bench BENCH=epoch
bench: .venv/ready-backends
	for name in $(BENCH); do $(BIN)/python tests/benchmarks/$$name.py || exit 1; done

# Every target over seeds and backends, and whether its bound holds and is tight.
matrix: .venv/ready-backends
	$(BIN)/python tests/benchmarks/matrix.py

lab: .venv/ready
	cd notebooks && ../$(BIN)/jupyter lab

# The zip for students: the notebooks, a wheel of the library, and a README that says how to install it.
bundle: .venv/ready
	$(BIN)/python -m aelib bundle --out $(BUNDLE)

# Write the versions of this environment to constraints.txt. Commit it once the tests and the series pass with them.
constraints: .venv/ready-backends
	(echo "# Versions that were tested together on Python 3.11: pip install ... -c constraints.txt (written by make constraints)"; \
	$(BIN)/python -m pip freeze --exclude-editable | sed -e 's/+cpu$$//' -e 's/^tensorflow.cpu==\(.*\)/&\ntensorflow==\1/') > constraints.txt

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/ready: requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements.txt $(addprefix -c ,$(CONSTRAINTS))
	touch $@

.venv/ready-backends: .venv/ready
	$(BIN)/python -m pip install --quiet -e ".[jax,torch]" $(addprefix -c ,$(CONSTRAINTS))
	touch $@
