#include "interceptors/gate.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "absl/container/inlined_vector.h"
#include "src/core/mutex.h"

namespace firebreak::interceptors {

using grpc::experimental::InterceptionHookPoints;

// Outlives its gate where batches are let go on another thread.
class Gate::Kept final : public engine::TimerClient {
 public:
  Kept(Gate* gate, Methods* batch,
       std::shared_ptr<engine::ChannelBinding> channel)
      : channel_(std::move(channel)), gate_(gate) {
    batches_.push_back(batch);
  }
  ~Kept() override { channel_->core()->io()->Disarm(&timer_); }

  // Made with make_shared(); its gate holds it by `self`, from before it can be
  // found until it goes.
  void Hold(const std::shared_ptr<Kept>& self) {
    self_ = self;
    timer_.client = self;
  }
  std::shared_ptr<Kept> self() const { return self_; }

  void Arm(core::Time at) {
    if (at == core::kInfiniteFuture) return;
    channel_->core()->io()->Arm(&timer_, at);
  }

  void LoseGate() {
    {
      core::MutexLock lock(&mu_);
      gate_ = nullptr;
    }
    const std::shared_ptr<Kept> last = std::move(self_);
  }

  bool Keep(Methods* batch) {
    core::MutexLock lock(&mu_);
    if (is_open_) return false;
    batches_.push_back(batch);
    return true;
  }

  bool is_open() {
    core::MutexLock lock(&mu_);
    return is_open_;
  }

  // In order, and those that come meanwhile behind them.
  template <class LetGo>
  void Release(LetGo let_go) {
    absl::InlinedVector<Methods*, 3> batches;
    for (;;) {
      {
        core::MutexLock lock(&mu_);
        is_open_ = batches_.empty();
        if (is_open_) return;
        batches.swap(batches_);
      }
      for (Methods* batch : batches) let_go(batch);
      batches.clear();
    }
  }

  // `first` goes before those that came while it was looked at; those that were
  // there before it have it among them.
  void Include(Methods* first) {
    core::MutexLock lock(&mu_);
    if (!absl::c_linear_search(batches_, first)) {
      batches_.insert(batches_.begin(), first);
    }
  }
  void Exclude(Methods* first) {
    core::MutexLock lock(&mu_);
    auto found = absl::c_find(batches_, first);
    if (found != batches_.end()) batches_.erase(found);
  }

  // Nobody has decided, and nobody will.
  void OnTimer() override {
    {
      core::MutexLock lock(&mu_);
      if (gate_ == nullptr || !gate_->Claim()) return;
    }
    Release([](Methods* batch) { batch->Proceed(); });
  }

 private:
  const std::shared_ptr<engine::ChannelBinding> channel_;
  std::shared_ptr<Kept> self_;
  engine::Timer timer_;
  core::Mutex mu_;
  Gate* gate_ ABSL_GUARDED_BY(mu_);
  bool is_open_ ABSL_GUARDED_BY(mu_) = false;
  absl::InlinedVector<Methods*, 3> batches_ ABSL_GUARDED_BY(mu_);
};

Gate::~Gate() {
  const std::uintptr_t kept = kept_.load();
  if (kept > kCancelled) reinterpret_cast<Kept*>(kept)->LoseGate();
}

bool Gate::Keep(Methods* batch, core::Time deadline,
                const std::shared_ptr<engine::ChannelBinding>& channel) {
  std::uintptr_t seen = kept_.load();
  std::shared_ptr<Kept> made;
  while (seen == kNothing || seen == kCancelled) {
    if (seen == kCancelled && Claim()) {
      kept_.store(seen = kOpen);
      break;
    }
    if (made == nullptr) {
      made = std::make_shared<Kept>(this, batch, channel);
      made->Hold(made);
    }
    // From here on another thread may let the batch go, and with it this gate.
    const bool is_claimed = is_claimed_;
    if (kept_.compare_exchange_strong(
            seen, reinterpret_cast<std::uintptr_t>(made.get()))) {
      if (!is_claimed) made->Arm(deadline);
      return true;
    }
  }
  if (made != nullptr) made->LoseGate();
  return seen != kOpen && reinterpret_cast<Kept*>(seen)->Keep(batch);
}

bool Gate::is_open() const {
  const std::uintptr_t kept = kept_.load();
  if (kept <= kCancelled) return kept == kOpen;
  return reinterpret_cast<Kept*>(kept)->is_open();
}

void Gate::OnCancel() {
  std::uintptr_t seen = kNothing;
  if (kept_.compare_exchange_strong(seen, kCancelled)) return;
  // Whoever has claimed it hears of the cancel by itself.
  if (seen > kCancelled && !is_claimed_) {
    reinterpret_cast<Kept*>(seen)->Arm(core::Time::min());
  }
}

std::shared_ptr<Gate::Kept> Gate::Open() {
  std::uintptr_t seen = kept_.load();
  while (seen <= kCancelled) {
    if (kept_.compare_exchange_strong(seen, kOpen)) return nullptr;
  }
  return reinterpret_cast<Kept*>(seen)->self();
}

void Gate::OpenNatively(Methods* first) {
  const std::shared_ptr<Kept> kept = Open();
  if (kept == nullptr) {
    first->Proceed();
    return;
  }
  kept->Include(first);
  kept->Release([](Methods* batch) { batch->Proceed(); });
}

void Gate::OpenHijacked(Methods* first, bool fails_writes) {
  const auto fail = [fails_writes](Methods* batch) {
    if (fails_writes && batch->QueryInterceptionHookPoint(
                            InterceptionHookPoints::PRE_SEND_MESSAGE)) {
      batch->FailHijackedSendMessage();
    }
  };
  fail(first);
  const std::shared_ptr<Kept> kept = Open();
  if (kept != nullptr) kept->Exclude(first);
  first->Hijack();
  if (kept == nullptr) return;
  kept->Release([&](Methods* batch) {
    fail(batch);
    batch->Proceed();
  });
}

}  // namespace firebreak::interceptors
