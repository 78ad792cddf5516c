#!/usr/bin/env bash
# docs/add-a-policy.md is complete: it names every product file in which the rate
# limit stands, which is the policy that it follows. Run by ctest.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2

page=docs/add-a-policy.md
missing=0
while IFS= read -r file; do
  # One that uses a RateLimit of its own, for refused admin calls.
  [[ $file == src/admin/gate.* ]] && continue
  name=${file%.cc}
  # A pair is named once: "[rate_limit.h](...), [.cc](...)".
  grep -qF "$name" "$page" && continue
  printf '%s: does not name %s\n' "$page" "$file"
  missing=$((missing + 1))
done < <(grep -rlE 'rate_limit|RateLimit' \
  src interceptors tools proto/firebreak/v1 | sort)
((missing == 0)) || exit 1
printf '%s names every file\n' "$page"
