// The output of firebreakctl: columns, colours, and the admin service's answers
// as text.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

#include "tools/firebreakctl/show/render.h"
#include "tools/firebreakctl/show/table.h"
#include "tools/firebreakctl/show/words.h"

namespace firebreak::ctl {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr auto kRight = Table::Align::kRight;

template <class Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message));
  return message;
}

TEST(TableTest, AlignsColumns) {
  Table table({{"NAME"}, {"CALLS", kRight}, {"NOTE"}});
  EXPECT_TRUE(table.empty());
  table.AddRow({{"a"}, {"1"}, {"x"}});
  table.AddRow({{"longer"}, {"1234567"}, {""}});
  EXPECT_FALSE(table.empty());
  EXPECT_EQ(table.Render(false),
            "NAME      CALLS  NOTE\n"
            "a             1  x\n"
            "longer  1234567\n");
}

TEST(TableTest, WithoutTitlesHasNoTitleLine) {
  Table table({{""}, {""}});
  table.AddRow({{"key"}, {"value"}});
  table.AddRow({{"longer"}, {"value"}});
  EXPECT_EQ(table.Render(false), "key     value\nlonger  value\n");
}

TEST(TableTest, WithoutRowsIsItsTitles) {
  EXPECT_EQ(Table({{"A"}, {"B", kRight}}).Render(false), "A  B\n");
}

TEST(TableTest, MissingCellsAreEmptyAndExtraOnesLeftOut) {
  Table table({{"A"}, {"B"}});
  table.AddRow({{"1"}});
  table.AddRow({{"1"}, {"2"}, {"3"}});
  EXPECT_EQ(table.Render(false), "A  B\n1\n1  2\n");
}

TEST(TableTest, ColoursDoNotMoveColumns) {
  Table table({{"S"}, {"N", kRight}});
  table.AddRow({{"open", Colour::kRed}, {"1"}});
  EXPECT_EQ(table.Render(false), "S     N\nopen  1\n");
  EXPECT_EQ(table.Render(true),
            "\033[1mS\033[0m     \033[1mN\033[0m\n"
            "\033[31mopen\033[0m  1\n");
}

TEST(TableTest, WidthIsInCodePoints) {
  Table table({{"A"}, {"B"}});
  table.AddRow({{"zürich"}, {"x"}});
  table.AddRow({{"berlin"}, {"x"}});
  EXPECT_EQ(table.Render(false), "A       B\nzürich  x\nberlin  x\n");
}

TEST(TableTest, ATextCannotCommandTheTerminal) {
  Table table({{"A"}, {"B"}});
  table.AddRow({{"x\033[2Jy\nz\t"}, {"1"}});
  EXPECT_EQ(table.Render(false), "A          B\nx?[2Jy?z?  1\n");
}

TEST(PrintableTest, KeepsTextAndReplacesTheRest) {
  EXPECT_EQ(Printable("plain, zürich, €, 😀"), "plain, zürich, €, 😀");
  EXPECT_EQ(Printable("\x7f"), "?");
  EXPECT_EQ(Printable("\xc2\x9b"), "??");  // CSI as one code point
  // These are invisible, or change the direction of the text after them.
  EXPECT_EQ(Printable("a\xe2\x80\x8b"), "a???");
  EXPECT_EQ(Printable("\xe2\x80\xae m"), "??? m");
  EXPECT_EQ(Printable("\xe2\x81\xa6"), "???");
  EXPECT_EQ(Printable("\xef\xbb\xbf"), "???");
  EXPECT_EQ(Printable("\xe2\x80\x90\xe2\x81\xaa"), "\xe2\x80\x90\xe2\x81\xaa");
  EXPECT_EQ(Printable("a\xff\xfe"), "a??");
  EXPECT_EQ(Printable("\xe2\x82"), "??");  // cut short
  EXPECT_EQ(Printable(""), "");
}

