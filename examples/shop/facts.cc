#include "examples/shop/facts.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace shop {
namespace {

constexpr char kStory[] = "closed,open,half_open,closed";
// Customers who wait in a queue would notice more than this.
constexpr absl::Duration kOpenLimit = absl::Milliseconds(5);
constexpr absl::Duration kRecoveryLimit = absl::Seconds(1);
// Far below the timeout of calls to a frozen server, and far above the time of
// an answer. A lower value means that the freeze had no effect, so that the
// comparison proves nothing.
constexpr absl::Duration kFrozenAtLeast = absl::Milliseconds(500);

double Ms(absl::Duration d) { return absl::ToDoubleMilliseconds(d); }

}  // namespace

std::string FinalLine(const Facts& facts) {
  return absl::StrFormat(
      "demo: ok states=%s calls=%d answered=%d lost=%d "
      "frozen_baseline_p99_ms=%.0f open_p99_ms=%.2f reached_while_open=%d "
      "recovery_s=%.3f compensated=%d stock_leaked=%d double_charged=%d",
      facts.states, facts.calls, facts.answered, facts.lost,
      Ms(facts.frozen_baseline_p99), Ms(facts.open_p99),
      facts.reached_while_open, absl::ToDoubleSeconds(facts.recovery),
      facts.compensated, facts.stock_leaked, facts.double_charged);
}

absl::Status Judge(const Facts& facts) {
  std::vector<std::string> wrong;
  if (facts.states != kStory) {
    wrong.push_back(
        absl::StrCat("the breaker went ", facts.states, ", not ", kStory));
  }
  if (facts.calls == 0 || facts.answered != facts.calls) {
    wrong.push_back(absl::StrFormat("%d of %d calls were answered",
                                    facts.answered, facts.calls));
  }
  if (facts.lost != 0) {
    wrong.push_back(absl::StrFormat("%d orders were lost", facts.lost));
  }
  if (facts.frozen_baseline_p99 < kFrozenAtLeast) {
    wrong.push_back(absl::StrFormat(
        "without firebreak calls of the frozen payment took %.1f ms only",
        Ms(facts.frozen_baseline_p99)));
  }
  if (facts.reached_while_open != 0) {
    wrong.push_back(
        absl::StrFormat("%d calls reached payment while the breaker was open",
                        facts.reached_while_open));
  }
  if (facts.compensated == 0) wrong.emplace_back("no order was undone");
  if (facts.stock_leaked != 0) {
    wrong.push_back(absl::StrFormat("%d pieces are reserved for no order",
                                    facts.stock_leaked));
  }
  if (facts.double_charged != 0) {
    wrong.push_back(
        absl::StrFormat("%d orders were charged twice", facts.double_charged));
  }
  if (wrong.empty()) return absl::OkStatus();
  return absl::InternalError(absl::StrJoin(wrong, "; "));
}

std::string TooSlow(const Facts& facts) {
  std::vector<std::string> slow;
  if (facts.open_p99 >= kOpenLimit) {
    slow.push_back(absl::StrFormat(
        "with the breaker open the p99 was %.2f ms, not below %.0f",
        Ms(facts.open_p99), Ms(kOpenLimit)));
  }
  if (facts.recovery >= kRecoveryLimit) {
    slow.push_back(absl::StrFormat("the recovery took %.2f s, not below %.0f",
                                   absl::ToDoubleSeconds(facts.recovery),
                                   absl::ToDoubleSeconds(kRecoveryLimit)));
  }
  return absl::StrJoin(slow, "; ");
}

}  // namespace shop
