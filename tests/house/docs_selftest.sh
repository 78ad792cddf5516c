#!/usr/bin/env bash
# Proves that the checks of the documentation work: a broken link is found, and
# a C++ block becomes what its first line says. Run by ctest.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

# expect_link RESULT TEXT: links.sh finds a page with TEXT to be RESULT.
expect_link() {
  printf '# The Page\n\n## A heading, with `code`\n\n%b\n' "$2" >"$tree/README.md"
  local result=good
  "$here/links.sh" "$tree" >"$tree/out" 2>&1 || result=broken
  [[ $result == "$1" ]] && return
  printf 'links.sh says %s, not %s: %s\n' "$result" "$1" "$2"
  failed=1
}

expect_link good '[a](README.md) [b](#the-page) [c](#a-heading-with-code)'
expect_link good '[a](README.md) [b](https://example.com/nowhere)'
expect_link good '[a](README.md)\n```\n[x](in-a-block.md)\n```'
expect_link broken '[a](nowhere.md)'
expect_link broken '[a](#no-such-heading)'
expect_link broken '[a](README.md#no-such-heading)'
expect_link broken 'no link at all'

# extract TEXT: makes the C++ of a page with TEXT.
extract() {
  printf '%b\n' "$1" >"$tree/page.md"
  "$here/../docs/extract" "$tree/blocks.cc" "$tree/page.md"
}
# expect_line LINE: the C++ has this line.
expect_line() {
  grep -qxF -- "$1" "$tree/blocks.cc" && return
  printf 'not in what was extracted: %s\n' "$1"
  cat "$tree/blocks.cc"
  failed=1
}
expect_no_line() {
  ! grep -qxF -- "$1" "$tree/blocks.cc" && return
  printf 'in what was extracted: %s\n' "$1"
  failed=1
}

extract 'text\n```cpp\n#include <map>\n\nint a = 1;\n```\n```sh\nint b;\n```'
expect_line '#include <map>'
expect_line 'int Fragment() {'
expect_line "#line 3 \"$tree/page.md\""
expect_line 'int a = 1;'
expect_no_line 'int b;'
extract '```cpp declarations\nclass A {};\n```'
expect_line 'class A {};'
expect_no_line 'int Fragment() {'
extract '```cpp\nint main() { return 0; }\n```'
expect_line 'int main() { return 0; }'
expect_no_line 'int Fragment() {'
extract '```cpp whatever\nint a;\n```'
expect_line '#error "unknown kind of block: whatever"'
exit $failed
