// The commands of firebreakctl, after their arguments have been parsed.
//
//   Client client(settings);
//   absl::Status connected = client.Connect();
//   return client.Show("Charge");
//
// Each command asks all targets at once and prints the answers to standard
// output. It returns the exit code: 0, or 1 after a line on standard error for
// each target that failed, with its error or why it cannot be reached. If there
// are several targets, List(), Health() and Alerts() print a row for each that
// does not answer. A target that does not have the requested channel is left
// out, unless none has it.
//
// Thread safety: none.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_ASK_COMMANDS_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_ASK_COMMANDS_H_

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "firebreak/v1/admin.grpc.pb.h"
#include "src/core/base/time.h"
#include "tools/firebreakctl/ask/connect.h"
#include "tools/firebreakctl/show/render.h"
#include "tools/firebreakctl/show/table.h"

namespace firebreak::ctl {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
// The exit codes of Health().
inline constexpr int kExitDegraded = 1;
inline constexpr int kExitUnhealthy = 2;
// The exit codes of Alerts() with `exit_code`.
inline constexpr int kExitWarning = 1;
inline constexpr int kExitCritical = 2;
// The exit codes of DiffPolicy(), like those of diff(1).
inline constexpr int kExitDifferent = 1;
inline constexpr int kExitTrouble = 2;

struct Settings {
  std::vector<std::string> targets;  // gRPC targets of admin services
  std::string channel;               // only its methods; empty = all channels
  std::string engine;                // empty = all, or the only one
  core::Duration timeout = std::chrono::seconds(5);  // for one response
  bool json = false;
  std::string reason;  // for the audit of a change
  Style style;
  Security security;
};

struct ListRequest {
  size_t limit = 0;       // the most methods; 0: all
  bool bad_only = false;  // only methods that are not healthy
};

struct AlertsRequest {
  bool critical_only = false;
  bool exit_code = false;  // the exit code shows the worst alert
};

struct EventsRequest {
  int64_t after = 0;  // 0: from the oldest kept
  bool follow = false;
};

struct PolicyRequest {
  std::string path;         // "-": standard input
  uint64_t if_version = 0;  // 0: any version
  bool force = false;       // even with errors, or if breakers are removed
  uint64_t to_version = 0;  // for RollBack(); 0: the previous version
};

struct CandidateRequest {
  std::string path;  // as in PolicyRequest; of Shadow()
  uint64_t if_version = 0;
  uint64_t if_candidate = 0;  // of Shadow()
  bool off = false;           // of Shadow(): remove the candidate
  bool force = false;  // of Promote(): even if the live policy has changed
};

struct RecordRequest {
  std::string path;     // of a file that does not exist yet
  std::string method;   // empty: all
  std::string channel;  // empty: that of the settings
  core::Duration duration = std::chrono::minutes(1);
  double share = 1;  // of the calls
};

struct AdviseLiveRequest {
  std::string method;
  core::Duration duration = std::chrono::minutes(1);
  std::string policy;  // a file; empty: the policy of the targets
  uint64_t seed = 1;   // of the simulation
};

class Client {
 public:
  // The most targets.
  static constexpr size_t kMaxTargets = 256;

  explicit Client(Settings settings);
  // To be called first.
  absl::Status Connect();

