// Plays the tables of gRFC A6 against the core, in virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "src/engine/policy/policy.h"
#include "tests/conformance/a6_cases.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::testing {
namespace {

using core::At;
using core::AttemptKind;
using core::CallRig;
using core::FormatDuration;
using core::Ms;
using ::testing::ElementsAreArray;

std::string Line(int at_ms, const std::string& what) {
  return absl::StrCat(FormatDuration(Ms(at_ms)), " ", what);
}

// The lines that a rig has to write for a case.
std::vector<std::string> Expected(const A6Case& c) {
  std::vector<std::string> lines;
  for (size_t n = 0; n < c.timeline.size(); ++n) {
    const Sent& sent = c.timeline[n];
    lines.push_back(Line(
        sent.at_ms, absl::StrCat("launch ", n,
                                 sent.kind == AttemptKind::kRetry   ? " retry"
                                 : sent.kind == AttemptKind::kHedge ? " hedge"
                                                                    : "")));
  }
  for (int n : c.cancelled) {
    lines.push_back(Line(c.ends_ms, absl::StrCat("cancel ", n)));
  }
  lines.push_back(Line(
      c.ends_ms, absl::StrCat("finish ", absl::StatusCodeToString(c.status))));
  return lines;
}

// Removes the attempt that decided and the reason, since A6 names neither.
std::string WithoutReason(const std::string& line) {
  const size_t finish = line.find(" finish ");
  if (finish == std::string::npos) return line;
  std::vector<std::string> words = absl::StrSplit(line.substr(finish + 8), ' ');
  const bool of_attempt = words.front() == "attempt";
  return line.substr(0, finish + 8) + words[of_attempt ? 2 : 0];
}

std::vector<std::string> Played(CallRig* rig) {
  rig->Run();
  std::vector<std::string> lines;
  for (const std::string& line : rig->lines()) {
    lines.push_back(WithoutReason(line));
  }
  return lines;
}

void AnswerAs(const std::vector<Reply>& server, CallRig* rig) {
  for (size_t n = 0; n < server.size(); ++n) {
    if (server[n].hangs) continue;
    rig->AnswerWith(static_cast<int>(n), Ms(server[n].latency_ms),
                    server[n].ToEnd());
  }
}

TEST(A6CoreTest, KeepsToTheTable) {
  for (const A6Case& c : A6Cases()) {
    SCOPED_TRACE(c.name);
    CallRig::Setup setup;
    setup.budget = c.policy.Budget();
    if (c.deadline_ms > 0) setup.deadline = Ms(c.deadline_ms);
    CallRig rig(c.policy.Options(), setup);
    AnswerAs(c.server, &rig);
    EXPECT_THAT(Played(&rig), ElementsAreArray(Expected(c)));
    EXPECT_TRUE(rig.driver().finished());
  }
}

void ExpectSame(const core::RetryOptions& a, const core::RetryOptions& b) {
  EXPECT_EQ(a.max_attempts, b.max_attempts);
  EXPECT_EQ(a.codes, b.codes);
  EXPECT_EQ(a.backoff.initial, b.backoff.initial);
  EXPECT_EQ(a.backoff.max, b.backoff.max);
  EXPECT_EQ(a.backoff.multiplier, b.backoff.multiplier);
  EXPECT_EQ(a.backoff.jitter, b.backoff.jitter);
}

void ExpectSame(const core::HedgingOptions& a, const core::HedgingOptions& b) {
  EXPECT_EQ(a.max_attempts, b.max_attempts);
  EXPECT_EQ(a.delay, b.delay);
  EXPECT_EQ(a.non_fatal_codes, b.non_fatal_codes);
}

// The options for the core and the text for the engine are the same policy.
TEST(A6CoreTest, TheTextMeansTheOptions) {
  for (const A6Case& c : A6Cases()) {
    SCOPED_TRACE(c.name);
    auto table = engine::ParsePolicyText(c.policy.Text(), "table");
    ASSERT_TRUE(table.ok()) << table.status();
    const auto found = table->Find("any", "/any.Service/Method");
    ASSERT_NE(found, nullptr);
    const core::MethodOptions expected = c.policy.Options();
    ASSERT_EQ(found->retry.has_value(), expected.retry.has_value());
    if (expected.retry) ExpectSame(*found->retry, *expected.retry);
    ASSERT_EQ(found->hedging.has_value(), expected.hedging.has_value());
    if (expected.hedging) ExpectSame(*found->hedging, *expected.hedging);
  }
}

// A6 spreads each backoff over 80 to 120 % of its value, also a capped one.
TEST(A6CoreTest, EachBackoffIsJitteredByAFifth) {
  A6Policy policy = RetryPolicy(4, 100, 300);
  policy.jitter = core::BackoffOptions::Jitter::kPlusMinus;
  constexpr int kNominalMs[] = {100, 200, 300};
  constexpr int kCalls = 2000;
  double shortest[] = {9, 9, 9};
  double longest[] = {0, 0, 0};
  double sum[] = {0, 0, 0};
  for (int seed = 0; seed < kCalls; ++seed) {
    CallRig::Setup setup;
    setup.seed = static_cast<uint64_t>(seed);
    CallRig rig(policy.Options(), setup);
    rig.AnswerAll(4, core::Duration::zero(), absl::StatusCode::kUnavailable);
    rig.Run();
    ASSERT_EQ(rig.driver().launched(), 4);
    for (int n = 0; n < 3; ++n) {
      const double share = core::ToSeconds(rig.driver().attempt(n + 1).started -
                                           rig.driver().attempt(n).started) *
                           1000 / kNominalMs[n];
      shortest[n] = std::min(shortest[n], share);
      longest[n] = std::max(longest[n], share);
      sum[n] += share;
    }
  }
  for (int n = 0; n < 3; ++n) {
    SCOPED_TRACE(absl::StrCat("retry ", n + 1));
    EXPECT_GE(shortest[n], 0.8);
    EXPECT_LT(shortest[n], 0.81);
    EXPECT_GT(longest[n], 1.19);
    EXPECT_LE(longest[n], 1.2);
    EXPECT_NEAR(sum[n] / kCalls, 1, 0.02);
  }
}

}  // namespace
}  // namespace firebreak::testing
