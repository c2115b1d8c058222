# Two commands do everything: `make run` and `make test`. Each sets up what it needs on first use.
PYTHON ?= python3
BIN = .venv/bin
CHAOS ?= --seed 1 --seed 2 --seed 3

.PHONY: run demo test check prove chaos bench bench-storm bench-watch rehearse package deploy setup setup-dev clean

run: setup         ## start the local world, and stay
	@exec $(BIN)/dropnote up

demo: setup        ## upload three files to a local world and show what comes of it
	@$(BIN)/dropnote demo

test: setup-dev    ## run every test
	@$(BIN)/pytest

prove: setup-dev   ## 2,000 stories of crashes, repeats and failing providers against the promise
	@$(BIN)/pytest tests/end_to_end/test_promise.py tests/end_to_end/test_promise_bundles.py tests/end_to_end/test_policy_model.py --hypothesis-profile=thorough --timeout=0

chaos: setup-dev   ## kill the deployed bot 200 times over 2,000 uploads, three times, and count what people were told
	@$(BIN)/python -m bench.chaos $(CHAOS)

bench:             ## what an upload costs, cold and warm, beside other bots: about five minutes; BENCH="--rounds 3" is quicker
	@$(PYTHON) -m workbench.bootstrap dev runtime bench
	@$(BIN)/python -m bench.cold $(BENCH)

bench-storm: setup-dev  ## 1,000, 10,000 and 100,000 uploads in a minute, told as one: ten minutes; STORM="--uploads 1000" is quicker
	@$(BIN)/python -m bench.storm $(STORM)

bench-watch: setup-dev  ## 500 monitors in one run at 512 MB, time and memory: half a minute
	@$(BIN)/python -m bench.watch $(WATCH)

rehearse:          ## set up, deploy, use, change and remove a stage on a fresh local account: two minutes
	@$(PYTHON) -m workbench.bootstrap dev runtime
	@$(BIN)/dropnote rehearse $(if $(STAGE),--stage $(STAGE))

check: setup-dev   ## format, lint, types, the stack's template, settings and message templates
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/cfn-lint resources.yaml
	@$(BIN)/dropnote check

package: setup     ## compile what the Lambda zip needs into vendor/: cold starts are twice as quick
	@$(BIN)/dropnote package --stage $(or $(STAGE),local)

deploy: setup      ## make deploy STAGE=dev: set up, package, deploy, finish
	@$(if $(STAGE),,echo "Say which stage: make deploy STAGE=dev" >&2; exit 2)
	@$(BIN)/dropnote setup --stage $(STAGE)
	@$(BIN)/dropnote package --stage $(STAGE)
	@$(BIN)/chalice deploy --stage $(STAGE)
	@$(BIN)/dropnote finish --stage $(STAGE)

setup:
	@$(PYTHON) -m workbench.bootstrap

setup-dev:
	@$(PYTHON) -m workbench.bootstrap dev

clean:             ## take back all that set-up and runs made
	rm -rf .venv .dropnote vendor .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info .chalice/deployments
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
