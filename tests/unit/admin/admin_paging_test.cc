// Lists: their order, their pages, and names that are not UTF-8.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "src/admin/message/paging.h"
#include "src/admin/message/text.h"
#include "src/admin/views/policy_view.h"
#include "src/compat.h"
#include "src/engine/policy/policy.h"
#include "tests/support/admin_fixture.h"

namespace firebreak::testing {
namespace {

using admin::Pager;
using admin::SortKey;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Stub = v1::Admin::Stub;

std::vector<SortKey> Keys(const std::vector<std::string>& names) {
  std::vector<SortKey> keys;
  for (const std::string& name : names) keys.push_back(SortKey::Of(0, {name}));
  return keys;
}

TEST(PagerTest, WithoutASizeIsOnePage) {
  Pager pager;
  ASSERT_TRUE(pager.Read(0, "").ok());
  EXPECT_THAT(pager.Cut(Keys({"b", "a", "c"})), ElementsAre(1, 0, 2));
  EXPECT_EQ(pager.next_token(), "");
}

TEST(PagerTest, GoesOnWhereItWasWhateverHasChanged) {
  Pager first;
  ASSERT_TRUE(first.Read(2, "").ok());
  EXPECT_THAT(first.Cut(Keys({"a", "b", "d", "e"})), ElementsAre(0, 1));
  ASSERT_NE(first.next_token(), "");
  // "b" is gone, "aa" and "c" are new.
  Pager second;
  ASSERT_TRUE(second.Read(2, first.next_token()).ok());
  EXPECT_THAT(second.Cut(Keys({"a", "aa", "c", "d", "e"})), ElementsAre(2, 3));
  Pager third;
  ASSERT_TRUE(third.Read(2, second.next_token()).ok());
  EXPECT_THAT(third.Cut(Keys({"a", "e"})), ElementsAre(1));
  EXPECT_EQ(third.next_token(), "");
  Pager past_the_end;
  ASSERT_TRUE(past_the_end.Read(2, second.next_token()).ok());
  EXPECT_THAT(past_the_end.Cut(Keys({"a"})), IsEmpty());
}

TEST(PagerTest, RanksSortFirstAndSurviveTheToken) {
  const std::vector<SortKey> keys = {SortKey::Of(100, {"a"}),
                                     SortKey::Of(100.0 / 3, {"b", "\xff x"}),
                                     SortKey::Of(100.0 / 3, {"b"})};
  std::vector<size_t> seen;
  std::string token;
  for (int i = 0; i < 3; ++i) {
    Pager pager;
    ASSERT_TRUE(pager.Read(1, token).ok());
    for (size_t place : pager.Cut(keys)) seen.push_back(place);
    token = pager.next_token();
  }
  EXPECT_THAT(seen, ElementsAre(2, 1, 0));
  EXPECT_EQ(token, "");
}

TEST(PagerTest, WhatIsNoneOfOursIsRefused) {
  for (const std::string& token :
       {std::string("x"), std::string("%%%"), absl::WebSafeBase64Escape("x y"),
        absl::WebSafeBase64Escape("nan x"), absl::WebSafeBase64Escape("1"),
        std::string(1 << 20, 'A')}) {
    Pager pager;
    EXPECT_TRUE(absl::IsInvalidArgument(pager.Read(0, token)));
  }
  for (int32_t size :
       {-1, Pager::kMaxPage + 1, std::numeric_limits<int32_t>::min(),
        std::numeric_limits<int32_t>::max()}) {
    Pager pager;
    EXPECT_TRUE(absl::IsInvalidArgument(pager.Read(size, "")));
  }
}

TEST(AdminListTest, PagesOfTheWorst) {
  AdminFixture f;
  f.Bind("a", "", kRefund);
  f.Bind("b", "", kRefund);
  f.Bind("c", "", kRefund);
  Trip(f.Bind("d", "", kRefund));
  core::Breaker* const half = f.Bind("e", "", kRefund);
  for (core::Verdict verdict :
       {core::Verdict::kSuccess, core::Verdict::kFailure}) {
    half->Admit(engine::Now(), core::kInfiniteFuture)
        .permit.Settle(verdict, engine::Now());
  }
  v1::ListMethodsRequest request;
  request.set_order(v1::METHOD_ORDER_WORST_FIRST);
  request.set_page_size(2);
  std::vector<std::string> channels;
  int pages = 0;
  do {
    v1::ListMethodsResponse response;
    ASSERT_TRUE(f.Call(&Stub::ListMethods, request, &response).ok());
    for (const v1::Method& each : response.methods()) {
      channels.push_back(each.channel());
    }
    request.set_page_token(response.next_page_token());
    ASSERT_LT(++pages, 10);
  } while (!request.page_token().empty());
  EXPECT_THAT(channels, ElementsAre("d", "e", "a", "b", "c"));
  EXPECT_EQ(pages, 3);
}

TEST(AdminListTest, UnknownOrdersAndSizesAreRefused) {
  AdminFixture f;
  v1::ListMethodsResponse response;
  v1::ListMethodsRequest request;
  request.set_order(static_cast<v1::MethodOrder>(-3));
  EXPECT_THAT(f.Call(&Stub::ListMethods, request, &response).error_message(),
              HasSubstr("order: is -3"));
  request.Clear();
  request.set_page_size(-1);
  EXPECT_EQ(f.Call(&Stub::ListMethods, request, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  v1::GetHealthRequest health;
  health.set_page_token("!");
  v1::GetHealthResponse answer;
  EXPECT_THAT(f.Call(&Stub::GetHealth, health, &answer).error_message(),
              HasSubstr("page_token: "));
  v1::ListAlertsRequest alerts;
  alerts.set_page_size(1'000'000);
  v1::ListAlertsResponse none;
  EXPECT_THAT(f.Call(&Stub::ListAlerts, alerts, &none).error_message(),
              HasSubstr("page_size: is 1000000"));
}

TEST(TextTest, OnlyUtf8PassesAsItIs) {
  for (const char* text : {"", "a.B/c", "zürich", "€", "\U0001F525", "a\nb"}) {
    EXPECT_EQ(admin::ToUtf8(text), text);
  }
  for (const char* text :
       {"\xff", "a\x80", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xf0\x9f\x94"}) {
    const std::string out = admin::ToUtf8(text);
    EXPECT_NE(out, text);
    for (char c : out) EXPECT_GT(c, 0);
  }
  EXPECT_EQ(admin::ToLine("a\nb\033[2J\xff"), R"(a\x0ab\x1b[2J\xff)");
  EXPECT_LT(admin::ToLine(std::string(100'000, 'x')).size(), 600);
}

TEST(AdminListTest, OneNameThatIsNotUtf8DoesNotSpoilTheList) {
  AdminFixture f;
  const std::string bad = "/shop.v1.PaymentService/\xff\x1b[2J<script>";
  Trip(f.Bind("pay\xc0ment", "t\xff:1", bad));
  f.Bind("payment", "", kCharge);
  v1::ListMethodsResponse list;
  ASSERT_TRUE(f.Call(&Stub::ListMethods, {}, &list).ok());
  EXPECT_THAT(list.methods(), ::testing::SizeIs(2));
  v1::ListAlertsResponse alerts;
  ASSERT_TRUE(f.Call(&Stub::ListAlerts, {}, &alerts).ok());
  v1::GetHealthResponse health;
  ASSERT_TRUE(f.Call(&Stub::GetHealth, {}, &health).ok());
  v1::WatchEventsRequest request;
  request.set_stop_at_newest(true);
  grpc::ClientContext context;
  auto reader = f.stub()->WatchEvents(&context, request);
  v1::WatchEventsResponse events;
  EXPECT_TRUE(reader->Read(&events));
  EXPECT_TRUE(reader->Finish().ok());
}

// If an entry of a policy is written back and compiled again, it is the same.
TEST(PolicyViewTest, CompilesToTheSame) {
  const char* const kEntries[] = {
      "",
      "timeout: '2s' wait_for_ready: true idempotent: false",
      "breaker {} retry {} hedging {} deadline_gate {}",
      R"pb(breaker {
             consecutive_failures: 0
             leaky_failures: 7
             failure_rate: 0.3
             slow_call_duration: "1500ms"
             slow_call_rate: 0.2
             leaky_slow_calls: 9
             minimum_calls: 11
             confidence: 0.95
             window { calls: 50 }
             open_duration: "3s"
             open_growth: 1.5
             max_open_duration: "90s"
             open_jitter: 0.2
             probes: 2
             probe_samples: 5
             probe_success_ratio: 0.8
             probe_timeout: "2s"
             half_open_duration: "1m"
             ramp { initial: 0.2 duration: "7s" }
             failure_codes: [ UNAVAILABLE, ABORTED ]
             ignored_codes: [ ABORTED ]
             overload_counts: true
             mode: SHADOW
             scope: CHANNEL
           }
      )pb",
      R"pb(retry {
             max_attempts: 4
             backoff {
               initial: "5ms"
               multiplier: 3
               max: "70ms"
               jitter: PLUS_MINUS
             }
             codes: [ UNAVAILABLE, ABORTED ]
             attempt_timeout: "100ms"
             attempt_timeout_growth: 2
             adaptive { floor: 0.2 half_life: "9s" max_delay: "8s" }
           }
      )pb",
      "retry { max_attempts: 3 } hedging { quantile: 0.9 min_delay: '2ms' "
      "max_delay: '50ms' all_codes_fatal: true }",
      "hedging { delay: '0s' non_fatal_codes: [ABORTED] } "
      "deadline_gate { quantile: 0.1 first_attempt: true }",
      "bulkhead { max_concurrent: 3 max_queue: 0 max_wait: '1s' } "
      "rate_limit { rate: 12.5 burst: 7 max_wait: '20ms' } "
      "throttle { k: 1.1 window: '30s' }",
  };
  const auto view = [](const std::string& text) {
    auto engine = Engine::FromText(text);
    EXPECT_TRUE(engine.ok()) << engine.status() << "\n" << text;
    const auto method =
        (*engine)->core()->BindChannel("c", {""})->Find("/a.B/C");
    return admin::PolicyView(*method->settings->options,
                             method->settings->admission);
  };
  for (const char* entry : kEntries) {
    const v1::MethodPolicy first =
        view(absl::StrCat("method { name {} ", entry, " }"));
    v1::PolicySet again;
    *again.add_method() = first;
    again.mutable_method(0)->add_name();
    EXPECT_EQ(first.DebugString(), view(compat::OneLine(again)).DebugString());
  }
  const std::string all =
      view(absl::StrCat("method { name {} ", kEntries[3], " }")).DebugString();
  for (const char* field :
       {"confidence: 0.95", "slow_call_duration: \"1.5s\"", "calls: 50",
        "mode: SHADOW", "scope: CHANNEL", "overload_counts: true"}) {
    EXPECT_THAT(all, HasSubstr(field));
  }
}

}  // namespace
}  // namespace firebreak::testing
