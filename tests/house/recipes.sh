#!/usr/bin/env bash
# Checks that the recipes for Bazel, vcpkg and Conan say what CMake says: the
# same files, packages, options and version. Run by ctest.
#
#   tests/house/recipes.sh [ROOT]       ROOT: the tree to check, default ours
#
# Prints each fault, and exits with 1 if there is one.
# tests/house/recipes_selftest.sh proves that it finds them.
set -uo pipefail
shopt -s globstar nullglob
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}" || exit 2

violations=0
report() { # FILE TEXT
  printf '%s: %s\n' "$1" "$2"
  violations=$((violations + 1))
}

# compare FILE WHAT EXPECTED FOUND: compares two lists, one item per line.
compare() {
  local line
  while read -r line; do
    [[ -z $line ]] || report "$1" "lacks $2 $line, which CMake has"
  done < <(comm -23 <(sort -u <<<"$3") <(sort -u <<<"$4"))
  while read -r line; do
    [[ -z $line ]] || report "$1" "has $2 $line, which CMake lacks"
  done < <(comm -13 <(sort -u <<<"$3") <(sort -u <<<"$4"))
}

# --- Files ---------------------------------------------------------------------
# cmake_sources DIR: prints what its CMakeLists.txt lists, as paths from ROOT.
cmake_sources() {
  sed -n 's/^ *\([^ ]*\.cc\)$/\1/p' "$1/CMakeLists.txt" |
    sed -e "s|^\${ENGINE}/|src/engine/|" -e t -e "s|^|$1/|"
}
# bazel_sources NAME: prints what the globs of that library find.
bazel_sources() {
  local pattern file
  while read -r pattern; do
    for file in $pattern; do echo "$file"; done
  done < <(awk -v name="$1" '
    /^[a-z_]+\(/ { mine = 0 }
    $0 == "    name = \"" name "\"," { mine = 1 }
    mine' BUILD.bazel | grep -oE '"[^"]*\*\.cc"' | tr -d '"')
}
for pair in core=src/core firebreak=interceptors admin=src/admin sim=src/sim \
  testing=src/testing; do
  compare BUILD.bazel "in :${pair%=*}" "$(cmake_sources "${pair#*=}")" \
    "$(bazel_sources "${pair%=*}")"
done
# CMake finds headers by itself, but Bazel only has those that it lists.
while read -r file; do
  report BUILD.bazel "lacks $file"
done < <(comm -23 <(printf '%s\n' include/firebreak/{,testing/}*.h src/*.h \
  src/{core,engine,admin,sim}/**/*.h interceptors/**/*.h | sort) \
  <(grep -oE '"[^"]*\*\.h"' BUILD.bazel | tr -d '"' | while read -r pattern; do
    for file in $pattern; do echo "$file"; done
  done | sort))
compare proto/BUILD.bazel "" \
  "$(sed -n '/^firebreak_proto(firebreak_proto/,/)/s/^ *\(.*\)\.proto.*/\1/p' \
    proto/CMakeLists.txt)" \
  "$(sed -n '/^STEMS = \[/,/^]/s/^ *"\(.*\)",/\1/p' proto/BUILD.bazel)"

# --- Packages ------------------------------------------------------------------
# Bazel and Conan have to have each library of Abseil that CMake links.
while read -r library; do
  grep -qE "absl[a-z/]*[:/]$library\"" BUILD.bazel ||
    report BUILD.bazel "lacks absl::$library, which CMake has"
  grep -q "abseil::absl_$library\"" conanfile.py ||
    report conanfile.py "lacks absl::$library, which CMake has"
done < <(grep -ohE 'absl::[a-z_]+' src/core/CMakeLists.txt \
  interceptors/CMakeLists.txt src/{admin,testing}/CMakeLists.txt | sed 's/absl:://' | sort -u)

# --- Options and version -------------------------------------------------------
for file in conanfile.py packaging/vcpkg/firebreak/portfile.cmake; do
  while read -r option; do
    grep -qE "^(option|set)\($option( |$)" CMakeLists.txt ||
      report "$file" "sets $option, which CMake lacks"
  done < <(grep -oE 'FIREBREAK_[A-Z_]+' "$file" | sort -u)
done
version=$(sed -n 's/^project(firebreak VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
for line in "MODULE.bazel=    version = \"$version\"," \
  "conanfile.py=    version = \"$version\"" \
  "packaging/vcpkg/firebreak/vcpkg.json=  \"version\": \"$version\","; do
  grep -qxF -e "${line#*=}" "${line%%=*}" ||
    report "${line%%=*}" "is not of version $version, as CMake is"
done

# --- Syntax, as far as Python can tell: it reads BUILD files too --------------
if command -v python3 >/dev/null; then
  for file in conanfile.py MODULE.bazel BUILD.bazel proto/BUILD.bazel; do
    python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$file" \
      2>/dev/null || report "$file" "is not well-formed"
  done
  python3 -m json.tool packaging/vcpkg/firebreak/vcpkg.json >/dev/null 2>&1 ||
    report packaging/vcpkg/firebreak/vcpkg.json "is not well-formed"
fi

if ((violations)); then
  printf '%d fault(s) in the recipes\n' "$violations"
  exit 1
fi
echo "the recipes say what CMake says"
