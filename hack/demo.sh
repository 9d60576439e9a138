#!/usr/bin/env bash
# Copyright The Workspace Operator Authors.
# SPDX-License-Identifier: Apache-2.0

# From nothing to two models that answer: builds and starts the local cluster, installs the operator and Flux with Helm,
# opens a Gateway, applies the example Workspaces, shows what became of them and asks each a question through the Gateway.
# Ends with one line of figures.
#
#   KUBECONFIG=FILE  use that cluster, which has GPUs and can pull the operator's image, instead of starting one
#   HELM_ARGS="..."  more arguments for helm, for example --set registry=...
#   KEEP=1           leave the cluster running
#   MANIFESTS="..."  other Workspaces
#   TIMEOUT=10m      how long they may take to become Ready
set -euo pipefail
cd "$(dirname "$0")/.."

read -ra manifests <<<"${MANIFESTS:-examples/phi-4-mini-instruct.yaml examples/mistral-7b-instruct.yaml}"
timeout=${TIMEOUT:-10m}
conditions='{range .items[*]}{.metadata.name}{"\n"}{range .status.conditions[*]}  {.type}={.status} {.reason}: {.message}{"\n"}{end}{end}'
namespace=kaito-workspace
own_cluster=
gateway=
address=
figures=

say() { printf '\n== %s\n' "$*"; }

show() {
  printf '\n$ %s\n' "$*"
  "bin/$1" "${@:2}"
}

clean_up() {
  local code=$?
  if [ "$code" != 0 ] && [ -n "${KUBECONFIG:-}" ]; then
    say "what the Workspaces say"
    bin/kubectl get workspaces -o jsonpath="$conditions" || true
    say "the pods"
    bin/kubectl get pods --all-namespaces || true
    say "the operator's last words"
    bin/kubectl logs deployment/kaito-workspace --namespace "$namespace" --all-pods=true --tail=20 || true
  fi
  if [ -n "$own_cluster" ] && [ -z "${KEEP:-}" ]; then
    bin/cluster down --tier node || code=1
  fi
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
  # First, as it is known at once whether the distribution has what the long build is for.
  if [ -z "${KUBECONFIG:-}" ]; then
    hack/install-deps.sh
  fi
  say "building (the first time, Kubernetes from source)"
  make --no-print-directory cluster-build-node helm images "PLATFORMS=linux/$(go env GOARCH)"
}

start_cluster() {
  if [ -n "${KUBECONFIG:-}" ]; then
    say "using the cluster of $KUBECONFIG"
    return
  fi
  say "starting the cluster"
  own_cluster=yes
  bin/cluster up --tier node --flux=false --gateway
  KUBECONFIG=$(bin/cluster kubeconfig --tier node)
  export KUBECONFIG
  bin/cluster load --layout dist/images/workspace-controller \
    --image "ghcr.io/workspace-operator/workspace-controller:$(sed -n 's/^appVersion: //p' charts/workspace/Chart.yaml)"
}

install_operator() {
  say "installing the operator and Flux"
  local more
  read -ra more <<<"${HELM_ARGS:-}"
  show helm upgrade --install kaito-workspace charts/workspace --namespace "$namespace" --create-namespace \
    --set featureGates.gatewayAPIInferenceExtension=true --wait "${more[@]}"
  show kubectl get pods --namespace "$namespace"
}

