// Plays the worst day twice, without firebreak and with it, and compares: see
// worst_day.h. scripts/demo worst-day builds and runs it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "examples/shop/demo_run.h"
#include "examples/shop/flags.h"
#include "examples/shop/picture.h"
#include "examples/shop/worst_day.h"

namespace shop {
namespace {

using Second = WorstDay::Second;
using Facts = WorstDay::Facts;

constexpr char kHelp[] =
    "Fifteen times the orders, payment dies for 20 s, and comes back: first "
    "with plain gRPC and naive retries, then with firebreak. The same servers, "
    "customers and outage. It takes about three minutes. The exit code is 0 "
    "only if no order was lost or charged twice.\n";

const char* PhaseOf(int at) {
  if (at < WorstDay::kPeak) return "morning";
  if (at < WorstDay::kDead) return "peak";
  return at < WorstDay::kBack ? "DEAD" : "back";
}

std::string TimeText(absl::Duration d) {
  if (d == absl::InfiniteDuration()) return "never";
  return absl::StrFormat("%.0f ms", absl::ToDoubleMilliseconds(d));
}

std::string Cells(const Second& s) {
  return absl::StrFormat("%4d/%3d %8s %8s %7d %7d %6d", s.answered, s.came,
                         TimeText(s.p99), TimeText(s.pages_p99),
                         s.gateway_blocked + s.order_blocked,
                         s.gateway_queue + s.order_queue, s.waiting);
}

constexpr char kColumns[] =
    "answered    p99    pages p99 blocked  queued  wait";

absl::StatusOr<Facts> Play(WorstDay::Options options, const Facts* beside) {
  absl::PrintF("\n%s\n     %-8s %s%s\n",
               options.firebreak ? "With firebreak (right: without, as seen "
                                   "before)"
                                 : "Without firebreak: 3 s time-outs, five "
                                   "retries, 0.2 * 2^i s apart",
               "", kColumns,
               beside == nullptr ? "" : absl::StrCat("    |  ", kColumns));
  WorstDay day(std::move(options), [beside](const Second& second) {
    std::string other;
    if (beside != nullptr &&
        static_cast<size_t>(second.at) < beside->seconds.size()) {
      other = absl::StrCat(
          "  |  ", Cells(beside->seconds[static_cast<size_t>(second.at)]));
    }
    absl::PrintF("%3d s %-8s%s%s\n", second.at, PhaseOf(second.at),
                 Cells(second), other);
    std::fflush(stdout);
  });
  return day.Play();
}

std::string SecondsText(double seconds) {
  return seconds < 0 ? absl::StrCat(">", WorstDay::kEnd - WorstDay::kBack - 1)
                     : absl::StrFormat("%.0f", seconds);
}

// `plain` may be null.
void Table(const Facts* plain, const Facts& guarded) {
  const auto row = [&](const char* what,
                       const std::function<std::string(const Facts&)>& value) {
    absl::PrintF("  %-58s %12s %12s\n", what,
                 plain == nullptr ? "-" : value(*plain), value(guarded));
  };
  const auto count = [&](const char* what, int64_t Facts::*member) {
    row(what, [=](const Facts& f) { return absl::StrCat(f.*member); });
  };
  absl::PrintF("\n  %-58s %12s %12s\n", "", "plain gRPC", "firebreak");
  row("while payment is dead: orders answered within 1 s", [](const Facts& f) {
    return absl::StrFormat("%.1f %%", 100 * f.answered_share);
  });
  row("                       within 100 ms", [](const Facts& f) {
    return absl::StrFormat("%.1f %%", 100 * f.quickly_share);
  });
  row("                       p99 of orders",
      [](const Facts& f) { return TimeText(f.p99); });
  row("                       p99 of profile and search",
      [](const Facts& f) { return TimeText(f.pages_p99); });
  row("                       the same before",
      [](const Facts& f) { return TimeText(f.healthy_pages_p99); });
  row("                       thread-seconds blocked in gateway",
      [](const Facts& f) {
        return absl::StrFormat("%.0f s", f.gateway_blocked_seconds);
      });
  row("                       thread-seconds blocked in order",
      [](const Facts& f) {
        return absl::StrFormat("%.0f s", f.order_blocked_seconds);
      });
  count("                       charges sent to it", &Facts::reached_dead);
  row("back to normal after payment is, s",
      [](const Facts& f) { return SecondsText(f.back_s); });
  row("no order waits any more after, s",
      [](const Facts& f) { return SecondsText(f.drained_s); });
  row("seconds after that which were not normal",
      [](const Facts& f) { return absl::StrCat(f.relapses); });
  count("orders that customers wanted", &Facts::orders);
  count("  promised to them (paid or queued)", &Facts::promised);
  count("  promised and lost", &Facts::lost);
  count("  charged twice", &Facts::double_charged);
  count("  charged, and the customer has no answer",
        &Facts::charged_unanswered);
}

std::string FinalLine(const Facts& plain, const Facts& guarded) {
  const auto ms = [](absl::Duration d) {
    return d == absl::InfiniteDuration()
               ? std::string("never")
               : absl::StrFormat("%.0f", absl::ToDoubleMilliseconds(d));
  };
  return absl::StrFormat(
      "worst-day: plain_answered=%.3f fb_answered=%.3f plain_p99_ms=%s "
      "fb_p99_ms=%s plain_back_s=%s fb_back_s=%s lost=%d double_charged=%d "
      "reached_dead=%d",
      plain.answered_share, guarded.quickly_share, ms(plain.p99),
      ms(guarded.p99), SecondsText(plain.back_s), SecondsText(guarded.back_s),
      plain.lost + guarded.lost, plain.double_charged + guarded.double_charged,
      guarded.reached_dead);
}

// Copies the policy without the lines that are marked with one of `names`.
absl::StatusOr<std::string> Without(const std::vector<std::string>& names,
                                    const std::string& from,
                                    const std::string& to, int* left_out) {
  std::ifstream in(from);
  std::ofstream out(to);
  for (std::string line; std::getline(in, line);) {
    bool is_out = false;
    for (const std::string& name : names) {
      is_out |= absl::EndsWith(line, absl::StrCat("# [", name, "]"));
    }
    if (is_out) {
      ++*left_out;
    } else {
      out << line << "\n";
    }
  }
  out.close();
  if (!in.eof() || !out) {
    return absl::UnavailableError(absl::StrCat("cannot copy ", from));
  }
  return to;
}

absl::Status Run(const Folders& folders,
                 const std::vector<std::string>& without,
                 const std::string& picture, bool only_firebreak) {
  // Files of an earlier run would be counted as part of this one.
  for (const char* prefix : {"plain-", "fb-"}) {
    for (const char* file :
         {"ledger", "orders.log.sqlite", "orders.log.sqlite-wal"}) {
      std::error_code error;
      std::filesystem::remove(absl::StrCat(folders.logs, "/", prefix, file),
                              error);
    }
  }
  WorstDay::Options options;
  options.folders = folders;
  int left_out = 0;
  for (const auto& [name, policy] :
       {std::pair<const char*, std::string*>{"gateway.textproto",
                                             &options.gateway_policy},
        {"worst_day.textproto", &options.order_policy}}) {
    auto made = Without(without, absl::StrCat(folders.programs, "/", name),
                        absl::StrCat(folders.logs, "/", name), &left_out);
    if (!made.ok()) return made.status();
    *policy = *std::move(made);
  }
  if (!without.empty() && left_out == 0) {
    return absl::InvalidArgumentError(
        "--without: no line of gateway.textproto and worst_day.textproto is "
        "marked so");
  }
  Facts plain;
  if (!only_firebreak) {
    options.firebreak = false;
    auto played = Play(options, nullptr);
    if (!played.ok()) return played.status();
    plain = *std::move(played);
  }
  options.firebreak = true;
  options.settle = 15;
  const auto guarded = Play(options, only_firebreak ? nullptr : &plain);
  if (!guarded.ok()) return guarded.status();
  Table(only_firebreak ? nullptr : &plain, *guarded);
  if (!only_firebreak) {
    if (absl::Status s = Draw(plain, *guarded, picture); !s.ok()) return s;
    std::cout << "\npicture: " << picture << "\n";
  }
  if (!only_firebreak) {
    if (plain.back_s >= 0) {
      std::cout << "\nplain gRPC came back: this outage was too kind to it.\n";
    }
    std::cout << "\n" << FinalLine(plain, *guarded) << std::endl;
  }
  if (plain.lost + guarded->lost > 0) {
    return absl::InternalError("orders were lost");
  }
  if (plain.double_charged + guarded->double_charged > 0) {
    return absl::InternalError("orders were charged twice");
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  CLI::App app(kHelp, "shop_worst_day");
  std::vector<std::string> without;
  app.add_option("--without", without,
                 "leave out the policy lines of this name: breaker, bulkhead, "
                 "pacing, gateway-bulkhead");
  std::string picture;
  app.add_option("--picture", picture,
                 "SVG file to write; by default worst-day.svg beside the "
                 "program");
  bool only_firebreak = false;
  app.add_flag("--only-firebreak", only_firebreak,
               "leave out the run without firebreak");
  DemoFlags flags;
  flags.AddTo(&app);
  if (const auto exit = ParseFlags(&app, argc, argv)) return *exit;
  return RunDemo("worst-day", flags, [&](const Folders& folders) {
    return Run(folders, without,
               picture.empty() ? folders.programs + "/worst-day.svg" : picture,
               only_firebreak);
  });
}

}  // namespace
}  // namespace shop

int main(int argc, char** argv) { return shop::Main(argc, argv); }
