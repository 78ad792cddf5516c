#include "tests/support/call_plans.h"

#include "absl/strings/str_cat.h"
#include "src/core/base/rng.h"
#include "tests/support/accounting.h"

namespace firebreak::testing {
namespace {

using Ms = std::chrono::milliseconds;

// From time to time all calls fail for a while, so that breakers open.
bool IsBadTime(size_t id) { return id % 4000 >= 3850; }

}  // namespace

CallPlan CalmPlan(uint64_t seed, size_t id) {
  core::Rng rng(seed + id);
  CallPlan plan;
  plan.lane = rng.Uniform() < 0.5 ? kRetryLane : kGuardedLane;
  plan.text = absl::StrCat(id);
  for (int n = 0; n < 3; ++n) {
    const double x = rng.Uniform();
    absl::StrAppend(&plan.text, IsBadTime(id) ? " u"
                                : x < 0.80    ? " o"
                                : x < 0.88    ? " u"
                                : x < 0.93    ? " i"
                                : x < 0.96    ? " p"
                                : x < 0.98    ? " n"
                                              : " f");
  }
  return plan;
}

CallPlan WildPlan(uint64_t seed, size_t id) {
  CallPlan plan = CalmPlan(seed, id);
  core::Rng rng(seed ^ (id * 0x9e3779b97f4a7c15U));
  plan.lane = static_cast<int>(rng.Uniform() * kLanes);
  const double x = rng.Uniform();
  if (x < 0.05) {  // some of these deadlines pass before the call begins
    plan.deadline = Ms(static_cast<int>(rng.Uniform() * 15));
  } else if (x < 0.06) {
    plan.text = absl::StrCat(id, " h h o");
    plan.deadline = Ms(50);
  } else if (x < 0.10) {
    plan.text = absl::StrCat(id, " s10 s10 o");
  }
  if (rng.Uniform() < 0.08) {
    plan.cancel = Ms(static_cast<int>(rng.Uniform() * 8));
    if (rng.Uniform() < 0.6) plan.text = absl::StrCat(id, " s20 u s20");
  }
  return plan;
}

}  // namespace firebreak::testing
