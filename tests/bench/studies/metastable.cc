#include "tests/bench/studies/metastable.h"

#include <algorithm>
#include <memory>

namespace firebreak::studies {
namespace {

constexpr Duration kBucket = kRecoveryBucket;

size_t BucketAt(Duration since_start) {
  return static_cast<size_t>(since_start / kBucket);
}

double Goodput(const std::vector<sim::Tally::Bucket>& of, Duration from,
               Duration to) {
  int64_t begun = 0;
  int64_t good = 0;
  for (size_t i = BucketAt(from); i < BucketAt(to) && i < of.size(); ++i) {
    begun += of[i].begun;
    good += of[i].good;
  }
  return begun == 0 ? 0
                    : static_cast<double>(good) / static_cast<double>(begun);
}

}  // namespace

absl::optional<Duration> RecoveryIn(const std::vector<sim::Tally::Bucket>& of,
                                    Duration trigger_end, Duration length) {
  const size_t end = BucketAt(trigger_end);
  const size_t last = BucketAt(length);
  size_t good_from = end;
  for (size_t i = end; i < last && i < of.size(); ++i) {
    constexpr double kGood = 0.95;
    if (static_cast<double>(of[i].good) <
        kGood * static_cast<double>(of[i].begun)) {
      good_from = i + 1;
    }
  }
  // A service that was good only in the last two seconds has not recovered.
  if (good_from + BucketAt(Sec(2)) > last) return absl::nullopt;
  return std::max(kBucket * static_cast<int64_t>(good_from) - trigger_end,
                  Duration::zero());
}

std::vector<Strategy> MetastableStrategies(const MetastableStudy& study) {
  sim::NaiveOptions none;
  none.attempt_timeout = study.attempt_timeout;
  sim::NaiveOptions naive = none;
  naive.max_retries = study.max_attempts - 1;
  sim::NaiveOptions bucket = none;
  bucket.max_retries = 1'000'000;
  bucket.bucket.emplace();
  sim::NaiveOptions share = naive;
  share.stop_above_failures = 0.1;

  core::MethodOptions retry;
  retry.timeout = study.attempt_timeout * study.max_attempts;
  retry.retry = core::RetryOptions{};
  retry.retry->max_attempts = study.max_attempts;
  retry.retry->attempt_timeout = study.attempt_timeout;
  retry.retry->codes = {absl::StatusCode::kUnavailable,
                        absl::StatusCode::kDeadlineExceeded};
  core::MethodOptions guarded = retry;
  guarded.breaker = core::BreakerOptions{};
  core::MethodOptions quick = guarded;
  quick.breaker->probe_interval = Duration::zero();
  quick.breaker->open_duration = Sec(1);
  quick.breaker->max_open_duration = Sec(4);
  return {Naive("none", none),
          Naive("4 retries", naive),
          Naive("token bucket", bucket),
          Naive("stop above 10 %", share),
          Firebreak("firebreak, no breaker", retry),
          Firebreak(kGuarded, guarded),
          Firebreak(kQuick, quick)};
}

MetastableRow RunMetastable(const MetastableStudy& study,
                            const Strategy& strategy) {
  sim::Simulation sim;
  sim::ServerOptions options;
  options.workers = study.workers;
  options.honours_cancel = study.honours_cancel;
  options.service = sim::Distribution::Constant(study.service);
  sim::Server server(&sim, options);
  const auto leg = sim::Distribution::Constant(Ms(1));
  const sim::Target target{&server, {leg, leg}};

  sim::WireCounts counts;
  sim::Tally tally(kBucket);
  core::Rng seeds(study.seed);
  std::vector<std::unique_ptr<sim::Client>> clients;
  for (int i = 0; i < study.clients; ++i) {
    const uint64_t seed = seeds.Next();
    clients.push_back(strategy.make(&sim, target, seed, &counts));
    sim::RunOpenLoop(&sim, clients.back().get(), study.calls_per_second,
                     After(study.length), seed, tally.Counter());
  }
  sim.RunUntil(After(study.trigger_at));
  const int64_t sent_before = counts.sent;
  const int64_t calls_before = tally.calls();
  server.SetSpeed(study.speed);
  sim.RunUntil(After(study.trigger_at + study.trigger));
  server.SetSpeed(1);
  // Calls that began in time may still end well.
  sim.RunUntil(After(study.length + Sec(5)));

  const Duration end = study.trigger_at + study.trigger;
  const sim::Server::Stats stats = server.stats();
  MetastableRow row;
  row.strategy = strategy.name;
  row.recovery = RecoveryIn(tally.buckets(), end, study.length);
  row.goodput_in_trigger = Goodput(tally.buckets(), study.trigger_at, end);
  row.goodput_after = Goodput(tally.buckets(), end, study.length);
  row.amplification = static_cast<double>(counts.sent - sent_before) /
                      static_cast<double>(tally.calls() - calls_before);
  row.wasted = core::ToSeconds(stats.wasted) /
               std::max(core::ToSeconds(stats.busy), 1e-9);
  row.buckets = tally.buckets();
  row.bucket_width = kBucket;
  return row;
}

}  // namespace firebreak::studies
