#include "tests/bench/studies/share.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace firebreak::studies {
namespace {

std::vector<Strategy> ShareStrategies(const ShareStudy& study) {
  core::MethodOptions retry;
  retry.timeout = study.attempt_timeout * 5;
  retry.retry = core::RetryOptions{};
  retry.retry->attempt_timeout = study.attempt_timeout;
  retry.retry->codes = {absl::StatusCode::kUnavailable,
                        absl::StatusCode::kDeadlineExceeded};
  core::MethodOptions breaker = retry;
  breaker.breaker = core::BreakerOptions{};
  core::MethodOptions throttle = retry;
  throttle.admission.throttle = core::ThrottleOptions{};
  core::MethodOptions both = breaker;
  both.admission.throttle = core::ThrottleOptions{};
  return {Firebreak(kRetryAlone, retry), Firebreak(kWithBreaker, breaker),
          Firebreak(kWithThrottle, throttle), Firebreak(kWithBoth, both)};
}

double FailureRate(Part part) {
  switch (part) {
    case Part::kFails30:
      return 0.3;
    case Part::kFails50:
      return 0.5;
    case Part::kFails70:
      return 0.7;
    default:
      return 0;
  }
}

ShareRow Run(const ShareStudy& study, const Strategy& strategy, Part part) {
  sim::Simulation sim;
  sim::ServerOptions options;
  options.service = sim::Distribution::Constant(study.service);
  options.workers = study.workers;
  options.failure_rate = FailureRate(part);
  // A server that fails attempts by itself is never busy.
  if (options.failure_rate > 0) options.workers = 0;
  if (part == Part::kRefuses || part == Part::kSheds ||
      part == Part::kLateSheds) {
    options.queue_limit = study.workers;
  }
  if (part == Part::kRefuses) {
    options.refusal_code = absl::StatusCode::kUnavailable;
  }
  if (part == Part::kLateSheds) {
    options.refusal_work = study.service / 2;
  }
  sim::Server server(&sim, options);
  const auto leg = sim::Distribution::Constant(Ms(1));
  const sim::Target target{&server, {leg, leg}};

  sim::WireCounts counts;
  sim::Tally tally;
  core::Rng seeds(study.seed);
  std::vector<std::unique_ptr<sim::Client>> clients;
  for (int i = 0; i < study.clients; ++i) {
    const uint64_t seed = seeds.Next();
    clients.push_back(strategy.make(&sim, target, seed, &counts));
    sim::RunOpenLoop(&sim, clients.back().get(), study.calls_per_second,
                     After(study.length), seed, tally.Counter());
  }
  sim.RunUntil(After(study.warm_up));
  const int64_t sent = counts.sent;
  if (options.workers > 0) server.SetSpeed(study.speed);
  sim.RunUntil(After(study.length));
  ShareRow row{strategy.name, part, 0, 0, 0};
  int64_t begun = 0;
  int64_t good = 0;
  const auto from = static_cast<size_t>(study.warm_up / Sec(1));
  for (size_t i = from; i < tally.buckets().size(); ++i) {
    begun += tally.buckets()[i].begun;
    good += tally.buckets()[i].good;
  }
  row.success = static_cast<double>(good) / static_cast<double>(begun);
  row.load =
      static_cast<double>(counts.sent - sent) / static_cast<double>(begun);
  int64_t changes = 0;
  for (const auto& client : clients) changes += client->breaker_changes();
  row.changes = static_cast<double>(changes) / study.clients /
                (core::ToSeconds(study.length) / 60);
  return row;
}

}  // namespace

const char* PartName(Part part) {
  switch (part) {
    case Part::kFails30:
      return "fails .3";
    case Part::kFails50:
      return "fails .5";
    case Part::kFails70:
      return "fails .7";
    case Part::kRefuses:
      return "refuses";
    case Part::kSheds:
      return "sheds";
    case Part::kLateSheds:
      return "sheds late";
    case Part::kQueues:
      return "queues";
  }
  return "";
}

std::vector<ShareRow> RunShare(const ShareStudy& study) {
  std::vector<ShareRow> rows;
  for (const Strategy& strategy : ShareStrategies(study)) {
    for (const Part part : kParts) rows.push_back(Run(study, strategy, part));
  }
  return rows;
}

const ShareRow& Find(const std::vector<ShareRow>& rows,
                     const std::string& strategy, Part part) {
  return *std::find_if(rows.begin(), rows.end() - 1, [&](const ShareRow& row) {
    return row.strategy == strategy && row.part == part;
  });
}

}  // namespace firebreak::studies
