// Follows the file of a policy while the engine runs.
//
//   auto watch = PolicyWatch::Create("/etc/shop/policy.textproto", interval);
//   absl::Status status = watch->Load(store.get());  // reads it now
//   watch->Apply(store.get());                       // is in force
//   watch->Start(store, io);                         // and from time to time
//
// Every `interval` it looks at the file's metadata. A file that looks different
// is read, and its content counts once it has not changed for one interval. So
// half of a file that is being written does not become the policy, although it
// may well be a valid one. Since the content counts and not the name, it does
// not matter how the file is replaced: written in place, by a rename, or by a
// symbolic link that changes somewhere on the path (a ConfigMap of Kubernetes).
//
// A file that looks the same has the same content only if its time stamps are
// old: within one tick of the file system's clock a second write leaves no
// trace. So the file is read again at each look, until it has been read after
// it had looked the same for two seconds by this machine's clock. The clock of
// a file server is not trusted.
//
// Only a change counts, that is, a content other than the one read last, valid
// or not. So a policy that was set in another way meanwhile stays until the
// file changes. What is wrong with a file is reported once (an event, and a
// refused update), and the policy in force stays. When the file is good again,
// that is reported too.
//
// Why polling: inotify watches names, so there would have to be a watch on each
// link and folder of the path, and it reports nothing on network file systems.
// One stat() a second costs nothing.
//
// It runs on the observers' pool, since a look may block (a network file
// system) and the timer thread must not. Thread safety: safe from any thread;
// one look at a time. Ownership: shared with a look in progress, which may
// outlive `io`: Stop() is called before `io` is destroyed.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_POLICY_WATCH_H_
#define FIREBREAK_SRC_ENGINE_POLICY_POLICY_WATCH_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "firebreak/policy_update.h"
#include "src/core/base/mutex.h"
#include "src/core/base/time.h"
#include "src/engine/io/io.h"
#include "src/engine/policy/policy.h"
#include "src/engine/policy/policy_file.h"

namespace firebreak::engine {

// The object whose policy comes from the file.
class PolicyTarget {
 public:
  // See PolicyStore.
  virtual absl::StatusOr<PolicyChange> UpdatePolicy(
      const absl::StatusOr<PolicyTable>& policy,
      const PolicyUpdate& update) = 0;
  virtual void NotePolicyIsWell(const std::string& source,
                                absl::string_view what) = 0;
  // For a service config: EngineOptions::clamp_attempts_at_5.
  virtual bool clamps_attempts_at_5() const = 0;

 protected:
  ~PolicyTarget() = default;
};

class PolicyWatch final : public TimerClient,
                          public std::enable_shared_from_this<PolicyWatch> {
  struct Key {};  // only Create() has one

 public:
  // `path` is the name of the file in events and errors. Tests pass a `file`.
  static std::shared_ptr<PolicyWatch> Create(
      std::string path, core::Duration interval,
      std::unique_ptr<WatchedFile> file = nullptr);
  PolicyWatch(Key, std::string path, core::Duration interval,
              std::unique_ptr<WatchedFile> file)
      : path_(std::move(path)), interval_(interval), file_(std::move(file)) {}

  // Looks at the file for the first time. The status says why the file cannot
  // be the policy, which is also a refused update.
  absl::Status Load(PolicyTarget* target);
  // Makes what was loaded the policy. Called once, after Load(), and only when
  // no other watch can Poll() in between: the former one has been stopped.
  void Apply(PolicyTarget* target);
  // Arms a timer of `io`. Holds `target` weakly, which keeps `io` alive.
  void Start(const std::shared_ptr<PolicyTarget>& target, Io* io);
  // Once this returns, the file no longer changes the policy. It does not wait
  // for a look that hangs in the file system.
  void Stop();

  // Looks at the file once. Called by the timer, and by tests with a time of
  // their own.
  void Poll(PolicyTarget* target, core::Time now);
  void OnTimer() override;

 private:
  // Records how the file looks. Returns true if it need not be read.
  bool IsAsRead(const FileLook& seen, core::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Returns whether what was read is known, or is new and has not changed for
  // long enough.
  bool IsSettled(const absl::StatusOr<std::string>& text, core::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool IsKnown(const absl::StatusOr<std::string>& text) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return text.ok() && text_ && *text == *text_;
  }
  absl::StatusOr<PolicyTable> Parse(const PolicyTarget& target,
                                    const std::string& text) const;
  // Makes what was read the policy, or reports why it could not be read.
  absl::Status Take(PolicyTarget* target,
                    const absl::StatusOr<std::string>& text)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LookLater() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::string Source() const;

  const std::string path_;
  const core::Duration interval_;
  const std::unique_ptr<WatchedFile> file_;

  core::Mutex mu_;
  std::weak_ptr<PolicyTarget> target_ ABSL_GUARDED_BY(mu_);
  Io* io_ ABSL_GUARDED_BY(mu_) = nullptr;  // valid until Stop()
  Timer timer_ ABSL_GUARDED_BY(mu_);
  bool is_stopped_ ABSL_GUARDED_BY(mu_) = false;

  // Set between Load() and Apply().
  absl::optional<PolicyTable> loaded_ ABSL_GUARDED_BY(mu_);

  // How the file looks, and since when. `is_proven_` is whether it was read so
  // late that any write after that must show.
  absl::optional<FileLook> look_ ABSL_GUARDED_BY(mu_);
  core::Time look_since_ ABSL_GUARDED_BY(mu_);
  bool is_proven_ ABSL_GUARDED_BY(mu_) = false;
  // What has been read but does not count yet, and since when it has been read.
  absl::optional<absl::StatusOr<std::string>> pending_ ABSL_GUARDED_BY(mu_);
  core::Time pending_since_ ABSL_GUARDED_BY(mu_);
  // The content that counted last, and what was wrong: "" means nothing.
  absl::optional<std::string> text_ ABSL_GUARDED_BY(mu_);
  bool text_is_good_ ABSL_GUARDED_BY(mu_) = false;
  std::string fault_ ABSL_GUARDED_BY(mu_);
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_POLICY_WATCH_H_
