# What a developer does, by name. `make` alone says what there is.
.DEFAULT_GOAL := help
.PHONY: help run test cover check format bench golden image lock clean
.DELETE_ON_ERROR:

LISTEN ?= 127.0.0.1:9752
ARGS ?=
TIERS ?= quick
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' agent/podtick/__init__.py)
IMAGE ?= podtick:$(VERSION)
BASE ?=

# The first of these that is at least 3.11; `make PYTHON=/path/to/python3.13` chooses another.
CANDIDATES := python3 python3.13 python3.12 python3.11
PYTHON ?= $(shell for p in $(CANDIDATES); do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PY := .venv/bin/python
# The pins are whole, so nothing is resolved: older pips take a newer release for a pin that a package asks for with an
# extra (pytest-cov: coverage[toml]) and then refuse it as unpinned.
PIP := $(PY) -m pip --disable-pip-version-check --quiet install --require-hashes --no-deps

help: ## this list
	@echo 'podtick: what every pod on this node did, in every single second'
	@echo
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | while IFS='	' read -r name what; do \
		printf '  make %-8s %s\n' "$$name" "$$what"; done
	@echo
	@echo '  make run LISTEN=127.0.0.1:9000 ARGS="--kubernetes off"   another address, other flags'
	@echo '  make test TIERS=unit,docker                              only these tiers (TIERS=list: which there are)'
	@echo '  make test TIERS=all                                      every tier; one that cannot run is a failure'
	@echo '  make test ARGS="-k name -x"                              more arguments for pytest'
	@echo '  make image IMAGE=registry.example/podtick:1 BASE=...     another name, another base with Python and pip'

run: .venv/run ## watch this machine, with demo pods where no engine has a container; Ctrl-C ends all
	@exec env PYTHONPATH=agent $(PY) -m podtick demo --if-idle --listen $(LISTEN) $(ARGS)

test: .venv/dev ## run every test tier that needs no long build, say what ran
	@exec $(PY) -m tests.tiers $(TIERS) $(ARGS)

cover: .venv/dev ## every test tier, and which lines no test reaches (a failure below 90 %)
	@exec $(PY) -m tests.tiers all --cov --cov-report=term $(ARGS)

check: .venv/dev ## static checks: style, types, which way imports point
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	PYTHONPATH=agent .venv/bin/lint-imports --no-logo

format: .venv/dev ## put the code into its form
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

bench: .venv/dev ## what a container and second costs, beside the least it could cost
	@exec env PYTHONPATH=agent:. $(PY) -m bench $(ARGS)

golden: .venv/dev ## write the golden files anew from the real program's output
	@exec $(PY) -m pytest tests/golden tests/chart/test_generated.py --update-golden $(ARGS)

image: ## build the container image (IMAGE: its name; BASE: what it is built on; ARGS: more for docker build)
	docker build --file deploy/Dockerfile --tag $(IMAGE) $(if $(BASE),--build-arg BASE=$(BASE)) \
		--build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null) $(ARGS) .

lock: ## pin the dependencies anew, by hash (needs the program uv)
	@command -v uv >/dev/null || { echo 'make lock needs uv: pip install uv' >&2; exit 1; }
	@set -- --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--no-emit-index-url --no-emit-find-links --upgrade; \
	uv pip compile "$$@" pyproject.toml --extra dev --output-file requirements/dev.txt && \
	uv pip compile "$$@" pyproject.toml --constraints requirements/dev.txt --output-file requirements/run.txt
	@! grep -n '://' requirements/*.txt

clean: ## remove what the other targets made
	rm -rf .venv .venv-3.13 build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage* htmlcov
	find agent tests bench -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# ------------------------------------------------------------------ the environment

.venv/made:
	@test -n '$(PYTHON)' || { \
		echo 'podtick needs Python 3.11 or newer, and none of "$(CANDIDATES)" is one.' >&2; \
		echo 'Install one, or name it: make PYTHON=/path/to/python3.13' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'podtick needs Python 3.11 or newer; $(PYTHON) is older, or none at all.' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo '$(PYTHON) cannot make virtual environments: its modules venv and ensurepip are missing.' >&2; \
		echo 'On Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	@echo 'Making .venv with $(PYTHON) ...'
	@rm -rf .venv && $(PYTHON) -m venv .venv && touch $@

.venv/run: requirements/run.txt | .venv/made
	@echo 'Installing what podtick needs to run ...'
	@$(PIP) -r requirements/run.txt && touch $@

.venv/dev: requirements/dev.txt | .venv/made
	@echo 'Installing what the checks and tests need ...'
	@$(PIP) -r requirements/dev.txt && touch $@ .venv/run
	@echo '$(CURDIR)/agent' > "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/podtick.pth"
