// The charts of the release before the last: only its files are used, nothing is compiled.
module github.com/workspace-operator/workspace-operator/test/cluster/build/charts-v1.4

go 1.26.0

require sigs.k8s.io/gateway-api-inference-extension v1.4.0
