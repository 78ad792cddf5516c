#include "tools/firebreakctl/live/fleet.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/core/base/duration.h"
#include "tools/firebreakctl/ask/connect.h"
#include "tools/firebreakctl/live/fleet_json.h"
#include "tools/firebreakctl/show/words.h"

namespace firebreak::ctl {
namespace {

using Clock = std::chrono::steady_clock;

// The shortest time between two polls.
constexpr core::Duration kShortest = std::chrono::milliseconds(100);
// A stream of events that is silent for this long is broken: it is longer than
// the heartbeat.
constexpr core::Duration kBeat = std::chrono::seconds(2);

std::string Explain(const grpc::Status& status, core::Duration timeout) {
  switch (status.error_code()) {
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return absl::StrCat("no answer within ", core::FormatDuration(timeout));
    case grpc::StatusCode::UNIMPLEMENTED:
      return "it has no firebreak admin service";
    default:
      return Printable(ErrorText(status));
  }
}

}  // namespace

// Guarded by mu_, except for the members that one thread owns.
struct Fleet::Target {
  struct Entry {
    std::string json;
    uint64_t version = 0;
    MethodHistory history;
  };
  struct EventLine {
    std::string json;
    uint64_t version = 0;
  };

  std::string name;
  std::unique_ptr<v1::Admin::Stub> stub;

  bool is_asked = false;  // there is an answer or an error
  std::string error;
  v1::ListMethodsResponse last;
  std::map<std::string, Entry> methods;
  std::deque<EventLine> events;
  // The version of what is not in the entries, and of the last time that all
  // entries were replaced.
  uint64_t version = 0;
  uint64_t replaced = 0;
  bool is_poked = false;
  // The calls in flight.
  grpc::ClientContext* poll = nullptr;
  grpc::ClientContext* watch = nullptr;

  // Used by the watching thread only: how far it has read.
  int64_t after = 0;
  uint64_t instance = 0;

