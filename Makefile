# Two commands: `make up` ends with the dev stack running and checked; `make test` runs every test.
# Both do all set-up by themselves.
SHELL := /bin/bash
.DEFAULT_GOAL := help
STACK ?= dev
BIN := .venv/bin
export PYTHONUNBUFFERED := 1

.PHONY: help up down clean test test-all test-engines test-unit coverage judge lint format lock bench setup

help: ## this list
	@grep -E '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup: .venv/.dev ## the Python environment with the developers' tools, and the packages of the system

.venv/.ready: requirements.txt pyproject.toml scripts/bootstrap
	@scripts/bootstrap run

.venv/.dev: .venv/.ready requirements-dev.txt
	@scripts/bootstrap dev

up: .venv/.ready ## everything: cluster, images, dev stack, checks
	@$(BIN)/fwb sandbox up
	@$(BIN)/fwb up $(STACK) --engine embedded --yes

down: .venv/.ready ## remove the stack and the cluster's processes; the data stays
	@$(BIN)/fwb sandbox down

clean: .venv/.ready ## down, and delete the data as well
	@$(BIN)/fwb sandbox down --purge

test: setup lint ## the tests, end-to-end ones included
	@scripts/run-tests tests

test-all: setup lint ## the tests with all variants, the real engine's and the benchmarks, as every night
	@$(BIN)/python -m tests.judges
	@FWB_ENGINES=build scripts/run-tests -m "" tests
	@$(MAKE) coverage
	@$(BIN)/python -m benchmarks

test-engines: setup ## the program under the real Pulumi engine, which is built if it has to be
	@FWB_ENGINES=build scripts/run-tests -m "" tests/e2e/pulumi

coverage: setup ## branch coverage of the library for applications: 90% or more
	@$(BIN)/pytest -q -m "" -n 3 --dist loadfile --cov --cov-report=term tests/unit/storage tests/e2e/storage tests/e2e/locks

judge: setup ## what others' tools say of our objects, AWS resources and dependencies
	@$(BIN)/python -m tests.judges
	@$(BIN)/pytest -m "" tests/judges

test-unit: setup ## lint and the offline tests, under a minute
	@scripts/lint
	@$(BIN)/pytest tests/unit -n auto --dist loadfile -q

lint: setup ## format, lint, types, import contracts, shell scripts
	@scripts/lint

format: setup ## rewrite the sources in the project's format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock: setup ## resolve and pin the dependencies anew
	@scripts/lock

bench: setup ## the side-by-side measurements of benchmarks/
	@$(BIN)/python -m benchmarks

# Before and after maintenance of Redis, for each of local, dev and prd: docs/redis-maintenance.md. OPTIONS are more
# words for fwb, such as OPTIONS="--seconds 120".
OPTIONS ?=

test-cluster-%: .venv/.ready ## the state of the nodes that config.json has under this name
	@$(BIN)/fwb redis state $* $(OPTIONS)

poll-cluster-%: .venv/.ready ## a minute of load on them
	@$(BIN)/fwb redis poll $* $(OPTIONS)

backup-%: .venv/.ready ## a logical backup of them
	@$(BIN)/fwb redis backup $* $(OPTIONS)

restore-latest-%: .venv/.ready ## restore the newest backup of them
	@$(BIN)/fwb redis restore $* --latest $(OPTIONS)

restore-id-%: .venv/.ready ## restore the backup BACKUP_ID
	@test -n "$(BACKUP_ID)" || { echo 'Which backup? Give BACKUP_ID="redis-backup-$*-..."' >&2; exit 2; }
	@$(BIN)/fwb redis restore $* --id "$(BACKUP_ID)" $(OPTIONS)
