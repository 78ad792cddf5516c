// The parts of `firebreakctl top` and of the page: frames that fit, and JSON
// that is valid whatever a target sends.
#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <chrono>
#include <limits>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "src/core/base/printable.h"
#include "tools/firebreakctl/live/fleet.h"
#include "tools/firebreakctl/live/fleet_json.h"
#include "tools/firebreakctl/live/plain_page.h"
#include "tools/firebreakctl/live/top.h"
#include "tools/firebreakctl/show/words.h"

namespace firebreak::ctl {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Lt;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kTwo[] = R"pb(
  as_of { seconds: 1000 }
  methods {
    channel: "shop"
    method: "/shop.v1.CatalogService/Find"
    health { score: 100 level: HEALTH_LEVEL_HEALTHY }
    recent {
      started: 100
      failures: 0
      rejected: 0
      now { calls_per_second: 50 }
    }
    latency_model {
      p50 { nanos: 1000000 }
      p99 { nanos: 9000000 }
    }
  }
  methods {
    channel: "shop"
    method: "/shop.v1.PaymentService/Charge"
    health { score: 10 level: HEALTH_LEVEL_UNHEALTHY }
    breakers {
      target: "a:1"
      state: BREAKER_STATE_OPEN
      since { seconds: 990 }
      probe_due { seconds: 1003 }
      cause: "5 failures in a row (limit 5)"
    }
    recent {
      started: 10
      failures: 5
      rejected: 5
      now { calls_per_second: 3 }
    }
    attempts { first: 10 retries: 4 hedges: 1 }
  }
)pb";

Answers<v1::ListMethodsResponse> Fleet(int targets,
                                       const std::string& text = kTwo) {
  Answers<v1::ListMethodsResponse> answers;
  for (int i = 0; i < targets; ++i) {
    answers.emplace_back();
    answers.back().target = absl::StrCat("order-", i, ":50051");
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
        text, &answers.back().response));
  }
  return answers;
}

size_t Widest(const std::string& text) {
  std::istringstream lines(text);
  size_t widest = 0;
  for (std::string line; std::getline(lines, line);) {
    widest = std::max(widest, line.size());
  }
  return widest;
}

bool IsJson(const std::string& text) {
  google::protobuf::Value value;
  const auto status = google::protobuf::util::JsonStringToMessage(text, &value);
  EXPECT_TRUE(status.ok()) << status << "\n" << text;
  return status.ok();
}

TEST(TopTest, WorstFirstWithTheTimeToTheNextProbe) {
  const std::string frame = RenderTop(Fleet(1), {}, Style());
  EXPECT_THAT(frame, HasSubstr("1 of 1 processes, 2 methods, 1 open"));
  EXPECT_LT(frame.find("Charge"), frame.find("Find"));
  EXPECT_THAT(frame,
              AllOf(HasSubstr("open"), HasSubstr(" 3s "), HasSubstr(" 50% "),
                    Not(HasSubstr("\033")), Not(HasSubstr("PROCESS"))));
}

TEST(TopTest, OrdersAndFilters) {
  TopOptions options;
  for (const std::string& order : TopOrders()) {
    options.sort = order;
    const std::string frame = RenderTop(Fleet(1), options, Style());
    const bool find_first =
        order == "calls" || order == "p99" || order == "name";
    EXPECT_EQ(frame.find("Find") < frame.find("Charge"), find_first) << order;
  }
  options.sort = "calls";
  options.reverse = true;
  std::string frame = RenderTop(Fleet(1), options, Style());
  EXPECT_LT(frame.find("Charge"), frame.find("Find"));
  options.filter = "OPEN";
  frame = RenderTop(Fleet(1), options, Style());
  EXPECT_THAT(frame, AllOf(HasSubstr("Charge"), Not(HasSubstr("Find"))));
  options.filter = "nothing like this";
  EXPECT_THAT(RenderTop(Fleet(1), options, Style()), HasSubstr("0 methods"));
}

TEST(TopTest, FitsWhateverTheTerminalIs) {
  for (const size_t width : {20, 24, 40, 60, 80, 120, 200}) {
    const std::string frame =
        RenderTop(Fleet(3), {}, Style(false, width), /*height=*/10);
    EXPECT_LE(Widest(frame), width) << frame;
    EXPECT_THAT(frame, AllOf(HasSubstr("Charge"), HasSubstr("open")));
    EXPECT_LE(std::count(frame.begin(), frame.end(), '\n'), 10);
  }
  // Scrolled past the end, with a height of almost nothing.
  EXPECT_THAT(RenderTop(Fleet(1), {}, Style(), 1, 1000), HasSubstr("Find"));
}

