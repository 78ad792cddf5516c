#include "src/engine/callbacks/classification.h"

#include <utility>

#include "absl/types/optional.h"
#include "src/core/base/mutex.h"

namespace firebreak::engine {
namespace {

class Classification final
    : public TimerClient,
      public std::enable_shared_from_this<Classification> {
 public:
  using Unjudged = core::CallDriver::Unjudged;

  Classification(ClassifierHost host,
                 std::shared_ptr<const Classifier> classifier, Result result,
                 std::vector<Unjudged> unjudged)
      : classifier_(std::move(classifier)),
        result_(std::move(result)),
        host_(std::move(host)),
        unjudged_(std::move(unjudged)) {}

  void Start() {
    {
      core::MutexLock lock(&mu_);
      timer_.client = weak_from_this();
      host_->io->Arm(&timer_,
                     core::SaturatingAdd(host_->io->Now(), kClassifierTimeout));
      if (host_->io->SubmitAside(
              [self = shared_from_this()] { self->Run(); })) {
        return;
      }
    }
    Settle(absl::nullopt, &CallbackCounters::classifier_skipped);
  }

  void OnTimer() override {
    Settle(absl::nullopt, &CallbackCounters::classifier_late);
  }

 private:
  using Counter = std::atomic<int64_t> CallbackCounters::*;

  void Run() {
    {
      core::MutexLock lock(&mu_);
      if (!host_) return;  // it is too late to ask the classifier
    }
    Counter counter = nullptr;
    absl::optional<core::Verdict> verdict;
    // Our own code throws no exceptions, but the application may.
    try {
      switch ((*classifier_)(result_)) {
        case Judgement::kDefault:
          break;
        case Judgement::kSuccess:
          verdict = core::Verdict::kSuccess;
          break;
        case Judgement::kFailure:
          verdict = core::Verdict::kFailure;
          break;
        case Judgement::kIgnore:
          verdict = core::Verdict::kNeutral;
          break;
      }
    } catch (...) {
      counter = &CallbackCounters::classifier_threw;
    }
    Settle(verdict, counter);
  }

  // Only the first call settles the permits; without a verdict by their
  // defaults.
  void Settle(absl::optional<core::Verdict> verdict, Counter counter) {
    // Destroyed unlocked and in this order, since a permit needs its breaker.
    absl::optional<ClassifierHost> host;
    std::vector<Unjudged> unjudged;
    {
      core::MutexLock lock(&mu_);
      if (!host_) return;
      host_->io->Disarm(&timer_);
      host.swap(host_);
      unjudged.swap(unjudged_);
    }
    if (counter != nullptr) ++(host->counters->*counter);
    for (Unjudged& each : unjudged) {
      each.permit.Settle(verdict.value_or(each.by_default), host->io->Now());
    }
  }

  const std::shared_ptr<const Classifier> classifier_;
  const Result result_;
  core::Mutex mu_;
  Timer timer_ ABSL_GUARDED_BY(mu_);
  // Empty once it is settled; the timer is disarmed then.
  absl::optional<ClassifierHost> host_ ABSL_GUARDED_BY(mu_);
  std::vector<Unjudged> unjudged_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

void Classify(ClassifierHost host, std::shared_ptr<const Classifier> classifier,
              Result result, std::vector<core::CallDriver::Unjudged> unjudged) {
  std::make_shared<Classification>(std::move(host), std::move(classifier),
                                   std::move(result), std::move(unjudged))
      ->Start();
}

}  // namespace firebreak::engine
