// A real Prometheus scrapes a real endpoint of an engine under load. Afterwards
// it has the same counts as the engine.
#include "firebreak/prometheus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <prometheus/exposer.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
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
  breaker {
    consecutive_failures: 50
    failure_rate: 0
    open_duration: "60s"
    open_jitter: 0
  }
  hedging { delay: "20ms" }
  retry {
    max_attempts: 2
    backoff { initial: "1ms" }
  }
)pb";

template <class Counts>
int64_t Sum(const Counts& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

class PrometheusTest : public ::testing::Test {
 protected:
  PrometheusTest() { exposer_.RegisterCollectable(collector_); }

  int port() const { return exposer_.GetListeningPorts().front(); }
  std::string url() const {
    return absl::StrCat("http://127.0.0.1:", port(), "/metrics");
  }
  static Step Slow() {
    Step step;
    step.latency = std::chrono::milliseconds(100);
    return step;
  }
  // Makes calls, of which some fail and some are hedged.
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
          if (t == 1 && i % 10 == 0) f_.server().Script({Slow()});
          UnaryCall call;
          caller.Run(&call);
        }
      });
    }
    for (std::thread& each : callers) each.join();
  }

  // Compares with the engine's own counts, and not with the collector.
  static void ExpectItKnows(const PrometheusServer& prometheus,
                            const core::MethodCounts& counts) {
    const auto expect = [&](const std::string& metric, const std::string& label,
                            int64_t count) {
      const std::string query = absl::StrCat(
          "sum(", metric, "{method=\"", kUnaryMethod, "\"",
          label.empty() ? "" : absl::StrCat(",", label), "}) or vector(0)");
      EXPECT_EQ(prometheus.Query(query), count) << query;
    };
    const auto expect_all = [&](const char* metric, const char* label,
                                const std::vector<std::string>& values,
                                const auto& wanted) {
      ASSERT_EQ(values.size(), wanted.size());
      for (size_t i = 0; i < values.size(); ++i) {
        expect(metric, absl::StrCat(label, "=\"", values[i], "\""), wanted[i]);
      }
      expect(metric, "", Sum(wanted));
    };
    expect("firebreak_requests_started_total", "", counts.calls);
    expect_all("firebreak_requests_total", "type",
               {"success", "failure", "rejected", "cancelled", "abandoned"},
               counts.ends);
    std::vector<std::string> codes;
    for (size_t i = 0; i < counts.codes.size(); ++i) {
      codes.push_back(
          absl::StatusCodeToString(static_cast<absl::StatusCode>(i)));
    }
    expect_all("firebreak_responses_total", "code", codes, counts.codes);
    expect_all("firebreak_attempts_total", "kind", {"first", "retry", "hedge"},
               counts.attempts);
    std::vector<std::string> attributions;
    for (size_t i = 0; i < counts.attributions.size(); ++i) {
      attributions.emplace_back(
          core::AttributionName(static_cast<core::Attribution>(i)));
    }
    expect_all("firebreak_attempt_ends_total", "attribution", attributions,
               counts.attributions);
    expect("firebreak_rejected_requests_total", "reason=\"breaker_open\"",
           Sum(counts.rejections));
    expect("firebreak_attempts_not_made_total", "", Sum(counts.stops));
    expect("firebreak_hedges_won_total", "", counts.hedge_wins);
    expect("firebreak_circuit_breaker_state", "state=\"open\"", 1);
    expect("firebreak_circuit_breaker_state_changes_total",
           "from=\"closed\",to=\"open\"", 1);
  }

  EngineFixture f_{kPolicy};
  const std::shared_ptr<PrometheusCollector> collector_ =
      std::make_shared<PrometheusCollector>(f_.engine());
  prometheus::Exposer exposer_{"127.0.0.1:0"};
};

