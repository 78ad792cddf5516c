// `firebreakctl record`: records the calls of one or several targets in a file.
#include <google/protobuf/util/time_util.h>
#include <grpcpp/client_context.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/optional.h"
#include "src/core/base/duration.h"
#include "tools/firebreakctl/ask/commands.h"
#include "tools/firebreakctl/ask/live_stream.h"
#include "tools/firebreakctl/foresight/recording_file.h"
#include "tools/firebreakctl/show/words.h"

namespace firebreak::ctl {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kLook = std::chrono::milliseconds(50);
// Lines of progress in a log.
constexpr auto kRarely = std::chrono::seconds(10);
// Erases the line that shows the progress.
constexpr char kOver[] = "\r\x1b[K";
// A server sends a response every second.
constexpr int kMissed = 3;

std::atomic<bool> stops_recording{false};
static_assert(std::atomic<bool>::is_always_lock_free, "for a signal handler");

// The first signal ends the recording; the second one ends the process.
void StopRecording(int signal) {
  stops_recording = true;
  std::signal(signal, SIG_DFL);
}

// After a restart a server may not have made the channel yet, and a server that
// has lost the connection may still take the old stream for open. So these two
// errors are final before the first answer only.
bool IsFinal(const grpc::Status& end, bool was_reached) {
  const grpc::StatusCode code = end.error_code();
  const bool is_refused = code == grpc::StatusCode::NOT_FOUND ||
                          code == grpc::StatusCode::RESOURCE_EXHAUSTED;
  return IsForGood(end) || (!was_reached && is_refused);
}

}  // namespace

// The state that the streams of a recording share.
class Client::Taping {
 public:
  Taping(const RecordRequest& w, const Sink& sink, size_t targets)
      : wanted(w), sink_(sink) {
    recorded.targets.resize(targets);
  }

  const RecordRequest& wanted;
  const Clock::time_point began = Clock::now();
  const bool is_terminal = isatty(STDERR_FILENO) == 1;
  // The thread of each target writes its own element of `targets`.
  Recorded recorded;
  // The numbers of targets that have answered, and that did not at first.
  std::atomic<size_t> reached{0};
  std::atomic<size_t> missing{0};

  // Writes a block. False if no more can be written.
  bool Append(const v1::CallBlock& block) {
    const std::lock_guard<std::mutex> lock(mu_);
    if (!error_.ok()) return false;
    lost_ = std::min(lost_ + block.lost(), kMostLost);
    if (block.calls().empty() && block.lost() == 0) return true;
    error_ = sink_.write(block);
    if (error_.ok()) calls_ += block.calls_size();
    return error_.ok();
  }
  absl::Status error() const {
    const std::lock_guard<std::mutex> lock(mu_);
    return error_;
  }
  std::string Told() const {
    const std::lock_guard<std::mutex> lock(mu_);
    return absl::StrCat(calls_, " calls",
                        lost_ > 0 ? absl::StrCat(", ", lost_, " lost") : "",
                        sink_.told());
  }
  int64_t calls() const {
    const std::lock_guard<std::mutex> lock(mu_);
    return calls_;
  }
  // Prints to standard error, in a line of its own.
  void Tell(const std::string& what) const {
    if (is_terminal) std::cerr << kOver;
    Complain(what);
  }
  core::Duration left() const {
    return wanted.duration - (Clock::now() - began);
  }
  // Whether it was interrupted, or nothing more can be written.
  bool is_stopped() const { return stops_recording || !error().ok(); }
  // Whether no target has answered, and all were asked.
  bool is_hopeless() const {
    return reached == 0 && missing == recorded.targets.size();
  }
  bool is_over() const { return is_stopped() || is_hopeless(); }

 private:
  const Sink& sink_;
  mutable std::mutex mu_;
  absl::Status error_;
  int64_t calls_ = 0;
  int64_t lost_ = 0;
};

size_t Client::Recorded::reached() const {
  return static_cast<size_t>(
      std::count_if(targets.begin(), targets.end(),
                    [](const OfTarget& each) { return each.was_reached; }));
}

