// What a fleet of processes says of its methods, kept up to date: one
// connection and two threads for each target, however many look.
//
//   Fleet fleet(settings);
//   absl::Status ready = fleet.Connect();
//   fleet.Start();
//   Fleet::Cursor cursor;                       // of one viewer
//   std::string frames = fleet.Wait(&cursor, std::chrono::seconds(5));
//
// A target is asked each second while somebody looks, at once after an event,
// and each five seconds while nobody does. One that takes long to answer, for
// it has many methods or is busy, is asked so much less often that it answers
// for a hundredth of its time, but each five seconds. What has not changed
// since a viewer looked last is not sent to it, and a viewer that is slow
// misses what was between: nothing queues up for it.
//
// A target that does not answer keeps what it said last, with the error beside
// it, and is asked on.
//
// Thread safety: safe from any thread after Start().
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_FLEET_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_FLEET_H_

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "firebreak/v1/admin.grpc.pb.h"
#include "src/core/base/time.h"
#include "tools/firebreakctl/commands.h"
#include "tools/firebreakctl/render.h"

namespace firebreak::ctl {

class Fleet {
 public:
  static constexpr core::Duration kInterval = std::chrono::seconds(1);
  static constexpr core::Duration kIdleInterval = std::chrono::seconds(5);
  // The error of a target before its first answer.
  static constexpr char kNotAsked[] = "it has not been asked yet";
  // Events that are kept of each target.
  static constexpr size_t kEvents = 300;

  // How far a viewer has seen each target. Empty: nothing.
  struct Cursor {
    std::vector<uint64_t> versions;
  };

  // Between two questions to a target that took so long to answer the last.
  static constexpr core::Duration IntervalAfter(core::Duration took) {
    return std::clamp(100 * std::min(took, kIdleInterval), kInterval,
                      kIdleInterval);
  }

  explicit Fleet(Settings settings);
  // Ends its threads.
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  // First. INVALID_ARGUMENT: as of ctl::Connect().
  absl::Status Connect();
  void Start();

  // Events of an SSE stream, one for each target that has changed: the JSON of
  // fleet_json.h. "" when none does within `patience`.
  std::string Wait(Cursor* cursor, core::Duration patience);
  // Somebody looks, or looks no more.
  void AddViewer();
  void RemoveViewer();

  // Of every target its last list, worst first, or why there is none.
  Answers<v1::ListMethodsResponse> Last() const;
  // Null: there is no such target.
  v1::Admin::Stub* Find(const std::string& target) const;
  std::vector<std::string> targets() const { return settings_.targets; }
  const Settings& settings() const { return settings_; }
  // With deadline and token.
  void Begin(grpc::ClientContext* context) const;

 private:
  struct Target;

  void Poll(Target* target);
  // How long the answer took; zero when there was none.
  core::Duration PollOnce(Target* target);
  void Watch(Target* target);
  grpc::Status WatchOnce(Target* target);
  bool SleepFor(core::Duration d);

  const Settings settings_;
  std::vector<std::unique_ptr<Target>> targets_;
  mutable std::mutex mu_;
  // Something is new, or it ends.
  std::condition_variable news_;
  // One of the pollers has something to do.
  std::condition_variable work_;
  uint64_t version_ = 0;  // of the newest change, guarded by mu_
  int viewers_ = 0;       // guarded by mu_
  bool stops_ = false;    // guarded by mu_
};

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_FLEET_H_
