#!/usr/bin/env bash
# Copyright The Workspace Operator Authors.
# SPDX-License-Identifier: Apache-2.0

# From nothing to two models that answer: builds and starts the local cluster, runs the operator beside it, applies the
# example Workspaces, shows what became of them and asks each a question. Ends with one line of figures.
#
#   KUBECONFIG=FILE  use that cluster, which has Flux, a StorageClass and GPUs, instead of starting one
#   KEEP=1           leave the cluster running
#   MANIFESTS="..."  other Workspaces
#   TIMEOUT=10m      how long they may take to become Ready
set -euo pipefail
cd "$(dirname "$0")/.."

read -ra manifests <<<"${MANIFESTS:-examples/phi-4-mini-instruct.yaml examples/mistral-7b-instruct.yaml}"
timeout=${TIMEOUT:-10m}
conditions='{range .items[*]}{.metadata.name}{"\n"}{range .status.conditions[*]}  {.type}={.status} {.reason}: {.message}{"\n"}{end}{end}'
work=$(mktemp -d)
operator=
own_cluster=
figures=

say() { printf '\n== %s\n' "$*"; }

show() {
  printf '\n$ kubectl %s\n' "$*"
  bin/kubectl "$@"
}

clean_up() {
  local code=$?
  if [ -n "$operator" ]; then
    kill "$operator" && wait "$operator" || true
  fi
  if [ "$code" != 0 ] && [ -s "$work/operator.log" ]; then
    say "what the Workspaces say"
    bin/kubectl get workspaces -o jsonpath="$conditions" || true
    say "the operator's last words"
    tail -n 20 "$work/operator.log"
  fi
  if [ -n "$own_cluster" ] && [ -z "${KEEP:-}" ]; then
    bin/cluster down --tier node || code=1
  fi
  rm -rf "$work"
  # Last, so that whoever reads only the last line knows.
  if [ "$code" = 0 ]; then
    echo "demo: ok $figures seconds=$SECONDS"
  else
    echo "demo: failed with exit code $code"
  fi
  exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

build() {
  say "building (the first time, Kubernetes from source)"
  make --no-print-directory build cluster-build-node
}

start_cluster() {
  if [ -n "${KUBECONFIG:-}" ]; then
    say "using the cluster of $KUBECONFIG"
    return
  fi
  say "starting the cluster"
  own_cluster=yes
  bin/cluster up --tier node
  KUBECONFIG=$(bin/cluster kubeconfig --tier node)
  export KUBECONFIG
}

start_operator() {
  say "starting the operator"
  bin/kubectl apply --server-side -f config/crd
  bin/kubectl wait --for=condition=Established crd/workspaces.kaito.sh --timeout=60s
  bin/kubectl create namespace kaito-workspace --dry-run=client -o yaml | bin/kubectl apply -f -
  cat >"$work/config.yaml" <<'YAML'
apiVersion: config.kaito.sh/v1alpha1
kind: Configuration
featureGates:
  gatewayAPIInferenceExtension: true
YAML
  bin/workspace-controller --config "$work/config.yaml" --namespace kaito-workspace --metrics-bind-address 0 \
    --health-probe-bind-address 0 >"$work/operator.log" 2>&1 &
  operator=$!
}

apply_workspaces() {
  say "applying the Workspaces"
  bin/kubectl apply "${manifests[@]/#/--filename=}"
  # So that one sees it move.
  bin/kubectl get workspaces --watch &
  local watch=$! code=0
  bin/kubectl wait --for=condition=Ready workspaces --all --timeout="$timeout" || code=$?
  kill "$watch"
  wait "$watch" || true
  return "$code"
}

show_objects() {
  say "what the operator made"
  show get ocirepository,helmrelease
  show get inferencepool
  show get pods -l inferencepool -o wide
  show get deployments,pods -l kaito.sh/workspace
  show get workspaces -o wide
}

ask() {
  local workspace=$1 model answer
  model=$(bin/kubectl get workspace "$workspace" -o jsonpath='{.status.models[0]}')
  say "asking $model through the Service $workspace"
  answer=$(bin/kubectl create --raw "/api/v1/namespaces/default/services/$workspace:80/proxy/v1/chat/completions" -f - <<JSON
{"model": "$model", "messages": [{"role": "user", "content": "What is Kubernetes?"}], "max_tokens": 40}
JSON
  )
  echo "$answer"
  grep -q '"chat.completion"' <<<"$answer"
}

SECONDS=0
build
built=$SECONDS
start_cluster
started=$SECONDS
start_operator
applying=$SECONDS
apply_workspaces
ready=$SECONDS
show_objects
answers=0
for workspace in $(bin/kubectl get workspaces -o jsonpath='{.items[*].metadata.name}'); do
  ask "$workspace"
  answers=$((answers + 1))
done
if [ -n "${KEEP:-}" ]; then
  say "the cluster stays: export KUBECONFIG=$KUBECONFIG, and bin/cluster down --tier node when you are done"
fi
figures="build_seconds=$built start_seconds=$((started - built)) ready_seconds=$((ready - applying)) answers=$answers"
