// Forecasts as pictures and as JSON.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "src/core/base/reason.h"
#include "tools/firebreakctl/foresight/render_forecast.h"
#include "tools/firebreakctl/show/json.h"

namespace firebreak::ctl {
namespace {

using sim::Forecast;
using Points = std::vector<Forecast::Second>;

// Colours that people with colour blindness can distinguish (Okabe and Ito,
// "Color Universal Design", 2008).
constexpr const char* kColours[] = {"#000000", "#d55e00", "#0072b2", "#009e73",
                                    "#cc79a7", "#e69f00", "#56b4e9", "#f0e442"};

constexpr int kWidth = 860;
constexpr int kLeft = 60;
constexpr int kRightEdge = kWidth - 20;
constexpr int kPanelHeight = 180;
constexpr size_t kSteps = 400;

std::string XmlText(const std::string& text) {
  return absl::StrReplaceAll(
      Printable(text),
      {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

// Rounds up to 1, 2 or 5 times a power of ten.
double RoundUp(double value) {
  const double power = std::pow(10, std::floor(std::log10(value)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= value * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

// A panel: axes, and a line for each forecast.
struct Panel {
  int top;
  double highest;
  std::string title;
  std::string unit;
  double length;  // in seconds
};

double X(const Panel& panel, double seconds) {
  return kLeft + (kRightEdge - kLeft) * seconds / panel.length;
}
double Y(const Panel& panel, double value) {
  return panel.top + kPanelHeight * (1 - value / panel.highest);
}

std::string Axes(const Panel& panel) {
  std::string out = absl::StrFormat("<text x=\"%d\" y=\"%d\">%s</text>\n",
                                    kLeft, panel.top - 8, panel.title);
  for (int i = 0; i <= 4; ++i) {
    const double value = panel.highest * i / 4;
    absl::StrAppendFormat(
        &out,
        "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/>"
        "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g%s</text>\n",
        kLeft, Y(panel, value), kRightEdge, kLeft - 6, Y(panel, value) + 4,
        value, panel.unit);
  }
  for (int i = 0; i <= 6; ++i) {
    const double seconds = panel.length * i / 6;
    absl::StrAppendFormat(
        &out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.4gs</text>\n",
        X(panel, seconds), panel.top + kPanelHeight + 16, seconds);
  }
  return out;
}

// A line of steps; a step without calls keeps the previous value.
template <class Value>
std::string Line(const Panel& panel, const Points& points, int64_t step,
                 const char* colour, Value value) {
  std::string path;
  double last = 0;
  for (size_t i = 0; i < points.size(); ++i) {
    if (points[i].calls > 0) last = value(points[i]);
    const auto from = static_cast<double>(i) * static_cast<double>(step);
    const double to = std::min(from + static_cast<double>(step), panel.length);
    absl::StrAppendFormat(&path, "%s%.1f %.1fH%.1f", i == 0 ? "M" : "L",
                          X(panel, from), Y(panel, last), X(panel, to));
  }
  return absl::StrFormat(
      "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\"/>\n",
      path, colour);
}

double PerSecond(int64_t n, int64_t step) {
  return static_cast<double>(n) / static_cast<double>(step);
}

std::string Pair(const char* name, const std::string& value) {
  return absl::StrCat("\"", name, "\":", value);
}

double Ms(core::Duration d) { return core::ToSeconds(d) * 1e3; }

// The counts that are not zero: {"OK":12}.
template <class Counts, class Name>
std::string Counted(const Counts& counts, Name name) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    parts.push_back(absl::StrCat("\"", name(i), "\":", counts[i]));
  }
  return absl::StrCat("{", absl::StrJoin(parts, ","), "}");
}

}  // namespace

std::string ForecastsSvg(const std::vector<NamedForecast>& forecasts) {
  std::vector<Points> points;
  int64_t step = 1;
  double most = 1;
  double length = 1;
  for (const NamedForecast& each : forecasts) {
    points.push_back(InSteps(each.forecast.seconds, kSteps, &step));
    length =
        std::max(length, static_cast<double>(each.forecast.seconds.size()));
    for (const Forecast::Second& second : points.back()) {
      most = std::max(most, PerSecond(second.attempts, step));
    }
  }
  const int legend = 20 * static_cast<int>(forecasts.size());
  const Panel success = {legend + 50, 100, "calls that succeed", "%", length};
  const Panel load = {success.top + kPanelHeight + 60, RoundUp(most),
                      "attempts per second", "", length};
  std::string out = absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
      kWidth, load.top + kPanelHeight + 30);
  for (const Panel& panel : {success, load}) {
    absl::StrAppend(&out, Axes(panel));
  }
  for (size_t i = 0; i < forecasts.size(); ++i) {
    const char* const colour = kColours[i % std::size(kColours)];
    const int y = 20 + 20 * static_cast<int>(i);
    absl::StrAppendFormat(
        &out,
        "<path d=\"M%d %dh24\" stroke=\"%s\" stroke-width=\"3\"/>"
        "<text x=\"%d\" y=\"%d\">%s</text>\n",
        kLeft, y, colour, kLeft + 32, y + 4, XmlText(forecasts[i].policy));
    absl::StrAppend(
        &out,
        Line(success, points[i], step, colour,
             [](const Forecast::Second& s) {
               return 100 * static_cast<double>(s.successes) /
                      static_cast<double>(s.calls);
             }),
        Line(load, points[i], step, colour, [step](const Forecast::Second& s) {
          return PerSecond(s.attempts, step);
        }));
  }
  return out + "</svg>\n";
}

std::string ForecastJson(const NamedForecast& named) {
  const Forecast& f = named.forecast;
  std::vector<std::string> latencies;
  for (const double q : {0.5, 0.9, 0.95, 0.99, 0.999}) {
    latencies.push_back(
        absl::StrFormat("\"p%g\":%.3f", q * 100, Ms(f.Latency(q))));
  }
  std::vector<std::string> events;
  for (const core::Event& event : f.events) {
    events.push_back(absl::StrFormat(
        "{\"at_ms\":%.3f,\"method\":%s,\"from\":\"%s\",\"to\":\"%s\","
        "\"cause\":%s}",
        Ms(event.at.time_since_epoch()), JsonText(Printable(event.method)),
        event.from, event.to, JsonText(Printable(event.cause))));
  }
  std::vector<std::string> seconds;
  for (const Forecast::Second& second : f.seconds) {
    seconds.push_back(absl::StrCat("[", second.calls, ",", second.successes,
                                   ",", second.attempts, "]"));
  }
  const std::vector<std::string> pairs = {
      Pair("policy", JsonText(Printable(named.policy))),
      Pair("calls", absl::StrCat(f.calls)),
      Pair("successes", absl::StrCat(f.successes)),
      Pair("cancelled", absl::StrCat(f.cancelled)),
      Pair("unanswered", absl::StrCat(f.unanswered)),
      Pair("success", absl::StrFormat("%.6f", f.success())),
      Pair("latency_ms", absl::StrCat("{", absl::StrJoin(latencies, ","), "}")),
      Pair("attempts", absl::StrCat(f.attempts)),
      Pair("retries", absl::StrCat(f.retries)),
      Pair("hedges", absl::StrCat(f.hedges)),
      Pair("hedge_wins", absl::StrCat(f.hedge_wins)),
      Pair("extra_load", absl::StrFormat("%.6f", f.extra_load())),
      Pair("codes", Counted(f.codes,
                            [](size_t i) {
                              return absl::StatusCodeToString(
                                  static_cast<absl::StatusCode>(i));
                            })),
      Pair("refusals", Counted(f.refusals,
                               [](size_t i) {
                                 return std::string(core::ReasonName(
                                     static_cast<core::Reason>(i)));
                               })),
      Pair("times_opened", absl::StrCat(f.times_opened)),
      Pair("open_ms", absl::StrFormat("%.3f", Ms(f.open_time))),
      Pair("recovery_ms", f.recovery ? absl::StrFormat("%.3f", Ms(*f.recovery))
                                     : std::string("null")),
      Pair("events", absl::StrCat("[", absl::StrJoin(events, ","), "]")),
      // The calls, successes and attempts of each second.
      Pair("seconds", absl::StrCat("[", absl::StrJoin(seconds, ","), "]")),
  };
  return absl::StrCat("{", absl::StrJoin(pairs, ","), "}\n");
}

}  // namespace firebreak::ctl
