#include "firebreak/testing/fault_injector.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <utility>

#include "absl/strings/match.h"
#include "interceptors/fault/fault.h"
#include "src/core/base/rng.h"

namespace firebreak {
namespace testing {

Fault Fault::Late(std::chrono::nanoseconds latency) {
  Fault fault;
  fault.latency = latency;
  return fault;
}

Fault Fault::Hang() {
  Fault fault;
  fault.hangs = true;
  return fault;
}

Fault Fault::Fail(grpc::StatusCode code, const std::string& message) {
  return Fault().ThenFail(code, message);
}

Fault Fault::DropReply() {
  Fault fault;
  fault.drops_reply = true;
  return fault;
}

Fault Fault::CutAfterMessages(int64_t n) {
  Fault fault;
  fault.cut_after_messages = n;
  return fault;
}

Fault Fault::CutAfterBytes(int64_t n) {
  Fault fault;
  fault.cut_after_bytes = n;
  return fault;
}

Fault Fault::ThenFail(grpc::StatusCode code, const std::string& message) const {
  Fault fault = *this;
  fault.status = grpc::Status(code, message);
  return fault;
}

class FaultInjector::Rules {
 public:
  Rules(std::shared_ptr<Clock> clock, uint64_t seed)
      : clock_(std::move(clock)), rng_(seed) {}

  const std::shared_ptr<Clock>& clock() const { return clock_; }

  void AddAlways(const std::string& method, const Fault& fault) {
    std::lock_guard<std::mutex> lock(mu_);
    always_.push_back({method, 1, fault});
  }
  void AddSometimes(const std::string& method, double share,
                    const Fault& fault) {
    std::lock_guard<std::mutex> lock(mu_);
    sometimes_.push_back({method, share, fault});
  }
  void SetScript(const std::string& method, std::vector<Fault> faults) {
    std::lock_guard<std::mutex> lock(mu_);
    auto found = std::find_if(
        scripts_.begin(), scripts_.end(),
        [&](const OneScript& script) { return script.method == method; });
    if (found == scripts_.end()) found = scripts_.insert(found, {method, {}});
    found->steps.assign(std::make_move_iterator(faults.begin()),
                        std::make_move_iterator(faults.end()));
  }
  void Clear() {
    std::lock_guard<std::mutex> lock(mu_);
    always_.clear();
    sometimes_.clear();
    scripts_.clear();
  }

  FaultCounts counts() const {
    std::lock_guard<std::mutex> lock(mu_);
    return counts_;
  }
  int64_t steps_left() const {
    std::lock_guard<std::mutex> lock(mu_);
    int64_t left = 0;
    for (const OneScript& script : scripts_) {
      left += static_cast<int64_t>(script.steps.size());
    }
    return left;
  }

  Fault Decide(absl::string_view method) {
    std::lock_guard<std::mutex> lock(mu_);
    Fault fault = Find(method);
    ++counts_.attempts;
    ++(fault.hangs          ? counts_.hung
       : !fault.status.ok() ? counts_.failed
       : fault.drops_reply  ? counts_.dropped
       : fault.cut_after_messages > 0 || fault.cut_after_bytes > 0 ? counts_.cut
       : fault.latency > fault.latency.zero() ? counts_.late
                                              : counts_.untouched);
    return fault;
  }

 private:
  struct OneScript {
    std::string method;
    std::deque<Fault> steps;
  };
  struct Rule {
    std::string method;
    double share = 0;
    Fault fault;
  };

  static bool IsFor(const std::string& rule, absl::string_view method) {
    return rule.empty() || rule == method ||
           (rule.back() == '/' && absl::StartsWith(method, rule));
  }

  Fault Find(absl::string_view method) {
    for (OneScript& script : scripts_) {
      if (script.steps.empty() || !IsFor(script.method, method)) continue;
      Fault fault = std::move(script.steps.front());
      script.steps.pop_front();
      return fault;
    }
    for (const std::vector<Rule>* rules : {&sometimes_, &always_}) {
      for (const Rule& rule : *rules) {
        if (!IsFor(rule.method, method)) continue;
        if (rule.share >= 1 || rng_.Uniform() < rule.share) return rule.fault;
      }
    }
    return {};
  }

  const std::shared_ptr<Clock> clock_;
  mutable std::mutex mu_;
  core::Rng rng_;
  std::vector<OneScript> scripts_;
  std::vector<Rule> sometimes_;
  std::vector<Rule> always_;
  FaultCounts counts_;
};

FaultInjector::FaultInjector(std::shared_ptr<Clock> clock, uint64_t seed)
    : rules_(std::make_shared<Rules>(std::move(clock), seed)) {}

FaultInjector::~FaultInjector() = default;

void FaultInjector::Always(const std::string& method, const Fault& fault) {
  rules_->AddAlways(method, fault);
}

void FaultInjector::Sometimes(const std::string& method, double share,
                              const Fault& fault) {
  rules_->AddSometimes(method, share, fault);
}

void FaultInjector::Script(const std::string& method,
                           std::vector<Fault> faults) {
  rules_->SetScript(method, std::move(faults));
}

void FaultInjector::Clear() { rules_->Clear(); }

FaultCounts FaultInjector::counts() const { return rules_->counts(); }

int64_t FaultInjector::steps_left() const { return rules_->steps_left(); }

std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>
FaultInjector::NewFactory(Codec codec) const {
  interceptors::FaultSource source;
  source.clock = rules_->clock();
  source.is_generic = codec == Codec::kByteBuffer;
  source.decide = [rules = rules_](absl::string_view method) {
    const Fault fault = rules->Decide(method);
    interceptors::Fault made;
    made.latency = fault.latency;
    made.hangs = fault.hangs;
    if (!fault.status.ok()) made.status = fault.status;
    made.drops_reply = fault.drops_reply;
    made.cut_after_messages = fault.cut_after_messages;
    made.cut_after_bytes = fault.cut_after_bytes;
    return made;
  };
  return interceptors::NewFaultFactory(std::move(source));
}

}  // namespace testing
}  // namespace firebreak
