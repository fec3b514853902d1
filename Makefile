# The one gate is `make check`, which is .ci/run: each of its steps is a target here.

# What fails before a pipe fails its target.
SHELL := bash
.SHELLFLAGS := -o pipefail -c

.PHONY: help check build format vet modules otel sql browser staticcheck race norace mutants sim test api map bench chaos

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

check: ## the gate: every step below, with the time each takes
	@.ci/run

build: ## compile every package and program
	go build ./...

format: ## fail where gofmt would change a file
	@test -z "$$(gofmt -l .)" || { echo "not gofmt-ed:"; gofmt -l .; exit 1; }

vet: ## go vet, tests included
	go vet ./...

modules: ## go.mod and go.sum are tidy, and the modules are what go.sum says
	go mod tidy -diff
	cd tools && go mod tidy -diff
	go mod verify

otel: ## a module of its own builds and runs with clstr and a current OpenTelemetry SDK
	.ci/otel/check

sql: ## state/sqlstate, a module of its own: its tests on SQLite, and on a PostgreSQL server that it starts
	.ci/sql/check

browser: ## the page of examples/live in a headless Chromium, while the processes behind it die
	.ci/browser/check

staticcheck: ## staticcheck, as pinned by tools/go.mod
	go tool -modfile=tools/go.mod staticcheck ./...

race: ## all tests under the race detector: laws, exported names, fuzz seeds and examples are among them
	go test -race -timeout 10m ./...

norace: ## what the race detector would disturb or slow down: tests that count allocations, direct connections, all seeds of the commands, and mutants of the ownership protocol
	go test -count 1 -run '^TestShardAllocatesNothing$$' -v ./sharding
	go test -count 1 -run '^TestAllocationsOf' -v ./cluster
	go test -count 1 -run '^Test(Direct|Watch)' ./internal/natsdial
	go test -count 1 -run '^TestConformance$$' ./transport/natstransport
	go test -count 1 -run '^TestCommandsAreNotForgotten$$' ./internal/command
	go test -count 1 -run '^(TestMutants|TestClocksRunApart)$$' ./internal/ownership

mutants: ## breaks the rules of durable entities in the source, one by one: the test that guards each must fail
	go run ./internal/mutants/all

SEEDS ?= 1000
sim: ## the simulations of ownership and of stored state, SEEDS=1000 clusters with faults (SEEDS=100000 for a night)
	go test -count 1 -timeout 0 -run '^(TestSimulation|TestVandals|TestPlannedMoves|TestLostStores)$$' -v ./internal/ownership -seeds $(SEEDS)
	go test -count 1 -timeout 0 -run '^TestSimulation(OfAll)?$$' -v ./internal/keeper -seeds $(SEEDS)

chaos: ## real processes, killed, paused, cut off and restarted: default timing, each nemesis three times (about 25 minutes)
	go test -count 1 -timeout 1h -run 'Chaos$$' -v ./internal/chaos -long

test: ## all tests, as the README has them
	go test ./...

api: ## write the golden file of exported names anew, after a change that was meant
	go test ./internal/laws -run '^(TestAPI|TestSurfaceIsAllowed)$$' -update

map: ## write docs/files.md anew from the first lines of files, after a file came, went or changed its purpose
	go test ./internal/laws -run '^TestMap$$' -update

COUNT ?= 5
bench: ## benchmarks beside their yardsticks, and the table of ratios (about 20 minutes; COUNT=1 is quicker)
	@mkdir -p .bench
	for i in $$(seq $(COUNT)); do go test -run '^$$' -bench 'Request|Nested|Notify|Activate|Cycle|DurableKey' -benchtime 500ms -timeout 30m ./cluster || exit; done | tee .bench/out
	for i in $$(seq $(COUNT)); do go test -run '^$$' -bench '^BenchmarkNATS' -benchtime 500ms ./internal/bench || exit; done | tee -a .bench/out
	for i in $$(seq $(COUNT)); do go test -run '^$$' -bench DurableNATS -benchtime 500ms ./internal/bench || exit; done | tee -a .bench/out
	go test -run '^$$' -bench OpenShards -benchtime 5x -count $(COUNT) ./cluster | tee -a .bench/out
	go test -run '^$$' -bench 'IdleKey|InFlight' -benchtime 1x ./cluster ./internal/host ./internal/keeper | tee -a .bench/out
	go test -run '^$$' -bench . -count $(COUNT) ./sharding | tee -a .bench/out
	go test -run '^$$' -bench 'PlannedMove|ColdStart|Restart' -benchtime 9x -count $(COUNT) ./internal/bench | tee -a .bench/out
	go test -run '^$$' -bench . -benchtime 1x ./internal/ownership | tee -a .bench/out
	go run ./internal/bench/ratios < .bench/out