  std::thread poller;
  std::thread watcher;
};

Fleet::Fleet(Settings settings) : settings_(std::move(settings)) {}

Fleet::~Fleet() {
  {
    const std::lock_guard<std::mutex> lock(mu_);
    stops_ = true;
    for (const auto& target : targets_) {
      // A target that hangs answers neither call.
      if (target->poll != nullptr) target->poll->TryCancel();
      if (target->watch != nullptr) target->watch->TryCancel();
    }
  }
  news_.notify_all();
  work_.notify_all();
  for (const auto& target : targets_) {
    if (target->poller.joinable()) target->poller.join();
    if (target->watcher.joinable()) target->watcher.join();
  }
}

absl::Status Fleet::Connect() {
  for (const std::string& name : settings_.targets) {
    auto channel = ctl::Connect(name, settings_.security);
    if (!channel.ok()) return channel.status();
    auto target = std::make_unique<Target>();
    target->name = name;
    target->stub = v1::Admin::NewStub(*channel);
    targets_.push_back(std::move(target));
  }
  return absl::OkStatus();
}

void Fleet::Start() {
  for (const auto& target : targets_) {
    Target* const t = target.get();
    t->poller = std::thread([this, t] { Poll(t); });
    t->watcher = std::thread([this, t] { Watch(t); });
  }
}

void Fleet::Begin(grpc::ClientContext* context) const {
  AddToken(settings_.security, context);
  context->set_deadline(
      std::chrono::system_clock::now() +
      std::chrono::duration_cast<std::chrono::system_clock::duration>(
          settings_.timeout));
}

v1::Admin::Stub* Fleet::Find(const std::string& target) const {
  for (const auto& each : targets_) {
    if (each->name == target) return each->stub.get();
  }
  return nullptr;
}

void Fleet::AddViewer() {
  const std::lock_guard<std::mutex> lock(mu_);
  if (viewers_++ > 0) return;
  for (const auto& target : targets_) target->is_poked = true;
  work_.notify_all();
}

void Fleet::RemoveViewer() {
  const std::lock_guard<std::mutex> lock(mu_);
  --viewers_;
}

Answers<v1::ListMethodsResponse> Fleet::Last() const {
  const std::lock_guard<std::mutex> lock(mu_);
  Answers<v1::ListMethodsResponse> answers;
  for (const auto& target : targets_) {
    answers.emplace_back();
    answers.back().target = target->name;
    answers.back().error =
        target->is_asked ? target->error : std::string(kNotAsked);
    answers.back().response = target->last;
    answers.back().is_idle = target->last.methods().empty();
  }
  return answers;
}

std::string Fleet::Wait(Cursor* cursor, core::Duration patience) {
  std::unique_lock<std::mutex> lock(mu_);
  cursor->versions.resize(targets_.size(), 0);
  const auto has_news = [&] {
    for (size_t i = 0; i < targets_.size(); ++i) {
      if (targets_[i]->version > cursor->versions[i]) return true;
    }
    return stops_;
  };
  if (!news_.wait_for(lock, patience, has_news) || stops_) return "";
  std::string out;
  for (size_t i = 0; i < targets_.size(); ++i) {
    const Target& target = *targets_[i];
    uint64_t& seen = cursor->versions[i];
    if (target.version <= seen) continue;
    const bool is_full = seen <= target.replaced;
    TargetFrame frame;
    frame.target = target.name;
    frame.error = target.error;
    frame.is_full = is_full;
    frame.as_of = target.last.as_of();
    for (const auto& [key, entry] : target.methods) {
      if (!is_full && entry.version <= seen) continue;
      frame.methods.push_back(is_full ? WithHistory(entry.json, entry.history)
                                      : entry.json);
    }
    for (const Target::EventLine& line : target.events) {
      if (line.version > seen) frame.events.push_back(line.json);
    }
    seen = target.version;
    absl::StrAppend(&out, "event: target\ndata: ", ToJson(frame), "\n\n");
  }
  return out;
}

bool Fleet::SleepFor(core::Duration d) {
  std::unique_lock<std::mutex> lock(mu_);
  return !work_.wait_for(lock, d, [&] { return stops_; });
}

void Fleet::Poll(Target* target) {
  for (;;) {
    const core::Duration busy = IntervalAfter(PollOnce(target));
    if (!SleepFor(kShortest)) return;
    std::unique_lock<std::mutex> lock(mu_);
    const Clock::time_point began = Clock::now();
    // A new viewer wakes it up.
    while (!stops_ && !std::exchange(target->is_poked, false)) {
      const auto until = began + (viewers_ > 0 ? busy : kIdleInterval);
      if (work_.wait_until(lock, until) == std::cv_status::timeout) break;
    }
    if (stops_) return;
  }
}

core::Duration Fleet::PollOnce(Target* target) {
  v1::ListMethodsRequest request;
  request.mutable_selector()->set_channel(settings_.channel);
  request.mutable_selector()->set_engine(settings_.engine);
  request.set_order(v1::METHOD_ORDER_WORST_FIRST);
  v1::ListMethodsResponse response;
  grpc::ClientContext context;
  Begin(&context);
  {
    const std::lock_guard<std::mutex> lock(mu_);
    if (stops_) return core::Duration::zero();
    target->poll = &context;
  }
  const Clock::time_point began = Clock::now();
  const grpc::Status status =
      target->stub->ListMethods(&context, request, &response);
  const core::Duration took =
      status.ok() ? Clock::now() - began : core::Duration::zero();

  const std::lock_guard<std::mutex> lock(mu_);
  target->poll = nullptr;
  const std::string error =
      status.ok() ? "" : Explain(status, settings_.timeout);
  bool is_new = !target->is_asked || error != target->error;
  target->is_asked = true;
  target->error = error;
  const uint64_t next = version_ + 1;
  if (status.ok()) {
    std::map<std::string, Target::Entry> known;
    known.swap(target->methods);
    for (const v1::Method& method : response.methods()) {
      const std::string key = absl::StrCat(
          method.engine(), "\n", method.channel(), "\n", method.method());
      Target::Entry& entry = target->methods[key];
      const auto before = known.find(key);
      if (before != known.end()) {
        entry = std::move(before->second);
        known.erase(before);
      }
      entry.history.Add(method, response.as_of());
      std::string json = MethodJson(method, entry.history);
      if (json == entry.json) continue;
      entry.json = std::move(json);
      entry.version = next;
      is_new = true;
    }
    if (!known.empty()) {  // the process was restarted
      target->replaced = next;
      is_new = true;
    }
    target->last.Swap(&response);
  } else if (target->watch != nullptr) {
    // The stream is most likely broken too, and may not notice it.
    target->watch->TryCancel();
  }
  if (is_new) {
    version_ = target->version = next;
    news_.notify_all();
  }
  return took;
}

void Fleet::Watch(Target* target) {
  for (;;) {
    const grpc::Status end = WatchOnce(target);
    if (end.error_code() == grpc::StatusCode::OUT_OF_RANGE) {
      target->after = 0;
      target->instance = 0;
    }
    if (!SleepFor(kInterval)) return;
  }
}

grpc::Status Fleet::WatchOnce(Target* target) {
  v1::WatchEventsRequest request;
  request.mutable_selector()->set_channel(settings_.channel);
  request.mutable_selector()->set_engine(settings_.engine);
  request.set_after_sequence(target->after);
  request.set_instance(target->instance);
  request.set_replay(true);
  request.mutable_heartbeat()->set_seconds(
      std::chrono::duration_cast<std::chrono::seconds>(kBeat).count());
  grpc::ClientContext context;
  AddToken(settings_.security, &context);
  {
    const std::lock_guard<std::mutex> lock(mu_);
    if (stops_) return grpc::Status::CANCELLED;
    target->watch = &context;
  }
  auto reader = target->stub->WatchEvents(&context, request);
  v1::WatchEventsResponse response;
  while (reader->Read(&response)) {
    target->after = response.last_sequence();
    const bool is_another = target->instance != response.instance();
    target->instance = response.instance();
    const std::lock_guard<std::mutex> lock(mu_);
    if (is_another) target->events.clear();
    if (response.events().empty()) continue;
    version_ = target->version = version_ + 1;
    for (const v1::Event& event : response.events()) {
      target->events.push_back({EventJson(event), version_});
      if (target->events.size() > kEvents) target->events.pop_front();
    }
    target->is_poked = true;
    news_.notify_all();
    work_.notify_all();
  }
  {
    const std::lock_guard<std::mutex> lock(mu_);
    target->watch = nullptr;
  }
  return reader->Finish();
}

}  // namespace firebreak::ctl
