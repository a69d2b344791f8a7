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

# npm writes it last: what the lockfile says is installed.
INSTALLED := node_modules/.package-lock.json

.PHONY: help demo test test-go test-ts test-page test-browser test-chaos lint fuzz chaos soak bench build
.NOTPARALLEL: # what is timed is timed on a machine that does nothing else

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' Makefile

demo: ## try it: a throw-away Postgres, the daemon and a page
	@scripts/install-missing postgres
	@go build -o bin/rowcast ./cmd/rowcast && exec bin/rowcast dev

test: lint test-go test-ts test-page test-browser test-chaos ## everything that must be green

test-go: ## the Go tests, on three majors of Postgres
	@scripts/install-missing postgres cc npm
	@bins="$$(scripts/test-postgres.mjs)" && echo "seed $(ROWCAST_TEST_SEED) (to repeat: make test-go ROWCAST_TEST_SEED=$(ROWCAST_TEST_SEED))" && \
	ROWCAST_TEST_PG="$$bins" go test -race -shuffle=$(ROWCAST_TEST_SEED) ./...

test-ts: clients/ts/$(INSTALLED) ## the npm package: types, tests, size, what a stranger would install
	@npm --prefix clients/ts run --silent check

test-page: examples/chat/web/$(INSTALLED) ## the demo's page: what is committed is what its sources make
	@npm --prefix examples/chat/web run --silent check

test-browser: examples/chat/browser/$(INSTALLED) ## the demo's page in Chromium, with all that can go wrong
	@scripts/install-missing postgres chromium
	@npm --prefix examples/chat/browser run --silent test
	@npm --prefix examples/chat/browser run --silent check # of the client that the tests have installed

test-chaos: ## some minutes of make chaos
	@scripts/install-missing postgres
	@go run ./chaos -short
	@go run ./chaos -short -broken all

lint: $(LINT) ## read the code for faults, for imports against the map, and for calls into known vulnerabilities
	$(LINT) run
	@scripts/vulncheck

# What it finds is a file in testdata/fuzz, which the tests try from then on, and
# so are inputs that reach code which none before them did.
FUZZTIME ?= 30s

fuzz: ## look for what nobody thought of: each fuzz target for FUZZTIME (30s, or 100000x)
	@grep -roE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' --exclude-dir=node_modules . | sort | while IFS=: read -r file target; do \
		echo "$${target#func } in $$(dirname "$$file")" && \
		go test -run '^$$' -fuzz "^$${target#func }$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$(dirname "$$file")" || exit; \
	done
	@scripts/fuzz-corpus.mjs

SEEDS ?= 3

chaos: ## break everything, SEEDS times (3) in each way: nothing is lost in silence, and broken daemons are caught
	@scripts/install-missing postgres
	@go run ./chaos -seeds $(SEEDS)
	@go run ./chaos -broken all

FOR ?= 1h

soak: ## an hour of it (FOR=1h): memory, goroutines, files and the log stay flat, or it fails
	@scripts/install-missing postgres
	@go run ./chaos soak -for $(FOR)

bench: ## measure this machine: latency, what a write costs, fan-out, rooms, memory, storms, and the steps in between
	@scripts/install-missing postgres
	@go build -o bin/rowcast ./cmd/rowcast && bin/rowcast bench
	@go test ./bridge ./rooms ./rooms/ws -run '^$$' -bench 'Translate|Encode|Publish|Replay|JoinLeave|Deflate' -benchmem

build: ## bin/rowcast, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)" -o bin/rowcast ./cmd/rowcast

$(LINT):
	GOBIN="$(abspath $(@D))" go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)

clients/ts/$(INSTALLED) examples/chat/browser/$(INSTALLED): %/$(INSTALLED): %/package-lock.json
	@scripts/install-missing npm
	npm --prefix $* ci --no-audit --no-fund

# The page is built with the packed client, so it is installed anew with it.
examples/chat/web/$(INSTALLED): examples/chat/web/package-lock.json clients/ts/package.json $(wildcard clients/ts/src/* clients/ts/src/*/*)
	@scripts/install-missing npm
	npm --prefix examples/chat/web run --silent setup