  int List(const ListRequest& wanted);
  // Prints only the names of methods, one per line, for completion: those that
  // a shell accepts without quotes.
  int Names();
  const Settings& settings() const { return settings_; }
  int Show(const std::string& method);
  // Prints the last decisions on a method's calls.
  int Why(const std::string& method, int last);
  // Returns 0 for healthy, 1 for degraded, and 2 for unhealthy, if a target
  // does not answer, or if none has a method of the requested channel.
  int Health();
  // With `exit_code` it returns 0 for no alerts, 1 for warnings, and 2 for
  // critical alerts, or if a target does not answer.
  int Alerts(const AlertsRequest& wanted);
  // Without a `duration` the override lasts until it is cleared.
  int Override(const std::string& method, v1::BreakerState state,
               absl::optional<core::Duration> duration);
  int Clear(const std::string& method);
  int Reset(const std::string& method);
  // With `follow` it runs until it is interrupted, or a target answers that it
  // will never allow it (PERMISSION_DENIED). A stream that ends, or sends no
  // heartbeat, is opened again after its last event; both are reported. The
  // events of several targets are merged into one order: by their times,
  // corrected for the skew of the clocks, and those of one target always by
  // their numbers.
  int Events(const EventsRequest& request);
  // Records the calls that end from now on into one file, until the time is
  // over, all targets have ended, the file cannot be written, or it is
  // interrupted, which is no failure. A target that goes away is asked again
  // until it answers; how long it was away is reported.
  int Record(const RecordRequest& wanted);
  // Records a method's calls as Record() does, and suggests numbers for the
  // policy in force.
  int Advise(const AdviseLiveRequest& wanted);
  int GetPolicy();
  // Returns 0 if no server has a finding that is an error.
  int LintPolicy();
  // Returns 0 for no differences, 1 for some, and 2 for a failure.
  int DiffPolicy(const std::string& path);
  // Applies the policy to all targets, or to none, as far as a dry run can
  // tell. If another client replaces the policy of a target between the dry run
  // and the change, that target keeps the other client's policy. Without
  // `force` it does nothing if a finding is an error, or if a breaker would be
  // removed.
  int ApplyPolicy(const PolicyRequest& wanted);
  int PolicyHistory();
  // Applies an earlier version, as ApplyPolicy() does. Each target has its own
  // versions.
  int RollBack(const PolicyRequest& wanted);
  // Sets the candidate policy, or removes it.
  int Shadow(const CandidateRequest& wanted);
  // Prints what the candidate would have done with the calls of one method, or
  // of all methods if `method` is empty.
  int Compare(const std::string& method);
  // Promotes the candidate on all targets or, as far as a look beforehand can
  // tell, on none.
  int Promote(const CandidateRequest& wanted);

 private:
  struct Target {
    std::string name;
    std::unique_ptr<v1::Admin::Stub> stub;
  };
  class EventPrinter;
  template <class Request, class Response>
  using Rpc = grpc::Status (v1::Admin::Stub::*)(grpc::ClientContext*,
                                                const Request&, Response*);

  v1::MethodSelector Select(const std::string& method) const;
  v1::GetPolicyRequest WhichPolicy() const;
  void Begin(grpc::ClientContext* context) const;
  std::string Explain(const std::string& target,
                      const grpc::Status& status) const;
  // Print to standard error.
  static void Complain(const std::string& what);
  static void TellRestart(const std::string& target);

  // Asks all targets, each on a thread of its own.
  template <class Request, class Response>
  Answers<Response> AskAll(Rpc<Request, Response> rpc,
                           const Request& request) const;
  // Asks each target with its own request.
  template <class Request, class Response>
  Answers<Response> AskEach(Rpc<Request, Response> rpc,
                            const std::vector<Request>& requests) const;
  // Prints the answers as JSON, one object per line, with the target's name.
  template <class Response>
  void PrintJson(const Answers<Response>& answers) const;
  // Removes the answers that are NOT_FOUND, if there are others.
  template <class Response>
  void KeepThoseThatKnow(Answers<Response>* answers) const;
  // Prints the errors, and returns the exit code.
  template <class Response>
  static int TellFailures(const Answers<Response>& answers);
  // Whether there is no response to print; then it has printed the errors.
  template <class Response>
  bool AllFailed(const Answers<Response>& answers) const;
  // Prints each response as `render` formats it, under the name of its target
  // if there are several.
  template <class Response, class Render>
  int PrintEach(const Answers<Response>& answers, const Render& render) const;
  // Makes a dry run on each target.
  Answers<v1::ApplyPolicyResponse> Rehearse(
      const std::vector<std::string>& texts);
  bool MayApply(const Answers<v1::ApplyPolicyResponse>& rehearsed,
                const PolicyRequest& wanted) const;
  // Replaces the policy of each target by its own text.
  int Replace(const std::vector<std::string>& texts,
              const PolicyRequest& wanted);
  // Prints the responses to a change, or `none` for those without a breaker.
  template <class Response>
  int PrintBreakers(const Answers<Response>& answers, const char* none) const;

