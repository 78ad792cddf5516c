#!/usr/bin/env bash
# Proves that fidelity.sh works: a page that is right passes, and each fault
# below, planted alone, is reported.
set -euo pipefail
check=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/fidelity.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/docs" "$tree/tests/fidelity"
failed=0

# plant EDIT: makes a tree that is right except for what the sed script changes.
plant() {
  cat >"$tree/docs/fidelity.md" <<'PAGE'
- guarded: 2 of 2 rows are as natively
- first answer: 1 of 1 rows are as natively
- otherwise: 0 of 1 rows are as natively

| what | natively | guarded | first answer | otherwise | test |
|---|---|---|---|---|---|
| peer | shown | same | same | **different**: lost | `PeerTest.One` |
| stream | shown | same | — | — | `LongTest.Two` |
PAGE
  printf 'TEST_P(PeerTest, One) {}\nTEST(LongTest,\n     Two) {}\n' \
    >"$tree/tests/fidelity/a_test.cc"
  sed -i "$1" "$tree/docs/fidelity.md" "$tree/tests/fidelity/a_test.cc"
}

expect() { # EDIT WANTED...: exit code, and what is said
  local code=0
  plant "$1"
  "$check" "$tree" >"$tree/out" 2>&1 || code=$?
  if ((code != $2)) || ! grep -qF -e "$3" "$tree/out"; then
    echo "planted '$1', wanted $2 and '$3', got $code and:"
    cat "$tree/out"
    failed=1
  fi
}

expect '' 0 '2 tests named'
expect 's/TEST_P(PeerTest, One)/TEST_P(PeerTest, Other)/' 1 \
  'names PeerTest.One, which is no test'
expect 's/TEST_P(PeerTest, One)/TEST_P(PeerTest, Other)/' 1 \
  'does not name PeerTest.Other'
expect 's/`LongTest.Two`/by eye/' 1 'no test for: stream'
expect 's/different/changed/' 1 'neither same nor different of otherwise: peer'
expect 's/: lost/ /' 1 'neither same nor different of otherwise: peer'
expect 's/same | \*\*/gone | **/' 1 \
  'neither same nor different of first answer: peer'
expect 's/\*\*different\*\*: lost/same/' 1 \
  "does not say '- otherwise: 1 of 1 rows are as natively'"
expect 's/same | \*\*/— | **/' 1 \
  "does not say '- first answer: 0 of 0 rows are as natively'"
expect 's/2 of 2/3 of 3/' 1 \
  "does not say '- guarded: 2 of 2 rows are as natively'"

((failed == 0)) && echo "every fault is seen"
exit "$failed"
