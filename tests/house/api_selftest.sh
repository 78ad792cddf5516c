#!/usr/bin/env bash
# Proves that api.sh works: a tree whose API is recorded passes, each change is
# found, and a change is recorded only with a new line in the changelog.
set -euo pipefail
api=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/api.sh
API_ROOT=$(mktemp -d)
export API_ROOT
trap 'rm -rf "$API_ROOT"' EXIT
mkdir -p "$API_ROOT"/{include/firebreak/testing,proto/firebreak/v1}
failed=0

expect() { # WHAT CODE ARG...
  local code=0
  "$api" "${@:3}" >"$API_ROOT/out" 2>&1 || code=$?
  ((code == $2)) && return
  echo "$1: exit code $code, not $2"
  cat "$API_ROOT/out"
  failed=1
}
header() { printf '%s\n' "$1" >"$API_ROOT/include/firebreak/a.h"; }
line() { printf -- '- %s\n' "$1" >>"$API_ROOT/CHANGELOG.md"; }

printf '# Changelog\n\n## [Unreleased]\n' >"$API_ROOT/CHANGELOG.md"
header 'int Now();  // What time it is.'
echo 'message A { int32 a = 1; }' >"$API_ROOT/proto/firebreak/v1/a.proto"
expect "the first time" 0 --update
expect "nothing has changed" 0

header 'int  Now();  // The time.'
expect "only a comment and white space" 0
header 'long Now();'
expect "a changed declaration" 1
grep -q 'include/firebreak/a.h' "$API_ROOT/out" || { echo "no name" && failed=1; }
expect "written down without a line" 1 --update
line "Now() returns long."
expect "a line, but not written down" 1
expect "written down with a line" 0 --update
expect "after that" 0
header 'long Now(); int Later();'
expect "the line of before does not count twice" 1 --update
line "Later()."
expect "a second line" 0 --update

echo 'message A { int64 a = 1; }' >"$API_ROOT/proto/firebreak/v1/a.proto"
expect "a changed proto" 1
line "int64." && "$api" --update
echo 'int b;' >"$API_ROOT/include/firebreak/testing/b.h"
expect "a new header" 1
line "b.h" && "$api" --update
rm "$API_ROOT/include/firebreak/a.h"
expect "a header that is gone" 1
line "No a.h" && "$api" --update

if command -v c++ >/dev/null; then
  library() {
    echo "namespace firebreak { int $1() { return 1; } }" |
      c++ -shared -fPIC -x c++ -o "$API_ROOT/lib.so" -
  }
  library Old
  line "Old()" && "$api" --update "$API_ROOT/lib.so"
  expect "the same symbols" 0 --symbols "$API_ROOT/lib.so"
  library New
  expect "other symbols" 1 --symbols "$API_ROOT/lib.so"
  expect "other symbols, written down without a line" 1 --update \
    "$API_ROOT/lib.so"
fi

((failed == 0)) && echo "every change of the API is seen"
exit "$failed"
