#include "examples/shop/picture.h"

#include <algorithm>
#include <fstream>
#include <functional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace shop {
namespace {

using Second = WorstDay::Second;
using Facts = WorstDay::Facts;

constexpr int kLeft = 60;
constexpr int kWidth = 780;
constexpr int kHeight = 110;
constexpr int kGap = 52;
constexpr int kTop = 62;
constexpr char kPlain[] = "#c0392b";
constexpr char kGuarded[] = "#1f77b4";

double X(double second) {
  return kLeft + kWidth * second / static_cast<double>(WorstDay::kEnd);
}

struct Panel {
  const char* title;
  std::function<double(const Second&)> value;
  double top;  // the value at the upper edge; 0: the largest there is
};

std::string Line(const Facts& facts, const Panel& panel, double top, int y,
                 const char* colour) {
  std::string points;
  for (const Second& second : facts.seconds) {
    const double value = std::min(panel.value(second), top);
    absl::StrAppendFormat(&points, "%.1f,%.1f ", X(second.at + 0.5),
                          y + kHeight * (1 - value / top));
  }
  return absl::StrFormat(
      "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" "
      "stroke-width=\"2\"/>\n",
      points, colour);
}

std::string Text(double x, double y, const std::string& text,
                 const std::string& more = "") {
  return absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" %s>%s</text>\n", x, y,
                         more, text);
}

std::string Draw(const Panel& panel, const Facts& plain, const Facts& guarded,
                 int y) {
  double top = panel.top;
  if (top == 0) {
    for (const Facts* facts : {&plain, &guarded}) {
      for (const Second& second : facts->seconds) {
        top = std::max(top, panel.value(second));
      }
    }
    top = std::max(top, 1.0);
  }
  std::string out = absl::StrFormat(
      "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" "
      "fill=\"#f4e3d7\"/>\n"
      "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"none\" "
      "stroke=\"#999\"/>\n",
      X(WorstDay::kDead), y, X(WorstDay::kBack) - X(WorstDay::kDead), kHeight,
      kLeft, y, kWidth, kHeight);
  out += Text(kLeft, y - 6, panel.title, "font-weight=\"bold\"");
  out += Text(kLeft - 6, y + 10, absl::StrFormat("%g", top),
              "text-anchor=\"end\"");
  out += Text(kLeft - 6, y + kHeight, "0", "text-anchor=\"end\"");
  out += Line(plain, panel, top, y, kPlain);
  out += Line(guarded, panel, top, y, kGuarded);
  return out;
}

double Percent(int part, int all) {
  return all == 0 ? 100 : 100.0 * part / all;
}

}  // namespace

absl::Status Draw(const Facts& plain, const Facts& guarded,
                  const std::string& path) {
  const std::vector<Panel> panels = {
      {"orders answered within 1 s, %",
       [](const Second& s) { return Percent(s.answered, s.came); }, 100},
      {"of them paid at once, not queued, %",
       [](const Second& s) { return Percent(s.paid, s.came); }, 100},
      {"profile and search, p99 in ms (more than 1000 is drawn as 1000)",
       [](const Second& s) {
         return std::min(1000.0, absl::ToDoubleMilliseconds(s.pages_p99));
       },
       1000},
      {"workers of gateway and order that wait for another service, of 2500",
       [](const Second& s) {
         return static_cast<double>(s.gateway_blocked + s.order_blocked);
       },
       2500},
      {"calls in the queues of gateway and order",
       [](const Second& s) {
         return static_cast<double>(s.gateway_queue + s.order_queue);
       },
       0},
      {"orders in the database that wait to be charged",
       [](const Second& s) {
         return static_cast<double>(std::max<int64_t>(0, s.waiting));
       },
       0},
  };
  const int height =
      kTop + static_cast<int>(panels.size()) * (kHeight + kGap) + 10;
  std::string out = absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
      kLeft + kWidth + 20, height);
  out += Text(kLeft, 22,
              "The worst day: red without firebreak, blue with it; payment is "
              "dead in the shaded time",
              "font-size=\"15\"");
  int y = kTop;
  for (const Panel& panel : panels) {
    out += Draw(panel, plain, guarded, y);
    for (int at = 0; at <= WorstDay::kEnd; at += 10) {
      out += Text(X(at), y + kHeight + 14, absl::StrCat(at, " s"),
                  "text-anchor=\"middle\" fill=\"#666\"");
    }
    y += kHeight + kGap;
  }
  out += "</svg>\n";
  std::ofstream file(path);
  file << out;
  file.close();
  if (file) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("cannot write ", path));
}

}  // namespace shop
