# `make run` and `make test` are enough to start. Each command installs what it needs on first use.
PYTHON ?= $(shell sh workbench/bootstrap/choose_python)
BIN = .venv/bin
CHAOS ?= --seed 1 --seed 2 --seed 3

.PHONY: run help demo test check prove chaos bench bench-pace bench-storm bench-watch bench-console screenshots rehearse smoke package deploy update setup setup-dev clean

run: setup         ## start the local environment, until Ctrl-C
	@exec $(BIN)/dropnote up

help:              ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1: /p' $(MAKEFILE_LIST)

demo: setup        ## upload three files and a burst of 200 to a local environment, and show the messages they cause
	@$(BIN)/dropnote demo

test:              ## run all tests in two processes, some of them in AWS's own Lambda runtime: eight minutes
	@$(PYTHON) -m workbench.bootstrap dev runtime
	@$(BIN)/pytest -n 2 --dist loadfile

prove: setup-dev   ## test the delivery guarantee with 2,000 random sequences of crashes, duplicates and failing providers; SEED=123 repeats a run
	@seed=$(or $(SEED),$$(date +%s)); repeat="Seed $$seed; to repeat this run: make prove SEED=$$seed"; echo "$$repeat"; \
	$(BIN)/pytest tests/end_to_end/test_promise.py tests/end_to_end/test_promise_bundles.py tests/end_to_end/test_promise_budgets.py \
		tests/end_to_end/test_policy_model.py \
		--hypothesis-profile=thorough --hypothesis-seed=$$seed --timeout=0 || { echo "$$repeat"; exit 1; }

chaos: setup-dev   ## kill the deployed bot 200 times during 2,000 uploads, three times, and count the messages sent
	@$(BIN)/python -m bench.chaos $(CHAOS)

bench:             ## measure an upload, cold and warm, compared with other bots: two minutes; faster: BENCH="--rounds 3"
	@$(PYTHON) -m workbench.bootstrap dev runtime bench
	@$(BIN)/python -m bench.cold $(BENCH)

bench-pace: setup-dev  ## measure how fast a backlog is sent to a provider that throttles, in virtual time: a minute; over HTTP: PACE=--http
	@$(BIN)/python -m bench.pace $(PACE)

bench-storm: setup-dev  ## measure up to 100,000 uploads in a minute, sent as one summary: ten minutes; faster: STORM="--uploads 1000"
	@$(BIN)/python -m bench.storm $(STORM)

bench-console: setup-dev  ## measure the console over 100,000 deliveries: two minutes; faster: CONSOLE="--deliveries 1000"
	@$(BIN)/python -m bench.console $(CONSOLE)

screenshots: setup-dev  ## draw the pictures of docs/ from invented data: half a minute
	@$(BIN)/python -m tests.support.pictures

bench-watch: setup-dev  ## measure time and memory of 500 monitors in one run at 512 MB: half a minute
	@$(BIN)/python -m bench.watch $(WATCH)

rehearse:          ## rehearse a deployment on a fresh local account, from set-up to removal: two minutes
	@$(PYTHON) -m workbench.bootstrap dev runtime
	@$(BIN)/dropnote rehearse $(if $(STAGE),--stage $(STAGE))

check: setup-dev   ## check format, lint, import layers, types, the stack's template, settings and message templates
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy
	@$(BIN)/cfn-lint resources.yaml
	@$(BIN)/dropnote check

smoke: setup       ## try a deployment in your account, five minutes: make smoke STAGE=dev; or on a fresh local account: STAGE=local
	@$(if $(STAGE),,echo "missing STAGE; use for example: make smoke STAGE=dev, or STAGE=local" >&2; exit 2)
	@$(BIN)/dropnote smoke --stage $(STAGE) $(SMOKE)

package: setup     ## compile code into vendor/ for the Lambda zip: cold starts take half the time
	@$(BIN)/dropnote package --stage $(or $(STAGE),local)

deploy: setup      ## set up, package, deploy and finish a stage: make deploy STAGE=dev
	@$(if $(STAGE),,echo "missing STAGE; use for example: make deploy STAGE=dev" >&2; exit 2)
	@$(BIN)/dropnote setup --stage $(STAGE)
	@$(BIN)/dropnote package --stage $(STAGE)
	@$(BIN)/chalice deploy --stage $(STAGE)
	@$(BIN)/dropnote finish --stage $(STAGE)

update:            ## get the newest version; needs settings in your own folder (dropnote init), which is not touched
	@$(PYTHON) -m workbench.versions.update
	@$(MAKE) --no-print-directory setup
	@$(BIN)/dropnote schema --write
	@$(BIN)/dropnote check

setup:
	@$(PYTHON) -m workbench.bootstrap

setup-dev:
	@$(PYTHON) -m workbench.bootstrap dev

clean:             ## delete everything that set-up and runs created
	rm -rf .venv .dropnote vendor .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis *.egg-info .chalice/deployments
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
