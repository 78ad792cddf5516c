#include "src/prometheus/grpc_names.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/strip.h"
#include "src/prometheus/exposition.h"

namespace firebreak::metrics {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

prometheus::MetricFamily FamilyOf(const char* name, const char* help,
                                  prometheus::MetricType type) {
  prometheus::MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = type;
  return family;
}

// Returns the bounds of gRFC A66, without its zero.
const std::vector<core::Duration>& CallDurationBounds() {
  static const auto* const bounds = [] {
    auto* all = new std::vector<core::Duration>;
    for (const int us :
         {10,         50,         100,        300,        600,       800,
          1'000,      2'000,      3'000,      4'000,      5'000,     6'000,
          8'000,      10'000,     13'000,     16'000,     20'000,    25'000,
          30'000,     40'000,     50'000,     65'000,     80'000,    100'000,
          130'000,    160'000,    200'000,    250'000,    300'000,   400'000,
          500'000,    650'000,    800'000,    1'000'000,  2'000'000, 5'000'000,
          10'000'000, 20'000'000, 50'000'000, 100'000'000}) {
      all->push_back(std::chrono::microseconds(us));
    }
    return all;
  }();
  return *bounds;
}

// Returns the labels of A66. The target is that of the channel, or "other" if
// the method does not have exactly one.
Labels LabelsOf(const engine::MethodRuntime& runtime) {
  const auto breakers = runtime.breakers();
  const std::string target =
      breakers.size() == 1 ? breakers.front()->identity().target : "other";
  return {OutsideLabel("grpc_method", absl::StripPrefix(runtime.method, "/")),
          OutsideLabel("grpc_target", target.empty() ? "other" : target)};
}

// Adds to a histogram with these bounds and a last bucket without a bound.
void AddTo(const std::vector<double>& bounds,
           const std::vector<uint64_t>& up_to, uint64_t count, double sum,
           prometheus::ClientMetric* metric) {
  metric->histogram.bucket.resize(bounds.size() + 1);
  for (std::size_t i = 0; i <= bounds.size(); ++i) {
    prometheus::ClientMetric::Bucket& bucket = metric->histogram.bucket[i];
    bucket.upper_bound = i < bounds.size() ? bounds[i] : kInfinity;
    bucket.cumulative_count += i < bounds.size() ? up_to[i] : count;
  }
  metric->histogram.sample_count += count;
  metric->histogram.sample_sum += sum;
}

// Adds how many further attempts calls had. Calls without any do not count.
void AddExtra(const std::array<int64_t, core::kExtraAttempts>& calls,
              int64_t attempts, prometheus::ClientMetric* metric) {
  std::vector<double> bounds;
  std::vector<uint64_t> up_to;
  uint64_t sum = 0;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    sum += static_cast<uint64_t>(calls[i]);
    if (i + 1 == calls.size()) break;
    bounds.push_back(static_cast<double>(i + 1));
    up_to.push_back(sum);
  }
  AddTo(bounds, up_to, sum, static_cast<double>(attempts), metric);
}

}  // namespace

GrpcNames::GrpcNames()
    : attempts_(FamilyOf("grpc_client_attempt_started_total",
                         "Attempts that were sent, of any kind.",
                         prometheus::MetricType::Counter)),
      duration_(FamilyOf("grpc_client_call_duration_seconds",
                         "What calls took that ended with OK, retries and "
                         "hedges included.",
                         prometheus::MetricType::Histogram)),
      retries_(FamilyOf("grpc_client_call_retries",
                        "Retries of the calls that had any.",
                        prometheus::MetricType::Histogram)),
      hedges_(FamilyOf("grpc_client_call_hedges",
                       "Hedges of the calls that had any.",
                       prometheus::MetricType::Histogram)) {}

void GrpcNames::Add(const engine::MethodRuntime& runtime,
                    const core::MethodCounts& counts) {
  const Labels labels = LabelsOf(runtime);
  // gRPC has no channel names, so runtimes that only differ in these share one
  // series.
  const auto [place, is_new] =
      places_.try_emplace(std::make_pair(labels[0].value, labels[1].value),
                          attempts_.metric.size());
  if (is_new) {
    for (prometheus::MetricFamily* each : Families()) {
      each->metric.emplace_back().label = labels;
    }
    duration_.metric.back().label = With(labels, "grpc_status", "OK");
  }
  const std::size_t i = place->second;
  for (const int64_t n : counts.attempts) {
    attempts_.metric[i].counter.value += static_cast<double>(n);
  }
  const core::Histogram::Summary of =
      runtime.stats.latency().Summarize(CallDurationBounds());
  std::vector<double> bounds;
  for (const core::Duration bound : CallDurationBounds()) {
    bounds.push_back(std::chrono::duration<double>(bound).count());
  }
  AddTo(bounds, {of.at_most.begin(), of.at_most.end()},
        static_cast<uint64_t>(of.count), of.sum_seconds, &duration_.metric[i]);
  AddExtra(counts.retries_of_calls,
           counts.attempts_of(core::AttemptKind::kRetry), &retries_.metric[i]);
  AddExtra(counts.hedges_of_calls,
           counts.attempts_of(core::AttemptKind::kHedge), &hedges_.metric[i]);
}

std::array<prometheus::MetricFamily*, 4> GrpcNames::Families() {
  return {&attempts_, &duration_, &retries_, &hedges_};
}

void GrpcNames::MoveTo(std::vector<prometheus::MetricFamily>* families) {
  for (prometheus::MetricFamily* each : Families()) {
    families->push_back(std::move(*each));
  }
}

}  // namespace firebreak::metrics
