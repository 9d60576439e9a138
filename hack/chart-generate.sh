#!/usr/bin/env bash
# Copyright The Workspace Operator Authors.
# SPDX-License-Identifier: Apache-2.0

# Writes what is generated of charts/workspace: CRDs out of the Go types that the root module pins, the rules of the
# operator's roles out of the markers in internal/controller, and the table of values in the chart's README.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${CONTROLLER_GEN:=bin/controller-gen}"
chart=charts/workspace
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# crds DIRECTORY PACKAGE... writes the CRDs of the packages. They stay when the chart is uninstalled: with them would go
# every Workspace and every pool.
crds() {
  local into=$1 file
  shift
  rm -rf "$work/crds" "$into"
  mkdir -p "$into"
  "$CONTROLLER_GEN" crd "${@/#/paths=}" "output:crd:dir=$work/crds"
  for file in "$work"/crds/*.yaml; do
    sed '0,/^  annotations:$/s//  annotations:\n    helm.sh\/resource-policy: keep\n    kaito.sh\/installed-by: charts\/workspace/' \
      "$file" >"$into/$(basename "$file")"
    grep -q 'helm.sh/resource-policy: keep' "$into/$(basename "$file")"
  done
}

crds $chart/files/crds ./api/v1alpha1 ./api/v1beta1 sigs.k8s.io/gateway-api-inference-extension/api/v1
crds $chart/charts/flux/files/crds github.com/fluxcd/source-controller/api/v1 github.com/fluxcd/helm-controller/api/v2

# rules KIND prints the rules of that kind of role.
"$CONTROLLER_GEN" rbac:roleName=any paths=./internal/controller/... "output:rbac:dir=$work"
rules() {
  awk -v kind="$1" '/^---/ { here = 0 } $0 == "kind: " kind { here = 1 } here && listed { print } here && /^rules:/ { listed = 1 }
    /^---/ { listed = 0 }' "$work/role.yaml"
}
mkdir -p $chart/files/rbac
rules ClusterRole >$chart/files/rbac/cluster.yaml
rules Role >$chart/files/rbac/namespace.yaml

go -C hack/release run . values ../../$chart
