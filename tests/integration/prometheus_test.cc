// A real Prometheus scrapes a real endpoint of an engine under load, and knows
// afterwards what the engine has counted.
#include "firebreak/prometheus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <prometheus/exposer.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/prometheus_programs.h"
#include "tests/support/prometheus_server.h"
#include "tests/support/scrape.h"
#include "tests/support/stub_styles.h"
#include "tests/support/tcp.h"

namespace firebreak::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kPolicy[] = R"pb(
  breaker { consecutive_failures: 1000 failure_rate: 0 }
  retry {
    max_attempts: 2
    backoff { initial: "1ms" }
  }
)pb";

class PrometheusTest : public ::testing::Test {
 protected:
  PrometheusTest() { exposer_.RegisterCollectable(collector_); }

  int port() const { return exposer_.GetListeningPorts().front(); }
  std::string url() const {
    return absl::StrCat("http://127.0.0.1:", port(), "/metrics");
  }
  // Some of them fail.
  void Load(int threads, int calls) {
    std::vector<std::thread> callers;
    for (int t = 0; t < threads; ++t) {
      callers.emplace_back([this, t, calls] {
        const Caller caller(StubStyle::kSync, f_.channel());
        for (int i = 0; i < calls; ++i) {
          if (t == 0 && i % 4 == 0) {
            f_.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE),
                                Step::Fail(grpc::StatusCode::INTERNAL)});
          }
          UnaryCall call;
          caller.Run(&call);
        }
      });
    }
    for (std::thread& each : callers) each.join();
  }

  EngineFixture f_{kPolicy};
  const std::shared_ptr<PrometheusCollector> collector_ =
      std::make_shared<PrometheusCollector>(f_.engine());
  prometheus::Exposer exposer_{"127.0.0.1:0"};
};

TEST_F(PrometheusTest, KnowsWhatTheEngineHasCounted) {
  const std::string program = FindPrometheusProgram("prometheus");
  if (program.empty()) GTEST_SKIP() << kNoPrometheus;
  PrometheusServer prometheus(program, port());
  ASSERT_TRUE(prometheus.ok()) << prometheus.log();
  // Names that would spoil a whole scrape, were they shown as they are.
  const std::string bad = std::string("/a.B/\0\xff\n\"<b>", 12);
  ASSERT_NE(f_.engine()->core()->BindChannel("test", {""})->Find(bad), nullptr);
  // Until it has scraped a few times under load.
  std::atomic<bool> is_enough{false};
  std::thread load([&] {
    do Load(4, 50);
    while (!is_enough);
  });
  EXPECT_TRUE(Eventually([&] {
    return prometheus
        .Query(
            "count_over_time(firebreak_requests_started_total{"
            "method=~\".*Echo.*\"}[1h]) > 2")
        .has_value();
  })) << prometheus.log();
  is_enough = true;
  load.join();
  ASSERT_TRUE(Eventually([&] { return f_.counts().in_flight == 0; }));

  const core::MethodCounts counts = f_.counts();
  ASSERT_GT(counts.attempts_of(core::AttemptKind::kRetry), 0);
  ASSERT_GT(counts.end(core::CallEnd::kFailure), 0);
  // And once more: seen by a counter that is moved only now.
  f_.engine()->core()->CountForeignMetadata(1);
  ASSERT_TRUE(Eventually([&] {
    return prometheus.Query("firebreak_foreign_metadata_total") == 1;
  })) << prometheus.log();

  // Every counter it has is the engine's, and it has every one.
  const Samples truth = Scrape(*collector_);
  std::map<std::string, int> compared;
  for (const Sample& sample : truth.all) {
    if (sample.name.find("_total") == std::string::npos &&
        sample.name.find("_bucket") == std::string::npos &&
        sample.name.find("_count") == std::string::npos &&
        sample.name.find("_state") == std::string::npos) {
      continue;  // what moves by itself
    }
    ++compared[sample.name];
  }
  for (const auto& [name, count] : compared) {
    std::map<std::map<std::string, std::string>, double> known;
    for (auto& series : prometheus.QueryAll(name)) {
      for (const char* its_own : {"__name__", "instance", "job"}) {
        series.labels.erase(its_own);
      }
      known[series.labels] = series.value;
    }
    EXPECT_EQ(known.size(), static_cast<size_t>(count)) << name;
    for (const Sample& sample : truth.Find(name)) {
      // An empty label is none to Prometheus; and it writes "10" as "10.0".
      std::map<std::string, std::string> labels;
      for (const auto& [label, value] : sample.labels) {
        if (!value.empty()) labels[label] = value;
      }
      if (labels.count("le") != 0 && known.count(labels) == 0) {
        labels["le"] += ".0";
      }
      ASSERT_EQ(known.count(labels), 1u) << name;
      EXPECT_EQ(known[labels], sample.value) << name;
    }
  }
  EXPECT_GT(compared.size(), 12u);
  EXPECT_EQ(prometheus.Query("firebreak_requests_in_flight{method=~\".*Echo.*"
                             "\"}"),
            0);
  EXPECT_EQ(prometheus.Query(
                absl::StrCat("sum(firebreak_attempts_total{kind=\"retry\"})")),
            counts.attempts_of(core::AttemptKind::kRetry));
  EXPECT_EQ(prometheus.Query("count(firebreak_requests_started_total{method="
                             "\"/a.B/\\\\x00\\\\xff\\\\x0a\\\"<b>\"})"),
            1);
}

