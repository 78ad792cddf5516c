// `firebreakctl events`: of one target as they come, of several in one order.
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/firebreakctl/commands.h"
#include "tools/firebreakctl/json.h"
#include "tools/firebreakctl/words.h"

namespace firebreak::ctl {
namespace {

using google::protobuf::util::TimeUtil;

// A clock that is off by less may as well be the network.
constexpr int64_t kSkewToMention = 1'000'000'000;

int64_t WallNanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

// Prints events at once, or holds them back to put them into one order.
class Client::EventPrinter {
 public:
  EventPrinter(const Settings& settings, bool has_several)
      : settings_(settings), has_several_(has_several) {}

  // How much the clock of `target` is ahead of ours: told by an answer that has
  // just been written there.
  static int64_t SkewOf(const v1::WatchEventsResponse& response) {
    if (!response.has_as_of()) return 0;
    const int64_t skew =
        TimeUtil::TimestampToNanoseconds(response.as_of()) - WallNanos();
    return std::abs(skew) < kSkewToMention ? 0 : skew;
  }

  void Add(const std::string& target, v1::Event event, int64_t skew,
           bool hold) {
    const std::lock_guard<std::mutex> lock(mu_);
    if (has_several_ && skew != 0) {
      *event.mutable_time() = TimeUtil::NanosecondsToTimestamp(
          TimeUtil::TimestampToNanoseconds(event.time()) - skew);
    }
    if (hold) {
      held_.push_back({target, std::move(event)});
    } else {
      Print({target, std::move(event)});
      std::cout.flush();
    }
  }

  void PrintHeld() {
    const std::lock_guard<std::mutex> lock(mu_);
    // Those of one target are in order already, whatever its clock did.
    std::stable_sort(held_.begin(), held_.end(),
                     [](const Line& a, const Line& b) {
                       return a.event.time() < b.event.time();
                     });
    for (const Line& line : held_) Print(line);
    held_.clear();
    std::cout.flush();
  }

 private:
  struct Line {
    std::string target;
    v1::Event event;
  };

  void Print(const Line& line) const {
    if (settings_.json) {
      std::cout << (has_several_ ? ToJsonLine(line.target, "", line.event)
                                 : ToJson(line.event, false));
      return;
    }
    if (has_several_) std::cout << line.target << "  ";
    std::cout << RenderEvent(line.event, settings_.style);
  }

  const Settings& settings_;
  const bool has_several_;
  std::mutex mu_;
  std::vector<Line> held_;
};

grpc::Status Client::ReadEvents(const Target& target,
                                const v1::WatchEventsRequest& request,
                                grpc::ClientContext* context, int64_t* after,
                                EventPrinter* printer) const {
  auto reader = target.stub->WatchEvents(context, request);
  v1::WatchEventsResponse response;
  bool is_first = true;
  int64_t skew = 0;
  while (reader->Read(&response)) {
    if (std::exchange(is_first, false)) {
      skew = EventPrinter::SkewOf(response);
      if (skew != 0 && request.stop_at_newest()) {
        Complain(absl::StrCat("the clock of ", target.name, " is ",
                              Brief(std::abs(skew)),
                              skew > 0 ? " ahead of" : " behind", " ours"));
      }
    }
    *after = response.last_sequence();
    if (response.missed() > 0) {
      Complain(absl::StrCat(
          response.missed(),
          " events were overwritten before they could be read",
          targets_.size() > 1 ? absl::StrCat(" from ", target.name) : ""));
    }
    for (const v1::Event& event : response.events()) {
      printer->Add(target.name, event, skew,
                   targets_.size() > 1 && request.stop_at_newest());
    }
  }
  return reader->Finish();
}

int Client::Events(const EventsRequest& request) {
  EventPrinter printer(settings_, targets_.size() > 1);
  std::vector<int64_t> after(targets_.size(), request.after);
  std::vector<grpc::Status> ends(targets_.size());
  const auto for_each_that_is_well = [&](const auto& work) {
    std::vector<std::thread> threads;
    for (size_t i = 0; i < targets_.size(); ++i) {
      if (ends[i].ok()) threads.emplace_back([&, i] { work(i); });
    }
    for (std::thread& thread : threads) thread.join();
  };
  const auto complain = [&](size_t i) {
    if (!ends[i].ok()) Complain(Explain(targets_[i].name, ends[i]));
  };

  // Also when following: what has happened comes within the timeout, or the
  // server is not there. Waiting for what will happen has no deadline.
  for_each_that_is_well([&](size_t i) {
    v1::WatchEventsRequest kept;
    *kept.mutable_selector() = Select("");
    kept.set_after_sequence(after[i]);
    kept.set_stop_at_newest(true);
    grpc::ClientContext context;
    Begin(&context);
    ends[i] = ReadEvents(targets_[i], kept, &context, &after[i], &printer);
  });
  printer.PrintHeld();
  size_t failed = 0;
  for (size_t i = 0; i < ends.size(); ++i) {
    complain(i);
    failed += ends[i].ok() ? 0 : 1;
  }
  if (failed == targets_.size()) return kExitFailed;
  if (!request.follow) return kExitOk;

  for_each_that_is_well([&](size_t i) {
    v1::WatchEventsRequest live;
    *live.mutable_selector() = Select("");
    live.set_after_sequence(after[i]);
    live.set_replay(true);
    grpc::ClientContext context;
    AddToken(settings_.security, &context);
    ends[i] = ReadEvents(targets_[i], live, &context, &after[i], &printer);
    if (ends[i].ok()) {
      ends[i] = grpc::Status(grpc::StatusCode::UNAVAILABLE,
                             "the stream of events ended");
    }
    complain(i);
  });
  return kExitFailed;
}

}  // namespace firebreak::ctl