bool Client::Recorded::has_failed() const {
  const bool none = reached() == 0;
  return std::any_of(targets.begin(), targets.end(),
                     [none](const OfTarget& each) {
                       return each.is_lost || (none && each.lacks_channel);
                     });
}

grpc::Status Client::RecordOnce(size_t i, core::Duration duration,
                                Taping* taping,
                                const std::function<void()>& on_open) const {
  const Target& target = targets_[i];
  const RecordRequest& wanted = taping->wanted;
  v1::RecordCallsRequest request;
  *request.mutable_selector() = Select(wanted.method);
  if (!wanted.channel.empty()) {
    request.mutable_selector()->set_channel(wanted.channel);
  }
  *request.mutable_duration() =
      google::protobuf::util::TimeUtil::NanosecondsToDuration(duration.count());
  request.set_share(wanted.share);
  request.set_reason(settings_.reason);
  grpc::ClientContext context;
  AddToken(settings_.security, &context);
  // It extends past the end of the recording, so that the rest can be read.
  context.set_deadline(
      std::chrono::system_clock::now() +
      std::chrono::duration_cast<std::chrono::system_clock::duration>(
          duration + 2 * settings_.timeout));
  LiveStream<v1::RecordCallsResponse> stream(
      &context,
      [&](grpc::CompletionQueue* queue) {
        return target.stub->AsyncRecordCalls(&context, request, queue, nullptr);
      },
      [taping] { return taping->is_stopped(); });
  v1::RecordCallsResponse response;
  int64_t ahead = 0;
  // The first response comes at once.
  core::Duration patience = settings_.timeout;
  while (stream.Read(&response, patience)) {
    if (patience == settings_.timeout) {
      patience *= kMissed;
      on_open();
      ahead = SkewOf(response);
      if (ahead != 0) {
        taping->Tell(absl::StrCat("the clock of ", target.name, " is ",
                                  Brief(std::abs(ahead)),
                                  ahead > 0 ? " ahead of" : " behind",
                                  " ours, which is noted in the file"));
      }
    }
    v1::CallBlock* const block = response.mutable_calls();
    block->set_source(target.name);
    block->set_clock_ahead_ns(ahead);
    block->set_lost(std::clamp<int64_t>(block->lost(), 0, kMostLost));
    if (!taping->Append(*block)) context.TryCancel();
  }
  grpc::Status end = stream.Finish();
  if (!stream.is_silent()) return end;
  return {grpc::StatusCode::UNAVAILABLE,
          absl::StrCat("no sign of life for ", core::FormatDuration(patience))};
}

void Client::RecordOne(size_t i, Taping* taping) const {
  const std::string& name = targets_[i].name;
  Recorded::OfTarget& mine = taping->recorded.targets[i];
  // Between two attempts to reach it again.
  const core::Duration pause =
      std::min<core::Duration>(settings_.timeout, std::chrono::seconds(1));
  absl::optional<Clock::time_point> lost;
  const auto back = [&] {
    if (!std::exchange(mine.was_reached, true)) ++taping->reached;
    if (!lost.has_value()) return;
    const core::Duration away = Clock::now() - *lost;
    mine.away += away;
    taping->Tell(
        absl::StrCat(name, ": answers again after ", Brief(away.count())));
    lost.reset();
  };
  // The first stream is opened in any case.
  for (core::Duration left = taping->wanted.duration;
       left > core::Duration::zero(); left = taping->left()) {
    const grpc::Status end = RecordOnce(i, left, taping, back);
    if (end.ok()) return;
    // This program may have ended the stream.
    if (taping->is_stopped()) break;
    if (IsFinal(end, mine.was_reached)) {
      mine.lacks_channel = end.error_code() == grpc::StatusCode::NOT_FOUND;
      mine.is_lost = !mine.lacks_channel;
      if (!mine.was_reached) ++taping->missing;
      taping->Tell(Explain(name, end));
      return;
    }
    if (!lost.has_value()) {
      lost = Clock::now();
      ++mine.times_away;
      if (!mine.was_reached) ++taping->missing;
      taping->Tell(absl::StrCat(Explain(name, end),
                                taping->is_hopeless() ? "" : "; trying again"));
    }
    const auto until = Clock::now() + pause;
    while (Clock::now() < until && !taping->is_over()) {
      std::this_thread::sleep_for(kLook);
    }
    if (taping->is_over()) break;
  }
  mine.is_lost = lost.has_value();
  if (mine.is_lost) mine.away += Clock::now() - *lost;
}

