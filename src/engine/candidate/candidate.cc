#include "src/engine/candidate/candidate.h"

namespace firebreak::engine {
namespace {

// A breaker needs a log, but nobody except a debugger reads this one.
constexpr size_t kEvents = 10;

}  // namespace

Candidate::Candidate(Facts which, const PolicyTable& its_policy,
                     std::size_t max_methods, uint64_t seed,
                     const EngineClock& clock)
    : facts(std::move(which)),
      policy(its_policy),
      events_(kEvents),
      registry_(its_policy, max_methods, seed, &events_, clock) {}

std::shared_ptr<const CandidateBinding> Candidate::Bind(
    const std::string& channel, const std::string& method,
    const std::vector<std::string>& targets) {
  auto out = std::make_shared<CandidateBinding>();
  out->binding.method = method;
  out->binding.runtime = registry_.RuntimeFor(channel, method);
  if (out->binding.runtime == nullptr) return nullptr;
  registry_.Bind(targets, &out->binding);
  out->candidate = shared_from_this();
  const std::shared_ptr<MethodRuntime>& runtime = out->binding.runtime;
  core::MutexLock lock(&mu_);
  auto& known = methods_[{runtime->channel, runtime->method}];
  if (known == nullptr) {
    known = std::make_unique<CandidateMethod>();
    known->runtime = runtime;
  }
  out->method = known.get();
  return out;
}

std::vector<const CandidateMethod*> Candidate::Methods() const {
  std::vector<const CandidateMethod*> out;
  core::MutexLock lock(&mu_);
  for (const auto& [name, method] : methods_) out.push_back(method.get());
  return out;
}

const CandidateMethod* Candidate::Find(const std::string& channel,
                                       const std::string& method) const {
  core::MutexLock lock(&mu_);
  const auto found = methods_.find({channel, method});
  return found == methods_.end() ? nullptr : found->second.get();
}

}  // namespace firebreak::engine
