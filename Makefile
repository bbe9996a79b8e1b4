.PHONY: help build test spec chaos lint format api-dump bench

help: ## lists the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-10s %s\n", $$1, $$2}'

build: ## compiles everything
	mvn -q -B test-compile

test: ## passes all tests, as CI does
	mvn -B verify

spec: ## one spec: make spec in=queue-core named=JobRunnerSpec
	mvn -B -pl $(in) -am -Dtest=$(named) -DfailIfNoTests=false -Dsurefire.failIfNoSpecifiedTests=false test

chaos: ## breaks everything for 45 s by a fresh seed: make chaos args="--seed=7 --length=15m" for more
	mvn -q -B compile -Pchaos -pl bench/chaos -am -Dargs="$(args)"

lint: ## says what ktlint thinks
	mvn -q -B spotless:check

format: ## lets ktlint mend what it can
	mvn -q -B spotless:apply

api-dump: ## writes the public API to */api/*.api
	mvn -q -B -Dtest=PublicApiSpec -DfailIfNoTests=false -Dsurefire.failIfNoSpecifiedTests=false -Dkittiwake.api.write=true test

bench: ## answers the questions of the benchmarks: make bench args="depth --runs=1" for one of them
	mvn -q -B compile -Pbench -pl bench -am -Dargs="$(args)"
