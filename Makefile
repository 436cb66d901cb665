# Every target is listed by `make help`.
SHELL := /bin/bash
GO ?= go
KAFKA_VERSION ?=
BROKERS ?=
SANDBOX ?=
BENCH ?= compare
DURATION ?= 2m
CHAOS ?=
SEEDS ?= 50000
DAYS ?= 30
FROM ?= 1
SEED ?=
TIMES ?= 1
MISTAKE ?=
PICTURES ?=
PREVIOUS ?=
LEDGER ?= docs/development/simulation-ledger.txt
FUZZTIME ?= 5m
BIN := bin

# What one word is meant for reaches a recipe as a variable of its shell ("$$SEED"), so that its text is never a part of
# the script; a release's VERSION is a pushed tag. SANDBOX, BENCH and CHAOS are flags of who runs make, with
# quotes as in a shell. make hands on by itself what is given to it (KAFKA_VERSION), these with their defaults too:
# below them, since a name that is exported first counts as set, and keeps no default.
export BROKERS DURATION SEEDS DAYS FROM SEED TIMES MISTAKE PICTURES FUZZTIME VERSION PREVIOUS

.PHONY: help run test race fuzz lint fmt build generate test-kafka kafka-down simulate replay chaos drill bench bench-page clean \
	test-alerts test-page test-telemetry test-kube test-versions test-rollout test-drill test-rights test-roles test-compose image test-image licences release

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## see it work: an embedded Kafka, a platform double, lanes and the forwarder (SANDBOX="--for 30s" to end by itself)
	@$(GO) build -o $(BIN)/sandbox ./cmd/sandbox && exec $(BIN)/sandbox $(SANDBOX)

# The two that take longest begin first, and three at a time, since some wait for processes of their own.
test: ## all tests that need nothing but Go
	$(GO) test -p 3 ./cmd/release-forwarder/app/scenario ./cmd/release-forwarder/acceptance ./... ./.ci/kube/drill

# Not under the race detector: how many seeds find a mistake, the hours of many platforms in which the limit is measured, what
# a test allocates (the detector adds to it), hours in which the same happens again and again, and the service on logs made by
# hand: the embedded Kafka races with itself where a fetch waits for such a log.
# One of these finds a race inside kfake (two requests that its control holds back). All of them run in make test.
unraced := TestLimitAgainstTheBestFixedOne|TestAnOutageOfDays|TestWhatEachKindOfOutageCosts|TestNoOutageFailsLiveness|TestCommitsAreRenewed|TestOneLotOfTenRefusedForSixHours|TestLogLinesAreFew|TestATransactionWithoutABelievableTime|TestSimulationFindsEveryMistake|TestNothingOfARecreatedTopic|TestNothingOfATruncatedLog|TestTheLogsPage|TestRealLogs|TestPendingMemoryStays|TestABatchThatUnpacks|TestADamagedBatch|TestALeaderThatLags|TestAThrottlingBroker|TestRetentionThatOvertakes|TestTheCommandsReadDeadLettersOfManyHeaders|TestHeldRecordsOfManyHeaders|TestAllocationsOfAProfile

race: ## the same tests under the race detector, with fewer seeds and hours
	$(GO) test -race -timeout 20m -skip '$(unraced)' ./...

fuzz: ## every fuzz target for FUZZTIME each, one after the other (FUZZTIME=5m)
	.ci/fuzz

lint: ## format, vet (for Windows too), static analysis, of the programs and modules below .ci too
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not formatted:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	GOOS=windows $(GO) vet ./cmd/release-forwarder
	$(GO) tool -modfile=.ci/lint/go.mod golangci-lint run ./...
	$(GO) tool -modfile=.ci/lint/go.mod golangci-lint run ./.ci/kube/drill ./.ci/kube/operators ./.ci/kube/rights ./.ci/kube/roles ./.ci/kube/rollout ./.ci/simulate
	@root="$$PWD"; for module in .ci/compose .ci/kube/least .ci/telemetry/chat .ci/telemetry/collector .ci/telemetry/proof; do echo "lint $$module" && cd "$$root/$$module" && \
		$(GO) vet ./... && $(GO) tool -modfile="$$root/.ci/lint/go.mod" golangci-lint run -c "$$root/.golangci.yml" ./... || exit 1; done

fmt: ## format the code
	gofmt -w $$(git ls-files '*.go')

build: ## the forwarder's binary, as shipped
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags="-s -w -X main.version=$$(git describe --tags --always --dirty 2>/dev/null || echo devel) -X main.revision=$$(git rev-parse HEAD 2>/dev/null || echo unknown)" -o $(BIN)/release-forwarder ./cmd/release-forwarder

generate: ## rewrite the generated parts of the documentation, and the golden texts of check
	$(GO) generate ./cmd/release-forwarder/settings
	$(GO) test ./mapping -run 'TestTheReferencePageIsTheKeywords|TestMistakes|TestTheFileSchemaAgrees' -update
	$(GO) test ./cmd/release-forwarder/telemetry -update
	$(GO) test ./cmd/release-forwarder/events -update
	$(GO) test ./cmd/release-forwarder/cli/check -run 'TestCheckSaysWhat|TestCheckSumsUp' -update
	$(GO) test ./deployments -run 'TestTheTableOfRights|TestTheCommandsThatGrant|TestTheAlertsPagesAreTheRules|TestThePrometheusRulesAreThePlainFile|TestTheFitPageIsTheRules|TestTheVersionsPage' -update
	$(GO) test ./cmd/release-forwarder/app/kafkalogs -run TestTheLogsPageIsWhatWasMeasured -logs.update
	$(GO) test ./cmd/release-forwarder -run TestTheDLQPageIsTheHelp -update

