// Policies from files, the policies of the guide, and garbage.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <random>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/engine/policy/policy.h"

namespace firebreak::engine {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;

constexpr char kValid[] = R"(# proto-message: firebreak.v1.PolicySet
method {
  id: "standard"
  timeout: "2s"
  breaker {
    failure_rate: 0.3
    window { duration: "30s" }
    failure_codes: [UNAVAILABLE, INTERNAL]
  }
  retry { max_attempts: 3 backoff { initial: "50ms" jitter: EQUAL } }
}
method {
  base: "standard"
  name { channel: "payment" service: "shop.v1.PaymentService" }
  name { service: "shop.v1.Inventory" method: "Get" }
  hedging { delay: "20ms" all_codes_fatal: true }
}
channel { name: "payment" budget { ratio: 0.2 floor: 1e0 burst: 10f } }
)";

class PolicyFileTest : public ::testing::Test {
 protected:
  PolicyFileTest() {
    std::string pattern = ::testing::TempDir() + "/policy_XXXXXX";
    dir_ = mkdtemp(pattern.data());
    path_ = dir_ + "/policy.textproto";
  }
  ~PolicyFileTest() override {
    unlink(path_.c_str());
    rmdir(dir_.c_str());
  }

  absl::Status LoadText(const std::string& text) {
    std::ofstream(path_, std::ios::binary) << text;
    return LoadPolicyFile(path_).status();
  }

  std::string dir_;
  std::string path_;
};

TEST_F(PolicyFileTest, LoadsAFile) {
  ASSERT_TRUE(LoadText(kValid).ok()) << LoadText(kValid);
  const absl::StatusOr<PolicyTable> table = LoadPolicyFile(path_);
  EXPECT_EQ(table->Find("x", "/shop.v1.Inventory/Get")->policy, "method[1]");
  EXPECT_EQ(table->BudgetFor("payment").ratio, 0.2);
}

TEST_F(PolicyFileTest, Missing) {
  const absl::Status status = LoadPolicyFile(path_).status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_EQ(status.message(), path_ + ": No such file or directory");
  EXPECT_EQ(LoadPolicyFile(path_ + "/below").status().code(),
            StatusCode::kNotFound);
}

TEST_F(PolicyFileTest, NotARegularFile) {
  const absl::Status status = LoadPolicyFile(dir_).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(),
            dir_ + ": is a directory; allowed: a regular file");
  EXPECT_EQ(LoadPolicyFile("/dev/null").status().code(),
            StatusCode::kFailedPrecondition);
  // Nothing writes to this pipe, so waiting for it would hang the program.
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(LoadPolicyFile(path_).status().code(),
            StatusCode::kFailedPrecondition);
}

TEST_F(PolicyFileTest, NotReadable) {
  ASSERT_TRUE(LoadText(kValid).ok());
  ASSERT_EQ(chmod(path_.c_str(), 0), 0);
  ASSERT_EQ(chmod(dir_.c_str(), 0755), 0);
  const uid_t user = geteuid();
  constexpr uid_t kNobody = 65534;
  if (user == 0 && seteuid(kNobody) != 0) {
    GTEST_SKIP() << "root reads everything";
  }
  const absl::Cleanup back = [user] {
    if (seteuid(user) != 0) abort();
  };
  const absl::Status status = LoadPolicyFile(path_).status();
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied) << status;
  EXPECT_EQ(status.message(), path_ + ": Permission denied");
}

