#!/usr/bin/env bash
# Proves that recipes.sh works: our own recipes pass, and each fault below,
# planted alone in a copy of them, is reported.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

copy() {
  rm -rf "${tree:?}"/*
  (cd "$root" && cp --parents -r CMakeLists.txt MODULE.bazel BUILD.bazel \
    conanfile.py packaging proto src include interceptors "$tree")
}

expect() { # COMMAND WANTED...: what breaks the copy, exit code, and what is said
  local code=0
  copy
  (cd "$tree" && eval "$1")
  "$here/recipes.sh" "$tree" >"$tree/out" 2>&1 || code=$?
  if ((code != $2)) || ! grep -qF -e "$3" "$tree/out"; then
    echo "planted '$1', wanted $2 and '$3', got $code and:"
    cat "$tree/out"
    failed=1
  fi
}

expect : 0 'the recipes say what CMake says'
expect 'touch src/core/base/new.cc' 1 \
  'BUILD.bazel: has in :core src/core/base/new.cc, which CMake lacks'
expect 'rm src/engine/io/io.cc' 1 \
  'BUILD.bazel: lacks in :firebreak src/engine/io/io.cc, which CMake has'
expect 'touch src/new.h && sed -i "/src\/\*.h/d" BUILD.bazel' 1 \
  'BUILD.bazel: lacks src/new.h'
expect 'mkdir src/sim/new && touch src/sim/new/a.h' 1 \
  'BUILD.bazel: lacks src/sim/new/a.h'
expect "sed -i '/admin\/\*\*\/\*.cc/d' BUILD.bazel" 1 'lacks in :admin src/admin/health/alerts.cc'
expect "sed -i '/v1\/policy\"/d' proto/BUILD.bazel" 1 \
  'proto/BUILD.bazel: lacks  firebreak/v1/policy'
expect "sed -i '/container:btree/d' BUILD.bazel" 1 \
  'BUILD.bazel: lacks absl::btree'
expect "sed -i 's/absl_btree/absl_b/' conanfile.py" 1 \
  'conanfile.py: lacks absl::btree'
expect "sed -i 's/FIREBREAK_WERROR/FIREBREAK_STRICT/' CMakeLists.txt" 1 \
  'conanfile.py: sets FIREBREAK_WERROR, which CMake lacks'
expect "sed -i 's/VERSION 0/VERSION 1/' CMakeLists.txt" 1 \
  'MODULE.bazel: is not of version 1'
if command -v python3 >/dev/null; then
  expect "sed -i 's/^)/]/' BUILD.bazel" 1 'BUILD.bazel: is not well-formed'
  expect "sed -i 's/,\$//' packaging/vcpkg/firebreak/vcpkg.json" 1 \
    'vcpkg.json: is not well-formed'
fi

((failed == 0)) && echo "every fault is seen"
exit "$failed"
