#include "src/engine/policy/policy_watch.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/engine/policy/policy_errors.h"

namespace firebreak::engine {
namespace {

// The coarsest time stamps of a file system in use, those of FAT. Others have 4
// ms (a tick of the kernel), or one second.
constexpr core::Duration kCoarsestTick = std::chrono::seconds(2);

bool IsSame(const absl::StatusOr<std::string>& a,
            const absl::StatusOr<std::string>& b) {
  return a.ok() ? b.ok() && *a == *b : a.status() == b.status();
}

}  // namespace

std::shared_ptr<PolicyWatch> PolicyWatch::Create(
    std::string path, core::Duration interval,
    std::unique_ptr<WatchedFile> file) {
  if (file == nullptr) file = MakeWatchedFile(path);
  auto watch = std::make_shared<PolicyWatch>(Key{}, std::move(path), interval,
                                             std::move(file));
  core::MutexLock lock(&watch->mu_);
  watch->timer_.client = watch;
  return watch;
}

std::string PolicyWatch::Source() const { return Printable("file " + path_); }

absl::Status PolicyWatch::Load(PolicyTarget* target) {
  FileLook look;
  const absl::StatusOr<std::string> text = file_->Read(&look);
  core::MutexLock lock(&mu_);
  if (!text.ok()) return Take(target, text);
  absl::StatusOr<PolicyTable> table = Parse(*target, *text);
  if (!table.ok()) return Take(target, text);
  text_ = *text;
  text_is_good_ = true;
  loaded_ = *std::move(table);
  return absl::OkStatus();
}

void PolicyWatch::Apply(PolicyTarget* target) {
  core::MutexLock lock(&mu_);
  PolicyUpdate update;
  update.source = Source();
  // It has been parsed and asks for no version, so nothing can fail.
  target->UpdatePolicy(*loaded_, update).IgnoreError();
  loaded_.reset();
}

void PolicyWatch::Start(const std::shared_ptr<PolicyTarget>& target, Io* io) {
  core::MutexLock lock(&mu_);
  if (is_stopped_) return;
  target_ = target;
  io_ = io;
  LookLater();
}

void PolicyWatch::Stop() {
  core::MutexLock lock(&mu_);
  is_stopped_ = true;
  if (io_ != nullptr) io_->Disarm(&timer_);
}

void PolicyWatch::LookLater() {
  io_->Arm(&timer_, core::SaturatingAdd(io_->Now(), interval_));
}

void PolicyWatch::OnTimer() {
  core::MutexLock lock(&mu_);
  if (is_stopped_) return;
  const bool has_room = io_->SubmitAside([self = shared_from_this()] {
    std::shared_ptr<PolicyTarget> target;
    core::Time now;
    {
      core::MutexLock self_lock(&self->mu_);
      target = self->target_.lock();
      // The target keeps the Io alive.
      if (target == nullptr) return;
      now = self->io_->Now();
    }
    self->Poll(target.get(), now);
    core::MutexLock self_lock(&self->mu_);
    if (!self->is_stopped_) self->LookLater();
  });
  if (!has_room) LookLater();
}

void PolicyWatch::Poll(PolicyTarget* target, core::Time now) {
  const FileLook seen = file_->Look();
  {
    core::MutexLock lock(&mu_);
    if (IsAsRead(seen, now)) return;
  }
  // Done unlocked, since it may take long and Stop() must not.
  FileLook look = seen;
  const absl::StatusOr<std::string> text = file_->Read(&look);
  core::MutexLock lock(&mu_);
  if (is_stopped_) return;
  IsAsRead(look, now);  // the file may have changed just now
  if (!IsSettled(text, now)) return;
  if (text.ok()) {
    pending_.reset();
    is_proven_ = now - look_since_ >= kCoarsestTick;
  }
  Take(target, text).IgnoreError();
}

bool PolicyWatch::IsAsRead(const FileLook& seen, core::Time now) {
  if (look_ && *look_ == seen) return is_proven_;
  look_ = seen;
  look_since_ = now;
  is_proven_ = false;
  return false;
}

bool PolicyWatch::IsSettled(const absl::StatusOr<std::string>& text,
                            core::Time now) {
  if (IsKnown(text)) return true;
  if (!pending_ || !IsSame(*pending_, text)) {
    pending_ = text;
    pending_since_ = now;
  }
  return now - std::max(pending_since_, look_since_) >= interval_;
}

absl::StatusOr<PolicyTable> PolicyWatch::Parse(const PolicyTarget& target,
                                               const std::string& text) const {
  return ParsePolicyText(text, path_, target.clamps_attempts_at_5());
}

absl::Status PolicyWatch::Take(PolicyTarget* target,
                               const absl::StatusOr<std::string>& text) {
  const bool is_known = IsKnown(text);
  if (is_known && text_is_good_) {
    if (!std::exchange(fault_, "").empty()) {
      target->NotePolicyIsWell(Source(),
                               "can be read again, and says what it did");
    }
    return absl::OkStatus();
  }
  const absl::StatusOr<PolicyTable> table =
      text.ok() ? Parse(*target, *text)
                : absl::StatusOr<PolicyTable>(text.status());
  if (text.ok()) {
    text_ = *text;
    text_is_good_ = table.ok();
  }
  PolicyUpdate update;
  update.source = Source();
  if (!table.ok()) {
    std::string fault(table.status().message());
    if ((is_known || !text.ok()) && fault == fault_) return table.status();
    fault_ = std::move(fault);
    return target->UpdatePolicy(table, update).status();
  }
  const bool had_fault = !std::exchange(fault_, "").empty();
  const absl::StatusOr<PolicyChange> change =
      target->UpdatePolicy(table, update);
  if (had_fault && change.ok() && !change->changed) {
    target->NotePolicyIsWell(Source(),
                             "is good again, and says what is in force");
  }
  return change.status();
}

}  // namespace firebreak::engine