TEST_F(PolicyFileTest, PathsThatAreNone) {
  EXPECT_EQ(LoadPolicyFile("").status().code(), StatusCode::kInvalidArgument);
  std::ofstream(path_) << kValid;
  EXPECT_EQ(LoadPolicyFile(path_ + std::string("\0x", 2)).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(LoadPolicyFile(std::string(10'000, 'a')).status().code(),
            StatusCode::kFailedPrecondition);
}

TEST_F(PolicyFileTest, Empty) {
  for (const char* text : {"", " \n\t\n", "# only a comment\n", "#", "\n"}) {
    const absl::Status status = LoadText(text);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message(),
              path_ +
                  ": has no entry; allowed: at least one method or channel "
                  "entry");
  }
}

TEST_F(PolicyFileTest, TooLong) {
  std::string text = kValid;
  text.append(kMaxPolicySize - text.size(), '\n');
  EXPECT_TRUE(LoadText(text).ok()) << "exactly at the limit";
  text += '\n';
  const absl::Status status = LoadText(text);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            path_ + ": is longer than 1048576 bytes; allowed: at most that");
}

TEST_F(PolicyFileTest, ErrorsNameTheFileAndLine) {
  const absl::Status status =
      LoadText("method {\n  name {}\n  timeout: \"2h\"\n}\n");
  EXPECT_EQ(status.message(),
            path_ + ":3: method[0].timeout: is 7200s; allowed [0s, 3600s]");
}

// --- Garbage --------------------------------------------------------------

// Expects that any text returns, with a status that can be printed.
void ExpectSurvives(const std::string& text) {
  const absl::Status status = ParsePolicyText(text, "p").status();
  if (status.ok()) return;
  ASSERT_EQ(status.code(), StatusCode::kInvalidArgument);
  ASSERT_LT(status.message().size(), 40'000u);
  for (const char c : status.message()) {
    ASSERT_TRUE(c == '\n' || (c >= ' ' && c < 0x7f))
        << "unprintable byte in: " << status.message();
  }
}

TEST(PolicyGarbageTest, RandomBytes) {
  std::mt19937 random(7);
  for (int i = 0; i < 3'000; ++i) {
    std::string text(random() % 400, '\0');
    for (char& c : text) c = static_cast<char>(random());
    ExpectSurvives(text);
  }
}

TEST(PolicyGarbageTest, RandomTokens) {
  const char* const kTokens[] = {"method",   "channel",
                                 "name",     "breaker",
                                 "retry",    "window",
                                 "hedging",  "backoff",
                                 "codes",    "base",
                                 "id",       "calls",
                                 "{",        "}",
                                 "<",        ">",
                                 "[",        "]",
                                 ":",        ",",
                                 ";",        "\"a\"",
                                 "\"1s\"",   "-",
                                 "1",        "1e999",
                                 "nan",      "-inf",
                                 "OK",       "ABORTED",
                                 "\n",       "#",
                                 "'",        "\\",
                                 "service",  "timeout",
                                 "true",     "18446744073709551616",
                                 "duration", "budget"};
  std::mt19937 random(8);
  for (int i = 0; i < 3'000; ++i) {
    std::string text;
    for (int n = static_cast<int>(random() % 60); n > 0; --n) {
      absl::StrAppend(&text, kTokens[random() % std::size(kTokens)],
                      random() % 2 == 0 ? " " : "");
    }
    ExpectSurvives(text);
  }
}

TEST(PolicyGarbageTest, MutationsOfAValidPolicy) {
  std::mt19937 random(9);
  int valid = 0;
  for (int i = 0; i < 5'000; ++i) {
    std::string text = kValid;
    for (int n = 1 + static_cast<int>(random() % 4); n > 0; --n) {
      if (text.empty()) break;
      const size_t at = random() % text.size();
      const size_t length = random() % 20;
      switch (random() % 5) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, length);
          break;
        case 2:
          text.insert(at, text.substr(random() % text.size(), length));
          break;
        case 3:
          text.insert(at, 1, static_cast<char>(random()));
          break;
        default:
          text.resize(at);
          break;
      }
    }
    ExpectSurvives(text);
    if (ParsePolicyText(text, "p").ok()) ++valid;
  }
  EXPECT_GT(valid, 50) << "mutations that break everything test little";
}

TEST(PolicyGarbageTest, NulBytesAndStrayEncodings) {
  ExpectSurvives(std::string("\0", 1));
  ExpectSurvives(std::string("method\0{}", 9));
  ExpectSurvives(std::string("method { id: \"a\0b\" }", 20));
  ExpectSurvives("method { id: \"\\000\\377\" name { channel: \"\xff\" } }");
  ExpectSurvives(absl::StrCat("method { \"", std::string(100'000, '\xfe')));
  EXPECT_TRUE(ParsePolicyText("\xEF\xBB\xBFmethod { name {} }", "p").ok())
      << "a byte order mark, as some editors write it";
  EXPECT_TRUE(ParsePolicyText("method {\r\n  name {}\r\n}\r\n", "p").ok());
}

TEST(PolicyGarbageTest, DeepNesting) {
  for (const std::string open :
       {"method {", "method <", "unknown {", "unknown: [", "a { b: [ {", "[",
        "{", "method { breaker {", "method: [", "unknown <"}) {
    std::string text;
    while (text.size() + open.size() < kMaxPolicySize) text += open;
    ExpectSurvives(text);
    ExpectSurvives("method { name {} } " + text.substr(0, 100'000));
  }
  EXPECT_EQ(
      ParsePolicyText("u " + std::string(33, '{'), "p").status().message(),
      "p:1:35: Nested too deep; allowed: 32 levels.");
}

TEST(PolicyGarbageTest, LongValuesMakeNoLongErrors) {
  const std::string longest(500'000, 'x');
  for (const std::string& text :
       {absl::StrCat("method { timeout: \"", longest, "\" }"),
        absl::StrCat("method { base: \"", longest, "\" }"),
        absl::StrCat("method { ", longest, ": 1 }"),
        absl::StrCat("method { \"", longest, "\" }"),
        absl::StrCat("method { retry { codes: ", longest, " } }"),
        absl::StrCat("method { id: \"", longest, "\" base: \"", longest,
                     "\" }")}) {
    const absl::Status status = ParsePolicyText(text, "p").status();
    EXPECT_FALSE(status.ok());
    EXPECT_LT(status.message().size(), 1'000u);
  }
}

}  // namespace
}  // namespace firebreak::engine
