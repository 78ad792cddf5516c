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
// print, which fail only if none does.
//
// Thread safety: none.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_COMMANDS_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_COMMANDS_H_

#include <cstdint>
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
// Of DiffPolicy(), as of diff(1).
inline constexpr int kExitDifferent = 1;
inline constexpr int kExitTrouble = 2;

struct Settings {
  std::vector<std::string> targets;  // of admin services, in gRPC's terms
  std::string channel;               // only methods of this one; empty = all
  core::Duration timeout = std::chrono::seconds(5);  // for one answer
  bool json = false;
  Style style;
  Security security;
};

struct EventsRequest {
  int64_t after = 0;  // 0: from the oldest kept
  bool follow = false;
};

struct PolicyRequest {
  std::string path;         // "-": standard input
  uint64_t if_version = 0;  // 0: whichever is in force
  bool force = false;       // also with findings that are errors
};

class Client {
 public:
  // More would be a fleet for another tool.
  static constexpr size_t kMaxTargets = 256;

  explicit Client(Settings settings);
  // First.
  absl::Status Connect();

  int List();
  // The methods' names alone, one to a line, for completion. Only those that a
  // shell takes as they are.
  int Names();
  int Show(const std::string& method);
  // 0 healthy, 1 degraded, 2 unhealthy, or a target does not answer, or none
  // has a method of the channel that is asked for.
  int Health();
  int Alerts(bool critical_only);
  // `duration` absent: until cleared.
  int Override(const std::string& method, v1::BreakerState state,
               absl::optional<core::Duration> duration);
  int Clear(const std::string& method);
  int Reset(const std::string& method);
  // With `follow` until the streams break off, which is a failure; one that
  // gives no sign of life is opened anew where it was. Those of several targets
  // are put into one order: as if their clocks were right, and those of one
  // target always as they are numbered.
  int Events(const EventsRequest& request);
  int GetPolicy();
  // 0 when no server has a finding that is an error.
  int LintPolicy();
  // 0 no difference, 1 some, 2 trouble.
  int DiffPolicy(const std::string& path);
  // Of several targets all, or, as far as a trial can tell, none. One whose
  // policy is replaced by somebody else between the trial and the change keeps
  // theirs.
  int ApplyPolicy(const PolicyRequest& wanted);

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
  void Begin(grpc::ClientContext* context) const;
  std::string Explain(const std::string& target,
                      const grpc::Status& status) const;
  // On standard error.
  static void Complain(const std::string& what);

  // Asks all of them, each on a thread of its own.
  template <class Request, class Response>
  Answers<Response> AskAll(Rpc<Request, Response> rpc,
                           const Request& request) const;
  // Each of them another question.
  template <class Request, class Response>
  Answers<Response> AskEach(Rpc<Request, Response> rpc,
                            const std::vector<Request>& requests) const;
  // Prints the answers as JSON: of a single target its message, else one object
  // a line.
  template <class Response>
  void PrintJson(const Answers<Response>& answers) const;
  // Whether there is none to print; then it has said why.
  template <class Response>
  bool AllFailed(const Answers<Response>& answers) const;
  // Prints what `render` makes of each answer, under the name of its target
  // where there are several.
  template <class Response, class Render>
  int PrintEach(const Answers<Response>& answers, const Render& render) const;
  Answers<v1::ApplyPolicyResponse> Rehearse(const std::string& text);
  // Prints the answers to a change, or `none` for those that hold no breaker.
  template <class Response>
  int PrintBreakers(const Answers<Response>& answers, const char* none) const;

  // Reads to the end what is kept, or what happens, from `after` on.
  grpc::Status ReadKept(const Target& target, int64_t* after,
                        EventPrinter* printer) const;
  grpc::Status Follow(const Target& target, int64_t* after,
                      EventPrinter* printer) const;

  const Settings settings_;
  std::vector<Target> targets_;
};

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_COMMANDS_H_
