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
#include "src/core/base/duration.h"
#include "tools/firebreakctl/commands.h"
#include "tools/firebreakctl/recording_file.h"
#include "tools/firebreakctl/words.h"

namespace firebreak::ctl {
namespace {

constexpr auto kLook = std::chrono::milliseconds(50);

std::atomic<bool> stops_recording{false};
static_assert(std::atomic<bool>::is_always_lock_free, "for a signal handler");

// The first signal ends the recording; the second one ends the process.
void StopRecording(int signal) {
  stops_recording = true;
  std::signal(signal, SIG_DFL);
}

}  // namespace

// The file that all streams write to.
class Client::Tape {
 public:
  explicit Tape(RecordingFile* file) : file_(file) {}

  // Writes a block. False: no more can be written.
  bool Append(const v1::CallBlock& block) {
    const std::lock_guard<std::mutex> lock(mu_);
    if (!error_.ok()) return false;
    lost_ = std::min(lost_ + block.lost(), kMostLost);
    if (block.calls().empty() && block.lost() == 0) return true;
    error_ = file_->Append(block);
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
                        ", ", (file_->bytes() + 1023) / 1024, " kB");
  }
  int64_t calls() const {
    const std::lock_guard<std::mutex> lock(mu_);
    return calls_;
  }

 private:
  RecordingFile* const file_;
  mutable std::mutex mu_;
  absl::Status error_;
  int64_t calls_ = 0;
  int64_t lost_ = 0;
};

grpc::Status Client::RecordOne(const Target& target,
                               const RecordRequest& wanted,
                               grpc::ClientContext* context, Tape* tape) const {
  v1::RecordCallsRequest request;
  *request.mutable_selector() = Select(wanted.method);
  *request.mutable_duration() =
      google::protobuf::util::TimeUtil::NanosecondsToDuration(
          wanted.duration.count());
  request.set_share(wanted.share);
  request.set_reason(settings_.reason);
  auto reader = target.stub->RecordCalls(context, request);
  v1::RecordCallsResponse response;
  bool is_first = true;
  int64_t ahead = 0;
  while (reader->Read(&response)) {
    if (std::exchange(is_first, false)) {
      ahead = SkewOf(response);
      if (ahead != 0) {
        Complain(absl::StrCat("the clock of ", target.name, " is ",
                              Brief(std::abs(ahead)),
                              ahead > 0 ? " ahead of" : " behind",
                              " ours, which is noted in the file"));
      }
    }
    v1::CallBlock* const block = response.mutable_calls();
    block->set_source(target.name);
    block->set_clock_ahead_ns(ahead);
    block->set_lost(std::clamp<int64_t>(block->lost(), 0, kMostLost));
    if (!tape->Append(*block)) context->TryCancel();
  }
  return reader->Finish();
}

int Client::Record(const RecordRequest& wanted) {
  auto file = RecordingFile::Create(wanted.path);
  if (!file.ok()) {
    Complain(Printable(file.status().message()));
    return kExitFailed;
  }
  std::signal(SIGINT, StopRecording);
  std::signal(SIGTERM, StopRecording);
  Tape tape(file->get());
  const auto began = std::chrono::steady_clock::now();
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::thread> threads;
  std::atomic<size_t> running{targets_.size()};
  std::atomic<size_t> failed{0};
  const bool is_terminal = isatty(STDERR_FILENO) == 1;
  // Erases the line that shows the progress.
  const char* const over = is_terminal ? "\r\x1b[K" : "";
  for (size_t i = 0; i < targets_.size(); ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    AddToken(settings_.security, contexts[i].get());
    // It extends past the end of the recording, so that the rest can be read. A
    // host that does not answer by then is given up.
    contexts[i]->set_deadline(
        std::chrono::system_clock::now() +
        std::chrono::duration_cast<std::chrono::system_clock::duration>(
            wanted.duration + 2 * settings_.timeout));
    threads.emplace_back([&, i, context = contexts[i].get()] {
      const grpc::Status end = RecordOne(targets_[i], wanted, context, &tape);
      // Otherwise this program may have ended the stream.
      if (!end.ok() && !stops_recording && tape.error().ok()) {
        ++failed;
        std::cerr << over;
        Complain(Explain(targets_[i].name, end));
      }
      --running;
    });
  }
  auto next = began + std::chrono::seconds(is_terminal ? 1 : 10);
  bool has_stopped = false;
  while (running > 0) {
    std::this_thread::sleep_for(kLook);
    if (stops_recording && !std::exchange(has_stopped, true)) {
      for (const auto& context : contexts) context->TryCancel();
    }
    if (std::chrono::steady_clock::now() < next) continue;
    next = std::chrono::steady_clock::now() +
           std::chrono::seconds(is_terminal ? 1 : 10);
    const auto so_far = std::chrono::duration_cast<std::chrono::seconds>(
        std::chrono::steady_clock::now() - began);
    std::cerr << over << core::FormatDuration(so_far) << " of "
              << core::FormatDuration(wanted.duration) << ": " << tape.Told()
              << (is_terminal ? "" : "\n") << std::flush;
  }
  for (std::thread& thread : threads) thread.join();
  std::cerr << over << std::flush;
  const absl::Status error = tape.error();
  if (!error.ok()) {
    Complain(absl::StrCat(Printable(error.message()), "; what is in it, ",
                          tape.calls(), " calls, is whole"));
  }
  // An empty file is removed, so that the next recording can have its name.
  const bool is_removed =
      tape.calls() == 0 && (failed > 0 || has_stopped || !error.ok());
  if (is_removed) (*file)->Remove();
  if (failed == targets_.size() && tape.calls() == 0) return kExitFailed;
  std::cout << Printable(wanted.path) << ": " << tape.Told() << " from "
            << targets_.size() - failed << " target"
            << (targets_.size() - failed == 1 ? "" : "s")
            << (has_stopped ? ", until interrupted" : "")
            << (is_removed ? "; the file is removed" : "") << "\n"
            << std::flush;
  return failed > 0 || !error.ok() ? kExitFailed : kExitOk;
}

}  // namespace firebreak::ctl