TEST(TopTest, ATargetThatIsGoneIsTold) {
  auto answers = Fleet(2);
  answers[1].error = "connection refused\033[2J";
  const std::string frame = RenderTop(answers, {}, Style());
  EXPECT_THAT(frame, AllOf(HasSubstr("1 of 2 processes"),
                           HasSubstr("order-1:50051: connection refused?[2J")));
  // At least one method is visible, however low the terminal is.
  answers = Fleet(6);
  for (size_t i = 1; i < answers.size(); ++i) answers[i].error = "gone";
  for (size_t height = 3; height < 12; ++height) {
    const std::string low = RenderTop(answers, {}, Style(), height);
    EXPECT_LE(static_cast<size_t>(std::count(low.begin(), low.end(), '\n')),
              height)
        << low;
    EXPECT_THAT(low, AllOf(HasSubstr("1 of 6 processes"), HasSubstr("Charge")));
    if (height < 4) continue;
    EXPECT_THAT(low, HasSubstr(height == 4   ? "and 5 more"
                               : height == 5 ? "and 4 more"
                               : height == 6 ? "and 3 more"
                                             : "and 2 more"));
  }
  // If there are many errors, a few are shown, and none is cut inside a
  // character.
  answers = Fleet(9);
  for (auto& answer : answers) answer.error = "\u00e4\u00f6\u00fc\u00df";
  EXPECT_THAT(
      RenderTop(answers, {}, Style()),
      AllOf(HasSubstr("order-2:50051: "), Not(HasSubstr("order-3:50051: ")),
            HasSubstr("and 6 more")));
  for (size_t width = 17; width < 24; ++width) {
    EXPECT_TRUE(core::IsUtf8(RenderTop(answers, {}, Style(false, width))));
  }
}

TEST(JsonTest, NamesStayWhatTheyAreAndEndNothing) {
  EXPECT_EQ(JsonQuoted("a\"b\\c"), "\"a\\\"b\\\\c\"");
  EXPECT_EQ(JsonQuoted("</script>&\n\x7f"),
            "\"\\u003c/script\\u003e\\u0026\\u000a\\u007f\"");
  EXPECT_EQ(JsonQuoted("zürich \u202e"), "\"zürich \u202e\"");
  EXPECT_EQ(JsonQuoted("\xff\xfe"), "\"??\"");
  EXPECT_TRUE(IsJson(JsonQuoted(std::string("\0\x1b\xe2\x82", 4))));
}

TEST(JsonTest, AMethodAndItsShares) {
  const auto response = Fleet(1)[0].response;
  const v1::Method& charge = response.methods(1);
  MethodHistory history;
  v1::Method before = charge;
  before.mutable_attempts()->set_first(0);
  before.mutable_attempts()->set_retries(0);
  before.mutable_attempts()->set_hedges(0);
  google::protobuf::Timestamp as_of = response.as_of();
  history.Add(before, as_of);
  as_of.set_seconds(1001);
  history.Add(charge, as_of);  // too early for another sample
  EXPECT_THAT(history.samples(), SizeIs(1));
  const std::string json = MethodJson(charge, history);
  EXPECT_TRUE(IsJson(json));
  EXPECT_THAT(json,
              AllOf(HasSubstr("\"state\":\"open\""),
                    HasSubstr("\"probe\":1003000"), HasSubstr("\"failed\":0.5"),
                    HasSubstr("\"retried\":0.4"), HasSubstr("\"hedged\":0.1")));
  EXPECT_TRUE(IsJson(WithHistory(json, history)));
  for (int i = 0; i < 200; ++i) {
    as_of.set_seconds(1100 + i * 5);
    history.Add(charge, as_of);
  }
  EXPECT_THAT(history.samples(), SizeIs(MethodHistory::kSamples));
}

