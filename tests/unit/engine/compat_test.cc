#include "src/compat.h"

#include <google/protobuf/text_format.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "firebreak/testing/echo.pb.h"

namespace firebreak::compat {
namespace {

TEST(CompatTest, VersionsCompareByPart) {
  static_assert(Version(1, 51, 1) < Version(1, 81));
  static_assert(Version(1, 9, 9) < Version(1, 10));
  static_assert(Version(3, 21, 12) == 3021012, "as Protobuf counts");
  EXPECT_GE(kGrpc, Version(1, 51));
  EXPECT_GE(kProtobuf, Version(3, 21));
  // The headers belong to the linked library.
  EXPECT_TRUE(absl::StartsWith(grpc::Version(),
                               absl::StrCat("1.", kGrpc / 1000 % 1000, ".")))
      << grpc::Version();
}

TEST(CompatTest, OneLineIsReadAgain) {
  testing::EchoRequest request;
  EXPECT_EQ(OneLine(request), "");
  request.set_text("a \"b\"\n");
  const std::string line = OneLine(request);
  EXPECT_EQ(line, R"(text: "a \"b\"\n")");
  testing::EchoRequest again;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(line, &again));
  EXPECT_EQ(again.text(), request.text());
}

TEST(CompatTest, ParsersReportToTheCollector) {
  class Collector final : public ErrorCollector {
   public:
    void OnError(int line, int column, absl::string_view message) override {
      absl::StrAppend(&said, line, ":", column, " ", message, "\n");
    }
    void OnWarning(int line, int column, absl::string_view message) override {
      absl::StrAppend(&said, "warning ", line, ":", column, " ", message, "\n");
    }
    std::string said;
  };
  Collector collector;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&collector);
  testing::EchoRequest request;
  EXPECT_FALSE(parser.ParseFromString("text: \"a\"\n  text: 1", &request));
  EXPECT_TRUE(absl::StartsWith(collector.said, "1:6 ")) << collector.said;

  collector.said.clear();
  parser.AllowUnknownField(true);
  EXPECT_TRUE(parser.ParseFromString("nothing: 1", &request));
  EXPECT_TRUE(absl::StartsWith(collector.said, "warning 0:")) << collector.said;
}

TEST(CompatTest, ZerosArePrinted) {
  google::protobuf::util::JsonPrintOptions options;
  PrintZeros(&options);
  std::string json;
  ASSERT_TRUE(google::protobuf::util::MessageToJsonString(
                  testing::EchoRequest(), &json, options)
                  .ok());
  EXPECT_TRUE(absl::StrContains(json, "\"text\":\"\"")) << json;
}

}  // namespace
}  // namespace firebreak::compat