Client::Recorded Client::RecordAll(const RecordRequest& wanted,
                                   const Sink& sink) const {
  std::signal(SIGINT, StopRecording);
  std::signal(SIGTERM, StopRecording);
  Taping taping(wanted, sink, targets_.size());
  std::atomic<size_t> running{targets_.size()};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < targets_.size(); ++i) {
    threads.emplace_back([&, i] {
      RecordOne(i, &taping);
      --running;
    });
  }
  // The first line comes soon, to show that it works.
  auto every = std::chrono::seconds(1);
  auto next = taping.began + every;
  while (running > 0) {
    std::this_thread::sleep_for(kLook);
    if (Clock::now() < next) continue;
    if (!taping.is_terminal) every = std::min(2 * every, kRarely);
    next = Clock::now() + every;
    const auto so_far =
        std::chrono::floor<std::chrono::seconds>(Clock::now() - taping.began);
    std::cerr << (taping.is_terminal ? kOver : "")
              << core::FormatDuration(so_far) << " of "
              << core::FormatDuration(wanted.duration) << ": " << taping.Told()
              << (taping.is_terminal ? "" : "\n") << std::flush;
  }
  for (std::thread& thread : threads) thread.join();
  if (taping.is_terminal) std::cerr << kOver << std::flush;
  Recorded recorded = taping.recorded;
  recorded.calls = taping.calls();
  recorded.told = taping.Told();
  recorded.error = taping.error();
  recorded.was_interrupted = stops_recording;
  // What follows may be interrupted as any program.
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, SIG_DFL);
  return recorded;
}

std::string Client::Absences(const Recorded& recorded) const {
  std::string out;
  for (size_t i = 0; i < targets_.size(); ++i) {
    const Recorded::OfTarget& each = recorded.targets[i];
    const std::string& name = targets_[i].name;
    if (each.lacks_channel) {
      absl::StrAppend(&out, name, ": not recorded, for it has no such channel",
                      "\n");
    } else if (each.was_reached && each.times_away > 0) {
      absl::StrAppend(&out, name, ": away for ", Brief(each.away.count()),
                      each.times_away > 1
                          ? absl::StrCat(" in ", each.times_away, " parts")
                          : "",
                      each.is_lost ? ", and did not come back" : "",
                      "; its calls of that time are missing\n");
    }
  }
  return out;
}

int Client::Record(const RecordRequest& wanted) {
  auto file = RecordingFile::Create(wanted.path);
  if (!file.ok()) {
    Complain(Printable(file.status().message()));
    return kExitFailed;
  }
  const Sink sink = {
      [&](const v1::CallBlock& block) { return (*file)->Append(block); },
      [&] {
        return absl::StrCat(", ", ((*file)->bytes() + 1023) / 1024, " kB");
      }};
  const Recorded recorded = RecordAll(wanted, sink);
  const bool has_failed = recorded.has_failed() || !recorded.error.ok();
  if (!recorded.error.ok()) {
    Complain(absl::StrCat(Printable(recorded.error.message()),
                          "; what is in it, ", recorded.calls,
                          " calls, is whole"));
  }
  // An empty file is removed, so that the next recording can have its name.
  const bool is_removed =
      recorded.calls == 0 && (has_failed || recorded.was_interrupted);
  if (is_removed) (*file)->Remove();
  const size_t reached = recorded.reached();
  if (reached == 0 && has_failed) return kExitFailed;
  std::cout << Printable(wanted.path) << ": " << recorded.told << " from "
            << reached << " target" << (reached == 1 ? "" : "s")
            << (recorded.was_interrupted ? ", until interrupted" : "")
            << (is_removed ? "; the file is removed" : "") << "\n"
            << Absences(recorded) << std::flush;
  return has_failed ? kExitFailed : kExitOk;
}

}  // namespace firebreak::ctl
