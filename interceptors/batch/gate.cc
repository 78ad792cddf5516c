#include "interceptors/batch/gate.h"

#include <utility>

#include "absl/container/inlined_vector.h"
#include "interceptors/context/carried_options.h"
#include "src/core/base/mutex.h"

namespace firebreak::interceptors {

using grpc::experimental::InterceptionHookPoints;

namespace {

// Lets a call go that was cancelled, or ran out of time, before there was
// anything to decide on. Only removes firebreak's metadata, which must not be
// sent.
void LetGoUndecided(Gate::Methods* batch) {
  if (batch->QueryInterceptionHookPoint(
          InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
    TakeCallOptions(batch->GetSendInitialMetadata());
  }
  batch->Proceed();
}

}  // namespace

// The kept batches. It outlives its gate if batches are let go on another
// thread.
class Gate::Kept final : public engine::TimerClient {
 public:
  Kept(Gate* gate, std::shared_ptr<engine::ChannelBinding> channel)
      : channel_(std::move(channel)), gate_(gate) {}
  // `self_` keeps it alive for its gate, from before it can be found until
  // LoseGate().
  static std::shared_ptr<Kept> Make(
      Gate* gate, std::shared_ptr<engine::ChannelBinding> channel) {
    auto made = std::make_shared<Kept>(gate, std::move(channel));
    made->self_ = made;
    made->timer_.client = made;
    return made;
  }
  ~Kept() override { channel_->core()->io()->Disarm(&timer_); }

  std::shared_ptr<Kept> self() const { return self_; }

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

  // Lets the batches go in order, and then those that came meanwhile.
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

  void LetGoAt(core::Time deadline) {
    Arm(deadline);
    // A cancel may have armed the timer for now before that.
    if (is_cancelled_) Arm(core::Time::min());
  }
  void OnCancel() {
    is_cancelled_ = true;
    Arm(core::Time::min());
  }

  // Called when the caller has cancelled or the deadline has passed. Lets the
  // batches go, unless the call is being decided.
  void OnTimer() override {
    {
      core::MutexLock lock(&mu_);
      if (gate_ == nullptr || !gate_->Claim()) return;
    }
    Release(LetGoUndecided);
  }

 private:
  void Arm(core::Time at) {
    if (at == core::kInfiniteFuture) return;
    channel_->core()->io()->Arm(&timer_, at);
  }

  const std::shared_ptr<engine::ChannelBinding> channel_;
  std::shared_ptr<Kept> self_;
  engine::Timer timer_;
  std::atomic<bool> is_cancelled_{false};
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
      Open(batch, channel, LetGoUndecided, LetGoUndecided);
      if (made != nullptr) made->LoseGate();
      return true;
    }
    if (made == nullptr) {
      made = Kept::Make(this, channel);
      made->Keep(batch);
    }
    // Once it is stored, another thread may let the batch go and so destroy
    // this gate.
    const bool is_claimed = is_claimed_;
    if (kept_.compare_exchange_strong(
            seen, reinterpret_cast<std::uintptr_t>(made.get()))) {
      if (!is_claimed) made->LetGoAt(deadline);
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
  // A thread that has claimed the gate learns of the cancel by other means.
  if (seen > kCancelled && !is_claimed_) {
    reinterpret_cast<Kept*>(seen)->OnCancel();
  }
}

template <class Go, class Follow>
void Gate::Open(Methods* first,
                const std::shared_ptr<engine::ChannelBinding>& channel, Go go,
                Follow follow) {
  // A batch that also receives the status is the only one. Otherwise others may
  // come while it passes. They must not overtake it, so they are kept.
  const bool is_all = first->GetRecvStatus() != nullptr;
  std::shared_ptr<Kept> kept;
  std::uintptr_t seen = kept_.load();
  while (seen <= kCancelled) {
    if (!is_all && kept == nullptr) kept = Kept::Make(this, channel);
    const std::uintptr_t next =
        is_all ? kOpen : reinterpret_cast<std::uintptr_t>(kept.get());
    if (kept_.compare_exchange_strong(seen, next)) break;
  }
  if (seen > kCancelled) {
    if (kept != nullptr) kept->LoseGate();
    kept = reinterpret_cast<Kept*>(seen)->self();
  }
  // After this the call, and this gate with it, may be gone.
  go(first);
  if (kept != nullptr) kept->Release(follow);
}

void Gate::OpenNatively(
    Methods* first, const std::shared_ptr<engine::ChannelBinding>& channel) {
  const auto proceed = [](Methods* batch) { batch->Proceed(); };
  Open(first, channel, proceed, proceed);
}

void Gate::OpenHijacked(Methods* first,
                        const std::shared_ptr<engine::ChannelBinding>& channel,
                        bool fails_writes) {
  const auto fail = [fails_writes](Methods* batch) {
    if (fails_writes && batch->QueryInterceptionHookPoint(
                            InterceptionHookPoints::PRE_SEND_MESSAGE)) {
      batch->FailHijackedSendMessage();
    }
  };
  Open(
      first, channel,
      [&](Methods* batch) {
        fail(batch);
        batch->Hijack();
      },
      [&](Methods* batch) {
        fail(batch);
        batch->Proceed();
      });
}

}  // namespace firebreak::interceptors
