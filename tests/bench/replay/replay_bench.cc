// Measures how far the simulator is from what happens over real sockets.
//
//   scripts/bench replay                about eight minutes
//   scripts/bench replay --quick        two minutes, for a look
//
// Three scenes (scenes.h) are recorded through RecordCalls into a .fbr file
// each, and then simulated from that file. Each is played several times. The
// bench compares medians, or means where those tell more, and prints spreads.
//
// The last line has the errors of the simulation, as shares of what was
// measured: of the 99th percentile and the extra load of the tail; of how long
// the breaker was not closed in an outage, and how long after its end it was
// closed for good; and of the 99th percentile and the extra load under a policy
// that was not in force when the calls were recorded.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "tests/bench/hedging/sleeping_host.h"
#include "tests/bench/overhead/child.h"
#include "tests/bench/replay/scenes.h"

namespace firebreak::bench {
namespace {

using std::chrono::seconds;

constexpr char kQuick[] = "--quick";
constexpr char kServe[] = "--serve";
constexpr uint64_t kSeed = 1;

int Main(int argc, char** argv) {
  const bool is_quick = argc == 2 && std::strcmp(argv[1], kQuick) == 0;
  if (argc == 2 && std::strcmp(argv[1], kServe) == 0) {
    return ServeSleepsUntilOrphaned(kSeed);
  }
  if (argc > 1 && !is_quick) {
    std::fprintf(stderr, "usage: replay_bench [%s]\n", kQuick);
    return 2;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // a run takes minutes
  Child server({std::filesystem::read_symlink("/proc/self/exe"), kServe});
  std::istringstream line(server.ReadLine());
  std::vector<std::string> addresses;
  for (std::string address; line >> address;) addresses.push_back(address);
  const int runs = is_quick ? 2 : 5;
  absl::optional<TailErrors> tail;
  absl::optional<TailErrors> what_if;
  if (!addresses.empty()) tail = ReplayTail(addresses, runs, 10'000);
  if (tail) what_if = AnswerWhatIf(addresses, runs, 10'000);
  if (!what_if) {
    std::fprintf(stderr, "replay_bench: the tail could not be measured\n");
    return 1;
  }
  // A ramp follows outages of ten seconds or more, such as these.
  const OutageErrors outage =
      ReplayOutages(is_quick ? 4 : 20, seconds(4), seconds(11));
  std::printf(
      "\nreplay: p99_error=%.3f extra_error=%.3f open_error=%.3f "
      "recovery_error=%.3f whatif_p99_error=%.3f whatif_extra_error=%.3f\n",
      tail->p99, tail->extra, outage.open, outage.recovery, what_if->p99,
      what_if->extra);
  return 0;
}

}  // namespace
}  // namespace firebreak::bench

int main(int argc, char** argv) { return firebreak::bench::Main(argc, argv); }
