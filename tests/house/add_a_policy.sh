#!/usr/bin/env bash
# Checks that docs/add-a-policy.md is complete: it names every product file that
# mentions the rate limit, the policy that it takes as its example. Checks too
# that its promises hold: a field is in three files, code for all fields names
# none of them, and the two lists of reasons are the same.
# Run by ctest.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2

page=docs/add-a-policy.md
product=(src include interceptors tools proto/firebreak/v1)
faults=0
fault() {
  printf '%s\n' "$*"
  faults=$((faults + 1))
}

while IFS= read -r file; do
  # The gate is no part of the policy: it limits refused admin calls.
  [[ $file == src/admin/control/gate.* ]] && continue
  name=${file%.cc}
  # The page names a header and its .cc once: "[rate_limit.h](...), [.cc](...)".
  grep -qF "$name" "$page" || fault "$page: does not name $file"
done < <(grep -rlE 'rate_limit|RateLimit' "${product[@]}" | sort)

# A field that is only a value is in the proto, the table and where it is used.
for field in open_growth open_jitter probe_success_ratio; do
  mapfile -t files < <(grep -rlw "$field" "${product[@]}" | sort)
  ((${#files[@]} <= 3)) ||
    fault "$field: stands in ${#files[@]} files, and three are enough:" \
      "${files[*]}"
done

# Code for all fields names none, or each new field would need a change there.
fields=$(sed -n '/^message BreakerPolicy/,/^}/s/^  optional [a-z0-9A-Z]* \([a-z_]*\) = .*/\1/p' \
  proto/firebreak/v1/policy.proto)
[[ $(wc -w <<<"$fields") -ge 20 ]] || fault "cannot read policy.proto"
for field in $fields; do
  # These fields depend on other fields, so that code may name them.
  case $field in
    enabled | ramp | window | probe | probe_samples | probe_interval) continue ;;
  esac
  for file in src/engine/policy/policy_{draft,fields,diff}.cc \
    src/admin/views/policy_view.cc; do
    ! grep -qw "$field" "$file" ||
      fault "$file: names $field, which the table of the breaker has"
  done
done

# The core and the public API have the same reasons, in the same order.
reasons() {
  sed -n '/^enum class Reason/,/^};/s/^  \(k[A-Za-z]*\),.*/\1/p' "$1"
}
diff <(reasons src/core/base/reason.h) <(reasons include/firebreak/reason.h) ||
  fault "src/core/base/reason.h and include/firebreak/reason.h differ"
[[ $(reasons src/core/base/reason.h | wc -l) -ge 20 ]] ||
  fault "cannot read src/core/base/reason.h"

((faults == 0)) || exit 1
printf '%s names every file\n' "$page"
