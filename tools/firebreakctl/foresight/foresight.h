// The commands that show before production what a policy would do. They take
// calls, recorded or made up, and run the simulator on them.
//
//   AddForesightCommands(&app, &args, &chosen, &chosen_here);
//
// Thread safety: none.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_FORESIGHT_FORESIGHT_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_FORESIGHT_FORESIGHT_H_

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "src/sim/forecast.h"
#include "src/sim/recording.h"
#include "tools/firebreakctl/command_line/arguments.h"

namespace firebreak::ctl {

struct RecordedNotes;

// Adds `simulate`, `advise` and `convert`. `args` outlives the app. Only
// `advise` may ask servers; it then sets `chosen`, and otherwise `chosen_here`
// is set.
void AddForesightCommands(CLI::App* app, Arguments* args, Command* chosen,
                          std::function<int()>* chosen_here);

// Adds `advise` in the same way.
void AddAdviseCommand(CLI::App* app, Arguments* args, Command* chosen,
                      std::function<int()>* chosen_here);

// Adds `convert`, which works on files.
void AddConvertCommand(CLI::App* app, std::function<int()>* chosen);

// The calls to simulate, as given on the command line.
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
  std::string notes;  // some lines about the recording
  sim::Workload workload;
  // How busy the workers are without incidents; absent if they have no limit.
  absl::optional<double> busy;
};

void AddCallsOptions(CLI::App* command, CallsArguments* typed);
// INVALID_ARGUMENT names the option; NOT_FOUND is for a file.
absl::Status ReadCalls(const CallsArguments& typed, Calls* calls);
// Reads a file, .fbr or CSV; "-" is standard input. `notes` gets what a reader
// should know about it, in lines with line ends.
absl::StatusOr<sim::Recording> ReadRecordingFile(const std::string& path,
                                                 std::string* notes);
// What a reader should know about an .fbr file, in lines with line ends.
std::string NotesOn(const RecordedNotes& notes);
std::string NotesOn(const sim::Recording& recording);
// Describes the calls, servers and incidents in some lines.
std::string DescribeCalls(const Calls& calls);

// Shows on standard error how far a long run is, but not in its first two
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

// Prints each line of the message to standard error, as "firebreakctl: ...".
void Complain(const absl::Status& status);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_FORESIGHT_FORESIGHT_H_
