// The names of methods that the admin service accepts, and its answers to
// unknown names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/admin/message/text.h"
#include "src/core/base/nearest.h"
#include "tests/support/admin_fixture.h"

namespace firebreak::testing {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;

using Stub = v1::Admin::Stub;

TEST(AdminNamesTest, TheEndOfAPathIsEnough) {
  AdminFixture f;
  f.Bind("payment", "", kCharge);
  f.Bind("payment", "", kRefund);
  for (const char* name :
       {kCharge, "shop.v1.PaymentService/Charge", "v1.PaymentService/Charge",
        "PaymentService/Charge", "Charge"}) {
    v1::GetMethodResponse response;
    ASSERT_TRUE(f.Get(name, &response).ok()) << name;
    EXPECT_EQ(response.method().method(), kCharge) << name;
  }
}

TEST(AdminNamesTest, PartsOfWordsAreNot) {
  AdminFixture f;
  f.Bind("payment", "", kCharge);
  for (const char* name : {"arge", "Service/Charge", "/Charge", "Charge/",
                           "PaymentService", "charge"}) {
    v1::GetMethodResponse response;
    const grpc::Status status = f.Get(name, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND) << name;
    EXPECT_THAT(status.error_message(), HasSubstr(kCharge)) << name;
  }
}

TEST(AdminNamesTest, AnAnswerThatNamesHundredsOfChannelsArrives) {
  AdminFixture f;
  for (int i = 0; i < 600; ++i) {
    f.Bind(absl::StrCat("payment of customer ", i), "a:443", kCharge);
  }
  v1::GetMethodResponse response;
  const grpc::Status status = f.Get("Charge", &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(),
              AllOf(HasSubstr("selector.channel: is \"\"; allowed one of "),
                    HasSubstr("\"payment of customer 100\""), EndsWith("...")));
}

TEST(AdminNamesTest, UnknownOnesAreAnsweredWithTheNearest) {
  AdminFixture f;
  f.Bind("payment", "a:443", kCharge);
  f.Bind("payment", "a:443", kRefund);
  f.Bind("order", "a:443", kCreate);
  v1::GetMethodResponse response;
  grpc::Status status = f.Get("shop.v1.Pay/Charge", &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(),
            "no method \"shop.v1.Pay/Charge\"; nearest: "
            "\"/shop.v1.PaymentService/Charge\"");
  status = f.Get("CreatOrdr", &response);
  EXPECT_THAT(status.error_message(), HasSubstr(kCreate));

  v1::GetMethodRequest request;
  request.mutable_selector()->set_method("Charge");
  request.mutable_selector()->set_channel("paymnt");
  status = f.Call(&Stub::GetMethod, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(),
            "no channel \"paymnt\"; nearest: \"payment\"");
  request.mutable_selector()->set_channel("payment");
  request.mutable_selector()->set_target("a:444");
  status = f.Call(&Stub::GetMethod, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "no target \"a:444\"; nearest: \"a:443\"");
}

TEST(AdminNamesTest, NoneYetSaysSo) {
  AdminFixture f;
  v1::GetMethodResponse response;
  const grpc::Status status = f.Get("Charge", &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(),
            "no method \"Charge\"; no method with a policy has been called "
            "yet");
}

TEST(AdminNamesTest, AmbiguousOnesAreListed) {
  AdminFixture f;
  f.Bind("payment", "", "/shop.v1.PaymentService/Get");
  f.Bind("order", "", "/shop.v1.OrderService/Get");
  v1::GetMethodResponse response;
  grpc::Status status = f.Get("Get", &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(),
            "selector.method: is \"Get\"; allowed one of "
            "\"/shop.v1.OrderService/Get\", \"/shop.v1.PaymentService/Get\"");

  f.Bind("pay2", "", "/shop.v1.PaymentService/Get");
  status = f.Get("PaymentService/Get", &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(),
            "selector.channel: is \"\"; allowed one of \"pay2\", \"payment\", "
            "which all have /shop.v1.PaymentService/Get");
}

TEST(AdminNamesTest, AnEmptyMethodIsRefused) {
  AdminFixture f;
  f.Bind("payment", "", kCharge);
  v1::GetMethodResponse get;
  v1::SetOverrideResponse set;
  v1::ClearOverrideResponse clear;
  v1::ResetMethodResponse reset;
  for (const grpc::Status& status :
       {f.Get("", &get),
        f.Call(&Stub::SetOverride, Override("", v1::BREAKER_STATE_FORCED_OPEN),
               &set),
        f.Call(&Stub::ClearOverride, {}, &clear),
        f.Call(&Stub::ResetMethod, {}, &reset)}) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr("selector.method: is empty"));
  }
}