# A cluster without Istio's class of Gateways is asked through Services.
open_gateway() {
  if ! bin/kubectl get gatewayclass istio >/dev/null; then
    return
  fi
  gateway=inference-gateway
  say "opening the Gateway $gateway for all models"
  show kubectl apply -f examples/gateway-api-inference-extension/gateway.yaml
  show helm upgrade kaito-workspace charts/workspace --namespace "$namespace" --reset-then-reuse-values --wait \
    --set config.gateway.default.name="$gateway" --set config.gateway.default.namespace=default \
    --set config.gateway.bodyBasedRouting.enabled=true
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
  show kubectl get ocirepository,helmrelease
  show kubectl get inferencepool
  show kubectl get pods -l inferencepool -o wide
  show kubectl get deployments,pods -l kaito.sh/workspace
  if [ -n "$gateway" ]; then
    show kubectl get gateway,httproute
  fi
  show kubectl get workspaces -o wide
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

# The request that the quickstart's reader types.
ask_gateway() {
  local model=$1 answer
  say "asking $model through the Gateway"
  answer=$(curl --silent --show-error --fail-with-body --max-time 60 "http://$address/v1/chat/completions" \
    --header 'Content-Type: application/json' \
    --data '{"model": "'"$model"'", "messages": [{"role": "user", "content": "What is Kubernetes?"}], "max_tokens": 40}')
  echo "$answer"
  grep -q '"chat.completion"' <<<"$answer"
}

# An answer is streamed if its first event is there long before its last. The stand-in takes its time when it is asked to;
# real models do so anyway.
stream() {
  local model=$1 began answer
  say "streaming an answer of $model"
  began=${EPOCHREALTIME/[.,]/}
  answer=$(curl --silent --show-error --fail-with-body --max-time 60 --no-buffer "http://$address/v1/chat/completions" \
    --header 'Content-Type: application/json' --header 'X-Stand-In-Token-Latency: 200ms' \
    --data '{"model": "'"$model"'", "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 16, "stream": true}' |
    while IFS= read -r line; do
      [ -z "$line" ] || echo "$(((${EPOCHREALTIME/[.,]/} - began) / 1000)) ms $line"
    done | tee /dev/stderr)
  grep -q ' data: \[DONE\]' <<<"$answer"
  awk '
    / data: / { first = first ? first : $1; last = $1 }
    END {
      printf "the first event came after %d ms, the last after %d ms\n", first, last
      exit !(last - first > last / 2)
    }' <<<"$answer"
}

# Pods of another cluster are out of reach from here, so only the local one is measured.
measure() {
  local workspace=$1 model=$2 pod
  if [ -z "$own_cluster" ]; then
    return
  fi
  say "what gateway and Endpoint Picker add to a request"
  pod=$(bin/kubectl get pods -l "kaito.sh/workspace=$workspace" -o jsonpath='{.items[0].status.podIP}')
  figures=$(go run ./test/latency --direct "http://$pod:5000" --gateway "http://$address" --model "$model")
  echo "$figures"
}

ask_all() {
  local workspace model last_workspace='' last_model=''
  if [ -n "$gateway" ]; then
    address=$(bin/kubectl get gateway "$gateway" -o jsonpath='{.status.addresses[0].value}')
    say "the models at http://$address/v1/models"
    curl --silent --show-error --fail-with-body --max-time 20 "http://$address/v1/models"
  fi
  for workspace in $(bin/kubectl get workspaces -o jsonpath='{.items[*].metadata.name}'); do
    model=$(bin/kubectl get workspace "$workspace" -o jsonpath='{.status.models[0]}')
    if [ -n "$gateway" ]; then
      ask_gateway "$model"
    else
      ask "$workspace"
    fi
    last_workspace=$workspace last_model=$model answers=$((answers + 1))
  done
  if [ -n "$gateway" ]; then
    stream "$last_model"
    measure "$last_workspace" "$last_model"
  fi
}

SECONDS=0
build
built=$SECONDS
start_cluster
started=$SECONDS
install_operator
open_gateway
applying=$SECONDS
apply_workspaces
ready=$SECONDS
show_objects
answers=0
ask_all
if [ -n "${KEEP:-}" ]; then
  say "the cluster stays: export KUBECONFIG=$KUBECONFIG, and bin/cluster down --tier node when you are done"
fi
figures="build_seconds=$built start_seconds=$((started - built)) install_seconds=$((applying - started)) ready_seconds=$((ready - applying)) answers=$answers${figures:+ $figures}"
