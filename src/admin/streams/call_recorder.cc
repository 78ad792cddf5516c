#include "src/admin/streams/call_recorder.h"

#include <chrono>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "src/admin/message/selector.h"
#include "src/admin/message/status.h"
#include "src/admin/message/text.h"
#include "src/admin/message/time_view.h"
#include "src/admin/streams/call_blocks.h"
#include "src/admin/streams/paced_stream.h"
#include "src/core/base/duration.h"

namespace firebreak::admin {
namespace {

// The tape has room for the calls of this time: see call_tape.h.
constexpr core::Duration kDrainEvery = std::chrono::milliseconds(100);
// With few calls, a block is sent after this time at the latest.
constexpr core::Duration kLongestWait = std::chrono::milliseconds(500);
// The time after the end of the recording in which the reader has to read the
// rest.
constexpr core::Duration kToRead = std::chrono::seconds(10);
// The time after the end of the recording after which the pool counts as stuck.
constexpr core::Duration kToCollect = std::chrono::seconds(5);
constexpr core::Duration kUsualLength = std::chrono::minutes(1);
constexpr core::Duration kLongestRecording = std::chrono::hours(1);

// nullopt if it is out of range.
absl::optional<core::Duration> LengthOf(const v1::RecordCallsRequest& request) {
  if (!request.has_duration()) return kUsualLength;
  return DurationIn(request.duration(), core::Duration(1), kLongestRecording);
}

double ShareOf(const v1::RecordCallsRequest& request) {
  return request.share() == 0 ? 1 : request.share();
}

absl::Status Check(const v1::RecordCallsRequest& request) {
  if (!LengthOf(request).has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("duration: is ", request.duration().seconds(), "s and ",
                     request.duration().nanos(), "ns; allowed (0, 1h]"));
  }
  // Written so that NaN is refused too.
  if (!(request.share() >= 0 && request.share() <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("share: is ", request.share(), "; allowed (0, 1]"));
  }
  return absl::OkStatus();
}

}  // namespace

class CallRecorder::Stream final : public PacedStream<v1::RecordCallsResponse> {
 public:
  Stream(CallRecorder* owner, engine::EngineCore* core,
         grpc::CallbackServerContext* context,
         const v1::RecordCallsRequest& request, std::string whose)
      : PacedStream(core, context),
        actor(std::move(whose)),
        owner_(owner),
        tape_(core->tape()),
        ends_(core->Now() + LengthOf(request).value_or(kUsualLength)),
        blocks_(core, request.selector(), ShareOf(request)),
        cut_(core->Now()) {
    // The first block is empty: it confirms that the recording has begun.
    waiting_.push_back(blocks_.Cut());
  }

  const std::string actor;
  core::CallTape::Session session = core::CallTape::kNone;

  // Drains the tape, for the last time once the time is over. Only one thread
  // at a time may call this.
  void Serve() {
    if (is_ending()) {
      Pump();
      return;
    }
    const core::Time now = core_->Now();
    std::vector<v1::CallBlock> cut;
    blocks_.AddLost(
        tape_->Drain(session, [&](const core::CallTape::Call& call,
                                  const core::CallTape::Attempt* attempts) {
          blocks_.Take(call, attempts);
          if (blocks_.is_full()) cut.push_back(blocks_.Cut());
        }));
    const bool is_over = now >= ends_;
    if (!cut.empty() || is_over || now >= cut_ + kLongestWait) {
      cut.push_back(blocks_.Cut());
      cut_ = now;
    }
    {
      core::MutexLock lock(&mu_);
      for (v1::CallBlock& block : cut) {
        // The last block is always kept, since it reports how many calls were
        // dropped.
        const bool is_last = is_over && &block == &cut.back();
        Keep(std::move(block), is_last);
      }
      if (is_over && !end_.has_value()) {
        end_ = grpc::Status::OK;
        end_due_ = now + kToRead;
      }
    }
    // The tape stops now, however long the reader needs for the rest.
    if (is_over) tape_->Stop(session);
    Pump();
  }

  // Ends the stream if the rest of the tape was not drained in time.
  void EndIfStuck(core::Time now) {
    if (now < ends_ + kToCollect || is_ending()) return;
    End(grpc::Status(grpc::StatusCode::UNAVAILABLE,
                     "the last calls are missing: the pool of listeners is "
                     "busy with something else"));
  }

 private:
  bool is_ending() {
    core::MutexLock lock(&mu_);
    return end_.has_value();
  }
  void Keep(v1::CallBlock block, bool is_last)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    block.set_lost(block.lost() + std::exchange(lost_, 0));
    if (waiting_.size() < kMaxBlocks || is_last) {
      waiting_.push_back(std::move(block));
    } else {
      lost_ = block.lost() + block.calls_size();
    }
  }

  absl::optional<grpc::Status> EndNow() override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    // The reader still gets what was recorded until then.
    if (end_.has_value() && end_->ok() && !waiting_.empty()) {
      return absl::nullopt;
    }
    return end_;
  }
  bool Fill() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (waiting_.empty()) return false;
    *response_.mutable_calls() = std::move(waiting_.front());
    waiting_.pop_front();
    *response_.mutable_as_of() =
        TimestampOf(core_->Now(), blocks_.wall_clock());
    return true;
  }
  void Leave() override { owner_->Remove(this); }

  CallRecorder* const owner_;
  core::CallTape* const tape_;  // the engine's
  const core::Time ends_;
  // Used by Serve() only, except for the clock, which is const.
  CallBlocks blocks_;
  core::Time cut_;
  std::deque<v1::CallBlock> waiting_ ABSL_GUARDED_BY(mu_);
  int64_t lost_ ABSL_GUARDED_BY(mu_) = 0;  // to be reported with the next block
};

