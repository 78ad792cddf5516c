#!/usr/bin/env bash
# Checks that every feature of the API is shown: README.md, a page of docs or an
# example names each option of the public structs, and each public function of
# the engine and the admin service. Run by ctest.
#
# (The fields of the policy language have a test of their own: docs/policy.md
# has every one of them.)
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2

# Only what a user may set or call is a feature. Results and facts are not.
names() {
  awk '
    /^struct (FIREBREAK_EXPORT )?((Engine|Channel|Call|Admin|Watch)Options|PolicyUpdate|AlertLimits)/ { inside = 1 }
    /^class (FIREBREAK_EXPORT )?(Engine|AdminService)( |$)/ { inside = 2 }
    /^};|^ private:/ { inside = 0 }
    inside && /^ *\/\// { next }
    # The name of a field is the last word before "=", ";" or "{".
    inside == 1 && match($0, /[a-z_]+( = [^;]*)?;/) {
      word = substr($0, RSTART, RLENGTH)
      sub(/[ =;].*/, "", word)
      print word
    }
    # The name of a function is in the first line of its declaration.
    inside == 2 && /^  [^ ].*[A-Za-z]\(|^  [A-Z][A-Za-z]+\(/ {
      word = $0
      sub(/\(.*/, "", word)
      sub(/.*[ *&]/, "", word)
      if (word ~ /^[A-Z][A-Za-z]+$|^policy$|^callback_faults$/) print word
    }
  ' include/firebreak/*.h | grep -vxE 'Engine|AdminService' | sort -u
}

missing=0
count=0
for name in $(names); do
  count=$((count + 1))
  grep -rqwF -- "$name" README.md docs/*.md examples && continue
  printf 'in no page and no example: %s\n' "$name"
  missing=$((missing + 1))
done
((missing == 0)) || exit 1
((count > 40)) || { printf 'only %d features found\n' "$count" && exit 1; }
printf 'all %d features are shown\n' "$count"
