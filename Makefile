# Copyright The Workspace Operator Authors.
# SPDX-License-Identifier: Apache-2.0

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

# One set of flags for everything: another set would compile Kubernetes a second time.
export GOFLAGS := -trimpath -buildvcs=false
export CGO_ENABLED := 0
export GOWORK := off

ROOT := $(CURDIR)
BIN ?= $(ROOT)/bin
# etcd, kube-apiserver and kubectl for tests against a real API server.
export KUBEBUILDER_ASSETS := $(ROOT)/bin/k8s

CONTROLLER_GEN := $(BIN)/controller-gen
CRD_REF_DOCS := $(BIN)/crd-ref-docs
GOLANGCI_LINT := $(BIN)/golangci-lint
GOTESTSUM := $(BIN)/gotestsum
BENCHSTAT := $(BIN)/benchstat

# Modules with code of their own; those under test/cluster/build pin programs of other projects.
MODULES := $(patsubst %/go.mod,%,$(wildcard ./go.mod hack/release/go.mod test/chart/go.mod test/charts/go.mod test/cluster/go.mod))
CRD_PACKAGES = $(patsubst %,paths=./%,$(wildcard api/v1alpha1 api/v1beta1))

# More flags for go test, for example TEST_ARGS='-count=1 -run TestPlan'.
TEST_ARGS ?=

##@ General

.PHONY: help
help: ## Print this help
	@awk 'BEGIN { FS = ":.*## "; printf "usage: make TARGET\n" } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  FILENAME != last { if (last != "" && FILENAME ~ /^hack\//) printf "\n%s\n", FILENAME; last = FILENAME } \
	  /^[a-zA-Z0-9_\/-]+:.*## / { printf "  %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: clean
clean: ## Remove what was built (stop a local cluster first: make cluster-down)
	rm -rf bin dist

##@ Build

.PHONY: build
build: ## Build the programs into bin/
	go build -ldflags '-s -w' -o $(BIN)/ ./cmd/...

.PHONY: generate
generate: $(CONTROLLER_GEN) $(CRD_REF_DOCS) ## Write everything that is generated: deep copies, config/crd, config/rbac, docs/api.md
	$(CONTROLLER_GEN) object:headerFile=hack/boilerplate.go.txt paths=./api/...
	$(CONTROLLER_GEN) crd $(CRD_PACKAGES) output:crd:dir=config/crd
	if [ -d internal/controller ]; then \
	  $(CONTROLLER_GEN) rbac:roleName=workspace-operator paths=./internal/controller/... output:rbac:dir=config/rbac; \
	fi
	$(CRD_REF_DOCS) --log-level=ERROR --source-path=api --config=hack/api-docs/config.yaml --renderer=markdown \
	  --templates-dir=hack/api-docs/templates --output-path=docs/api.md
	@# Markers without a value, and more than one blank line in a row.
	sed -i -e 's/: \\{\\}//g' docs/api.md
	sed -i -e ':a' -e '/^\n*$$/{$$d;N;ba' -e '}' -e 's/^\n\n*/\n/' docs/api.md

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## Format all Go code
	$(GOLANGCI_LINT) fmt

##@ Check

.PHONY: test
test: cluster-build-api $(GOTESTSUM) ## Run unit, golden, property and integration tests; the last line has the counts
	@hack/test.sh $(foreach module,$(MODULES),$(module)=./...)

.PHONY: test-unit
test-unit: $(GOTESTSUM) ## Run the tests that need no API server
	@hack/test.sh .=./api/... .=./internal/... $(if $(wildcard cmd),.=./cmd/...)

.PHONY: golden
golden: ## Rewrite the golden files; read the diff
	go test -count=1 $$(grep -rl --include='*_test.go' 'Bool("update"' ./api ./internal ./test/integration | \
	  xargs -n1 dirname | sort -u) -update

.PHONY: bench
bench: $(BENCHSTAT) ## Run the micro benchmarks, and compare with BASE, a dist/bench.txt of before
	@mkdir -p dist
	go test -run '^$$' -bench . -benchmem -count $(or $(COUNT),6) ./internal/... | grep -v 'no test files' | tee dist/bench.txt
	$(BENCHSTAT) $(BASE) dist/bench.txt

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Run the linters, and prove the import rules
	for module in $(MODULES); do \
	  echo "lint: $$module"; (cd $$module && $(GOLANGCI_LINT) run --config $(ROOT)/.golangci.yml ./...); \
	done
	GOLANGCI_LINT=$(GOLANGCI_LINT) go test -count=1 -tags lint ./test/lint

.PHONY: verify
verify: $(CONTROLLER_GEN) $(CRD_REF_DOCS) $(GOLANGCI_LINT) ## Prove that generated files, formatting and go.mod files are current
	@BIN=$(BIN) hack/verify.sh

.PHONY: demo
demo: ## Start a cluster, apply the example Workspaces and talk to the models
	hack/demo.sh

.PHONY: e2e
e2e: install-deps build cluster-build-node helm images $(GOTESTSUM) ## Run the end-to-end tests on a whole local cluster (root on Linux)
	@TEST_ARGS='-tags=e2e -count=1 -timeout=25m $(TEST_ARGS)' hack/test.sh .=./test/e2e/...
	@$(MAKE) --no-print-directory e2e-install

# Only this machine's platform is run.
e2e e2e-install: PLATFORMS = linux/$(shell go env GOARCH)

.PHONY: e2e-install
e2e-install: install-deps build cluster-build-node helm images $(GOTESTSUM) ## Run those of the chart, on a cluster that has nothing of it
	@E2E_BARE=1 TEST_ARGS='-tags=e2e -count=1 -timeout=20m -run=^(TestInstall|TestQuickstart)$$' hack/test.sh .=./test/e2e/...

# Tools are pinned in hack/tools/go.mod and built once; go tool would link them again for every new checkout.
TOOLS := hack/tools/go.mod hack/tools/go.sum
define build-tool
@echo "build: $(@F)"
@mkdir -p $(@D)
@go -C hack/tools build -ldflags '-s -w' -o $@ $(1)
@touch $@
endef

$(CONTROLLER_GEN): $(TOOLS)
	$(call build-tool,sigs.k8s.io/controller-tools/cmd/controller-gen)
$(CRD_REF_DOCS): $(TOOLS)
	$(call build-tool,github.com/elastic/crd-ref-docs)
$(GOTESTSUM): $(TOOLS)
	$(call build-tool,gotest.tools/gotestsum)
$(BENCHSTAT): $(TOOLS)
	$(call build-tool,golang.org/x/perf/cmd/benchstat)
# golangci-lint with kube-api-linter linked in; its version is golangci-lint's line in hack/tools/go.mod.
$(GOLANGCI_LINT): $(TOOLS)
	$(call build-tool,sigs.k8s.io/kube-api-linter/cmd/golangci-lint-kube-api-linter)

-include hack/*.mk
