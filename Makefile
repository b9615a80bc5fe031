VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
PKG     ?= ./...
BENCH   ?= .
COUNT   ?= 6
TIME    ?= 10s
TAG     ?= flowwatch:dev

.DEFAULT_GOAL := help
.PHONY: help build test race fuzz bench lint e2e image clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the static binary, bin/flowwatch
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o bin/flowwatch ./cmd/flowwatch

test: ## all tests that need only Go (PKG=./pipeline/...)
	go test $(PKG)

race: ## the tests with the race detector, in a random order
	go test -race -shuffle=on $(PKG)

fuzz: ## every fuzz target for a short time each (TIME=1m)
	.ci/fuzz $(TIME)

bench: ## benchmarks, in the form that benchstat reads (BENCH=Parse PKG=./pipeline/flowlog COUNT=10)
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $(PKG)

lint: ## go vet, gofmt and golangci-lint
	go vet ./...
	.ci/gofmt
	.ci/lint

e2e: ## against kinesis-local, a real Prometheus and Alertmanager, and Grafana's schema (CONTRIBUTING.md says what they need)
	.ci/peers-kinesis
	.ci/peers-prometheus
	.ci/dashboards

image: ## the container image from a binary built here, with buildah (TAG=flowwatch:dev)
	.ci/image $(TAG)

clean: ## remove what the other targets made
	rm -rf bin dist .ci/node_modules
