// The time a call waits to be admitted: for its token, or for a place in the
// bulkhead.
//
//   auto queued = Queued::Create(channel, method, std::move(permit), done);
//   if (auto end = queued->Join()) ...       // decided at once; no `done`
//   queued->Cancel();                        // the caller wants it no more
//
// The caller's batches are held meanwhile, by whoever waits: docs/adr/0005.
// `done` is called once, on the engine's timer thread: never on that of the
// call which left its place, which is gRPC's. It may begin before Join() has
// returned, but not before it is called: until then whoever waits is not ready
// to be told, and a cancel is Join()'s to see.
//
// Thread safety: safe from any thread. Ownership: shared by its call, the
// bulkhead's queue and the timer thread; keeps the engine alive. `done` goes
// when it has been called.
#ifndef FIREBREAK_INTERCEPTORS_QUEUED_H_
#define FIREBREAK_INTERCEPTORS_QUEUED_H_

#include <atomic>
#include <functional>
#include <memory>

#include "absl/types/optional.h"
#include "src/core/admission/admission_control.h"
#include "src/core/base/mutex.h"
#include "src/engine/engine_core.h"

namespace firebreak::interceptors {

class Queued final : public core::Bulkhead::Waiter,
                     public engine::TimerClient,
                     public std::enable_shared_from_this<Queued> {
  struct Key {};  // only Create() has one

 public:
  struct End {
    // The caller, or the parent call, wants it no more.
    bool is_cancelled = false;
    core::AdmissionControl::Step step;  // kIn or kOut, unless cancelled
    core::AdmissionPermit permit;       // of kAdmitted
  };
  using Done = std::function<void(End end)>;

  static std::shared_ptr<Queued> Create(
      std::shared_ptr<engine::ChannelBinding> channel,
      std::shared_ptr<const engine::MethodBinding> method,
      core::AdmissionPermit permit, Done done);
  Queued(Key, std::shared_ptr<engine::ChannelBinding> channel,
         std::shared_ptr<const engine::MethodBinding> method,
         core::AdmissionPermit permit, Done done);
  ~Queued() override;

  // Once. An end that is known already is for the caller, not for `done`.
  absl::optional<End> Join();
  // Under any lock: the timer thread does the rest. `is_late`: a deadline that
  // the permit does not know has passed, and it ends like one that it knows.
  void Cancel(bool is_late = false);

  void OnPlace() override;
  void OnTimer() override;

 private:
  core::Time Now() const { return channel_->core()->Now(); }
  absl::optional<End> Look() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::shared_ptr<engine::ChannelBinding> channel_;
  const std::shared_ptr<const engine::MethodBinding> method_;
  engine::Timer timer_;
  // Said before the timer is armed at once, and looked at after it has been
  // armed for later: so whoever armed it last, it rings at once.
  std::atomic<bool> has_news_{false};
  std::atomic<bool> is_cancelled_{false};
  std::atomic<bool> is_late_{false};
  core::Mutex mu_;
  core::AdmissionPermit admission_permit_ ABSL_GUARDED_BY(mu_);
  Done done_ ABSL_GUARDED_BY(mu_);  // empty: over
  bool has_joined_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_QUEUED_H_