TEST_F(PrometheusTest, TheShippedAlertsAreAlertsToIt) {
  const std::string program = FindPrometheusProgram("prometheus");
  if (program.empty()) GTEST_SKIP() << kNoPrometheus;
  PrometheusServer prometheus(program, port(),
                              DOCS_DIR "/prometheus/alerts.yml");
  ASSERT_TRUE(prometheus.ok()) << prometheus.log();
  UnaryCall call;
  Caller(StubStyle::kSync, f_.channel()).Run(&call);
  f_.runtime()->breakers().front()->ForceOpen(absl::nullopt, engine::Now());
  const auto state_of = [&](const std::string& alert) {
    const nlohmann::json data = prometheus.Get("rules?type=alert");
    std::string state;
    if (data.is_null()) return state;
    for (const auto& group : data.at("groups")) {
      for (const auto& rule : group.at("rules")) {
        EXPECT_EQ(rule.value("lastError", ""), "") << rule;
        if (rule.at("name") == alert) state = rule.at("state");
      }
    }
    return state;
  };
  EXPECT_TRUE(Eventually([&] {
    return state_of("FirebreakOverrideForgotten") == "pending";
  })) << prometheus.Get("rules");
  EXPECT_EQ(state_of("FirebreakBulkheadSaturated"), "inactive");
}

// As many as the exposer has threads, and more: none of them reads a byte.
TEST_F(PrometheusTest, ScrapersThatStallDisturbNoCall) {
  // An answer that fits into no socket's buffer.
  auto channel = f_.engine()->core()->BindChannel("test", {""});
  for (int i = 0; i < 900; ++i) channel->Find(absl::StrCat("/a.B/M", i));
  const absl::optional<std::string> whole = HttpGet(url());
  ASSERT_TRUE(whole.has_value());
  ASSERT_GT(whole->size(), 5'000'000u);
  std::vector<int> stalled;
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
  for (int i = 0; i < 4; ++i) {
    stalled.push_back(tcp::NewSocket());
    const int small = 4096;
    setsockopt(stalled.back(), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    ASSERT_EQ(tcp::Connect(stalled.back(), port()), 0);
    ASSERT_EQ(write(stalled.back(), request.data(), request.size()),
              static_cast<ssize_t>(request.size()));
  }
  // Until the answer to one of them has begun, and waits for its reader.
  pollfd entry = {stalled.front(), POLLIN, 0};
  ASSERT_EQ(poll(&entry, 1, 30'000), 1);
  Load(4, 50);
  EXPECT_EQ(f_.counts().calls, 200);
  EXPECT_EQ(f_.counts().end(core::CallEnd::kRejected), 0);
  EXPECT_EQ(f_.counts().end(core::CallEnd::kSuccess) +
                f_.counts().end(core::CallEnd::kFailure),
            200);
  // Another collector of the same engine is not held up either.
  EXPECT_THAT(PrometheusCollector(f_.engine()).Collect(), Not(IsEmpty()));
  for (int& fd : stalled) tcp::SendReset(&fd);
  EXPECT_TRUE(Eventually([&] { return HttpGet(url()).has_value(); }));
}

TEST_F(PrometheusTest, IsScrapedWhileCallsRun) {
  std::atomic<bool> is_over{false};
  std::thread load([&] {
    Load(4, 100);
    is_over = true;
  });
  do {
    const Samples s = ParseSamples(HttpGet(url()).value_or(""));
    EXPECT_THAT(s.text, HasSubstr("# TYPE firebreak_requests_total counter\n"));
    // Never more than there can be.
    for (const Sample& each : s.Find("firebreak_requests_started_total")) {
      EXPECT_LE(each.value, 400);
    }
  } while (!is_over);
  load.join();
}

}  // namespace
}  // namespace firebreak::testing
