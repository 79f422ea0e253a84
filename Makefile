# What can be done here; `make help` lists it. Everything is installed below this folder.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PORT ?= 4566
ENV ?= dev
STATE ?= .local/state

# uv: the machine's own where it works, else one in .tools
UV := $(shell uv --version >/dev/null 2>&1 && command -v uv || echo $(CURDIR)/.tools/uv/bin/uv)
SYSTEM_PYTHON := $(shell command -v python3 || echo python3)
export PATH := $(CURDIR)/.tools/sam/bin:$(dir $(UV)):$(PATH)
export SAM_CLI_TELEMETRY := 0
unexport PYTHONDONTWRITEBYTECODE

PYTHON := .venv/bin/python
CONTAINERS := $(PYTHON) -m local.containers
ENVIRONMENTS := .venv/.ready .tools/sam/.ready .tools/runtime/.ready .tools/emulator/.ready

.PHONY: help demo stories up down logs models rollback promote sources release sam-local sam-invoke image image-run compose \
	docker engine build deploy test test-unit test-oldest contract soak clients lint format openapi bench calibrate simulate-gate simulate-stream simulate-leaks simulate-learners simulate-decay locks clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(ENVIRONMENTS) ## Run the whole loop on this machine, on our customers or on yours: DATA=file.csv [TARGET=column] [SCHEMA=file.json]
	@$(PYTHON) -m local.demo demo --port $(PORT) --state $(STATE) $(if $(DATA),--data "$(DATA)") $(if $(TARGET),--target "$(TARGET)") $(if $(SCHEMA),--schema "$(SCHEMA)")

stories: $(ENVIRONMENTS) ## Tell how it judges: a poisoned file, a rollback, a load test, a new field
	@$(PYTHON) -m local.demo stories --port $(PORT) --state $(STATE)

up: $(ENVIRONMENTS) ## Start LocalStack and deploy the template, empty
	@$(PYTHON) -m local.demo up --port $(PORT) --state $(STATE)

down: ## Stop LocalStack and everything it runs
	@[ ! -x .tools/emulator/bin/python ] || .tools/emulator/bin/python -m evergreen_emulator stop --state $(STATE)

logs: ## Follow LocalStack's log
	@.tools/emulator/bin/python -m evergreen_emulator logs --follow --state $(STATE)

# The evergreen command against the LocalStack that runs; against AWS, call .venv/bin/evergreen itself.
EVERGREEN := AWS_ENDPOINT_URL=http://127.0.0.1:$(PORT) AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test \
	AWS_DEFAULT_REGION=us-east-1 .venv/bin/evergreen

models: .venv/.ready ## On LocalStack: list the versions, and what the gate said of each
	@$(EVERGREEN) models list

rollback: .venv/.ready ## On LocalStack: go back a version, or TO=one; REASON="..." is kept
	@$(EVERGREEN) models rollback --reason "$(REASON)" $(if $(TO),--to "$(TO)")

promote: .venv/.ready ## On LocalStack: let VERSION=... serve; REASON="..." is kept
	@$(EVERGREEN) models promote "$(VERSION)" --reason "$(REASON)"

sources: .venv/.ready ## On LocalStack: list the labelled files that are set aside
	@$(EVERGREEN) sources list

release: .venv/.ready ## On LocalStack: let FILE=training/... be learned from; REASON="..." is kept
	@$(EVERGREEN) sources release "$(FILE)" --reason "$(REASON)"

sam-local: $(ENVIRONMENTS) ## With Docker: serve the API with sam local start-api, on API_PORT=3000
	@$(CONTAINERS) sam-local --port $(PORT) --state $(STATE) $(if $(API_PORT),--api-port $(API_PORT))

sam-invoke: $(ENVIRONMENTS) ## With Docker: run FUNCTION=DriftFunction on EVENT=local/events/schedule.json
	@$(CONTAINERS) sam-invoke --port $(PORT) --state $(STATE) "$(FUNCTION)" "$(EVENT)"

image: $(ENVIRONMENTS) ## With Docker: build the API's container image
	@$(CONTAINERS) image

image-run: $(ENVIRONMENTS) ## With Docker: run that image, on API_PORT=8000 with WORKERS=1
	@$(CONTAINERS) image-run --port $(PORT) --state $(STATE) $(if $(API_PORT),--api-port $(API_PORT)) $(if $(WORKERS),--workers $(WORKERS))

compose: $(ENVIRONMENTS) ## With Docker: run two API containers and LocalStack with Compose, on 8000 and 8001
	@$(CONTAINERS) compose --port $(PORT)

docker: .tools/docker/.ready ## Unpack Docker below .tools, where it is not installed: on Debian, for root

