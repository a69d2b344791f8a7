# Two commands are enough: `make demo` to see it, `make test` to trust it. Both
# set up what they need: on Debian and Ubuntu as root they install it, anywhere
# else they say what to install.

LINT_VERSION := v2.15.0
LINT := .cache/golangci-lint/$(LINT_VERSION)/golangci-lint
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT := $(shell git rev-parse --short HEAD 2>/dev/null || echo none)

# Of the tests' order and of the randomized ones; another each time.
ROWCAST_TEST_SEED ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
export ROWCAST_TEST_SEED := $(ROWCAST_TEST_SEED)

.PHONY: help demo test lint bench build

help:
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-6s %s\n", $$1, $$2}' Makefile

demo: ## try it: a throw-away Postgres, the daemon and a page
	@scripts/install-missing postgres
	@go build -o bin/rowcast ./cmd/rowcast && exec bin/rowcast dev

test: lint ## everything that must be green, on three majors of Postgres
	@scripts/install-missing postgres cc npm
	@bins="$$(scripts/test-postgres.mjs)" && echo "seed $(ROWCAST_TEST_SEED) (to repeat: make test ROWCAST_TEST_SEED=$(ROWCAST_TEST_SEED))" && \
	ROWCAST_TEST_PG="$$bins" go test -race -shuffle=$(ROWCAST_TEST_SEED) ./...

lint: $(LINT) ## read the code for faults and for imports against the map
	$(LINT) run

bench: ## measure this machine: latency, and what a write costs
	@scripts/install-missing postgres
	@go build -o bin/rowcast ./cmd/rowcast && exec bin/rowcast bench

build: ## bin/rowcast, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)" -o bin/rowcast ./cmd/rowcast

$(LINT):
	GOBIN="$(abspath $(@D))" go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
