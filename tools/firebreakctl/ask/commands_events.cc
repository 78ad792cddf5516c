// `firebreakctl events`: prints the events of one target, or merges several.
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "src/core/base/duration.h"
#include "tools/firebreakctl/ask/commands.h"
#include "tools/firebreakctl/ask/live_stream.h"
#include "tools/firebreakctl/show/json.h"
#include "tools/firebreakctl/show/words.h"

namespace firebreak::ctl {
namespace {

using google::protobuf::util::TimeUtil;

// The limits of the server for a heartbeat.
constexpr core::Duration kShortestBeat = std::chrono::milliseconds(100);
constexpr core::Duration kLongestBeat = std::chrono::hours(1);
// After so many missing heartbeats a stream counts as broken.
constexpr int kMissedBeats = 3;

}  // namespace

// Prints events at once, or collects them to print them in one order.
class Client::EventPrinter {
 public:
  EventPrinter(const Settings& settings, bool has_several)
      : settings_(settings), has_several_(has_several) {}

  void PrintNow(const Target& target, const v1::Event& event) {
    const std::lock_guard<std::mutex> lock(mu_);
    Print(target, event);
    std::cout.flush();
  }

  // `skew` only corrects its place in the order; the printed time is the
  // target's.
  void Hold(const Target& target, v1::Event event, int64_t skew) {
    const std::lock_guard<std::mutex> lock(mu_);
    // The events of one target keep their order, whatever its clock did.
    int64_t& newest =
        newest_.try_emplace(&target, std::numeric_limits<int64_t>::min())
            .first->second;
    newest =
        std::max(newest, TimeUtil::TimestampToNanoseconds(event.time()) - skew);
    held_.push_back({&target, newest, std::move(event)});
  }

  void PrintHeld() {
    const std::lock_guard<std::mutex> lock(mu_);
    std::stable_sort(
        held_.begin(), held_.end(),
        [](const Line& a, const Line& b) { return a.place < b.place; });
    for (const Line& line : held_) Print(*line.target, line.event);
    held_.clear();
    std::cout.flush();
  }

  void Missed(const Target& target, int64_t events) const {
    if (events == 0) return;
    Complain(absl::StrCat(
        events, " events were overwritten before they could be read",
        has_several_ ? absl::StrCat(" from ", target.name) : ""));
  }

 private:
  struct Line {
    const Target* target;
    int64_t place;
    v1::Event event;
  };

  void Print(const Target& target, const v1::Event& event) const {
    if (settings_.json) {
      std::cout << ToJsonLine(target.name, "", event);
      return;
    }
    if (has_several_) std::cout << target.name << "  ";
    std::cout << RenderEvent(event, settings_.style);
  }

