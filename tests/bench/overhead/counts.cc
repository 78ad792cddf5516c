#include "tests/bench/overhead/counts.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/bench/overhead/child.h"
#include "tests/bench/overhead/worker.h"

namespace firebreak::bench {
namespace {

// Returns the figure of the last line of callgrind's file that has a total.
double TotalOf(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  double total = 0;
  while (std::getline(file, line)) {
    if (line.rfind("summary:", 0) == 0 || line.rfind("totals:", 0) == 0) {
      total = std::atof(line.c_str() + line.find(':') + 1);
    }
  }
  return total;
}

absl::StatusOr<double> Instructions(const std::string& program, Variant variant,
                                    const Setting& at,
                                    const std::string& folder) {
  const std::string out =
      absl::StrCat(folder, "/callgrind.", at.transport(), ".",
                   StubName(at.stub), ".", VariantName(variant), ".out");
  std::remove(out.c_str());
  std::vector<std::string> command = {"valgrind", "--quiet", "--tool=callgrind",
                                      "--instr-atstart=no",
                                      "--callgrind-out-file=" + out};
  for (std::string& word :
       WorkerCommand(program, "instructions", variant, at)) {
    command.push_back(std::move(word));
  }
  Child worker(command);
  const absl::Status ended = worker.Wait();
  if (!ended.ok()) return ended;
  return TotalOf(out) / kCountedCalls;
}

}  // namespace

absl::StatusOr<CountedMap> Count(const std::string& program, const Setting& at,
                                 const std::vector<Variant>& variants,
                                 const std::string& folder) {
  CountedMap out;
  for (Variant variant : variants) {
    std::fprintf(stderr, "counting %s, %s over %s\n",
                 VariantName(variant).c_str(), StubName(at.stub).c_str(),
                 at.transport().c_str());
    Child worker(WorkerCommand(program, "allocs", variant, at));
    std::istringstream line(worker.ReadLine());
    Counted counted;
    line >> counted.allocations >> counted.ours;
    for (std::string place = worker.ReadLine(); !place.empty();
         place = worker.ReadLine()) {
      counted.places.push_back(place);
    }
    const absl::Status ended = worker.Wait();
    if (!ended.ok()) return ended;
    if (line.fail()) continue;  // it does not exist here
    counted.allocations /= kCountedCalls;
    // Without firebreak, what counts as ours is the bench's own interceptors.
    counted.ours = IsFirebreak(variant) ? counted.ours / kCountedCalls : 0;
    const absl::StatusOr<double> instructions =
        Instructions(program, variant, at, folder);
    if (!instructions.ok()) return instructions.status();
    counted.instructions = *instructions;
    out[variant] = counted;
  }
  return out;
}

}  // namespace firebreak::bench