TEST(JsonTest, GarbageOfATargetIsStillJson) {
  v1::Method odd;
  odd.set_method(std::string(4096, '<'));
  odd.mutable_health()->set_score(std::numeric_limits<double>::quiet_NaN());
  odd.mutable_recent()->add_started(-5);
  odd.mutable_recent()->mutable_now()->set_calls_per_second(
      std::numeric_limits<double>::infinity());
  odd.mutable_latency_model()->mutable_p50()->set_seconds(-1);
  odd.mutable_latency_model()->mutable_p99()->set_nanos(2'000'000'000);
  v1::Breaker* const breaker = odd.add_breakers();
  breaker->set_state(static_cast<v1::BreakerState>(99));
  breaker->mutable_since()->set_seconds(std::numeric_limits<int64_t>::max());
  breaker->mutable_probe_due()->set_nanos(-7);
  MethodHistory history;
  google::protobuf::Timestamp never;
  never.set_seconds(std::numeric_limits<int64_t>::min());
  history.Add(odd, never);
  TargetFrame frame;
  frame.target = "\xff";
  frame.as_of = never;
  frame.methods = {WithHistory(MethodJson(odd, history), history)};
  v1::Event event;
  event.set_kind(static_cast<v1::EventKind>(77));
  *event.mutable_time() = never;
  frame.events = {EventJson(event)};
  const std::string json = ToJson(frame);
  EXPECT_TRUE(IsJson(json));
  EXPECT_THAT(json, AllOf(HasSubstr("state 99"), Not(HasSubstr("<"))));

  Answers<v1::ListMethodsResponse> answers(1);
  *answers[0].response.add_methods() = odd;
  *answers[0].response.mutable_as_of() = never;
  EXPECT_LE(Widest(RenderTop(answers, {}, Style(false, 20))), 20U);
  EXPECT_THAT(PlainPage(answers), Not(HasSubstr("<<")));
}

TEST(FleetTest, ATargetAnswersForAHundredthOfItsTime) {
  using std::chrono::milliseconds;
  EXPECT_EQ(Fleet::IntervalAfter(milliseconds(0)), milliseconds(1000));
  EXPECT_EQ(Fleet::IntervalAfter(milliseconds(10)), milliseconds(1000));
  EXPECT_EQ(Fleet::IntervalAfter(milliseconds(25)), milliseconds(2500));
  EXPECT_EQ(Fleet::IntervalAfter(milliseconds(50)), milliseconds(5000));
  EXPECT_EQ(Fleet::IntervalAfter(core::Duration::max()), milliseconds(5000));
}

// The next probe is a health check instead of a call.
TEST(HealthCheckShownTest, ItSaysWhenAndWhatItAnswers) {
  auto answers = Fleet(1);
  v1::ListMethodsResponse& response = answers[0].response;
  v1::Breaker* const breaker = response.mutable_methods(1)->mutable_breakers(0);
  breaker->set_checks_health(true);
  const auto shown = [&] {
    v1::GetMethodResponse one;
    *one.mutable_method() = response.methods(1);
    *one.mutable_as_of() = response.as_of();
    return RenderMethod(one, Style());
  };
  EXPECT_THAT(shown(),
              AllOf(HasSubstr("check in 3s "), Not(HasSubstr("probe in"))));
  EXPECT_THAT(MethodJson(response.methods(1), {}), HasSubstr("\"check\":\"\""));
  breaker->set_health("NOT_SERVING\033[2J");
  EXPECT_THAT(shown(), HasSubstr("check in 3s (NOT_SERVING?[2J)"));
  EXPECT_THAT(MethodJson(response.methods(1), {}),
              HasSubstr("\"check\":\"NOT_SERVING\\u001b[2J\""));
  breaker->set_checks_health(false);
  EXPECT_THAT(MethodJson(response.methods(1), {}), Not(HasSubstr("\"check\"")));
}

// An error may have no message, but it still needs a text.
TEST(ErrorTextTest, IsNeverEmpty) {
  EXPECT_EQ(ErrorText({grpc::StatusCode::INTERNAL, "it broke"}), "it broke");
  EXPECT_EQ(ErrorText({grpc::StatusCode::INTERNAL, ""}),
            "INTERNAL, without a message");
  EXPECT_EQ(ErrorText({static_cast<grpc::StatusCode>(77), ""}),
            "code 77, without a message");
}

TEST(PlainPageTest, IsATableAndTextStaysText) {
  auto answers = Fleet(2);
  answers[0].response.mutable_methods(0)->set_method(
      "/x/<script>alert(1)</script>\033\"'&\u202e");
  answers[1].error = "<b>gone</b>";
  const std::string page = PlainPage(answers);
  EXPECT_THAT(page, AllOf(HasSubstr("<table>"), Not(HasSubstr("<script")),
                          HasSubstr("&lt;script&gt;"), Not(HasSubstr("\033")),
                          Not(HasSubstr("<b>")), HasSubstr("does not answer"),
                          Not(HasSubstr("\u202e"))));
  EXPECT_LT(page.find("Charge"), page.find("alert"));
  EXPECT_THAT(PlainPage({}), HasSubstr("</html>"));
  // The size of the page is bounded, whatever the size of the fleet.
  auto many = Fleet(1, "");
  for (int i = 0; i < 2000; ++i) {
    many[0].response.add_methods()->set_method(std::string(100, 'm'));
  }
  EXPECT_THAT(PlainPage(many).size(), Lt(size_t{300'000}));
}

}  // namespace
}  // namespace firebreak::ctl
