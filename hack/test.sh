#!/usr/bin/env bash
# Copyright The Workspace Operator Authors.
# SPDX-License-Identifier: Apache-2.0

# Runs the Go tests of DIR=PATTERN ..., where DIR holds a go.mod, and ends with one line of counts. All patterns run even
# when an earlier one fails. TEST_ARGS has more flags for go test.
set -euo pipefail
cd "$(dirname "$0")/.."

# These have commands of their own: they need a whole cluster, or measure. test/lint is part of make lint.
own_commands='/test/(e2e(/|$)|scale$|lint(/|$))'

gotestsum=$PWD/bin/gotestsum
results=$(mktemp)
trap 'rm -f "$results" "$results.one"' EXIT
read -ra flags <<<"${TEST_ARGS:-}"
failed=0
SECONDS=0

for spec in "$@"; do
  dir=${spec%%=*} pattern=${spec#*=}
  packages=$(cd "$dir" && go list "$pattern")
  if [ "$pattern" = ./... ]; then
    packages=$(grep -vE "$own_commands" <<<"$packages" || true)
  fi
  mapfile -t packages <<<"$packages"
  echo "test: $dir $pattern, ${#packages[@]} packages"
  (cd "$dir" && "$gotestsum" --format standard-quiet --jsonfile "$results.one" -- "${flags[@]}" "${packages[@]}") || failed=1
  cat "$results.one" >>"$results"
done

# A package that fails without a failing test, because it does not compile for example, counts as one failure.
counts=$(awk -F'"Package":"' '
  /"Action":"(pass|fail|skip)"/ {
    kind = /"Action":"pass"/ ? "pass" : /"Action":"fail"/ ? "fail" : "skip"
    package = $2
    sub(/".*/, "", package)
    if (/"Test":"/) { tests[kind]++; if (kind == "fail") blamed[package] = 1; next }
    packages[kind]++
    if (kind == "fail" && !(package in blamed)) tests["fail"]++
  }
  END {
    printf "packages=%d tests=%d failed=%d skipped=%d", packages["pass"] + packages["fail"],
      tests["pass"] + tests["fail"] + tests["skip"], tests["fail"], tests["skip"]
  }' "$results")

verdict=ok
[ "$failed" = 0 ] || verdict=FAILED
echo "test: $verdict $counts seconds=$SECONDS"
exit "$failed"