  // How far the clock of a target is ahead of this one, from a response that
  // the target has just written. 0 if it is less than a second, which may be
  // the network's delay.
  template <class Response>
  static int64_t SkewOf(const Response& response) {
    constexpr int64_t kSkewToMention = 1'000'000'000;
    const auto& as_of = response.as_of();
    // A time that no clock shows is ignored; it would overflow.
    if (!response.has_as_of() || as_of.seconds() < 0 ||
        as_of.seconds() > 7'300'000'000 || as_of.nanos() < 0 ||
        as_of.nanos() >= 1'000'000'000) {
      return 0;
    }
    const int64_t ours =
        std::chrono::duration_cast<std::chrono::nanoseconds>(
            std::chrono::system_clock::now().time_since_epoch())
            .count();
    const int64_t skew = as_of.seconds() * 1'000'000'000 + as_of.nanos() - ours;
    return std::abs(skew) < kSkewToMention ? 0 : skew;
  }

  // Takes recorded calls. Called by one thread at a time.
  struct Sink {
    std::function<absl::Status(const v1::CallBlock&)> write;
    std::function<std::string()> told;  // ", 12 kB", for the progress
  };
  // The result of a recording.
  struct Recorded {
    struct OfTarget {
      bool was_reached = false;
      bool lacks_channel = false;  // so that it was not recorded
      bool is_lost = false;        // it never answered, or did not come back
      int times_away = 0;
      core::Duration away{};
    };
    std::vector<OfTarget> targets;  // in the order of the client's targets
    int64_t calls = 0;
    std::string told;    // "12 calls, 3 lost, 1 kB"
    absl::Status error;  // of the sink, which ended it
    bool was_interrupted = false;

    size_t reached() const;
    // Whether a target failed. One without the channel has not, if others have
    // it.
    bool has_failed() const;
  };
  class Taping;
  // Records until the time is over. Failures are reported when they happen.
  Recorded RecordAll(const RecordRequest& wanted, const Sink& sink) const;
  void RecordOne(size_t i, Taping* taping) const;
  // Reads one stream to its end.
  grpc::Status RecordOnce(size_t i, core::Duration duration, Taping* taping,
                          const std::function<void()>& on_open) const;
  // The channel and method that the targets mean by the name.
  // INVALID_ARGUMENT if these are several.
  absl::StatusOr<v1::MethodSelector> FindMethod(
      const Answers<v1::GetMethodResponse>& answers,
      const std::string& wanted) const;
  // A line for each target that was away, did not come back, or lacks the
  // channel.
  std::string Absences(const Recorded& recorded) const;

  // How far a target's events have been read.
  struct Place {
    int64_t after = 0;
    uint64_t instance = 0;  // the process that numbered them; 0: not known
  };
  // Reads all events that the target has kept.
  grpc::Status ReadKept(const Target& target, Place* place,
                        EventPrinter* printer) const;
  // Reads new events until the stream ends.
  grpc::Status FollowOnce(const Target& target, Place* place,
                          const std::function<void()>& on_open,
                          EventPrinter* printer) const;
  // Opens streams until one ends with an error that is permanent.
  grpc::Status Follow(const Target& target, Place* place,
                      EventPrinter* printer) const;

  const Settings settings_;
  std::vector<Target> targets_;
};

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_ASK_COMMANDS_H_
