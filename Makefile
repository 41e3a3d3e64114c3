# Everything a developer does here, on Python 3.11+ and make alone. `make help` lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
POLICIES := $(VENV)/checkov

# Where Postgres and Valkey run: embedded (from wheels) or docker (compose.yaml).
BACKENDS ?= embedded
# Whether callers must say who they are (on), or all are the account `local` (off).
AUTH ?= on
# Of `make token`.
ACCOUNT ?= local
# Of `make load`: orders a second, and for how long.
RATE ?= 20
SECONDS ?= 60
# A real RPC instead of the simulated market; fills stay on paper.
SOLANA_RPC_URL ?=

# Compiled imports are what makes the second `make up` quick, whatever the calling shell prefers.
unexport PYTHONDONTWRITEBYTECODE
export SAM_CLI_TELEMETRY := 0
# `sam` needs a region to say what a template means, even where it only reads it.
export AWS_DEFAULT_REGION ?= us-east-1

.DEFAULT_GOAL := help
.PHONY: help install up down status token test bench costs load chaos invoke check audit format openapi build lock

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## the locked packages, in .venv; every target below does it when it must

up: $(INSTALLED) ## deploy to this laptop and place a first order [AUTH=off] [BACKENDS=docker] [SOLANA_RPC_URL=...]
	@$(BIN)/python -m local up --backends "$(BACKENDS)" --rpc-url "$(SOLANA_RPC_URL)" --auth "$(AUTH)"

down: ## stop what `make up` started and remove its files
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m local down; else echo "Nothing is running."; fi

status: $(INSTALLED) ## what runs, where, and where its log is
	@$(BIN)/python -m local status

token: $(INSTALLED) ## a token for a day [ACCOUNT=alice]
	@$(BIN)/python -m local token --account "$(ACCOUNT)"

test: $(INSTALLED) ## unit, integration and end-to-end tests, with line coverage
ifdef TESTS
	@$(BIN)/python -m pytest --cov --cov-report=term $(TESTS)
else
# A process on each core, with servers of its own: while one waits, others work. The crash tests
# come last: they take what cores there are, and would keep others waiting.
	@$(BIN)/python -m pytest --cov --cov-report= --numprocesses=auto --dist=loadfile \
		--no-loadscope-reorder -m "not alone" tests/e2e tests/integration tests/unit tests/crash
	@$(BIN)/python -m pytest --cov --cov-report=term --cov-append -m alone tests
endif

bench: $(INSTALLED) ## quotes beside the official SDKs, routing, throughput beside plain Node [BENCH="accept worker"]
	@$(BIN)/python -m bench $(BENCH)

costs: $(INSTALLED) ## what a deployment costs and bears, by bench/*.toml and the templates, into docs/costs.md
	@$(BIN)/python -m bench.costs

load: $(INSTALLED) ## orders at a fixed rate at what `make up` started, drawn in .local/load.html [RATE=20] [SECONDS=60]
	@$(BIN)/python -m local.load --rate "$(RATE)" --seconds "$(SECONDS)"

chaos: $(INSTALLED) ## 5,000 orders while everything they need fails, and what must hold then [CHAOS="--seed 7"]
	@$(BIN)/python -m local.chaos $(CHAOS)

invoke: build ## every event by `sam local invoke`, in Docker, against what `make up` started [EVENTS="api_health"]
	@$(BIN)/python -m local.invoke $(EVENTS)

check: $(INSTALLED) $(POLICIES) ## ruff, mypy --strict, sam validate --lint, checkov, docs/asyncapi.yaml, .github
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sam validate --lint
	$(BIN)/cfn-lint infra/data.yaml infra/watch.yaml
	$(POLICIES)/bin/checkov --config-file infra/checkov.yaml
	$(BIN)/check-jsonschema --schemafile $(ASYNCAPI_SCHEMA) docs/asyncapi.yaml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions .github/actions/*/action.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/zizmor --offline --quiet --pedantic --strict-collection .

# AsyncAPI 3's own schema, in whichever folder this Python keeps its packages.
ASYNCAPI_SCHEMA := $(VENV)/lib/python*/site-packages/xstate_statemachine/eda/_asyncapi_schema.json

audit: $(INSTALLED) ## asks PyPI which locked packages have known vulnerabilities
	$(AUDIT) --requirement requirements-dev.txt --requirement layers/dependencies/requirements.txt
	$(AUDIT) --requirement infra/checkov.txt $(BORNE)

AUDIT := $(BIN)/pip-audit --disable-pip --require-hashes --progress-spinner off

# ecdsa tells its key by how long it takes to sign, and will not be mended; checkov signs nothing.
BORNE := --ignore-vuln CVE-2024-23342 --ignore-vuln PYSEC-2026-1325

format: $(INSTALLED) ## let ruff fix and format what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

openapi: $(INSTALLED) ## write docs/openapi.json anew, after a change of the HTTP API
	PYTHONPATH=functions $(BIN)/python -m local.openapi > docs/openapi.json

build: $(INSTALLED) ## what AWS gets: arm64, python3.13, in .aws-sam/build
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/sam build

lock: $(INSTALLED) ## resolve pyproject.toml: the laptop's lock, and Lambda's within it [UPGRADE=1]
	$(LOCK) $(if $(UPGRADE),--upgrade) --group dev --output-file requirements-dev.txt pyproject.toml
	$(LOCK) --group lambda --constraint requirements-dev.txt \
		--output-file layers/dependencies/requirements.txt pyproject.toml
	echo checkov | $(LOCK) $(if $(UPGRADE),--upgrade) --output-file infra/checkov.txt -

# Hashes of every platform's files, and no trace of the index they came from.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header

# The lock is complete, so nothing is resolved; modules are compiled as they are first imported.
# What builds the `sluice` command is in the lock too, so that step asks no index.
PIP := python -m pip install -qq --disable-pip-version-check --no-compile --no-deps
# uv takes a tenth of pip's time. What it does not find where pip would, on a mirror of pip.conf's, pip
# installs.
define locked
	@$(BIN)/uv pip install --quiet --python $(1)/python --no-deps --require-hashes --requirement $(2) \
		|| $(1)/$(PIP) --require-hashes --requirement $(2)
endef

$(INSTALLED): requirements-dev.txt
	@echo "Installing the locked packages into $(VENV); this happens once per lock."
	@$(PYTHON) -m venv $(VENV)
	@sed -n '/^uv==/,/[^\\]$$/p' $< > $(VENV)/uv.txt
	@$(BIN)/$(PIP) --require-hashes --requirement $(VENV)/uv.txt
	$(call locked,$(BIN),$<)
	@$(BIN)/$(PIP) --no-build-isolation --editable .
	@touch $@

# checkov wants old releases of what we have, so it lives apart; what it is made of is locked, too.
$(POLICIES): infra/checkov.txt | $(INSTALLED)
	@echo "Installing checkov into $@; this happens once per lock."
	@$(PYTHON) -m venv $@
	$(call locked,$@/bin,$<)
	@touch $@
