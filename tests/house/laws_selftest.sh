#!/usr/bin/env bash
# Proves that each check of laws.sh works: a clean tree passes, and each breach
# below, planted alone, is reported at its file and line.
set -euo pipefail
laws=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/laws.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

# plant FILE TEXT: makes a tree with only this file.
plant() {
  rm -rf "${tree:?}"/*
  mkdir -p "$tree/scripts" "$tree/$(dirname "$1")" "$tree/tests"
  echo "unit/a_test.cc" >"$tree/tests/CMakeLists.txt"
  printf '%b' "$2" >"$tree/$1"
}

expect_clean() {
  plant "$1" "$2"
  "$laws" "$tree" >"$tree/out" 2>&1 && return
  echo "clean, yet refused: $1: $2"
  cat "$tree/out"
  failed=1
}

# expect_breach FILE LINE TEXT
expect_breach() {
  plant "$1" "$3"
  if "$laws" "$tree" >"$tree/out" 2>&1 || ! grep -qF "$1:$2: " "$tree/out"; then
    echo "not seen: $1:$2: $3"
    cat "$tree/out"
    failed=1
  fi
}

guarded() { printf '#ifndef %s\\n#define %s\\n%s\\n#endif\\n' "$1" "$1" "$2"; }

expect_clean src/core/a.cc '#include "src/core/b.h"\n// steady_clock::now\n'
expect_clean src/core/a.h "$(guarded FIREBREAK_SRC_CORE_A_H_ 'int a;')"
expect_clean include/firebreak/a.h \
  "$(guarded FIREBREAK_A_H_ '#include <grpcpp/channel.h>')"
expect_clean tests/unit/a_test.cc 'GTEST_SKIP() << "no network";\n'

for include in '<grpcpp/channel.h>' '"google/protobuf/any.pb.h"' '<grpc/grpc.h>' \
  '<firebreak/engine.h>' '"src/engine/a.h"' '"src/admin/a.h"' \
  '"interceptors/a.h"' '<thread>'; do
  expect_breach src/core/a.cc 2 "\n#include $include\n"
done
for code in 'std::chrono::steady_clock::now();' 'absl::Now();' \
  'std::thread t;' 'std::this_thread::yield();' 'std::mt19937 r;'; do
  expect_breach src/core/a.cc 1 "$code\n"
done
expect_breach src/engine/a.cc 1 '#include "interceptors/a.h"\n'
expect_breach src/engine/a.cc 1 '#include "src/admin/a.h"\n'
expect_breach src/engine/a.cc 1 '#include "firebreak/testing.h"\n'
expect_breach interceptors/a.cc 1 'core::Time now = engine::Now();\n'
expect_clean interceptors/context/wire.cc 'gpr_now(deadline.clock_type);\n'
expect_breach src/admin/a.cc 1 '#include "interceptors/a.h"\n'
expect_breach src/sim/a.cc 1 'absl::StrFormat(x ? "%%d" : "%%x", x);\n'
expect_clean src/sim/a.cc 'absl::StrFormat("%%d?", x ? 1 : 2);\n'
expect_breach src/core/base/a.cc 1 '#include "src/core/measure/window.h"\n'
expect_breach src/core/measure/a.cc 1 '#include "src/core/options.h"\n'
expect_breach src/core/admission/a.cc 1 '#include "src/core/breaker/a.h"\n'
expect_clean src/core/admission/a.cc '#include "src/core/measure/window.h"\n'
expect_clean src/sim/a.cc '#include "src/core/options.h"\n'
for include in '<grpcpp/channel.h>' '"src/engine/a.h"' '"src/admin/a.h"' \
  '"interceptors/a.h"' '"firebreak/v1/policy.pb.h"'; do
  expect_breach src/sim/a.cc 1 "#include $include\n"
done
expect_breach src/sim/a.cc 1 'std::chrono::steady_clock::now();\n'
for file in src/core/a.cc src/engine/a.cc src/admin/a.cc interceptors/a.cc; do
  expect_breach "$file" 1 '#include "src/sim/simulation.h"\n'
done
expect_breach src/engine/policy/a.cc 1 '#include "src/engine/engine_core.h"\n'
expect_breach src/engine/io/a.cc 1 '#include "src/engine/policy/policy.h"\n'
expect_clean src/engine/callbacks/a.cc '#include "src/engine/policy/a.h"\n'
expect_breach interceptors/a.cc 1 '#include "src/admin/a.h"\n'
expect_breach interceptors/context/a.cc 1 '#include "interceptors/reply/a.h"\n'
expect_breach src/admin/health/a.cc 1 '#include "src/admin/engines.h"\n'
expect_breach tools/firebreakctl/show/a.cc 1 \
  '#include "tools/firebreakctl/ask/a.h"\n'
expect_clean tools/firebreakctl/ask/a.cc \
  '#include "tools/firebreakctl/show/a.h"\n'
expect_breach include/firebreak/a.h 3 \
  "$(guarded FIREBREAK_A_H_ '#include "src/core/a.h"')"
expect_breach include/firebreak/a.h 3 \
  "$(guarded FIREBREAK_A_H_ 'class Engine {')"
expect_breach include/firebreak/a.h 3 \
  "$(guarded FIREBREAK_A_H_ 'absl::StatusOr<int> Load(int a);')"
expect_clean include/firebreak/a.h "$(guarded FIREBREAK_A_H_ \
  'class FIREBREAK_EXPORT Engine {\\n  int Size();\\n};\\nclass Core;')"
expect_clean include/firebreak/a.h "$(guarded FIREBREAK_A_H_ \
  'template <class T>\\nFallback Make(T a) {\\n  return a;\\n}')"
expect_breach tools/a.cc 1 '#include <grpcpp/impl/codegen/status.h>\n'
expect_breach interceptors/context/context_access.cc 1 'grpc::internal::Call c;\n'
expect_breach src/engine/io/a.cc 1 'grpc::Alarm alarm;\n'
expect_clean src/engine/io/alarm.h \
  "$(guarded FIREBREAK_SRC_ENGINE_IO_ALARM_H_ 'grpc::Alarm alarm;')"
expect_breach tests/unit/a_test.cc 1 'std::this_thread::sleep_for(d);\n'
expect_breach tests/unit/a_test.cc 1 'GTEST_SKIP();\n'
expect_breach tests/unit/b_test.cc 1 'int a;\n'
expect_breach tests/a.h 3 "$(guarded FIREBREAK_A_H_ 'using namespace std;')"
expect_breach src/core/a.h 1 'int a;\n'
expect_breach src/core/a.h 1 "$(guarded FIREBREAK_B_H_ 'int a;')"
expect_breach examples/a.cc 401 "$(printf 'int a;\\n%.0s' {1..401})"
expect_breach scripts/a 1 '#!/bin/bash\n'
marker=TO
expect_breach src/core/a.cc 1 "// ${marker}DO: later\n"

((failed == 0)) && echo "every law bites"
exit "$failed"
