#!/usr/bin/env bash
# Checks that what users compile and link against changes only with a line in
# CHANGELOG.md. Run by ctest; docs/api.md says what the API is.
#
#   tests/house/api.sh                  do the public headers and protos still
#                                       say what packaging/api/headers says?
#   tests/house/api.sh --symbols LIB    does libfirebreak.so still show what
#                                       packaging/api/symbols lists?
#   tests/house/api.sh --update [LIB]   write both down again: after a line in
#                                       CHANGELOG.md under [Unreleased], which has
#                                       to be new since they were last written
#   API_ROOT=DIR ...                    the tree to look at, default ours
#
# Comments and white space of a header do not count, so that documentation may
# be improved freely.
set -euo pipefail
cd "${API_ROOT:-$(dirname "${BASH_SOURCE[0]}")/../..}" || exit 2

headers=packaging/api/headers
symbols=packaging/api/symbols

# Prints the code of a header or proto, without comments and white space.
code_of() {
  sed -E 's|(^\|[[:space:]])//.*||' "$1" | tr -d '[:space:]'
}
digests() {
  local file
  for file in include/firebreak/*.h include/firebreak/testing/*.h \
    proto/firebreak/v1/*.proto; do
    [[ -e $file ]] || continue
    printf '%s  %s\n' "$(code_of "$file" | sha256sum | cut -d' ' -f1)" "$file"
  done | LC_ALL=C sort -k2
}
# Prints a digest of the section [Unreleased].
changelog() {
  sed -n '/^## \[Unreleased\]/,/^## \[[0-9]/p' CHANGELOG.md |
    sha256sum | cut -d' ' -f1
}
# Prints the names of ours that a library exports, except those of generated
# code, and weak ones, which the compiler may leave in or not.
shown() {
  nm -DC --defined-only "$1" | sed -n 's/^[0-9a-f]* [TBDR] //p' |
    grep -E '^(vtable for |typeinfo for |typeinfo name for )?firebreak::' |
    grep -vE '^(vtable for |typeinfo for |typeinfo name for )?firebreak::v1::' |
    sed -E 's/absl::(debian|lts_)[0-9]+::/absl::/g' | LC_ALL=C sort -u
}
recorded() { grep -v '^#' "$1" || true; }

# differs FILE WHAT: whether stdin differs from what FILE records. Prints how.
differs() {
  local changes
  changes=$(diff <(recorded "$1") - | grep '^[<>]' || true)
  [[ -n $changes ]] || return 1
  printf '%s\n' "$changes" | sed -E \
    -e 's/^< ([0-9a-f]{64}  )?/was:    /' -e 's/^> ([0-9a-f]{64}  )?/is now: /'
  printf '%s changed. Say in CHANGELOG.md under [Unreleased] what users have to\n' "$2"
  printf 'know, then run tests/house/api.sh --update\n'
}

case ${1:-} in
  '')
    if digests | differs "$headers" "The API"; then exit 1; fi
    echo "the API is as it was: $(recorded "$headers" | wc -l) files"
    ;;
  --symbols)
    if shown "$2" | differs "$symbols" "What libfirebreak.so shows"; then exit 1; fi
    echo "libfirebreak.so shows what it did: $(recorded "$symbols" | wc -l) names"
    ;;
  --update)
    mkdir -p packaging/api
    now=$(changelog)
    if [[ -e $headers ]] &&
      [[ $(sed -n 's/^# changelog //p' "$headers") == "$now" ]] &&
      { digests | differs "$headers" "The API" >/dev/null ||
        { [[ -n ${2:-} ]] &&
          shown "$2" | differs "$symbols" "The library" >/dev/null; }; }; then
      echo "CHANGELOG.md has no new line under [Unreleased] since the API was" \
        "last written down: add one first" >&2
      exit 1
    fi
    {
      echo "# Digests of the API's headers and protos: tests/house/api.sh."
      echo "# changelog $now"
      digests
    } >"$headers"
    if [[ -n ${2:-} ]]; then
      {
        echo "# What libfirebreak.so shows: tests/house/api.sh --symbols."
        shown "$2"
      } >"$symbols"
    fi
    ;;
  *)
    sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
    ;;
esac