TEST(AdminNamesTest, HugeOrOddOnesDoNoHarm) {
  AdminFixture f;
  f.Bind("payment", "", kCharge);
  v1::GetMethodResponse response;
  grpc::Status status = f.Get(std::string(1'000'000, 'x'), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_LT(status.error_message().size(), 300);
  status = f.Get("a\n\"b\"", &response);
  EXPECT_THAT(status.error_message(), HasSubstr(R"("a\x0a\"b\"")"));
}

TEST(NearestTest, CountsEdits) {
  EXPECT_EQ(core::EditDistance("", ""), 0);
  EXPECT_EQ(core::EditDistance("", "abc"), 3);
  EXPECT_EQ(core::EditDistance("abc", ""), 3);
  EXPECT_EQ(core::EditDistance("kitten", "sitting"), 3);
  EXPECT_EQ(core::EditDistance("Charge", "charge"), 0);
  // The distance is not computed beyond the limit.
  EXPECT_EQ(core::EditDistance("kitten", "sitting", 3), 3);
  EXPECT_EQ(core::EditDistance("kitten", "sitting", 2), 2);
  EXPECT_EQ(core::EditDistance("kitten", "sitting", 0), 0);
  EXPECT_EQ(core::EditDistance("kit", "kittens", 3), 3);
}

TEST(NearestTest, ComparesWithTheEndsOfPaths) {
  const std::vector<std::string> methods = {"/a.B/Get",
                                            "/shop.v1.PaymentService/Charge"};
  EXPECT_EQ(core::Nearest("Chrge", methods), methods[1]);
  EXPECT_EQ(core::Nearest("PaymentServce/Charge", methods), methods[1]);
  EXPECT_EQ(core::Nearest("/a.B/Git", methods), methods[0]);
  EXPECT_EQ(core::Nearest("x", {}), "");
  EXPECT_EQ(core::Nearest(std::string(500, 'x'), methods), "");
  EXPECT_EQ(core::Nearest(std::string(80, 'x'), methods), methods[0]);
  EXPECT_EQ(core::Nearest(std::string(81, 'x'), methods), "");
  // The end of a long name is compared, but not the whole name.
  const std::string far = "/" + std::string(80, 'p') + ".Far/Fetch";
  EXPECT_EQ(core::Nearest("Far/Fetsh", {methods[0], far}), far);
}

TEST(TextTest, LinesCommandNoTerminal) {
  EXPECT_EQ(admin::ToLine("a\nb\033[2J"), R"(a\x0ab\x1b[2J)");
  // C1 controls, which some terminals obey.
  EXPECT_EQ(admin::ToLine("\xc2\x9b"
                          "2J"),
            R"(\xc2\x9b2J)");
  EXPECT_EQ(admin::ToLine("caf\xc3\xa9"), "caf\xc3\xa9");
  EXPECT_EQ(admin::ToLine("caf\xe9"), R"(caf\xe9)");
  EXPECT_EQ(admin::Quote("\xc2\x9b"), R"("\xc2\x9b")");
  EXPECT_EQ(admin::Quote(R"(a\"b)"), R"("a\\\"b")");
}

TEST(TextTest, LongLinesAreCutBetweenCharacters) {
  EXPECT_EQ(admin::ToLine("abc", 3), "abc");
  EXPECT_EQ(admin::ToLine("abcd", 3), "abc...");
  EXPECT_EQ(admin::ToLine("ab\xc3\xa9", 3), "ab...");
  EXPECT_EQ(admin::ToLine("\xc3\xa9\xc3\xa9", 2), "\xc3\xa9...");
  EXPECT_EQ(admin::ToLine("\x80\x80\x80", 2), "...");
  EXPECT_EQ(admin::ToLine("", 0), "");
}

}  // namespace
}  // namespace firebreak::testing
