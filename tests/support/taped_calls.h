// Calls on the tape of an engine that is being recorded, as if they had been
// made.
//
//   Follower record("record -o calls.fbr --target " + f.address());
//   TapeCalls(&f, 3);
#ifndef FIREBREAK_TESTS_SUPPORT_TAPED_CALLS_H_
#define FIREBREAK_TESTS_SUPPORT_TAPED_CALLS_H_

#include <gtest/gtest.h>

#include <chrono>

#include "src/core/measure/call_tape.h"
#include "tests/support/admin_fixture.h"

namespace firebreak::testing {

// Of kCharge on the channel "payment", once somebody listens: the first one
// began `count` times `apart` ago. They take 7 ms, and each fiftieth 180 ms. A
// tape has room for some 2000 until it is read.
inline void TapeCalls(AdminFixture* f, int count, core::Duration apart = {}) {
  EXPECT_TRUE(Eventually([&] { return f->core()->tape()->is_on(); }));
  const auto method = f->Method("payment", "a:1", kCharge);
  const core::Time now = engine::Now();
  for (int i = 0; i < count; ++i) {
    core::CallTape::Call call;
    call.method = &method->runtime->stats;
    call.started = now - (count - i) * apart;
    call.took = std::chrono::milliseconds(i % 50 == 49 ? 180 : 7);
    call.granted = core::kInfiniteDuration;
    call.attempts = 1;
    f->core()->tape()->Write(call, [&](int) {
      core::CallTape::Attempt attempt;
      attempt.breaker = method->targets.front();
      attempt.started = call.started;
      attempt.took = call.took;
      attempt.attribution = core::Attribution::kSuccess;
      return attempt;
    });
  }
}

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_TAPED_CALLS_H_
