# Each target sets up .venv first, once, and again when the requirements change. With CONSTRAINTS=constraints.txt it gets
# the versions in that file, which were tried together; without, the newest that pyproject.toml admits.
PYTHON ?= python3
PROFILE ?= standard
OUT ?= reports
JOBS ?= 1
BIN := .venv/bin
CONSTRAINTS ?=
BUNDLE ?= autoencoders.zip
BENCH ?= time_to_error epoch growth classical disk series
BACKENDS := tensorflow jax torch
TWO := -n 2 --dist loadfile --no-loadscope-reorder
# PyTorch's threads wait in a long busy loop otherwise, which a second process on the same cores makes very slow.
export GOMP_SPINCOUNT ?= 1000

.PHONY: report test test-backends bench matrix lab lint bundle constraints

# The whole series, headless: prints the verdict table and the path of the page.
report: .venv/ready
	$(BIN)/python -m aelib run --profile $(PROFILE) --jobs $(JOBS) --out $(OUT)

# Two processes: half of the tests wait for a kernel. In the order of the alphabet, or the notebooks would begin last.
test: .venv/ready
	$(BIN)/python -m pytest $(TWO)

# What must hold on every Keras backend, each in a process of its own, and the quick series on each.
test-backends: .venv/ready-backends
	for backend in $(BACKENDS); do \
		KERAS_BACKEND=$$backend $(BIN)/python -m pytest -m backend $(TWO) || exit 1; \
	done
	for backend in jax torch; do \
		$(BIN)/python -m aelib run --profile quick --backend $$backend --jobs 2 --out $(OUT)/$$backend || exit 1; \
	done

# Measured figures: a table, JSON and a plot each, in reports/benchmarks. Full MNIST must be there (AELIB_DATA, or fetched).
# Nothing else should run meanwhile. One of them: make bench BENCH=epoch
bench: .venv/ready-backends
	for name in $(BENCH); do $(BIN)/python tests/benchmarks/$$name.py || exit 1; done

# Every target over seeds and backends, and whether its bound is safe and tight.
matrix: .venv/ready-backends
	$(BIN)/python tests/benchmarks/matrix.py

lab: .venv/ready
	cd notebooks && ../$(BIN)/jupyter lab

# What students get: the notebooks, a wheel of the library, a page that says how to install it.
bundle: .venv/ready
	$(BIN)/python -m aelib bundle --out $(BUNDLE)

# The versions of this environment, as constraints. Commit them when the tests and the series have passed with them.
constraints: .venv/ready-backends
	(echo "# Versions that were tried together on Python 3.11: pip install ... -c constraints.txt (made by make constraints)"; \
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