engine: .venv/.ready .tools/docker/.ready ## Run that Docker's engine until Ctrl-C
	@$(CONTAINERS) engine

build: $(ENVIRONMENTS) ## Build the functions and layers for ENV=dev or prod
	@sam build --config-env $(ENV)

deploy: build ## Deploy to AWS with your credentials: ENV=dev or prod
	@sam deploy --config-env $(ENV)

test: $(ENVIRONMENTS) .tools/clients/.ready .tools/peers/.ready .tools/browser/.ready test-oldest ## Run every test: on LocalStack and, where there is a Docker engine, in containers
	@$(PYTHON) -m pytest tests/unit tests/integration tests/faults tests/contract tests/peers -n 2 -q
	@$(PYTHON) -m pytest tests/emulator tests/e2e -n 2 --dist loadgroup -q

test-unit: .venv/.ready ## Run the tests that need neither sockets nor LocalStack
	@$(PYTHON) -m pytest tests/unit tests/integration tests/faults tests/contract -n 2 -q

# What calls AWS. The warning: boto3 of that time asks for the time in a way that Python 3.13 advises against.
OLDEST := tests/unit/test_sdk.py $(patsubst %,tests/integration/test_%.py, \
	s3_conditional registry lock uploads parts stalled inference_log)

test-oldest: .venv/.ready .tools/oldest/.ready ## Run the tests that call AWS with the oldest boto3 that we work with
	@PYTHONPATH=.tools/oldest $(PYTHON) -m pytest $(OLDEST) -n 2 -q \
		-W "ignore:datetime.datetime.utcnow:DeprecationWarning"

contract: $(ENVIRONMENTS) ## Hold the API against its page: 5,000 cases by Schemathesis, SEED=0
	@$(PYTHON) -m tests.contract $(if $(SEED),--seed $(SEED))

soak: $(ENVIRONMENTS) ## Everything at once for MINUTES=10 on a LocalStack of its own; then account for every record
	@$(PYTHON) -m tests.soak --minutes $(or $(MINUTES),10) --port $(PORT) --state .local/soak

clients: .tools/clients/.ready ## Install what generates clients of the API, for their test

lint: .venv/.ready .tools/sam/.ready ## Check style, types and the template
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy layers/evergreen/evergreen layers/slim.py
	@for function in functions/*; do MYPYPATH=layers/evergreen:$$function .venv/bin/mypy $$function; done
	@MYPYPATH=layers/evergreen:functions/predict .venv/bin/mypy local/demo local/containers local/*.py
	@MYPYPATH=local/emulator .venv/bin/mypy local/emulator/evergreen_emulator
	@cfn-lint template.yaml infra/monitoring.yaml
	@AWS_DEFAULT_REGION=us-east-1 sam validate --lint

format: .venv/.ready ## Format the code
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

openapi: .venv/.ready ## Write infra/openapi.json anew
	@$(PYTHON) -m local.openapi > infra/openapi.json

bench: .venv/.ready .tools/peers/.ready ## Measure against what people would otherwise use → .bench/results.json
	@$(PYTHON) -m tests.benchmarks

calibrate: .venv/.ready ## Simulate how often drift is seen that is none, and missed that is some
	@$(PYTHON) -m tests.simulations.calibrate

simulate-gate: .venv/.ready ## Simulate what the gate lets through: honest files, wrong ones
	@$(PYTHON) -m tests.simulations.gate

simulate-stream: .venv/.ready ## Simulate 60 weeks of the loop, against never learning and always
	@$(PYTHON) -m tests.simulations.stream

simulate-leaks: .venv/.ready ## Simulate good features taken for leaks, and leaks found
	@$(PYTHON) -m tests.simulations.leakage

simulate-learners: .venv/.ready ## Compare kinds of models by cross-validation, on our customers or on DATA=file.csv of Telco's kind
	@$(PYTHON) -m tests.simulations.learners $(DATA)

simulate-decay: .venv/.ready ## Simulate how often a model is called decayed that is not, and how often one that is
	@$(PYTHON) -m tests.simulations.decay

# In this order: the layers agree with each other, and the developers' environment with both.
LOCKS := local/uv local/sam local/runtime local/oldest local/clients local/peers layers/serving layers/training local/image .
COMPILE := $(UV) pip compile --quiet --generate-hashes --no-header --python-version 3.13

locks: | $(UV) ## Lock every environment anew, in the newest versions
	@for folder in $(LOCKS); do \
		echo "Locking $$folder"; \
		excludes=$$(ls $$folder/excludes.txt 2>/dev/null || true); \
		$(COMPILE) --upgrade $${excludes:+--excludes $$excludes} \
			$$folder/requirements.in -o $$folder/requirements.txt; \
	done
	@echo "Locking local/emulator"  # as of the days of its last free release; newer ones break it
	@$(COMPILE) --exclude-newer 2026-03-01 local/emulator/requirements.in -o local/emulator/requirements.txt

clean: down ## Remove what was built and installed
	rm -rf .venv .tools .local .aws-sam .bench

# ------------------------------------------------------------ environments

$(CURDIR)/.tools/uv/bin/uv: local/uv/requirements.txt
	@echo "Installing uv below .tools"
	@$(SYSTEM_PYTHON) -m pip --version > /dev/null || { echo "python3 has no pip: install it, or uv" >&2; exit 1; }
	@$(SYSTEM_PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
		--target .tools/uv --upgrade --require-hashes -r $<
	@touch $@

.venv/.ready: requirements.txt pyproject.toml | $(UV)
	@echo "Installing the developers' environment"
	@$(UV) venv --quiet --allow-existing .venv
	@$(UV) pip install --quiet --python .venv --require-hashes -r requirements.txt
	@$(UV) pip install --quiet --python .venv --no-deps --no-build-isolation -e .
	@touch $@

.tools/%/.ready: local/%/requirements.txt | $(UV)
	@echo "Installing the $* environment"
	@$(UV) venv --quiet --allow-existing .tools/$*
	@$(UV) pip install --quiet --python .tools/$* --require-hashes -r $<
	@[ ! -f local/$*/pyproject.toml ] || $(UV) pip install --quiet --python .tools/$* --no-deps --no-build-isolation -e local/$*
	@touch $@

