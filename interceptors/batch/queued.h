// The time that a call waits to be admitted: for a token of its rate limit, or
// for a slot in the bulkhead.
//
//   auto queued = Queued::Create(channel, method, std::move(permit), done);
//   if (auto end = queued->Join()) ...       // decided at once; no `done`
//   queued->Cancel();                        // the caller has cancelled
//
// The code that waits holds the caller's batches meanwhile: see docs/adr/0005.
// `done` is called once, on a timer thread of the engine. It is never called on
// the thread of the call that has freed the slot, which is gRPC's. It may begin
// before Join() has returned, but not before Join() is called: until then the
// waiting code is not ready for it, and Join() itself returns a cancel.
//
// Thread safety: safe from any thread. Ownership: shared by its call, the
// bulkhead's queue and, while OnTimer() runs, the timer thread. It keeps the
// engine alive. `done` is destroyed once it has been called.
#ifndef FIREBREAK_INTERCEPTORS_BATCH_QUEUED_H_
#define FIREBREAK_INTERCEPTORS_BATCH_QUEUED_H_

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
    // Whether the caller, or the parent call, has cancelled. `step` is not set
    // then.
    bool is_cancelled = false;
    core::AdmissionControl::Step step;  // kAdmitted or kRefused
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

  // Called once. If the end is known already it is returned, and `done` is not
  // called.
  absl::optional<End> Join();
  // May be called under any lock: a timer thread does the work. `is_late` means
  // that a deadline has passed that the permit does not know. The wait then
  // ends as it does at a deadline that the permit knows.
  void Cancel(bool is_late = false);

  void OnPlace() override;
  void OnTimer() override;

 private:
  core::Time Now() const { return channel_->core()->Now(); }
  absl::optional<End> Look() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::shared_ptr<engine::ChannelBinding> channel_;
  const std::shared_ptr<const engine::MethodBinding> method_;
  engine::Timer timer_;
  // Set before the timer is armed for now, and read after it has been armed for
  // later. So if there is news the timer fires at once, whichever thread armed
  // it last.
  std::atomic<bool> has_news_{false};
  std::atomic<bool> is_cancelled_{false};
  std::atomic<bool> is_late_{false};
  core::Mutex mu_;
  core::AdmissionPermit admission_permit_ ABSL_GUARDED_BY(mu_);
  Done done_ ABSL_GUARDED_BY(mu_);  // empty when it is over
  bool has_joined_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_BATCH_QUEUED_H_