std::shared_ptr<CallRecorder> CallRecorder::Create(
    std::shared_ptr<engine::EngineCore> core, std::shared_ptr<Gate> gate) {
  auto recorder = std::shared_ptr<CallRecorder>(
      new CallRecorder(std::move(core), std::move(gate)));
  recorder->timer_.client = recorder;
  return recorder;
}

CallRecorder::~CallRecorder() { core_->io()->Disarm(&timer_); }

CallRecorder::Reactor* CallRecorder::Open(grpc::CallbackServerContext* context,
                                          const v1::RecordCallsRequest& request,
                                          const absl::Status& which) {
  const absl::Status valid = Check(request);
  std::string action = "RecordCalls";
  if (valid.ok()) {
    absl::StrAppend(&action, " for ", core::FormatDuration(*LengthOf(request)));
    if (ShareOf(request) < 1) {
      absl::StrAppend(&action, ", ", ShareOf(request) * 100, "% of them");
    }
  }
  action += Because(request.reason());
  const Gate::Subject subject = {request.selector().channel(), "",
                                 request.selector().method()};
  Gate::Visitor visitor;
  absl::Status refused =
      gate_->EnterToChange(*context, "RecordCalls", action, subject, &visitor);
  if (refused.ok()) refused = which.ok() ? valid : which;
  if (refused.ok()) {
    refused = CheckChannel(*core_, request.selector().channel());
  }
  std::shared_ptr<Stream> stream;
  if (refused.ok()) {
    stream = std::make_shared<Stream>(this, core_.get(), context, request,
                                      visitor.actor);
    refused = Add(stream, ShareOf(request));
  }
  if (!refused.ok()) return new RefusedStream<v1::RecordCallsResponse>(refused);
  gate_->Changed(visitor, {ToLine(subject.channel), "", ToLine(subject.method)},
                 "", "", "calls are recorded");
  stream->Pump();
  return stream.get();
}

absl::Status CallRecorder::Add(std::shared_ptr<Stream> stream, double share) {
  bool start;
  {
    core::MutexLock lock(&mu_);
    if (shut_down_) {
      return absl::UnavailableError("the admin service is shutting down");
    }
    if (stream_ != nullptr) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "calls are being recorded already, for ", stream_->actor));
    }
    stream->session = core_->tape()->Start(share);
    if (stream->session == core::CallTape::kNone && is_ending_) {
      return absl::UnavailableError("a recording is just ending; try again");
    }
    if (stream->session == core::CallTape::kNone) {
      return absl::ResourceExhaustedError(
          "calls are being recorded already, through another admin service of "
          "this engine");
    }
    stream_ = std::move(stream);
    start = !ticking_;
    ticking_ = true;
  }
  if (start) core_->io()->Arm(&timer_, core_->Now() + kDrainEvery);
  return absl::OkStatus();
}

void CallRecorder::Remove(Stream* stream) {
  std::shared_ptr<Stream> last;  // destroyed after the locks are released
  {
    core::MutexLock lock(&mu_);
    if (stream_.get() != stream) return;
    last = std::move(stream_);
    is_ending_ = true;
  }
  // Stopped without mu_, since Stop() waits while the tape is being drained.
  core_->tape()->Stop(stream->session);
  core::MutexLock lock(&mu_);
  is_ending_ = false;
}

std::shared_ptr<CallRecorder::Stream> CallRecorder::stream() const {
  core::MutexLock lock(&mu_);
  return stream_;
}

void CallRecorder::Shutdown() {
  {
    core::MutexLock lock(&mu_);
    shut_down_ = true;
  }
  if (const auto open = stream()) {
    open->End(grpc::Status(grpc::StatusCode::UNAVAILABLE,
                           "the admin service is shutting down"));
  }
}

void CallRecorder::Serve() {
  if (const auto open = stream()) open->Serve();
  core::MutexLock lock(&mu_);
  is_served_ = false;
}

void CallRecorder::OnTimer() {
  std::shared_ptr<Stream> open;
  bool serve;
  {
    core::MutexLock lock(&mu_);
    open = stream_;
    ticking_ = open != nullptr;
    serve = ticking_ && !is_served_;
    is_served_ = is_served_ || serve;
  }
  if (open == nullptr) return;
  const core::Time now = core_->Now();
  open->EndIfStuck(now);
  open->BreakOffIfOverdue(now);
  if (serve && !core_->io()->SubmitAside(
                   [self = shared_from_this()] { self->Serve(); })) {
    // The pool is full; the next tick tries again.
    core::MutexLock lock(&mu_);
    is_served_ = false;
  }
  core_->io()->Arm(&timer_, now + kDrainEvery);
}

}  // namespace firebreak::admin
