// The commands of firebreakctl, after their arguments have been understood.
//
//   Client client(settings);
//   absl::Status connected = client.Connect();
//   return client.Show("Charge");
//
// Each asks all targets at once, prints the answers to standard output, and
// returns the exit code: 0, or 1 after a line on standard error for each target
// that says what it answered or why it cannot be reached. Of several targets
// those that do not answer are a row of what List(), Health() and Alerts()
// print. A target without the channel that is asked for is left out, unless
// none has it.
//
// Thread safety: none.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_COMMANDS_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_COMMANDS_H_

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "firebreak/v1/admin.grpc.pb.h"
#include "src/core/base/time.h"
#include "tools/firebreakctl/connect.h"
#include "tools/firebreakctl/render.h"
#include "tools/firebreakctl/table.h"

namespace firebreak::ctl {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
// Of Health().
inline constexpr int kExitDegraded = 1;
inline constexpr int kExitUnhealthy = 2;
// Of Alerts(), where it is to tell.
inline constexpr int kExitWarning = 1;
inline constexpr int kExitCritical = 2;
// Of DiffPolicy(), as of diff(1).
inline constexpr int kExitDifferent = 1;
inline constexpr int kExitTrouble = 2;

struct Settings {
  std::vector<std::string> targets;  // of admin services, in gRPC's terms
  std::string channel;               // only methods of this one; empty = all
  std::string engine;  // of a service for several; empty = all, or the only one
  core::Duration timeout = std::chrono::seconds(5);  // for one answer
  bool json = false;
  std::string reason;  // of a change, for the audit
  Style style;
  Security security;
};

struct ListRequest {
  size_t limit = 0;       // of methods; 0: all
  bool bad_only = false;  // those that are not healthy
};

struct AlertsRequest {
  bool critical_only = false;
  bool exit_code = false;  // tells what there is
};

struct EventsRequest {
  int64_t after = 0;  // 0: from the oldest kept
  bool follow = false;
};

struct PolicyRequest {
  std::string path;         // "-": standard input
  uint64_t if_version = 0;  // 0: whichever is in force
  bool force = false;       // also with errors, and where breakers go
  uint64_t to_version = 0;  // of RollBack(); 0: the one before
};

struct RecordRequest {
  std::string path;    // of a file that is not there yet
  std::string method;  // empty: all
  core::Duration duration = std::chrono::minutes(1);
  double share = 1;  // of the calls
};

class Client {
 public:
  // More would be a fleet for another tool.
  static constexpr size_t kMaxTargets = 256;

  explicit Client(Settings settings);
  // First.
  absl::Status Connect();

  int List(const ListRequest& wanted);
  // The methods' names alone, one to a line, for completion. Only those that a
  // shell takes as they are.
  int Names();
  const Settings& settings() const { return settings_; }
  int Show(const std::string& method);
  // The last decisions on a method's calls.
  int Why(const std::string& method, int last);
  // 0 healthy, 1 degraded, 2 unhealthy, or a target does not answer, or none
  // has a method of the channel that is asked for.
  int Health();
  // With `exit_code`: 0 none, 1 warnings, 2 critical ones, or a target does not
  // answer.
  int Alerts(const AlertsRequest& wanted);
  // `duration` absent: until cleared.
  int Override(const std::string& method, v1::BreakerState state,
               absl::optional<core::Duration> duration);
  int Clear(const std::string& method);
  int Reset(const std::string& method);
  // With `follow` until it is interrupted, or a target says that it never will
  // (PERMISSION_DENIED): a stream that ends, or gives no sign of life, is
  // opened anew, after what was the last; both are told. Those of several
  // targets are put into one order: as if their clocks were right, and those of
  // one target always as they are numbered.
  int Events(const EventsRequest& request);
  // The calls that end from now on, into one file: until the time is over, all
  // targets have ended it, the file cannot be written, or somebody interrupts
  // it, which is no failure.
  int Record(const RecordRequest& wanted);
  int GetPolicy();
  // 0 when no server has a finding that is an error.
  int LintPolicy();
  // 0 no difference, 1 some, 2 trouble.
  int DiffPolicy(const std::string& path);
  // Of several targets all, or, as far as a trial can tell, none. One whose
  // policy is replaced by somebody else between the trial and the change keeps
  // theirs. Not where a finding is an error or a breaker goes, but by `force`.
  int ApplyPolicy(const PolicyRequest& wanted);
  int PolicyHistory();
  // Applies what an earlier version was, as ApplyPolicy(). Of several targets
  // each has its own.
  int RollBack(const PolicyRequest& wanted);

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
  // On standard error.
  static void Complain(const std::string& what);
  static void TellRestart(const std::string& target);

  // Asks all of them, each on a thread of its own.
  template <class Request, class Response>
  Answers<Response> AskAll(Rpc<Request, Response> rpc,
                           const Request& request) const;
  // Each of them another question.
  template <class Request, class Response>
  Answers<Response> AskEach(Rpc<Request, Response> rpc,
                            const std::vector<Request>& requests) const;
  // Prints the answers as JSON: one object a line, which says whose it is.
  template <class Response>
  void PrintJson(const Answers<Response>& answers) const;
  // Without those that have not what is asked for, if others have.
  template <class Response>
  void KeepThoseThatKnow(Answers<Response>* answers) const;
  // The exit code.
  template <class Response>
  static int TellFailures(const Answers<Response>& answers);
  // Whether there is none to print; then it has said why.
  template <class Response>
  bool AllFailed(const Answers<Response>& answers) const;
  // Prints what `render` makes of each answer, under the name of its target
  // where there are several.
  template <class Response, class Render>
  int PrintEach(const Answers<Response>& answers, const Render& render) const;
  // What each would come to.
  Answers<v1::ApplyPolicyResponse> Rehearse(
      const std::vector<std::string>& texts);
  bool MayApply(const Answers<v1::ApplyPolicyResponse>& rehearsed,
                const PolicyRequest& wanted) const;
  // One for each target.
  int Replace(const std::vector<std::string>& texts,
              const PolicyRequest& wanted);
  // Prints the answers to a change, or `none` for those that hold no breaker.
  template <class Response>
  int PrintBreakers(const Answers<Response>& answers, const char* none) const;

  // How much the clock of a target is ahead of ours, told by an answer that has
  // just been written there. One that is off by less than a second may as well
  // be the network: 0.
  template <class Response>
  static int64_t SkewOf(const Response& response) {
    constexpr int64_t kSkewToMention = 1'000'000'000;
    const auto& as_of = response.as_of();
    // Out of what a clock can say it is no time, and would overflow.
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

  class Tape;
  grpc::Status RecordOne(const Target& target, const RecordRequest& wanted,
                         grpc::ClientContext* context, Tape* tape) const;

  // How far a target's events have been read.
  struct Place {
    int64_t after = 0;
    uint64_t instance = 0;  // whose numbers those are; 0: not known
  };
  // Reads what is kept to the end.
  grpc::Status ReadKept(const Target& target, Place* place,
                        EventPrinter* printer) const;
  // What happens, until the stream ends.
  grpc::Status FollowOnce(const Target& target, Place* place,
                          const std::function<void()>& on_open,
                          EventPrinter* printer) const;
  // Stream after stream, until one ends in a way that will not change.
  grpc::Status Follow(const Target& target, Place* place,
                      EventPrinter* printer) const;

  const Settings settings_;
  std::vector<Target> targets_;
};

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_COMMANDS_H_
