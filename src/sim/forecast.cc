#include "src/sim/forecast.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "src/core/base/printable.h"
#include "src/sim/forecast_run.h"

namespace firebreak::sim {
namespace {

double Ratio(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

size_t SecondOf(Duration t) {
  return static_cast<size_t>(std::chrono::ceil<std::chrono::seconds>(t) /
                             std::chrono::seconds(1));
}

}  // namespace

double Forecast::success() const { return Ratio(successes, calls - cancelled); }

double Forecast::usefulness() const { return Ratio(useful, calls - cancelled); }

double Forecast::extra_load() const { return Ratio(retries + hedges, calls); }

int64_t Forecast::refused() const {
  return std::accumulate(refusals.begin(), refusals.end(), int64_t{0});
}

Duration Forecast::Latency(double q) const {
  if (latencies_us.empty()) return Duration::zero();
  const auto n = static_cast<double>(latencies_us.size());
  const auto rank = static_cast<size_t>(std::ceil(q * n));
  return std::chrono::microseconds(
      latencies_us[std::min(latencies_us.size(), std::max<size_t>(rank, 1)) -
                   1]);
}

std::string ServiceOf(const std::string& method) {
  const size_t from = absl::StartsWith(method, "/") ? 1 : 0;
  const size_t end = method.rfind('/');
  if (end == std::string::npos || end < from) return method;
  return method.substr(from, end - from);
}

bool IsMeant(const Incident& incident, const std::string& service,
             const std::string& channel) {
  const std::string who = absl::AsciiStrToLower(incident.who);
  return who.empty() || who == absl::AsciiStrToLower(channel) ||
         absl::StrContains(absl::AsciiStrToLower(service), who);
}

std::vector<std::string> ServicesOf(const Workload& workload) {
  std::set<std::string> services;
  if (workload.recording == nullptr) {
    services.insert(ServiceOf(workload.method));
  } else {
    for (const std::string& method : workload.recording->methods) {
      services.insert(ServiceOf(method));
    }
  }
  return {services.begin(), services.end()};
}

int ReplicasOf(const Incident& incident, const Replicas& replicas) {
  return static_cast<int>(std::lround(incident.share * replicas.count));
}

absl::optional<Duration> RecoveryOf(
    const std::vector<Forecast::Second>& seconds, Duration first,
    Duration end) {
  Forecast::Second before;
  const size_t begin = SecondOf(first);
  for (size_t i = 0; i < std::min(begin, seconds.size()); ++i) {
    before.calls += seconds[i].calls;
    before.successes += seconds[i].successes;
  }
  // If no call came before, the usual share is 1.
  const double usual =
      before.calls > 0 ? Ratio(before.successes, before.calls) : 1;
  size_t in_a_row = 0;
  for (size_t i = SecondOf(end); i < seconds.size(); ++i) {
    const auto n = static_cast<double>(seconds[i].calls);
    // Three standard deviations of chance, and one call, are tolerated.
    const double tolerance =
        std::max(0.01, 3 * std::sqrt(usual * (1 - usual) / std::max(n, 1.0)) +
                           1 / std::max(n, 1.0));
    const bool is_well = n == 0 || Ratio(seconds[i].successes,
                                         seconds[i].calls) >= usual - tolerance;
    in_a_row = is_well ? in_a_row + 1 : 0;
    if (in_a_row == kSecondsToTell) {
      return std::max(
          Duration::zero(),
          Duration(std::chrono::seconds(i + 1 - kSecondsToTell)) - end);
    }
  }
  return absl::nullopt;
}

absl::Status CheckWorkload(const Workload& workload,
                           const std::string& channel) {
  const auto refuse = [](const std::string& problem) {
    return absl::InvalidArgumentError(problem);
  };
  if (workload.recording == nullptr) {
    if (!(workload.per_second > 0) || workload.per_second > 1e6) {
      return refuse(absl::StrCat("the rate is ", workload.per_second,
                                 " calls a second; allowed (0, 1000000]"));
    }
    if (!(workload.failure_rate >= 0) || workload.failure_rate > 1) {
      return refuse("the share of failures is not in [0, 1]");
    }
    if (workload.length <= Duration::zero() ||
        workload.length > Recording::kLongest) {
      return refuse("the length is not in (0, 168h]");
    }
  } else if (workload.recording->calls.empty()) {
    return refuse("the recording has no calls");
  }
  const std::vector<std::string> services = ServicesOf(workload);
  for (const Incident& incident : workload.incidents) {
    if (incident.at > workload.span()) {
      return refuse(absl::StrCat("\"", ToString(incident),
                                 "\" begins after the last call"));
    }
    if (ReplicasOf(incident, workload.replicas) < 1) {
      return refuse(absl::StrCat(
          "\"", ToString(incident), "\" is less than one", " of ",
          workload.replicas.count, " replicas; have more of them"));
    }
    const bool is_known = std::any_of(
        services.begin(), services.end(), [&](const std::string& service) {
          return IsMeant(incident, service, channel);
        });
    if (is_known) continue;
    constexpr size_t kMostShown = 10;
    const std::vector<std::string> shown(
        services.begin(),
        services.begin() +
            static_cast<std::ptrdiff_t>(std::min(kMostShown, services.size())));
    return refuse(absl::StrCat("'", core::Printable(incident.who),
                               "' is a part of no service's name; there are ",
                               core::Printable(absl::StrJoin(shown, ", ")),
                               services.size() > kMostShown ? ", ..." : ""));
  }
  return absl::OkStatus();
}

}  // namespace firebreak::sim