test-kafka: ## the acceptance suite on a real Apache Kafka, 1 broker and 3 (BROKERS=1, KAFKA_VERSION=…; Java 17 and Maven)
	.ci/kafka/test.sh $${BROKERS:+"$$BROKERS"}

kafka-down: ## end the brokers that test-kafka left running, if any
	.ci/kafka/kafka.sh down

# Absolute: the test runs in its package's folder.
simulate: export ledger = $(abspath $(LEDGER))

simulate: ## the whole service under faults drawn from seeds, and an outage of DAYS, in virtual time (SEEDS=50000 FROM=1 DAYS=30); adds to the ledger and prints it
	@mkdir -p "$$(dirname "$$ledger")"
	$(GO) test ./cmd/release-forwarder/app/scenario -count=1 -v -timeout 24h -run TestAnOutageOfDays -outage.days "$$DAYS"
	$(GO) test ./cmd/release-forwarder/app/simulation -count=1 -v -timeout 24h -run 'TestSimulation$$' -simulate.seeds "$$SEEDS" -simulate.from "$$FROM" \
		-simulate.commit "$$(git describe --always --dirty 2>/dev/null || echo unknown)" -simulate.ledger "$$ledger"

replay: ## one seed with its story and the replicas' logs (SEED=7 TIMES=100; MISTAKE="…" with a deliberate mistake); Linux
	@mkdir -p $(BIN) && $(GO) build -o $(BIN)/steady .ci/simulate/steady.go && $(GO) test -c -o $(BIN)/simulation.test ./cmd/release-forwarder/app/simulation
	@$(BIN)/steady -times "$$TIMES" $$( [ "$$TIMES" = 1 ] || echo -quiet ) $(BIN)/simulation.test -test.v -test.run 'TestSimulation$$' \
		-simulate.seed "$$SEED" -simulate.mistake "$$MISTAKE" $$( [ "$$TIMES" != 1 ] || echo -simulate.log )

chaos: ## kill, freeze and cut off three real brokers and three forwarders (DURATION=2m, CHAOS="-seed 7 -every 4s"; Java 17 and Maven)
	@mkdir -p $(BIN) && $(GO) build -buildvcs=false -o $(BIN)/chaos ./cmd/release-forwarder/chaos && exec $(BIN)/chaos -for "$$DURATION" -report $(BIN)/chaos.txt $(CHAOS)

drill: ## provoke what an operator may be woken by, and type what its runbook says until all is well, and the rounds; rewrites docs/development/drill.md (root on Linux; an hour)
	.ci/kube/drill.sh -update

bench: ## throughput, CPU and memory beside other ways of doing the same (BENCH="compare --real --rounds 9", BENCH="latency --real", BENCH=--help)
	@$(GO) build -o $(BIN)/bench ./cmd/bench && exec $(BIN)/bench $(BENCH)

bench-page: ## measure all figures of docs/development/benchmarks.md again, on a real Kafka (70 minutes on an idle machine; Java 17 and Maven)
	@$(GO) build -o $(BIN)/bench ./cmd/bench && exec $(BIN)/bench page

test-alerts: ## the alert rules, by Prometheus's own rule tests, and the chats and their page's commands, by Alertmanager (installs Debian's tools where they are missing)
	.ci/telemetry/alerts/run.sh

test-page: ## the status page in headless Chromium (Node 20 and npm; installs Debian's chromium where there is none; PICTURES=docs/pictures replaces them)
	.ci/telemetry/page/run.sh

test-telemetry: ## traces, metrics and logs at a real OpenTelemetry Collector, what must not be in them, and every query at a real Prometheus
	.ci/telemetry/proof/run.sh arrival -v
	.ci/telemetry/proof/run.sh queries -v

test-kube: ## every overlay on a real Kubernetes API server (builds it first: 12 minutes cold, half a minute warm)
	.ci/kube/test.sh

test-versions: ## every overlay against the least versions of Kubernetes and of the operators (Java 17 and Maven; no cluster)
	.ci/kube/least.sh
	.ci/kube/strimzi.sh

test-rollout: ## from the last release to this version and back, scaling and evictions, under load on a real node with a real Kafka (PREVIOUS=commit; root on Linux; 6 minutes)
	.ci/kube/rollout.sh

test-drill: ## four troubles of the drill, from their alert to all is well (root on Linux; 6 minutes)
	.ci/kube/drill.sh -few

test-rights: ## each role's rights in Kafka, and what is said without each of them (Java 17 and Maven)
	.ci/kube/rights.sh

test-roles: ## from an empty cluster to a first accepted event, and each role's commands, on a real node with a real Kafka (root on Linux; 3 minutes)
	.ci/kube/roles.sh

test-compose: ## the compose file against the Compose specification
	$(GO) -C .ci/compose run . ../../deployments/compose/compose.yaml

image: ## the OCI image for linux/amd64 and linux/arm64, into bin/image (no container engine needed)
	.ci/release/image.sh build $(BIN)/image

test-image: ## build the image twice: one digest, its size, what is in it
	.ci/release/image.sh check

licences: ## the licences of all modules in the binary; fails on one that is not allowed
	.ci/release/licences.sh

release: ## make a release in dist/VERSION: binaries, image, SBOMs, checksums (VERSION=v0.1.0)
	.ci/release/release.sh "$$VERSION"

clean: ## remove what was built
	rm -rf $(BIN)
