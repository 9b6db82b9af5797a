# Two commands: `make run` and `make test`. Everything they need is made on the way.

PYTHON ?= python3
COVERAGE_MIN ?= 95
# In CI, or with `make test CI=1`: counting branches makes the tests half as slow again.
COVERED := $(if $(CI),--cov --cov-fail-under=$(COVERAGE_MIN))
# The one figure above is of all that is counted; none of these may hide behind another. Silent when
# all is well: what the tests' runner says stays the last of it.
enough = && { $(BIN)/python -m coverage report --include='$(1)/*' --fail-under=$(COVERAGE_MIN) \
  --format=total >$$counted/report 2>&1 || { echo "$(1): not $(COVERAGE_MIN) % of its branches" >&2; \
  cat $$counted/report >&2; exit 2; }; }
# Twice as many as there are cores: tests that wait for a process leave theirs to others.
WORKERS := $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))
BIN := .venv/bin
INSTALLED := .venv/.installed

# As in production, with values that reach nothing: enough for checks that only look.
PRODUCTION := env -u DEBUG -u DEMO \
  SECRET_KEY=not-secret-for-checks-only-0123456789-abcdefghijklmnopqrstuvwxyz \
  CREDENTIAL_PEPPERS=1:bm90LXNlY3JldC1mb3ItY2hlY2tzLW9ubHktMDEyMzQ1Njc4OQ== \
  SIGNING_KEYS=checks:bm90LXNlY3JldC1mb3ItY2hlY2tzLW9ubHktMDEyMzQ \
  DATABASE_URL=postgres://nobody@127.0.0.1:1/nothing REDIS_URL=redis://127.0.0.1:1/0 \
  ALLOWED_HOSTS=portal.example BASE_URL=https://portal.example \
  SANDBOX_URL=https://sandbox.example SECURITY_CONTACT=mailto:security@portal.example

.DEFAULT_GOAL := help
.PHONY: help run reset test check lock bench bench-stack

help: ## List these targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(INSTALLED) ## Start the whole portal on this machine, with a demo programme; Ctrl-C stops it.
	@$(BIN)/python -m portal.run

reset: $(INSTALLED) ## Throw away the data of `make run`, after asking.
	@$(BIN)/python -m portal.run.reset

test: $(INSTALLED) ## Run all tests, in parallel, on servers of their own.
	@# Coverage is counted in a place of its own, so that two runs at once do not mix.
	@counted=$$(mktemp -d) && trap 'rm -rf "$$counted"' EXIT && \
	  export COVERAGE_FILE=$$counted/coverage && \
	  $(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 8 --dist worksteal $(COVERED) \
	  $(if $(CI),$(foreach part,portal accounts,$(call enough,$(part))))

check: $(INSTALLED) ## Run formatter, linters, import contracts, types, migrations, deployment check.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	@$(PRODUCTION) $(BIN)/mypy
	$(BIN)/djlint --quiet --lint templates
	@# Without a database it cannot compare with what was applied, and says so; we compare files.
	@$(PRODUCTION) $(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	@$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING

bench: $(INSTALLED) ## Measure what the portal does, each in turns with its floor; needs wrk.
	@$(BIN)/python -m bench

bench-stack: $(INSTALLED) ## Leave the bench's servers up, with 100 000 keys, for any other load.
	@$(BIN)/python -m bench stack

# The second one adds tests, linters and embedded servers, which production does not bring; the
# third holds the gateways that CI runs, and nothing else.
# `make lock up=--upgrade` takes newer versions.
# Extras stay in the pins: pip before 23.3 takes the newest release for a `name[extra]` that is pinned as `name`.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-strip-extras --no-emit-index-url --custom-compile-command "make lock" $(up)
lock: $(INSTALLED) ## Write the lock files anew from pyproject.toml.
	$(COMPILE) pyproject.toml --output-file requirements.lock
	$(COMPILE) pyproject.toml --all-extras --constraint requirements.lock \
	  --output-file requirements-dev.lock
	$(COMPILE) --group gateways --output-file .ci/gateways.lock

$(INSTALLED): requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo >&2 \
	  "This needs Python 3.11 or later. Name one: make PYTHON=/path/to/python3 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo >&2 \
	  "This Python lacks venv or ensurepip. On Debian: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo "Installing into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  --only-binary :all: --requirement requirements-dev.lock
	@touch $@
