#include "tools/firebreakctl/foresight/render_forecast.h"

#include <google/protobuf/repeated_field.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "src/core/base/reason.h"
#include "tools/firebreakctl/show/words.h"

namespace firebreak::ctl {
namespace {

using sim::Forecast;

// The most changes of breakers that are printed.
constexpr size_t kMostStories = 12;
constexpr size_t kUsualWidth = 80;

// Never shows 100 % if a call failed.
std::string Share(double share) {
  const double percent = share * 100;
  if (percent >= 100) return "100%";
  if (percent > 99.99) return ">99.99%";
  return percent >= 99 ? absl::StrFormat("%.2f%%", percent)
                       : absl::StrFormat("%.1f%%", percent);
}

std::string Latency(const Forecast& forecast, double q) {
  return forecast.latencies_us.empty()
             ? "-"
             : Brief(forecast.Latency(q) / std::chrono::nanoseconds(1));
}

std::string Recovery(const Forecast& forecast) {
  if (!forecast.has_recovery) return "-";
  if (!forecast.recovery) return "never";
  return Brief(*forecast.recovery / std::chrono::nanoseconds(1));
}

Colour ColourOfSuccess(double share) {
  return share >= 0.99  ? Colour::kGreen
         : share >= 0.9 ? Colour::kYellow
                        : Colour::kRed;
}

std::string Figures(const std::vector<NamedForecast>& forecasts,
                    const Style& style) {
  Table table({{"POLICY"},
               {"SUCCESS", kRight},
               {"P50", kRight},
               {"P90", kRight},
               {"P99", kRight},
               {"P99.9", kRight},
               {"EXTRA LOAD", kRight},
               {"REFUSED", kRight},
               {"OPENED", kRight},
               {"OPEN FOR", kRight},
               {"RECOVERY", kRight}});
  for (const NamedForecast& each : forecasts) {
    const Forecast& f = each.forecast;
    table.AddRow({each.policy,
                  {Share(f.success()), ColourOfSuccess(f.success())},
                  Latency(f, 0.5),
                  Latency(f, 0.9),
                  Latency(f, 0.99),
                  Latency(f, 0.999),
                  absl::StrFormat("+%.1f%%", f.extra_load() * 100),
                  absl::StrCat(f.refused()),
                  absl::StrCat(f.times_opened),
                  f.times_opened == 0
                      ? "-"
                      : Brief(f.open_time / std::chrono::nanoseconds(1)),
                  Recovery(f)});
  }
  return table.Render(style);
}

std::string Ends(const NamedForecast& named) {
  const Forecast& f = named.forecast;
  std::vector<std::string> ended;
  for (size_t i = 0; i < f.codes.size(); ++i) {
    if (f.codes[i] == 0) continue;
    ended.push_back(
        absl::StrCat(absl::StatusCodeToString(static_cast<absl::StatusCode>(i)),
                     " ", f.codes[i]));
  }
  if (f.unanswered > 0) {
    ended.push_back(absl::StrCat("never ended ", f.unanswered));
  }
  std::vector<std::string> refused;
  for (size_t i = 0; i < f.refusals.size(); ++i) {
    if (f.refusals[i] == 0) continue;
    refused.push_back(absl::StrCat(
        core::ReasonName(static_cast<core::Reason>(i)), " ", f.refusals[i]));
  }
  return absl::StrCat(
      Printable(named.policy), "\n    calls: ", absl::StrJoin(ended, ", "),
      "\n    attempts: ", f.attempts, "; retries ", f.retries, ", hedges ",
      f.hedges, " (", f.hedge_wins, " won), replies for nobody ", f.unwanted,
      "\n",
      refused.empty()
          ? ""
          : absl::StrCat("    refused: ", absl::StrJoin(refused, ", "), "\n"));
}

std::string Story(const Forecast& f) {
  std::string out;
  for (size_t i = 0; i < std::min(f.events.size(), kMostStories); ++i) {
    const core::Event& event = f.events[i];
    absl::StrAppendFormat(&out, "    %8.1fs  %s  %s -> %s%s: %s\n",
                          core::ToSeconds(event.at.time_since_epoch()),
                          Printable(event.method), event.from, event.to,
                          event.shadow ? " (shadow)" : "",
                          Printable(event.cause));
  }
  if (f.events.size() > kMostStories) {
    absl::StrAppend(&out, "    and ", f.events.size() - kMostStories,
                    f.events.size() == sim::kMostEvents ? " or more" : "",
                    " further changes; --json has them\n");
  }
  return out;
}

// A sparkline per policy.
template <class Value>
std::string Lines(const std::vector<NamedForecast>& forecasts,
                  const Style& style, const std::string& title, Value value) {
  size_t names = 0;
  for (const NamedForecast& each : forecasts) {
    names = std::max(names, each.policy.size());
  }
  const size_t width = style.width == 0 ? kUsualWidth : style.width;
  const size_t letters =
      std::max<size_t>(width > names + 4 ? width - names - 4 : 0, 20);
  int64_t step = 1;
  // All lines have the same scale.
  int64_t highest = 1;
  std::vector<google::protobuf::RepeatedField<int64_t>> rows;
  for (const NamedForecast& each : forecasts) {
    rows.emplace_back();
    for (const Forecast::Second& second :
         InSteps(each.forecast.seconds, letters, &step)) {
      rows.back().Add(value(second));
      highest = std::max(highest, rows.back()[rows.back().size() - 1]);
    }
  }
  std::string out =
      absl::StrFormat("%s (a letter is %ds; the highest is ", title, step);
  absl::StrAppend(&out, title == "success" ? "100%" : "", "");
  if (title != "success") {
    absl::StrAppend(
        &out, Figure(static_cast<double>(highest) / static_cast<double>(step)),
        "/s");
  }
  absl::StrAppend(&out, ")\n");
  for (size_t i = 0; i < forecasts.size(); ++i) {
    // Sparkline() scales by the highest value of the row, so that is added and
    // then removed.
    rows[i].Add(title == "success" ? 100 : highest);
    std::string line = Sparkline(rows[i], style.utf8);
    line.resize(line.size() - (style.utf8 ? 3 : 1));
    absl::StrAppendFormat(&out, "  %-*s  %s\n", static_cast<int>(names),
                          Printable(forecasts[i].policy), line);
  }
  return out;
}

}  // namespace

std::vector<Forecast::Second> InSteps(
    const std::vector<Forecast::Second>& seconds, size_t width,
    int64_t* seconds_a_step) {
  const size_t step = std::max<size_t>(
      1, (seconds.size() + width - 1) / std::max<size_t>(width, 1));
  *seconds_a_step = static_cast<int64_t>(step);
  std::vector<Forecast::Second> steps((seconds.size() + step - 1) / step);
  for (size_t i = 0; i < seconds.size(); ++i) {
    Forecast::Second& sum = steps[i / step];
    sum.calls += seconds[i].calls;
    sum.successes += seconds[i].successes;
    sum.attempts += seconds[i].attempts;
  }
  return steps;
}

std::string RenderForecasts(const std::vector<NamedForecast>& forecasts,
                            const Style& style) {
  std::string out = Figures(forecasts, style);
  absl::StrAppend(&out, "\n",
                  Lines(forecasts, style, "success",
                        [](const Forecast::Second& s) {
                          return s.calls == 0 ? 0 : 100 * s.successes / s.calls;
                        }),
                  "\n",
                  Lines(forecasts, style, "attempts",
                        [](const Forecast::Second& s) { return s.attempts; }),
                  "\n");
  for (const NamedForecast& each : forecasts) {
    absl::StrAppend(&out, Ends(each), Story(each.forecast));
  }
  return out;
}

}  // namespace firebreak::ctl
