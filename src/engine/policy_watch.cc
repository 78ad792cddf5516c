#include "src/engine/policy_watch.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "src/engine/clock.h"
#include "src/engine/engine_core.h"
#include "src/engine/policy_errors.h"

namespace firebreak::engine {

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

absl::Status PolicyWatch::Load(EngineCore* core) {
  FileLook look;
  const absl::StatusOr<std::string> text = file_->Read(&look);
  core::MutexLock lock(&mu_);
  if (!text.ok()) return Take(core, text);
  absl::StatusOr<PolicyTable> table = Parse(core, *text);
  if (!table.ok()) return Take(core, text);
  text_ = *text;
  text_is_good_ = true;
  read_ = look;
  loaded_ = *std::move(table);
  return absl::OkStatus();
}

void PolicyWatch::Apply(EngineCore* core) {
  core::MutexLock lock(&mu_);
  PolicyUpdate update;
  update.source = Source();
  // It has been parsed, and asks for no version: nothing is left to fail.
  core->UpdatePolicy(*loaded_, update).IgnoreError();
  loaded_.reset();
}

void PolicyWatch::Start(const std::shared_ptr<EngineCore>& core) {
  core::MutexLock lock(&mu_);
  if (is_stopped_) return;
  core_ = core;
  io_ = core->io();
  LookLater();
}

void PolicyWatch::Stop() {
  core::MutexLock lock(&mu_);
  is_stopped_ = true;
  if (io_ != nullptr) io_->Disarm(&timer_);
}

void PolicyWatch::LookLater() {
  io_->Arm(&timer_, core::SaturatingAdd(Now(), interval_));
}

void PolicyWatch::OnTimer() {
  core::MutexLock lock(&mu_);
  if (is_stopped_) return;
  const bool has_room = io_->SubmitAside([self = shared_from_this()] {
    std::shared_ptr<EngineCore> core;
    {
      core::MutexLock self_lock(&self->mu_);
      core = self->core_.lock();
    }
    if (core == nullptr) return;
    self->Poll(core.get(), Now());
    core::MutexLock self_lock(&self->mu_);
    if (!self->is_stopped_) self->LookLater();
  });
  if (!has_room) LookLater();
}

void PolicyWatch::Poll(EngineCore* core, core::Time now) {
  const FileLook seen = file_->Look();
  {
    core::MutexLock lock(&mu_);
    if (!IsSettled(seen, now)) return;
  }
  // Unlocked: it may take long, and Stop() must not.
  FileLook look;
  const absl::StatusOr<std::string> text = file_->Read(&look);
  core::MutexLock lock(&mu_);
  if (is_stopped_) return;
  if (text.ok()) {
    if (look != seen) {  // written to just now
      seen_ = look;
      since_ = now;
      return;
    }
    read_ = look;
  }
  Take(core, text).IgnoreError();
}

bool PolicyWatch::IsSettled(const FileLook& seen, core::Time now) {
  if (read_ && *read_ == seen) {
    since_.reset();
    // Nothing is new, unless it was out of reach for a moment and that was
    // told.
    return !fault_.empty() && text_is_good_;
  }
  if (!since_ || seen != seen_) {
    seen_ = seen;
    since_ = now;
    return false;
  }
  return now - *since_ >= interval_;
}

absl::StatusOr<PolicyTable> PolicyWatch::Parse(EngineCore* core,
                                               const std::string& text) const {
  return ParsePolicyText(text, path_, core->options().clamp_attempts_at_5);
}

absl::Status PolicyWatch::Take(EngineCore* core,
                               const absl::StatusOr<std::string>& text) {
  const bool is_known = text.ok() && text_ && *text == *text_;
  if (is_known && text_is_good_) {
    if (!std::exchange(fault_, "").empty()) {
      core->NotePolicyIsWell(Source(),
                             "can be read again, and says what it did");
    }
    return absl::OkStatus();
  }
  const absl::StatusOr<PolicyTable> table =
      text.ok() ? Parse(core, *text)
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
    return core->UpdatePolicy(table, update).status();
  }
  const bool had_fault = !std::exchange(fault_, "").empty();
  const absl::StatusOr<PolicyChange> change = core->UpdatePolicy(table, update);
  if (had_fault && change.ok() && !change->changed) {
    core->NotePolicyIsWell(Source(),
                           "is good again, and says what is in force");
  }
  return change.status();
}

}  // namespace firebreak::engine
