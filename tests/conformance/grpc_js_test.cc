// Compares with an independent client: gRPC for Node.js plays the tables of
// gRFC A6 with the same policy, as a service config, against the same server.
//
// Both must send the same number of attempts, none earlier than the policy
// allows, and end with the same status. Where grpc-js does not, the list below
// says what it does, and docs/conformance.md why; a call on it must differ so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/conformance/a6_cases.h"
#include "tests/conformance/wire_rig.h"
#include "tests/support/echo_server.h"
#include "tests/support/server_process.h"

namespace firebreak::testing {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ::testing::IsEmpty;

// This case is not from A6, where the server's first headers commit a call.
constexpr char kHeadersDoNotCommit[] = "HeadersDoNotCommit";

// What grpc-js 1.14.7 does instead; docs/conformance.md says why.
struct Difference {
  int attempts;
  Code status;
  bool early = false;  // whether an attempt comes before its time
};
// How early an attempt may be, since Node.js counts in whole milliseconds.
constexpr milliseconds kJsGrace{2};
constexpr int kMore = -1;  // more than in the table; how many varies

const std::map<std::string, Difference>& Differences() {
  static const auto* const all = new std::map<std::string, Difference>{
      {"ABackoffPastTheDeadlineEndsTheCallAtOnce",
       {1, Code::kDeadlineExceeded}},
      {"APushbackPastTheDeadlineEndsTheCallAtOnce",
       {1, Code::kDeadlineExceeded}},
      {"PushbackHoldsTheNextHedgeBack", {2, Code::kOk, /*early=*/true}},
      {"AfterNegativePushbackThoseInFlightGoOn", {2, Code::kUnavailable}},
      {"AlsoThatOfAFatalCode.1", {2, Code::kOk}},
      {"HedgesAreThrottledToo.1", {kMore, Code::kUnavailable}},
      {"HedgesAreThrottledToo.2", {kMore, Code::kUnavailable}},
      {"NoHedgeByTimeEither.0", {kMore, Code::kUnavailable}},
      {"NoHedgeByTimeEither.1", {kMore, Code::kOk}},
      {kHeadersDoNotCommit, {1, Code::kUnavailable}},
  };
  return *all;
}

// A call from the tables.
struct Call {
  std::string name;
  A6Policy policy;
  std::vector<Reply> server;
  int deadline_ms = 0;
  size_t attempts = 0;
  Code status = Code::kOk;
  std::vector<Sent> timeline;  // empty for throttled calls
};
// The calls of one channel, in their order.
struct Scenario {
  std::shared_ptr<EchoServer> server;
  std::vector<Call> calls;
};

std::vector<Scenario> Scenarios() {
  std::vector<Scenario> all;
  const auto server = std::make_shared<EchoServer>();
  for (const A6Case& c : A6Cases()) {
    all.push_back({server,
                   {{c.name, c.policy, c.server, c.deadline_ms,
                     c.timeline.size(), c.status, c.timeline}}});
  }
  Reply after_headers = Fail(Code::kUnavailable);
  after_headers.sends_headers = true;
  all.push_back({server,
                 {{kHeadersDoNotCommit,
                   RetryPolicy(3, 20, 200),
                   {after_headers, Ok()},
                   0,
                   2,
                   Code::kOk,
                   {First(), Retry(20)}}}});
  // Channels to the same server name share a count of tokens, so each case gets
  // a server of its own.
  for (const ThrottlingCase& c : A6ThrottlingCases()) {
    Scenario scenario{std::make_shared<EchoServer>(), {}};
    for (const ThrottledCall& call : c.calls) {
      scenario.calls.push_back(
          {absl::StrCat(c.name, ".", scenario.calls.size()),
           c.policy,
           call.server,
           0,
           call.attempts,
           call.status,
           {}});
    }
    all.push_back(std::move(scenario));
  }
  for (Scenario& scenario : all) {
    // This is the jitter of A6, the only one that grpc-js has.
    for (Call& call : scenario.calls) {
      call.policy.jitter = core::BackoffOptions::Jitter::kPlusMinus;
    }
  }
  return all;
}

std::string JsText(const Call& call) { return "grpc-js: " + call.name; }

// One process plays all scenarios. Returns what came of each call, by its text.
std::map<std::string, Played> PlayByJs(const std::vector<Scenario>& scenarios) {
  std::vector<std::string> entries;
  for (const Scenario& scenario : scenarios) {
    std::vector<std::string> calls;
    for (const Call& call : scenario.calls) {
      Script(JsText(call), call.server, scenario.server.get());
      calls.push_back(absl::StrCat(
          "{\"text\": \"", JsText(call), "\", \"deadlineMs\": ",
          call.deadline_ms > 0 ? call.deadline_ms : WireRig::kNoneMs, "}"));
    }
    entries.push_back(
        absl::StrCat("{\"address\": \"", scenario.server->address(),
                     "\", \"serviceConfig\": ",
                     scenario.calls.front().policy.ServiceConfig(),
                     ", \"calls\": [", absl::StrJoin(calls, ", "), "]}"));
  }
  const std::string stem =
      absl::StrCat(::testing::TempDir(), "/firebreak_js_", getpid());
  std::ofstream(stem + ".json") << "[" << absl::StrJoin(entries, ",\n") << "]";
  EXPECT_EQ(RunProgram({"node", JS_CLIENT_PATH, JS_MODULES_PATH, PROTO_PATH,
                        stem + ".json", stem + ".txt"}),
            0);
  std::map<std::string, Played> played;
  std::ifstream lines(stem + ".txt");
  int code = 0;
  int64_t started = 0;
  std::string text;
  while (lines >> code >> started && std::getline(lines >> std::ws, text)) {
    Played& one = played[text];
    one.code = static_cast<grpc::StatusCode>(code);
    one.started = steady_clock::time_point(std::chrono::nanoseconds(started));
  }
  for (const Scenario& scenario : scenarios) {
    for (const Call& call : scenario.calls) {
      played[JsText(call)].seen = scenario.server->seen(JsText(call));
    }
  }
  std::remove((stem + ".json").c_str());
  std::remove((stem + ".txt").c_str());
  return played;
}

// The same with firebreak. Returns what came of each call, by its name.
std::map<std::string, Played> PlayByUs(const std::vector<Scenario>& scenarios) {
  std::mutex mu;
  std::map<std::string, Played> played;
  std::atomic<size_t> next{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (size_t at = next++; at < scenarios.size(); at = next++) {
        const A6Policy& policy = scenarios[at].calls.front().policy;
        WireRig rig(scenarios[at].server.get(), policy);
        for (const Call& call : scenarios[at].calls) {
          Played one = rig.Play(call.name, call.server, call.deadline_ms);
          std::lock_guard<std::mutex> lock(mu);
          played.emplace(call.name, std::move(one));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return played;
}

// For example "0 102 307 ms UNAVAILABLE".
std::string Describe(const Played& played) {
  std::string text;
  for (const SeenCall& seen : played.seen) {
    const auto since = seen.begun - played.started;
    absl::StrAppend(&text, duration_cast<milliseconds>(since).count(), " ");
  }
  return absl::StrCat(text, "ms ",
                      absl::StatusCodeToString(static_cast<Code>(played.code)));
}

// Whether an attempt came before its time, by more than `grace`, which is how
// inexact a client's timers may be.
bool IsEarly(const Call& call, const Played& played, milliseconds grace) {
  if (call.timeline.size() != played.seen.size()) return false;
  for (size_t n = 1; n < played.seen.size(); ++n) {
    const int at_ms = call.timeline[n].at_ms;
    // A hedge's time counts from the call's start, a retry's from the answer
    // before it, and jitter may shorten a backoff by a fifth.
    auto due = played.started + milliseconds(at_ms);
    if (!call.policy.hedges) {
      const int wait_ms =
          at_ms - call.timeline[n - 1].at_ms - call.server[n - 1].latency_ms;
      due = played.seen[n - 1].answered + milliseconds(wait_ms) * 8 / 10;
    }
    if (played.seen[n].begun + grace < due) return true;
  }
  return false;
}

// Why these tests cannot run here; empty if they can.
std::string Obstacle() {
  if (std::ifstream(JS_MODULES_PATH "/node_modules/.package-lock.json")) {
    return "";
  }
  return "no npm packages in " JS_MODULES_PATH ": scripts/test installs them";
}

TEST(GrpcJsTest, DoesTheSame) {
  if (const std::string obstacle = Obstacle(); !obstacle.empty()) {
    GTEST_SKIP() << obstacle;
  }
  const std::vector<Scenario> scenarios = Scenarios();
  std::map<std::string, Played> js;
  std::thread peer([&] { js = PlayByJs(scenarios); });
  const auto ours = PlayByUs(scenarios);
  peer.join();
  for (const Scenario& scenario : scenarios) {
    for (const Call& call : scenario.calls) {
      SCOPED_TRACE(call.name);
      const Played& theirs = js[JsText(call)];
      std::cout << call.name << "\n    grpc-js    " << Describe(theirs) << "\n";
      if (const auto found = ours.find(call.name); found != ours.end()) {
        std::cout << "    firebreak  " << Describe(found->second) << "\n";
        EXPECT_EQ(found->second.seen.size(), call.attempts);
        EXPECT_EQ(static_cast<Code>(found->second.code), call.status);
        EXPECT_FALSE(IsEarly(call, found->second, milliseconds(0)));
      }
      const auto found_difference = Differences().find(call.name);
      const bool differs = found_difference != Differences().end();
      const Difference expected =
          differs ? found_difference->second
                  : Difference{static_cast<int>(call.attempts), call.status};
      if (expected.attempts == kMore) {
        EXPECT_GT(theirs.seen.size(), call.attempts);
      } else {
        EXPECT_EQ(static_cast<int>(theirs.seen.size()), expected.attempts);
      }
      EXPECT_EQ(static_cast<Code>(theirs.code), expected.status);
      if (!expected.early) {
        EXPECT_FALSE(IsEarly(call, theirs, kJsGrace));
      }
    }
  }
}

// On a machine that stands still now and then, an attempt that is sent early
// can arrive late, so there are several tries.
TEST(GrpcJsTest, IsEarlyWhereWeKnowItToBe) {
  if (const std::string obstacle = Obstacle(); !obstacle.empty()) {
    GTEST_SKIP() << obstacle;
  }
  std::set<std::string> late;
  for (const auto& [name, difference] : Differences()) {
    if (difference.early) late.insert(name);
  }
  ASSERT_FALSE(late.empty());
  for (int n = 0; n < 10 && !late.empty(); ++n) {
    const std::vector<Scenario> scenarios = Scenarios();
    auto js = PlayByJs(scenarios);
    for (const Scenario& scenario : scenarios) {
      for (const Call& call : scenario.calls) {
        if (IsEarly(call, js[JsText(call)], kJsGrace)) late.erase(call.name);
      }
    }
  }
  EXPECT_THAT(late, IsEmpty());
}

}  // namespace
}  // namespace firebreak::testing
