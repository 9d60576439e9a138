# Copyright The Workspace Operator Authors.
# SPDX-License-Identifier: Apache-2.0

# The local cluster of test/cluster. Variables: CLUSTER_TIER (api or node), CLUSTER_ARGS (more flags for `up`).
CLUSTER_TIER ?= node
CLUSTER_ARGS ?=
# The same flags everywhere: another set would compile all of Kubernetes a second time.
CLUSTER_GO = CGO_ENABLED=0 GOFLAGS='-trimpath -buildvcs=false' GOWORK=off go

CLUSTER_SOURCES = $(shell find test/cluster/cmd test/cluster/internal -type f) test/cluster/go.mod test/cluster/go.sum

bin/cluster: $(CLUSTER_SOURCES)
	cd test/cluster && $(CLUSTER_GO) build -ldflags '-s -w' -o ../../bin/cluster ./cmd/cluster

.PHONY: install-deps cluster-build-api cluster-build-flux cluster-build-node cluster-up cluster-down cluster-status
install-deps: ## Install what tier node takes from the distribution (Debian, Ubuntu; root)
	hack/install-deps.sh

cluster-build-api: bin/cluster ## Build the API server, etcd and kubectl into bin/ and bin/k8s
	bin/cluster build --tier api

cluster-build-flux: bin/cluster ## Build these and Flux's controllers
	bin/cluster build --tier api --flux

cluster-build-node: bin/cluster ## Build everything of the local cluster
	bin/cluster build --tier node --gateway

cluster-up: bin/cluster ## Start the local cluster (CLUSTER_TIER=api|node)
	bin/cluster up --tier $(CLUSTER_TIER) $(CLUSTER_ARGS)

cluster-down: bin/cluster ## Stop the local cluster and clean up
	bin/cluster down --tier $(CLUSTER_TIER)

cluster-status: bin/cluster ## Show the parts of the local cluster
	bin/cluster status --tier $(CLUSTER_TIER)
