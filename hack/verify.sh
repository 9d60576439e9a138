#!/usr/bin/env bash
# Copyright The Workspace Operator Authors.
# SPDX-License-Identifier: Apache-2.0

# Proves that everything generated, formatted and tidied is current, without touching the working tree: the steps run in
# a copy of it, and whatever they change there is the finding.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${BIN:=$PWD/bin}"
export BIN

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
failed=0

finding() {
  echo "verify: $1" >&2
  failed=1
}

# Tracked and new files that are not ignored, less those that are deleted.
git ls-files -z --cached --others --exclude-standard |
  while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done >"$copy.list"
trap 'rm -rf "$copy" "$copy.list"' EXIT
mkdir "$copy/tree" "$copy/before"
tar --null --files-from="$copy.list" -cf - | tar -xf - -C "$copy/tree"
cp -a "$copy/tree/." "$copy/before/"

echo "verify: generated files"
# The tools are there already; their go.mod is new in the copy and must not build them again.
make --no-print-directory -s -C "$copy/tree" BIN="$BIN" generate -o "$BIN/controller-gen" -o "$BIN/crd-ref-docs" >/dev/null
diff -ruN "$copy/before" "$copy/tree" || finding "generated files are out of date: run make generate and commit the result"

echo "verify: formatting"
"$BIN/golangci-lint" fmt --diff || finding "not formatted: run make fmt"

echo "verify: go.mod files"
while IFS= read -r mod; do
  go -C "$(dirname "$mod")" mod tidy -diff || finding "$mod is not tidy: run go mod tidy in $(dirname "$mod")"
  # Not those under test/cluster/build: they pin programs of other projects, and tidy would add what only these
  # projects' tests need, hundreds of megabytes.
done < <(git ls-files --cached --others --exclude-standard -- go.mod '**/go.mod' | sort -u | grep -v '^test/cluster/build/')

echo "verify: hygiene"
hack/verify-tree.sh || failed=1

[ "$failed" = 0 ] && echo "verify: ok"
exit "$failed"
