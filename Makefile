# SPDX-License-Identifier: Apache-2.0
#
# The verbs of this repository. No logic lives here: a verb is one line that
# calls go or a script in internal/tools. `make` alone prints them.

.DEFAULT_GOAL := help
.PHONY: help up build demo down gen setup lint fresh test e2e fuzz bench faults scale clean

help: ## print these verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## build and run everything on this machine (root; ARGS="..." is passed on)
	@internal/tools/up.sh up $(ARGS)

build: ## build bin/hedgeward, bin/hedgeward-agent and bin/hedgeward-cni; needs only Go
	go build -trimpath -o bin/ ./cmd/...

demo: ## against a running `make up`: groups, instances, real connections
	@internal/tools/up.sh demo $(ARGS)

down: ## remove every trace of `make up` from this machine (root)
	@internal/tools/up.sh down $(ARGS)

gen: ## regenerate API types and BPF objects (clang-14)
	go generate ./...

setup: ## install through apt what the tests need and this machine lacks
	@internal/tools/setup.sh

lint: ## gofmt, go vet, staticcheck; seconds, no privileges
	@internal/tools/lint.sh

fresh: ## regenerate in a scratch copy and fail on any difference
	@internal/tools/fresh.sh

test: ## setup, lint, fresh, then every test of the tree (root)
	@internal/tools/test.sh

e2e: ## only the whole-system tests: real AWS CLI, real packets (root)
	go test -count=1 -timeout 15m ./test/e2e/...

fuzz: ## every fuzz target for FUZZTIME each (20s)
	@internal/tools/fuzz.sh

bench: ## measure and print the table of ratios (root; ARGS="..." is passed on)
	@internal/tools/bench.sh $(ARGS)

faults: ## servers, hosts and etcd members fail while clients work (root; ARGS="-long 5m")
	go test -count=1 -timeout 2h -v ./test/faults/... $(or $(ARGS),-long 5m)

scale: ## a server with 1,000 simulated hosts, and a store of 1,000,000 interfaces (ARGS="...")
	go run ./test/scale $(ARGS)

clean: ## remove what was built; touches no state and no instance
	rm -rf bin .cache
