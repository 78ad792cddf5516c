#include "examples/shop/report.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "examples/shop/admin_view.h"

namespace shop {

Report::Report() : start_(absl::Now()) {}

void Report::Phase(absl::string_view title) const {
  absl::PrintF("\n[%5.1f s] %s\n", absl::ToDoubleSeconds(absl::Now() - start_),
               title);
  std::fflush(stdout);
}

void Report::Note(absl::string_view text) const {
  absl::PrintF("  %s\n", text);
  std::fflush(stdout);
}

void Report::Table(const Load::Summary& s, absl::string_view state) const {
  absl::PrintF("  %8s %8s %8s %8s %8s %8s  %s\n", "calls", "answered", "paid",
               "queued", "p50 ms", "p99 ms", "breaker");
  absl::PrintF("  %8d %8d %8d %8d %8.2f %8.2f  %s\n", s.calls, s.answered,
               s.paid, s.queued, absl::ToDoubleMilliseconds(s.p50),
               absl::ToDoubleMilliseconds(s.p99), state);
  std::fflush(stdout);
}

void Report::Counters(const firebreak::v1::Method& method) const {
  const firebreak::v1::CallCounts& calls = method.calls();
  std::string rejections;
  for (const firebreak::v1::NamedCount& reason : calls.rejections()) {
    absl::StrAppend(&rejections, rejections.empty() ? " (" : ", ",
                    reason.name(), " ", reason.count());
  }
  if (!rejections.empty()) rejections += ")";
  Note(absl::StrCat("calls: ", calls.started(), " = ", calls.successes(),
                    " ok + ", calls.failures(), " failed + ", calls.rejected(),
                    " refused", rejections, " + ", calls.in_flight(),
                    " in flight"));
  Note(absl::StrCat("attempts sent: ", method.attempts().first(), " first, ",
                    method.attempts().retries(), " retries"));
  for (const firebreak::v1::Breaker& breaker : method.breakers()) {
    Note(absl::StrCat("breaker of ", breaker.target(), ": ",
                      StateName(breaker.state()), ", opened ",
                      breaker.times_opened(), " time(s), ",
                      breaker.stale_results(), " stale results, ",
                      breaker.hung_probes(), " hung probes"));
  }
}

void Report::Events(const std::vector<firebreak::v1::Event>& events) const {
  for (const firebreak::v1::Event& event : events) {
    const std::string what = event.kind() == firebreak::v1::EVENT_KIND_WARNING
                                 ? "warning"
                                 : absl::StrCat(StateName(event.from()), " -> ",
                                                StateName(event.to()));
    absl::PrintF("  %7.3f s  %s: %s\n",
                 absl::ToDoubleSeconds(TimeOf(event) - start_), what,
                 event.cause());
  }
  std::fflush(stdout);
}

}  // namespace shop