TEST(BriefTest, ThreeDigitsAndAUnit) {
  EXPECT_EQ(Brief(-5), "0s");
  EXPECT_EQ(Brief(0), "0s");
  EXPECT_EQ(Brief(999), "999ns");
  EXPECT_EQ(Brief(1'000), "1us");
  EXPECT_EQ(Brief(999'499), "999us");
  EXPECT_EQ(Brief(999'500), "1ms");
  EXPECT_EQ(Brief(12'345'678), "12.3ms");
  EXPECT_EQ(Brief(999'500'000), "1s");
  EXPECT_EQ(Brief(1'240'000'000), "1.24s");
  EXPECT_EQ(Brief(59'940'000'000), "59.9s");
  EXPECT_EQ(Brief(59'960'000'000), "1m00s");
  EXPECT_EQ(Brief(125'000'000'000), "2m05s");
  EXPECT_EQ(Brief(12'000'000'000'000), "3h20m");
  EXPECT_EQ(Brief(367'200'000'000'000), "4d06h");
}

TEST(StateNameTest, AsInThePolicyAndEvents) {
  EXPECT_EQ(StateName(v1::BREAKER_STATE_HALF_OPEN), "half_open");
  EXPECT_EQ(StateName(static_cast<v1::BreakerState>(99)), "state 99");
}

TEST(RenderMethodsTest, FiguresOfAMethodStandOnce) {
  const auto response = Parse<v1::ListMethodsResponse>(R"pb(
    methods {
      channel: "payment"
      method: "/p.S/Charge"
      health { score: 25 level: HEALTH_LEVEL_UNHEALTHY }
      recent { started: 0 started: 5 started: 70 }
      breakers {
        target: "a:1"
        state: BREAKER_STATE_CLOSED
        since { seconds: 1000 }
      }
      breakers {
        target: "b:1"
        state: BREAKER_STATE_OPEN
        since { seconds: 1090 }
      }
      calls { started: 120 successes: 100 failures: 15 rejected: 5 }
      latency {
        count: 100
        p50 { nanos: 1200000 }
        p99 { nanos: 80000000 }
      }
    }
    methods {
      channel: "order"
      method: "/p.O/New"
      calls { started: 1 in_flight: 1 }
    }
    as_of { seconds: 1100 }
  )pb");
  const auto render = [&](const Style& style) {
    return RenderMethods({{"one:1", "", response}}, style);
  };
  EXPECT_EQ(render(false),
            "CHANNEL  METHOD       TARGET  BREAKER  SINCE  SCORE  CALLS   OK  "
            "FAILED  REJECTED  IN FLIGHT    P50   P99  LAST MINUTE  NOW\n"
            "order    /p.O/New     -       -            -      -      1    0  "
            "     0         0          1      -     -\n"
            "payment  /p.S/Charge  a:1     closed   1m40s     25    120  100  "
            "    15         5          0  1.2ms  80ms  _.#\n"
            "                      b:1     open       10s\n");
  EXPECT_THAT(render(true), HasSubstr("\033[31mopen\033[0m"));
  EXPECT_THAT(render(Style(false, 0, true)), HasSubstr("▁▂█"));
}

TEST(RenderMethodsTest, OfAFleetTheDeadComeFirstAndTheWorstNext) {
  const auto with_score = [](double score) {
    v1::ListMethodsResponse response;
    response.add_methods()->set_method("/p.S/M");
    response.mutable_methods(0)->mutable_health()->set_score(score);
    return response;
  };
  const std::string text = RenderMethods({{"a:1", "", with_score(90)},
                                          {"b:1", "", with_score(10)},
                                          {"c:1", "cannot reach c:1", {}}},
                                         false);
  EXPECT_THAT(text, StartsWith("SERVER  CHANNEL  METHOD"));
  EXPECT_LT(text.find("no answer"), text.find("b:1  "));
  // The reason is shown elsewhere, since it would widen the column.
  EXPECT_EQ(text.find("cannot reach"), std::string::npos);
  EXPECT_LT(text.find("b:1  "), text.find("a:1  "));
}

TEST(NowTextTest, SaysTheRateAndWhatIsNotOk) {
  EXPECT_EQ(NowText(v1::CallsNow()), "");
  EXPECT_EQ(NowText(Parse<v1::CallsNow>("calls_per_second: 12.34")), "12.3/s");
  EXPECT_EQ(NowText(Parse<v1::CallsNow>(R"pb(
              calls_per_second: 10
              answered: 100
              not_ok: 98
              codes { code: PERMISSION_DENIED count: 90 }
              codes { code: INTERNAL count: 8 }
            )pb")),
            "10/s, 98% not OK: PERMISSION_DENIED 90, INTERNAL 8");
}

TEST(RenderMethodTest, SaysWhatHangs) {
  const std::string text = RenderMethod(Parse<v1::GetMethodResponse>(R"pb(
                                          method {
                                            calls {
                                              in_flight: 20
                                              hanging: 18
                                              oldest_in_flight { seconds: 1000 }
                                            }
                                            health {
                                              score: 5
                                              level: HEALTH_LEVEL_UNHEALTHY
                                              hanging_share: 0.9
                                              error_rate: 0.5
                                              admitted_share: 0.5
                                              waits_for_call: true
                                            }
                                          }
                                          as_of { seconds: 1035 }
                                        )pb"),
                                        false);
  EXPECT_THAT(text, HasSubstr("20, the oldest for 35s; 18 hang\n"));
  EXPECT_THAT(text, HasSubstr("50.0% errors, 90.0% hang, 50% let through; "
                              "waits for a call\n"));
  EXPECT_THAT(RenderMethod(Parse<v1::GetMethodResponse>(R"pb(
                             method {
                               calls {
                                 in_flight: 900
                                 hanging: 64
                                 hanging_is_at_least: true
                                 oldest_in_flight { seconds: 1000 }
                               }
                             }
                             as_of { seconds: 1035 }
                           )pb"),
                           false),
              HasSubstr("900, the oldest for 35s; at least 64 hang\n"));
}

TEST(RenderMethodTest, ShowsAnAdmissionPolicyThatItDoesNotKnow) {
  const std::string text =
      RenderMethod(Parse<v1::GetMethodResponse>(R"pb(
                     method {
                       method: "/a.B/C"
                       admission {
                         name: "cool_down"
                         measures { name: "active" value: 3 }
                         measures { name: "share" value: 0.25 }
                       }
                     })pb"),
                   false);
  EXPECT_THAT(text, HasSubstr("cool down"));
  EXPECT_THAT(text, HasSubstr("active 3, share 0.25"));
}

TEST(SparklineTest, OnlyZeroIsFlat) {
  google::protobuf::RepeatedField<int64_t> values;
  EXPECT_EQ(Sparkline(values, false), "");
  for (int64_t value : {0, 1, 500, 1000}) values.Add(value);
  EXPECT_EQ(Sparkline(values, false), "_.=#");
  EXPECT_EQ(Sparkline(values, true), "▁▂▅█");
  values.Clear();
  for (int64_t value : {int64_t{0}, INT64_MIN, int64_t{0}}) values.Add(value);
  EXPECT_EQ(Sparkline(values, false), "___");
}

TEST(TableTest, ATerminalThatIsTooNarrowGetsAList) {
  Table table({{"NAME"}, {"CAUSE"}});
  table.AddRow({{"zürich"}, {"5 failures in a row (limit 5)"}});
  table.AddRow({{"a"}, {""}});
  EXPECT_EQ(table.Render(Style(false, 40)),
            "NAME    CAUSE\n"
            "zürich  5 failures in a row (limit 5)\n"
            "a\n");
  EXPECT_EQ(table.Render(Style(false, 20)),
            "NAME   zürich\n"
            "CAUSE  5 failures in\n"
            "       a row (limit\n"
            "       5)\n"
            "\n"
            "NAME   a\n");
  // There is no space at which to fold, and hardly any room.
  Table narrow({{""}, {""}});
  narrow.AddRow({{"method"}, {"/shop.v1.PaymentService/Charge"}});
  for (size_t width : {1, 5, 10}) {
    EXPECT_EQ(narrow.Render(Style(false, width)),
              "method\n"
              "  /shop.v1\n"
              "  .Payment\n"
              "  Service/\n"
              "  Charge\n");
  }
}

TEST(RenderMethodsTest, NothingIsSaidInWords) {
  EXPECT_EQ(RenderMethods({}, false),
            "no method with a policy has been called yet\n");
}

TEST(RenderMethodTest, AllThereIsToSay) {
  const auto response = Parse<v1::GetMethodResponse>(R"pb(
    method {
      channel: "payment"
      method: "/p.S/Charge"
      policy: "pay"
      breakers {
        target: ""
        state: BREAKER_STATE_OPEN
        since { seconds: 1000 }
        probe_due { seconds: 1010 }
        window_calls: 20
        window_failures: 15
        failure_rate: 0.75
        times_opened: 3
        shadow: true
        shadow_refusals: 6
        window_timed: 8
        window_slow: 2
        slow_call_rate: 0.25
        losses: 9
        losses_in_a_row: 4
        cause: "a probe failed"
      }
      calls {
        started: 50
        successes: 30
        codes { code: UNAVAILABLE count: 12 }
        codes { code: INTERNAL count: 3 }
        rejections { name: "breaker_open" count: 5 }
        fallback_links {
          name: "cached"
          answered: 4
          failed: 3
          late: 2
          not_begun: 1
        }
      }
      attempts {
        first: 45
        retries: 4
        hedges: 2
        hedge_wins: 1
        stops { name: "budget_exhausted" count: 7 }
        attributions { name: "success" count: 30 }
      }
      latency {
        count: 30
        p50 { nanos: 1000000 }
        p90 { nanos: 2000000 }
        p99 { nanos: 3000000 }
        p999 { nanos: 4000000 }
        max { seconds: 2 }
      }
      budget { tokens: 9.25 ratio: 0.1 floor: 1 burst: 10 }
      options {
        timeout { seconds: 2 }
        breaker: true
        retry: true
        hedging: true
        max_attempts: 3
        hedging_delay { nanos: 20000000 }
        attempt_timeout { nanos: 500000000 }
        adaptive_retry: true
      }
      retry_chances { code: ABORTED chance: 0.042 results: 20 stopped: true }
      retry_chances { code: UNAVAILABLE chance: 0.625 results: 6 }
    }
    as_of { seconds: 1004 }
  )pb");
  EXPECT_EQ(
      RenderMethod(response, false),
      "method   /p.S/Charge\n"
      "channel  payment\n"
      "policy   pay: timeout 2s, breaker, adaptive retry, hedging after 20ms, "
      "at most 3 attempts, each at most 500ms\n"
      "\n"
      "TARGET  BREAKER        SINCE         NEXT  WINDOW  FAILED  RATE  SLOW  "
      "IN A ROW  PROBES  HUNG  OPENED  STALE\n"
      "-       open (shadow)     4s  probe in 6s      20      15   75%   25%  "
      "       0       0     0       3      0\n"
      "\n"
      "CALLS  OK  FAILED  REJECTED  CANCELLED  ABANDONED  IN FLIGHT  "
      "FALLBACKS\n"
      "   50  30       0         0          0          0          0  "
      "        0\n"
      "\n"
      "because        a probe failed\n"
      "shadow         would have refused 6 calls\n"
      "losses         9 against later attempts, 4 in a row\n"
      "codes          UNAVAILABLE 12, INTERNAL 3\n"
      "rejections     breaker_open 5\n"
      "fallback       cached: answered 4, failed 3, late 2, not begun 1, "
      "abandoned 0\n"
      "attempts       first 45, retries 4, hedges 2 (won 1)\n"
      "attempt ends   success 30\n"
      "not attempted  budget_exhausted 7\n"
      "retries help   ABORTED 4% (stopped), UNAVAILABLE 62%\n"
      "latency        p50 1ms, p90 2ms, p99 3ms, p99.9 4ms, max 2s (30 "
      "successes)\n"
      "budget         9.2 of 10 tokens, +0.1 per call, +1 per second\n");
}

TEST(RenderMethodTest, OfOneThatLearns) {
  const std::string text = RenderMethod(
      Parse<v1::GetMethodResponse>(R"pb(
        method {
          options { hedging: true hedging_quantile: 0.95 gate_quantile: 0.5 }
          latency_model {
            samples: 1234
            p50 { nanos: 1000000 }
            p90 { nanos: 2000000 }
            p95 { nanos: 3000000 }
            p99 { nanos: 4000000 }
            usual_p50 { nanos: 1100000 }
            hedge_delay { nanos: 3000000 }
          }
        })pb"),
      false);
  EXPECT_THAT(text, HasSubstr("hedging at the live 0.95 quantile, none with "
                              "less time left than the live 0.5 quantile but "
                              "the first"));
  EXPECT_THAT(text,
              HasSubstr("attempts take  p50 1ms, p90 2ms, p95 3ms, p99 4ms "
                        "(1234 answers in 30 s); usual p50 1.1ms\n"));
  EXPECT_THAT(text, HasSubstr("next hedge     after 3ms\n"));
  EXPECT_THAT(RenderMethod(Parse<v1::GetMethodResponse>(R"pb(
                             method {
                               latency_model {
                                 hedge_delay { nanos: 3000000 }
                                 hedging_paused: "too slow"
                               }
                             })pb"),
                           false),
              HasSubstr("next hedge  paused: too slow\n"));
}

TEST(RenderMethodTest, OfOneThatDoesNothingYet) {
  const std::string text = RenderMethod(
      Parse<v1::GetMethodResponse>(R"pb(method { method: "other" })pb"), false);
  EXPECT_THAT(text,
              AllOf(HasSubstr("-: counts only"), HasSubstr("no success yet"),
                    Not(HasSubstr("codes")), Not(HasSubstr(" \n"))));
}

TEST(RenderBreakersTest, SaysUntilWhen) {
  const auto response = Parse<v1::SetOverrideResponse>(R"pb(
    breakers {
      channel: "c"
      method: "/p.S/M"
      target: "a:1"
      state: BREAKER_STATE_FORCED_OPEN
      override_end { seconds: 1800000000 }
    }
    breakers {
      channel: "c"
      method: "/p.S/M"
      target: "b:1"
      state: BREAKER_STATE_FORCED_OPEN
    }
    breakers { channel: "c" method: "/p.S/M" state: BREAKER_STATE_CLOSED }
  )pb");
  EXPECT_EQ(RenderBreakers(response.breakers(), false),
            "CHANNEL  METHOD  TARGET  BREAKER      UNTIL\n"
            "c        /p.S/M  a:1     forced_open  2027-01-15T08:00:00Z\n"
            "c        /p.S/M  b:1     forced_open  cleared\n"
            "c        /p.S/M  -       closed       -\n");
}

TEST(RenderEventTest, OneLine) {
  auto event = Parse<v1::Event>(R"pb(
    sequence: 7
    time { seconds: 1800000000 nanos: 250000000 }
    kind: EVENT_KIND_TRANSITION
    channel: "payment"
    target: "a:1"
    method: "/p.S/Charge"
    from: BREAKER_STATE_CLOSED
    to: BREAKER_STATE_OPEN
    cause: "5 failures\nin a row"
  )pb");
  EXPECT_EQ(RenderEvent(event, false),
            "    7  2027-01-15T08:00:00.250Z  payment /p.S/Charge a:1  "
            "closed -> open: 5 failures?in a row\n");
  EXPECT_THAT(RenderEvent(event, true), HasSubstr("\033[31mopen\033[0m"));
  event.set_kind(v1::EVENT_KIND_AUDIT);
  event.set_actor("alice, unix:");
  event.set_action("ResetMethod");
  event.set_cause("");
  EXPECT_THAT(RenderEvent(event, false),
              HasSubstr("alice, unix:: ResetMethod: closed -> open\n"));
  event.set_refused(true);
  event.set_cause("no token");
  EXPECT_THAT(RenderEvent(event, false),
              HasSubstr("ResetMethod: refused: no token\n"));
  event.Clear();
  event.set_kind(v1::EVENT_KIND_WARNING);
  event.set_cause("too many methods");
  EXPECT_THAT(
      RenderEvent(event, false),
      AllOf(StartsWith("    0  "), HasSubstr("warning: too many methods\n")));
}

}  // namespace
}  // namespace firebreak::ctl
