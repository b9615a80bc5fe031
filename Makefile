VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
PKG     ?= ./...
BENCH   ?= .
COUNT   ?= 6
TIME    ?= 10s
SOAK    ?= 60m
TAG     ?= flowwatch:dev
GOTAGS  ?=

.DEFAULT_GOAL := help
.PHONY: help build test race fuzz fuzz-long bench lint e2e soak image clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the static binary, bin/flowwatch
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o bin/flowwatch ./cmd/flowwatch

test: ## all tests that need only Go (PKG=./pipeline/...)
	go test $(PKG)

race: ## the tests with the race detector, in a random order
	go test -race -shuffle=on $(PKG)

fuzz: ## every fuzz target for a short time each (TIME=1m)
	.ci/fuzz $(TIME)

fuzz-long: ## ten million executions, which also fail above a second of one input's time
	FLOWWATCH_FUZZ_LONG=1 .ci/fuzz 600000x

bench: ## benchmarks, in the form that benchstat reads (BENCH=Parse PKG=./pipeline/flowlog COUNT=10)
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $(PKG)

lint: ## go vet, gofmt and golangci-lint
	go vet ./...
	.ci/gofmt
	.ci/lint

e2e: ## against kinesis-local, versitygw, local-aws-sqs, a real Prometheus and Alertmanager, Grafana's schema and Chromium (CONTRIBUTING.md says what they need)
	.ci/peers-kinesis
	.ci/peers-s3
	.ci/peers-prometheus
	.ci/dashboards
	.ci/peers-browser

soak: ## 50,000 records a second for an hour, with faults: memory, goroutines, totals (SOAK=60m)
	SOAK=$(SOAK) go test -tags soak -run '^TestSoak$$' -count=1 -timeout 0 -v ./cmd/flowwatch

image: ## the container image for amd64 and arm64, with buildah (TAG=flowwatch:dev GOTAGS=nogeo)
	GOTAGS=$(GOTAGS) .ci/image-build $(TAG)

clean: ## remove what the other targets made
	rm -rf bin dist .ci/node_modules
