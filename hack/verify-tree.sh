#!/usr/bin/env bash
# Copyright The Workspace Operator Authors.
# SPDX-License-Identifier: Apache-2.0

# Looks for what must not be in the repository: binaries, large files, scripts that bash cannot parse, links in the
# documentation that lead nowhere.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=0

finding() {
  echo "verify: $1" >&2
  failed=1
}

limit=$((1024 * 1024))
while IFS= read -r -d '' file; do
  [ -f "$file" ] || continue
  [ "$(stat -c %s "$file")" -le "$limit" ] || finding "$file is larger than 1 MiB"
  [ "$(head -c 4 "$file" | tr -d '\0')" != $'\x7fELF' ] || finding "$file is a binary"
done < <(git ls-files -z)

while IFS= read -r -d '' file; do
  [ ! -f "$file" ] || bash -n "$file" || finding "$file does not parse"
done < <(git ls-files -z -- '*.sh' .ci/run)

# Relative links [text](path#anchor) of every Markdown file, outside code.
while IFS= read -r -d '' file; do
  [ -f "$file" ] || continue
  while IFS= read -r target; do
    path=${target%%#*}
    [ -z "$path" ] || [ -e "$(dirname "$file")/$path" ] || finding "$file links to $target, which does not exist"
  done < <(sed 's/`[^`]*`//g' "$file" | grep -oE '\]\([^) ]+\)' | sed -E 's/^\]\(//; s/\)$//' | grep -vE '^(https?:|mailto:)' || true)
done < <(git ls-files -z -- '*.md')

exit "$failed"
