// What is known before production: the commands that need no server but calls,
// recorded or made up, and that run the simulator on them.
//
//   AddForesightCommands(&app, &args, &chosen_here);
//
// Thread safety: none.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_FORESIGHT_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_FORESIGHT_H_

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "src/engine/policy/policy_table.h"
#include "src/sim/forecast.h"
#include "src/sim/recording.h"
#include "tools/firebreakctl/arguments.h"

namespace firebreak::ctl {

struct RecordedNotes;

// `simulate`, `advise` and `convert`. `args` outlives the app; of it the style
// is taken, as it is when the command runs.
void AddForesightCommands(CLI::App* app, const Arguments* args,
                          std::function<int()>* chosen);

// `advise`, the same way.
void AddAdviseCommand(CLI::App* app, const Arguments* args,
                      std::function<int()>* chosen);

// `convert`, between files.
void AddConvertCommand(CLI::App* app, std::function<int()>* chosen);

// The calls to simulate, as typed.
struct CallsArguments {
  std::string recording;
  std::string only;  // methods with this in their name
  std::string channel;
  std::string latency;
  std::string method;
  double per_second = 100;
  std::string length;
  int64_t calls = 0;
  std::string fails;
  std::string deadline;
  int replicas = 0;
  int workers = -1;
  int64_t queue = -1;
  std::vector<std::string> what_if;
  uint64_t seed = 1;
};

// A workload, and what it points to.
struct Calls {
  sim::Recording recording;
  std::string notes;  // on it: some lines
  sim::Workload workload;
  // How busy the workers are without incidents; nothing where they have no
  // limit.
  absl::optional<double> busy;
};

void AddCallsOptions(CLI::App* command, CallsArguments* typed);
// INVALID_ARGUMENT that names the option; NOT_FOUND for a file.
absl::Status ReadCalls(const CallsArguments& typed, Calls* calls);
// Of a file, .fbr or CSV; "-" for standard input. `notes`: what a reader should
// know of it, a line each, with line ends.
absl::StatusOr<sim::Recording> ReadRecordingFile(const std::string& path,
                                                 std::string* notes);
// Of a recording, .fbr: the same, of what it has not.
std::string NotesOn(const RecordedNotes& notes);
// Which calls, which servers, what happens: some lines.
std::string DescribeCalls(const Calls& calls);

// The channel's part of a policy.
sim::Policy PolicyOf(const engine::PolicyTable& table,
                     const std::string& channel);

// Tells on standard error how far a long run is; nothing in its first two
// seconds.
class Progress {
 public:
  explicit Progress(std::string what);
  ~Progress();
  void Show(double share);

 private:
  using Clock = std::chrono::steady_clock;
  const std::string what_;
  const bool is_terminal_;
  Clock::time_point next_;
  bool has_shown_ = false;
};

// Each line of the message on standard error, as "firebreakctl: ...".
void Complain(const absl::Status& status);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_FORESIGHT_H_