TEST_F(PrometheusTest, KnowsWhatTheEngineHasCounted) {
  const std::string program = FindPrometheusProgram("prometheus");
  if (program.empty()) SKIP_WITHOUT_PROMETHEUS();
  PrometheusServer prometheus(program, port());
  ASSERT_TRUE(prometheus.ok()) << prometheus.log();
  // A name that would make a whole scrape invalid if it were not escaped.
  const std::string bad = std::string("/a.B/\0\xff\n\"<b>", 12);
  ASSERT_NE(f_.engine()->core()->BindChannel("test", {""})->Find(bad), nullptr);
  // Makes calls until it has scraped a few times.
  std::atomic<bool> is_enough{false};
  std::thread load([&] {
    do {
      Load(4, 50);
    } while (!is_enough);
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
  // The breaker opens, and refuses the next calls.
  const Caller caller(StubStyle::kSync, f_.channel());
  while (f_.counts().end(core::CallEnd::kRejected) < 7) {
    f_.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE),
                        Step::Fail(grpc::StatusCode::UNAVAILABLE)});
    UnaryCall call;
    caller.Run(&call);
  }
  // Waits until the last attempt that lost to a hedge has ended.
  ASSERT_TRUE(Eventually([&] {
    const core::MethodCounts now = f_.counts();
    return now.in_flight == 0 && Sum(now.attempts) == Sum(now.attributions);
  }));

  const core::MethodCounts counts = f_.counts();
  ASSERT_GT(counts.attempts_of(core::AttemptKind::kHedge), 0);
  ASSERT_GT(counts.hedge_wins, 0);
  ASSERT_GT(counts.attempts_of(core::AttemptKind::kRetry), 0);
  ASSERT_GT(counts.end(core::CallEnd::kFailure), 0);
  // Waits for one more scrape, which a counter shows that only changes now.
  f_.engine()->core()->CountForeignMetadata(1);
  ASSERT_TRUE(Eventually([&] {
    return prometheus.Query("firebreak_foreign_metadata_total") == 1;
  })) << prometheus.log();

  // It has every counter of the engine, with the same value, and no other.
  const Samples truth = Scrape(*collector_);
  std::map<std::string, int> compared;
  for (const Sample& sample : truth.all) {
    if (sample.name.find("_total") == std::string::npos &&
        sample.name.find("_bucket") == std::string::npos &&
        sample.name.find("_count") == std::string::npos &&
        sample.name.find("_state") == std::string::npos) {
      continue;  // these change by themselves
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
      // Prometheus drops empty labels, and writes "10" as "10.0".
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
  ExpectItKnows(prometheus, counts);
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
  if (program.empty()) SKIP_WITHOUT_PROMETHEUS();
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

// A policy with which every panel of the dashboard has data.
constexpr char kEverything[] = R"pb(
  breaker {
    consecutive_failures: 3
    failure_rate: 0
    slow_call_rate: 0.9
    slow_call_duration: "1s"
    open_duration: "300ms"
    max_open_duration: "300ms"
    ramp { duration: "200ms" }
  }
  hedging { delay: "20ms" }
  retry {
    max_attempts: 2
    backoff { initial: "1ms" }
  }
  bulkhead { max_concurrent: 2 max_queue: 1 }
  rate_limit { rate: 1000 burst: 100 }
  throttle {}
)pb";

// Replaces Grafana's variables with their values.
std::string AsAsked(std::string expression) {
  for (const auto& [variable, value] :
       {std::pair<const char*, const char*>{"$__rate_interval", "10s"},
        {"$job", ".*"},
        {"$instance", ".*"},
        {"$channel", ".*"},
        {"$method", ".*"}}) {
    for (size_t at; (at = expression.find(variable)) != std::string::npos;) {
      expression.replace(at, std::string(variable).size(), value);
    }
  }
  return expression;
}

TEST(GrafanaTest, EveryPanelOfTheBoardHasData) {
  const std::string program = FindPrometheusProgram("prometheus");
  if (program.empty()) SKIP_WITHOUT_PROMETHEUS();
  auto engine = Engine::FromText(
      absl::StrCat("method { name {} ", kEverything,
                   " } channel { budget { ratio: 1 burst: 100 } throttling { "
                   "max_tokens: 100 token_ratio: 1 } }"));
  ASSERT_TRUE(engine.ok()) << engine.status();
  EchoServer server;
  const auto channel = (*engine)->CreateChannel(
      "test", server.address(), grpc::InsecureChannelCredentials());
  // The usual latency is not known before half a minute has passed.
  const auto binding =
      (*engine)->core()->BindChannel("test", {server.address()});
  core::LatencyModel& latency = binding->Find(kUnaryMethod)->runtime->latency;
  for (int i = 0; i < 200; ++i) {
    latency.Record(std::chrono::milliseconds(1),
                   engine::Now() - std::chrono::seconds(70));
  }
  prometheus::Exposer exposer{"127.0.0.1:0"};
  const auto collector = std::make_shared<PrometheusCollector>(*engine);
  exposer.RegisterCollectable(collector);
  PrometheusServer prometheus(program, exposer.GetListeningPorts().front());
  ASSERT_TRUE(prometheus.ok()) << prometheus.log();

  std::atomic<bool> is_enough{false};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&, t] {
      const Caller caller(StubStyle::kSync, channel);
      for (int i = 0; !is_enough; ++i) {
        if (t == 0 && i % 40 == 0) {
          server.Script(
              std::vector<Step>(8, Step::Fail(grpc::StatusCode::UNAVAILABLE)));
        }
        if (t == 1 && i % 10 == 0) {
          Step slow;
          slow.latency = std::chrono::milliseconds(60);
          server.Script({slow});
        }
        UnaryCall call;
        caller.Run(&call);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    });
  }
  std::ifstream file(DOCS_DIR "/prometheus/grafana.json");
  const nlohmann::json board = nlohmann::json::parse(file);
  int queries = 0;
  for (const auto& panel : board.at("panels")) {
    for (const auto& target : panel.value("targets", nlohmann::json::array())) {
      const std::string query = AsAsked(target.at("expr"));
      ++queries;
      EXPECT_TRUE(Eventually([&] {
        return !prometheus.QueryAll(query).empty();
      })) << panel.at("title")
          << ": " << query;
    }
  }
  is_enough = true;
  for (std::thread& each : callers) each.join();
  EXPECT_GT(queries, 30);
}

// There are more of these scrapers than the exposer has threads, and none of
// them reads a byte.
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
    ASSERT_EQ(
        send(stalled.back(), request.data(), request.size(), MSG_NOSIGNAL),
        static_cast<ssize_t>(request.size()));
  }
  // Waits until the answer to one of them has begun and waits for its reader.
  pollfd entry = {stalled.front(), POLLIN, 0};
  ASSERT_EQ(poll(&entry, 1, 30'000), 1);
  Load(4, 50);
  EXPECT_EQ(f_.counts().calls, 200);
  EXPECT_EQ(f_.counts().end(core::CallEnd::kRejected), 0);
  EXPECT_EQ(f_.counts().end(core::CallEnd::kSuccess) +
                f_.counts().end(core::CallEnd::kFailure),
            200);
  // Another collector of the same engine is not delayed either.
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
    // The count is never higher than the number of calls.
    for (const Sample& each : s.Find("firebreak_requests_started_total")) {
      EXPECT_LE(each.value, 400);
    }
  } while (!is_over);
  load.join();
}

}  // namespace
}  // namespace firebreak::testing
