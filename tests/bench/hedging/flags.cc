#include "tests/bench/hedging/flags.h"

#include <CLI/CLI.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/bench/hedging/leaf.h"

namespace firebreak::bench {
namespace {

constexpr int64_t kQuickCalls = 10'000;

bool Parse(const std::string& text, int64_t* out) {
  return absl::SimpleAtoi(text, out);
}
bool Parse(const std::string& text, double* out) {
  return absl::SimpleAtod(text, out);
}

// CLI11's own Range accepts NaN, and text that is only in part a number.
template <class Number>
CLI::Validator In(Number low, Number high) {
  const std::string range = absl::StrCat("[", low, ", ", high, "]");
  return CLI::Validator(
      [low, high, range](std::string& text) -> std::string {
        Number value{};
        if (Parse(text, &value) && value >= low && value <= high) return "";
        return absl::StrCat("'", text, "' is not in ", range);
      },
      range);
}

}  // namespace

absl::StatusOr<Flags> ParseFlags(int argc, const char* const* argv) {
  Flags flags;
  CLI::App app(
      "Measures what hedging does to the tail of the latency, over real "
      "sockets,\nbeside the best it could do. Takes about two minutes.",
      "scripts/bench hedging");
  app.add_option("--study", flags.study,
                 "instead: 'quantiles', what each quantile to hedge after "
                 "brings and costs, and a cold start")
      ->check(CLI::IsMember({"quantiles"}));
  app.add_option("--calls", flags.calls, "calls of each variant")
      ->check(In<int64_t>(200, 1'000'000))
      ->capture_default_str();
  app.add_option("--callers", flags.callers, "calls at a time")
      ->check(In<int64_t>(1, 256))
      ->capture_default_str();
  app.add_option("--quantile", flags.quantile,
                 "of the latency, to hedge after it")
      ->check(In(0.5, 0.999))
      ->capture_default_str();
  app.add_option("--budget", flags.budget, "hedges allowed per call")
      ->check(In(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--rho", flags.rho,
                 "where all attempts go to one server: how often a "
                 "straggler's hedge is one too")
      ->check(In(kStragglers, 1.0))
      ->capture_default_str();
  app.add_option("--seed", flags.seed, "of the server's sleeps")
      ->check(In<int64_t>(0, 1'000'000'000))
      ->capture_default_str();
  app.add_option("--out", flags.folder, "folder for JSON and plot data")
      ->check(CLI::ExistingDirectory);
  app.add_flag("--quick", flags.quick, "10000 calls of each, for a look")
      ->disable_flag_override();
  app.add_flag("--serve", flags.serve)->group("")->disable_flag_override();
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    flags.help = app.help();
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(error.what(), "; see --help"));
  }
  if (flags.quick) flags.calls = std::min(flags.calls, kQuickCalls);
  return flags;
}

}  // namespace firebreak::bench