  const Settings& settings_;
  const bool has_several_;
  std::mutex mu_;
  std::vector<Line> held_;
  std::map<const Target*, int64_t> newest_;
};

grpc::Status Client::ReadKept(const Target& target, Place* place,
                              EventPrinter* printer) const {
  v1::WatchEventsRequest request;
  *request.mutable_selector() = Select("");
  request.set_after_sequence(place->after);
  request.set_stop_at_newest(true);
  grpc::ClientContext context;
  Begin(&context);
  auto reader = target.stub->WatchEvents(&context, request);
  v1::WatchEventsResponse response;
  bool is_first = true;
  int64_t skew = 0;
  while (reader->Read(&response)) {
    if (std::exchange(is_first, false)) {
      skew = SkewOf(response);
      if (skew != 0) {
        Complain(absl::StrCat(
            "the clock of ", target.name, " is ", Brief(std::abs(skew)),
            skew > 0 ? " ahead of" : " behind", " ours",
            targets_.size() > 1 ? ": its events stand where they belong, with "
                                  "the times that it tells"
                                : ""));
      }
    }
    place->after = response.last_sequence();
    place->instance = response.instance();
    printer->Missed(target, response.missed());
    for (const v1::Event& event : response.events()) {
      if (targets_.size() > 1) {
        printer->Hold(target, event, skew);
      } else {
        printer->PrintNow(target, event);
      }
    }
  }
  return reader->Finish();
}

void Client::TellRestart(const std::string& target) {
  Complain(absl::StrCat(target,
                        ": it has been restarted; its events are numbered "
                        "from 1 again"));
}

grpc::Status Client::FollowOnce(const Target& target, Place* place,
                                const std::function<void()>& on_open,
                                EventPrinter* printer) const {
  const core::Duration beat =
      std::min(std::max(settings_.timeout, kShortestBeat), kLongestBeat);
  v1::WatchEventsRequest request;
  *request.mutable_selector() = Select("");
  request.set_after_sequence(place->after);
  request.set_instance(place->instance);
  request.set_replay(true);
  *request.mutable_heartbeat() = TimeUtil::NanosecondsToDuration(beat.count());
  grpc::ClientContext context;
  AddToken(settings_.security, &context);
  LiveStream<v1::WatchEventsResponse> stream(
      &context, [&](grpc::CompletionQueue* queue) {
        return target.stub->AsyncWatchEvents(&context, request, queue, nullptr);
      });
  v1::WatchEventsResponse response;
  // The server sends its first response at once.
  bool is_open = false;
  while (stream.Read(&response,
                     is_open ? kMissedBeats * beat : settings_.timeout)) {
    if (!std::exchange(is_open, true)) on_open();
    if (place->instance != 0 && response.instance() != place->instance) {
      TellRestart(target.name);
    }
    place->instance = response.instance();
    place->after = response.last_sequence();
    printer->Missed(target, response.missed());
    for (const v1::Event& event : response.events()) {
      printer->PrintNow(target, event);
    }
  }
  const grpc::Status end = stream.Finish();
  if (!stream.is_silent()) {
    return end.ok() ? grpc::Status(grpc::StatusCode::UNAVAILABLE,
                                   "the stream of events ended")
                    : end;
  }
  return {grpc::StatusCode::DEADLINE_EXCEEDED,
          absl::StrCat("no sign of life for ",
                       core::FormatDuration(is_open ? kMissedBeats * beat
                                                    : settings_.timeout))};
}

grpc::Status Client::Follow(const Target& target, Place* place,
                            EventPrinter* printer) const {
  // The pause before another stream is opened.
  const core::Duration pause =
      std::min<core::Duration>(settings_.timeout, std::chrono::seconds(1));
  absl::optional<std::chrono::steady_clock::time_point> lost;
  const auto on_open = [&] {
    if (!lost.has_value()) return;
    Complain(absl::StrCat(
        target.name, ": answers again after ",
        Brief(core::Duration(std::chrono::steady_clock::now() - *lost).count()),
        "; going on after event ", place->after));
    lost.reset();
  };
  for (;;) {
    grpc::Status end = FollowOnce(target, place, on_open, printer);
    if (IsForGood(end)) return end;
    if (end.error_code() == grpc::StatusCode::OUT_OF_RANGE) {
      // An older server without instances: its events are fewer than those
      // already read, so it was restarted.
      TellRestart(target.name);
      *place = {};
      continue;
    }
    if (!lost.has_value()) {
      lost = std::chrono::steady_clock::now();
      Complain(absl::StrCat(target.name, ": ", Printable(end.error_message()),
                            "; trying again"));
    }
    std::this_thread::sleep_for(pause);
  }
}

int Client::Events(const EventsRequest& request) {
  EventPrinter printer(settings_, targets_.size() > 1);
  std::vector<Place> places(targets_.size());
  for (Place& place : places) place.after = request.after;
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

  // This is done with `follow` too: past events have to arrive within the
  // timeout. The wait for new events has no timeout, only heartbeats.
  for_each_that_is_well(
      [&](size_t i) { ends[i] = ReadKept(targets_[i], &places[i], &printer); });
  printer.PrintHeld();
  size_t failed = 0;
  for (size_t i = 0; i < ends.size(); ++i) {
    complain(i);
    failed += ends[i].ok() ? 0 : 1;
  }
  if (failed == targets_.size()) return kExitFailed;
  if (!request.follow) return failed > 0 ? kExitFailed : kExitOk;
  // A target that cannot be reached now may come back.
  for (grpc::Status& end : ends) {
    if (!IsForGood(end)) end = grpc::Status::OK;
  }
  for_each_that_is_well([&](size_t i) {
    ends[i] = Follow(targets_[i], &places[i], &printer);
    complain(i);
  });
  return kExitFailed;
}

}  // namespace firebreak::ctl
