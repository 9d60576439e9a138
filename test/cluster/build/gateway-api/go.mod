// The CRDs of Gateway API: only files are used, nothing is compiled.
module github.com/workspace-operator/workspace-operator/test/cluster/build/gateway-api

go 1.26.0

require sigs.k8s.io/gateway-api v1.6.3
