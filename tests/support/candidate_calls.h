// Calls under a candidate policy, without a server.
//
//   CallUnderCandidate(&admin, std::chrono::milliseconds(5), kOk);
//
// Thread safety: as the AdminFixture's.
#ifndef FIREBREAK_TESTS_SUPPORT_CANDIDATE_CALLS_H_
#define FIREBREAK_TESTS_SUPPORT_CANDIDATE_CALLS_H_

#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "src/engine/candidate/candidate_call.h"
#include "tests/support/admin_fixture.h"

namespace firebreak::testing {

// Ends a call of kCharge, on channel "payment", as its interceptor would: it
// took so long, and a server answered it with `code`.
inline void CallUnderCandidate(AdminFixture* f, core::Duration took,
                               absl::StatusCode code) {
  const auto binding = f->Method("payment", "", kCharge);
  ASSERT_NE(binding->candidate, nullptr);
  engine::CandidateCall::Arrival arrival;
  arrival.now = engine::Now();
  engine::CandidateCall call(*binding->candidate, binding->runtime.get(),
                             arrival);
  core::CallTape::Call facts;
  facts.started = arrival.now;
  facts.took = took;
  facts.code = code;
  facts.attempts = 1;
  facts.end = code == absl::StatusCode::kOk ? core::CallEnd::kSuccess
                                            : core::CallEnd::kFailure;
  call.OnLaunch({0, 0, core::AttemptKind::kFirst, core::kInfiniteFuture,
                 /*is_probe=*/false},
                arrival.now);
  core::AttemptEnd end;
  end.code = code;
  end.origin = core::Origin::kPeer;
  call.OnAttemptEnd(0, end, arrival.now + took);
  call.End(facts, arrival.now + took);
}

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_CANDIDATE_CALLS_H_
