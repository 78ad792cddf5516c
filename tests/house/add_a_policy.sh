#!/usr/bin/env bash
# docs/add-a-policy.md is complete: it names every product file in which the rate
# limit stands, which is the policy that it follows. And what it promises holds:
# a field stands in three files, no code that is for all fields names one, and the
# two lists of reasons are one.
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
  # One that uses a RateLimit of its own, for refused admin calls.
  [[ $file == src/admin/gate.* ]] && continue
  name=${file%.cc}
  # A pair is named once: "[rate_limit.h](...), [.cc](...)".
  grep -qF "$name" "$page" || fault "$page: does not name $file"
done < <(grep -rlE 'rate_limit|RateLimit' "${product[@]}" | sort)

# Fields that are a value and nothing more: the proto, the table, the use.
for field in open_growth open_jitter probe_success_ratio; do
  mapfile -t files < <(grep -rlw "$field" "${product[@]}" | sort)
  ((${#files[@]} <= 3)) ||
    fault "$field: stands in ${#files[@]} files, and three are enough:" \
      "${files[*]}"
done

# What is for every field names none: all but a few would be a second place.
fields=$(sed -n '/^message BreakerPolicy/,/^}/s/^  optional [a-z0-9A-Z]* \([a-z_]*\) = .*/\1/p' \
  proto/firebreak/v1/policy.proto)
[[ $(wc -w <<<"$fields") -ge 20 ]] || fault "cannot read policy.proto"
for field in $fields; do
  # Those that depend on other fields.
  case $field in
    enabled | ramp | window | probe | probe_samples | probe_interval) continue ;;
  esac
  for file in src/engine/policy/policy_{draft,fields,diff}.cc \
    src/admin/policy_view.cc; do
    ! grep -qw "$field" "$file" ||
      fault "$file: names $field, which the table of the breaker has"
  done
done

# The reasons of the core and of the public API are the same, in the same order.
reasons() {
  sed -n '/^enum class Reason/,/^};/s/^  \(k[A-Za-z]*\),.*/\1/p' "$1"
}
diff <(reasons src/core/base/reason.h) <(reasons include/firebreak/reason.h) ||
  fault "src/core/base/reason.h and include/firebreak/reason.h differ"
[[ $(reasons src/core/base/reason.h | wc -l) -ge 20 ]] ||
  fault "cannot read src/core/base/reason.h"

((faults == 0)) || exit 1
printf '%s names every file\n' "$page"
