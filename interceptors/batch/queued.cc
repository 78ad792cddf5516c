#include "interceptors/batch/queued.h"

#include <utility>

namespace firebreak::interceptors {

std::shared_ptr<Queued> Queued::Create(
    std::shared_ptr<engine::ChannelBinding> channel,
    std::shared_ptr<const engine::MethodBinding> method,
    core::AdmissionPermit permit, Done done) {
  auto queued =
      std::make_shared<Queued>(Key{}, std::move(channel), std::move(method),
                               std::move(permit), std::move(done));
  queued->timer_.client = queued;
  return queued;
}

Queued::Queued(Key, std::shared_ptr<engine::ChannelBinding> channel,
               std::shared_ptr<const engine::MethodBinding> method,
               core::AdmissionPermit permit, Done done)
    : channel_(std::move(channel)),
      method_(std::move(method)),
      admission_permit_(std::move(permit)),
      done_(std::move(done)) {}

Queued::~Queued() { channel_->core()->io()->Disarm(&timer_); }

absl::optional<Queued::End> Queued::Join() {
  Done gone;  // what it captures is destroyed unlocked
  core::MutexLock lock(&mu_);
  has_joined_ = true;
  absl::optional<End> end = Look();
  if (end.has_value()) gone = std::exchange(done_, nullptr);
  return end;
}

void Queued::Cancel(bool is_late) {
  (is_late ? is_late_ : is_cancelled_) = true;
  OnPlace();
}

void Queued::OnPlace() {
  has_news_ = true;
  channel_->core()->io()->Arm(&timer_, core::Time::min());
}

void Queued::OnTimer() {
  absl::optional<End> end;
  Done done;
  {
    core::MutexLock lock(&mu_);
    if (!has_joined_ || done_ == nullptr) return;
    end = Look();
    if (!end.has_value()) return;
    done = std::exchange(done_, nullptr);
  }
  done(*std::move(end));
}

absl::optional<Queued::End> Queued::Look() {
  has_news_ = false;
  End end;
  end.is_cancelled = is_cancelled_;
  if (end.is_cancelled) {
    admission_permit_.End(core::AdmissionControl::Verdict::kNotSent, Now());
    return end;
  }
  if (is_late_) {
    end.step = admission_permit_.GiveUp(Now());
    return end;
  }
  end.step = admission_permit_.Continue(shared_from_this(), Now());
  if (end.step.kind != core::AdmissionControl::Step::Kind::kWait) {
    end.permit = std::move(admission_permit_);
    return end;
  }
  channel_->core()->io()->Arm(&timer_, end.step.until);
  if (has_news_) channel_->core()->io()->Arm(&timer_, core::Time::min());
  return absl::nullopt;
}

}  // namespace firebreak::interceptors
