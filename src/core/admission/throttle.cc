#include "src/core/admission/throttle.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace firebreak::core {
namespace {

Window EmptyWindow(Duration length, Time now) {
  WindowOptions options;
  options.kind = WindowOptions::Kind::kTime;
  options.duration = length;
  return Window(options, now);
}

}  // namespace

std::shared_ptr<Throttle> Throttle::Next(std::shared_ptr<Throttle> before,
                                         const ThrottleOptions& options,
                                         uint64_t seed, Time now) {
  if (before == nullptr) {
    return std::make_shared<Throttle>(options, seed, now);
  }
  before->SetOptions(options, now);
  return before;
}

Throttle::Throttle(const ThrottleOptions& options, uint64_t seed, Time now)
    : options_(options),
      rng_(seed),
      ends_(EmptyWindow(options.window, now)),
      refused_(EmptyWindow(options.window, now)) {}

void Throttle::SetOptions(const ThrottleOptions& options, Time now) {
  MutexLock lock(&mu_);
  if (options.window != options_.window) {
    ends_ = EmptyWindow(options.window, now);
    refused_ = EmptyWindow(options.window, now);
  }
  options_ = options;
}

bool Throttle::Admit(Time now) {
  MutexLock lock(&mu_);
  const double probability = Probability(now);
  if (probability <= 0 || rng_.Uniform() >= probability) return true;
  refused_.Add(/*failed=*/true, now);
  ++rejected_;
  return false;
}

void Throttle::OnEnd(bool accepted, Time now) {
  MutexLock lock(&mu_);
  ends_.Add(!accepted, now);
}

Throttle::Snapshot Throttle::snapshot(Time now) {
  MutexLock lock(&mu_);
  Snapshot out;
  out.requests = ends_.total(now) + refused_.total(now);
  out.accepts = ends_.total(now) - ends_.failures(now);
  out.rejection_probability = Probability(now);
  out.rejected = rejected_;
  out.k = options_.k;
  return out;
}

double Throttle::Probability(Time now) {
  const auto refused = static_cast<double>(ends_.failures(now));
  if (refused <= 0) return 0;
  const auto answered = static_cast<double>(ends_.total(now));
  const double k = options_.k;
  const double share = refused / answered;
  // With k = 1, every call that the server would refuse is refused here.
  const double weight = share * k >= k - 1 ? 1 : share * k / (k - 1);
  const double requests =
      answered + weight * static_cast<double>(refused_.total(now));
  return std::max(0.0, (requests - k * (answered - refused)) / (requests + 1));
}

Measures Throttle::Snapshot::measures() const {
  return {
      {"rejection_probability", "rejection_ratio",
       "The share of the calls that the throttle refuses now.",
       rejection_probability},
      {"rejected", "rejected_total", "Calls that the throttle refused.",
       rejected},
      {"requests", "", "", requests},
      {"accepts", "", "", accepts},
      {"k", "", "", k},
  };
}

std::string Throttle::Explain(const AdmissionRefusal& /*refusal*/) const {
  return absl::StrCat("the server turns too many calls away (k = ", options().k,
                      ")");
}

}  // namespace firebreak::core
