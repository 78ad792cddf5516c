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

// The bounds of gRFC A66, in microseconds, without its zero.
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

// A66 has the target of the channel; one that it must not tell is "other".
Labels LabelsOf(const engine::MethodRuntime& runtime) {
  const auto breakers = runtime.breakers();
  const std::string target =
      breakers.size() == 1 ? breakers.front()->identity().target : "other";
  return {OutsideLabel("grpc_method", absl::StripPrefix(runtime.method, "/")),
          OutsideLabel("grpc_target", target.empty() ? "other" : target)};
}

// Calls without any are none of it.
void AddExtra(const Labels& labels,
              const std::array<int64_t, core::kExtraAttempts>& calls,
              int64_t attempts, prometheus::MetricFamily* family) {
  prometheus::ClientMetric& metric = family->metric.emplace_back();
  metric.label = labels;
  uint64_t sum = 0;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    sum += static_cast<uint64_t>(calls[i]);
    metric.histogram.bucket.push_back(
        {sum, i + 1 < calls.size() ? static_cast<double>(i + 1) : kInfinity});
  }
  metric.histogram.sample_count = sum;
  metric.histogram.sample_sum = static_cast<double>(attempts);
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
  prometheus::ClientMetric& started = attempts_.metric.emplace_back();
  started.label = labels;
  for (const int64_t n : counts.attempts) {
    started.counter.value += static_cast<double>(n);
  }
  const std::vector<core::Duration>& bounds = CallDurationBounds();
  const core::Histogram::Summary of = runtime.stats.latency().Summarize(bounds);
  prometheus::ClientMetric& took = duration_.metric.emplace_back();
  took.label = With(labels, "grpc_status", "OK");
  took.histogram.sample_count = static_cast<uint64_t>(of.count);
  took.histogram.sample_sum = of.sum_seconds;
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    took.histogram.bucket.push_back(
        {static_cast<uint64_t>(of.at_most[i]),
         std::chrono::duration<double>(bounds[i]).count()});
  }
  took.histogram.bucket.push_back({took.histogram.sample_count, kInfinity});
  AddExtra(labels, counts.retries_of_calls,
           counts.attempts_of(core::AttemptKind::kRetry), &retries_);
  AddExtra(labels, counts.hedges_of_calls,
           counts.attempts_of(core::AttemptKind::kHedge), &hedges_);
}

void GrpcNames::MoveTo(std::vector<prometheus::MetricFamily>* families) {
  for (prometheus::MetricFamily* each :
       {&attempts_, &duration_, &retries_, &hedges_}) {
    families->push_back(std::move(*each));
  }
}

}  // namespace firebreak::metrics