# npm ci refuses what has another hash than package-lock.json names.
.tools/clients/.ready: local/clients/requirements.txt local/clients/package-lock.json | $(UV)
	@echo "Installing what generates clients of the API"
	@$(UV) venv --quiet --allow-existing .tools/clients
	@$(UV) pip install --quiet --python .tools/clients --require-hashes -r $<
	@cp local/clients/package.json local/clients/package-lock.json .tools/clients
	@PATH=$(CURDIR)/.tools/clients/bin:$$PATH npm ci --prefix .tools/clients --silent --no-audit --no-fund --ignore-scripts
	@touch $@

# Chromium as npm's package holds it, compressed, with the libraries that a slim machine lacks.
.tools/browser/.ready: local/browser/package.json local/browser/package-lock.json local/browser/unpack.mjs .tools/clients/.ready
	@echo "Unpacking a browser below .tools"
	@rm -rf .tools/browser && mkdir -p .tools/browser
	@cp local/browser/package.json local/browser/package-lock.json .tools/browser
	@PATH=$(CURDIR)/.tools/clients/bin:$$PATH npm ci --prefix .tools/browser --silent --no-audit --no-fund --ignore-scripts
	@PATH=$(CURDIR)/.tools/clients/bin:$$PATH node local/browser/unpack.mjs .tools/browser
	@touch $@

# Not an environment: it is laid over the developers'.
.tools/oldest/.ready: local/oldest/requirements.txt .venv/.ready | $(UV)
	@echo "Installing the oldest boto3 that we work with"
	@rm -rf .tools/oldest
	@$(UV) pip install --quiet --python .venv --target .tools/oldest --link-mode copy --require-hashes -r $<
	@touch $@

# An engine of our own is made of Debian's packages, unpacked. The last lines: what an installation
# would have linked, for a folder that is not /usr.
DOCKER_PACKAGES := docker.io containerd runc tini \
	iptables libip4tc2 libip6tc2 libxtables12 libnfnetlink0 libnetfilter-conntrack3 libnftnl11 libmnl0 \
	docker-compose python3-docker python3-dockerpty python3-docopt python3-dotenv python3-texttable \
	python3-websocket python3-requests python3-urllib3 python3-chardet python3-idna python3-certifi \
	python3-jsonschema python3-attr python3-pyrsistent python3-yaml python3-distro \
	python3-distutils python3-lib2to3 python3-six

.tools/docker/.ready: local/containers/packaged
	@echo "Unpacking Docker below .tools"
	@rm -rf .tools/docker && mkdir -p .tools/docker/packages .tools/docker/bin
	@cd .tools/docker/packages && { apt-get download -qq $(DOCKER_PACKAGES) || { apt-get update -qq && \
		apt-get download -qq $(DOCKER_PACKAGES); }; } 2>&1 | { grep -v unsandboxed >&2 || true; }
	@for package in .tools/docker/packages/*.deb; do dpkg -x $$package .tools/docker; done
	@rm -rf .tools/docker/packages
	@for name in iptables docker-compose; do ln -s ../../../local/containers/packaged .tools/docker/bin/$$name; done
	@touch $@
