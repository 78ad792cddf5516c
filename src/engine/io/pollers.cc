#include "src/engine/io/pollers.h"

#include "src/engine/io/clock.h"

namespace firebreak::engine {
namespace {

// How long a poller goes on waiting when no operation is in progress any more.
// So it is still awake for a steady flow of few calls.
constexpr core::Duration kLinger = std::chrono::milliseconds(20);
// How many operations each poller has before another one is woken up.
constexpr int kEnough = 8;
// If no completion has returned for this long, those that are running are
// blocked. It is longer than it takes to parse a reply of a megabyte or two.
constexpr core::Duration kPollersHeldUp = std::chrono::milliseconds(5);

}  // namespace

std::shared_ptr<Pollers> Pollers::Create(int threads, int may_start,
                                         std::function<bool()> start,
                                         Timers* timers) {
  auto pollers = std::make_shared<Pollers>(Key{}, threads, may_start,
                                           std::move(start), timers);
  pollers->look_.client = pollers;
  return pollers;
}

grpc::CompletionQueue* Pollers::Begin() {
  const int begun = operations_.fetch_add(1) + 1;
  const int parked = parked_.load();
  if (parked > 0 && begun > kEnough * (threads_ - parked)) {
    Wake();
  } else {
    LookLaterIfLeftAlone();
  }
  return &cq_;
}

void Pollers::Wake() {
  core::MutexLock lock(&mu_);
  if (parked_ == 0) return;
  --parked_;
  ++wanted_;
  wake_.NotifyOne();
}

void Pollers::Run() {
  for (;;) {
    void* tag = nullptr;
    bool ok = false;
    switch (cq_.AsyncNext(&tag, &ok, ToGrpcTime(Now() + kLinger))) {
      case grpc::CompletionQueue::GOT_EVENT:
        Complete(static_cast<Completion*>(tag), ok);
        break;
      case grpc::CompletionQueue::TIMEOUT:
        Park();
        break;
      case grpc::CompletionQueue::SHUTDOWN:
        return;
    }
  }
}

void Pollers::Complete(Completion* completion, bool ok) {
  ++inside_;
  LookLaterIfLeftAlone();
  completion->OnComplete(ok);
  ++completed_;
  --operations_;
  --inside_;
}

// Returns when there may be something to poll for.
void Pollers::Park() {
  core::MutexLock lock(&mu_);
  // Counted before the check for work: see the comment at the counters.
  ++parked_;
  if (stop_ || operations_ > kEnough * (threads_ - parked_) || IsLeftAlone()) {
    --parked_;
    return;
  }
  while (wanted_ == 0 && !stop_) wake_.Wait(&mu_);
  if (wanted_ > 0) --wanted_;
}

void Pollers::Stop() {
  {
    core::MutexLock lock(&mu_);
    stop_ = true;
    wake_.NotifyAll();
  }
  cq_.Shutdown();
}

bool Pollers::IsLeftAlone() const {
  const int inside = inside_;
  return inside + parked_ >= threads_ && operations_ > inside;
}

void Pollers::LookLaterIfLeftAlone() {
  // A timer by a test's clock would not fire while the test stands still.
  if (timers_->is_virtual()) return;
  if (!IsLeftAlone() || will_look_.exchange(true)) return;
  completed_before_ = completed_.load();
  timers_->Arm(&look_, Now() + kPollersHeldUp);
}

void Pollers::OnTimer() {
  const bool no_one_came_back = completed_ == completed_before_;
  will_look_ = false;
  if (!IsLeftAlone()) return;
  if (!no_one_came_back) {
    LookLaterIfLeftAlone();
    return;
  }
  if (parked_ > 0) {
    Wake();
    return;
  }
  {
    core::MutexLock lock(&mu_);
    if (stop_ || may_start_ == 0) return;
    --may_start_;
  }
  // Counts as a thread that waits in the queue until it does.
  ++threads_;
  if (start_()) return;
  --threads_;
  core::MutexLock lock(&mu_);
  ++may_start_;
}

}  // namespace firebreak::engine
