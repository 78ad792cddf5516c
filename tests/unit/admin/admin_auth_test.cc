// The ready-made authorizers: which callers they allow, and which not.
#include "firebreak/admin_auth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace firebreak::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kToken[] = "correct-horse-battery-staple";

AdminCall From(const std::string& peer) {
  AdminCall call;
  call.rpc = "ResetMethod";
  call.is_change = true;
  call.peer = peer;
  return call;
}

AdminCall WithToken(const std::string& authorization, bool is_private = true) {
  AdminCall call = From("ipv4:10.0.0.7:40112");
  call.authorization = authorization;
  call.is_private = is_private;
  return call;
}

TEST(LocalPeersTest, UnixSocketsAndMaybeLoopback) {
  for (const char* peer : {"unix:", "unix:/run/x.sock"}) {
    AdminCall call = From(peer);
    EXPECT_TRUE(LocalPeers()(&call).ok()) << peer;
  }
  for (const char* peer : {"ipv4:127.0.0.1:5", "ipv4:127.9.9.9:5",
                           "ipv6:[::1]:5", "ipv6:%5B::1%5D:5"}) {
    AdminCall call = From(peer);
    const absl::Status status = LocalPeers()(&call);
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << peer;
    EXPECT_THAT(std::string(status.message()), HasSubstr("allow_loopback"));
    EXPECT_TRUE(LocalPeers(true)(&call).ok()) << peer;
  }
  for (const char* peer :
       {"", "inproc", "ipv4:10.0.0.1:5", "ipv4:12.7.0.0:1", "ipv6:[::2]:5",
        "ipv6:[2001:db8::1]:5", "dns:127.0.0.1", "xunix:", "unix-abstract:x"}) {
    AdminCall call = From(peer);
    EXPECT_TRUE(absl::IsPermissionDenied(LocalPeers(true)(&call))) << peer;
  }
}

TEST(TokensTest, AdmittedByName) {
  const auto tokens =
      Tokens({{"alice", kToken}, {"bob", "a-token-of-another-one"}});
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  AdminCall call = WithToken(absl::StrCat("Bearer ", kToken));
  EXPECT_TRUE((*tokens)(&call).ok());
  EXPECT_EQ(call.actor, "alice");
  call = WithToken("Bearer a-token-of-another-one");
  EXPECT_TRUE((*tokens)(&call).ok());
  EXPECT_EQ(call.actor, "bob");
}

TEST(TokensTest, BadOnesAreRefusedAndNotRepeated) {
  const auto tokens = Tokens({{"alice", kToken}});
  ASSERT_TRUE(tokens.ok());
  for (const std::string& given :
       {std::string(), std::string("Bearer "), absl::StrCat("bearer ", kToken),
        std::string(kToken), std::string("Bearer correct-horse-battery-stapl"),
        absl::StrCat("Bearer ", kToken, "x"),
        absl::StrCat("Bearer ", kToken, kToken),
        absl::StrCat("Bearer x", kToken), absl::StrCat("Basic ", kToken),
        absl::StrCat("Bearer ", std::string(100'000, 'x'))}) {
    AdminCall call = WithToken(given);
    const absl::Status status = (*tokens)(&call);
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << given;
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("horse")));
    EXPECT_EQ(call.actor, "");
  }
}

TEST(TokensTest, InPlainTextIsRefused) {
  const auto tokens = Tokens({{"alice", kToken}});
  ASSERT_TRUE(tokens.ok());
  AdminCall call = WithToken(absl::StrCat("Bearer ", kToken), false);
  const absl::Status status = (*tokens)(&call);
  EXPECT_TRUE(absl::IsPermissionDenied(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("TLS"));
}

TEST(TokensTest, ShortOnesAreRefusedAtOnce) {
  EXPECT_TRUE(absl::IsInvalidArgument(Tokens({}).status()));
  const absl::Status status =
      Tokens({{"alice", kToken}, {"bob", "hunter2"}}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("bob"), HasSubstr("7 characters"),
                    Not(HasSubstr("hunter"))));
}

class TokensFromFileTest : public ::testing::Test {
 protected:
  ~TokensFromFileTest() override { unlink(path_.c_str()); }
  void Write(const std::string& text, mode_t mode = 0600) {
    std::ofstream(path_) << text;
    chmod(path_.c_str(), mode);
  }

  const std::string path_ =
      absl::StrCat(::testing::TempDir(), "admin-tokens-", getpid());
};

TEST_F(TokensFromFileTest, NamesAndTokens) {
  Write(absl::StrCat("# who may\n\n  alice\t", kToken,
                     "  # on call\r\nbob another-token-of-ours\n"));
  const auto tokens = TokensFromFile(path_);
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  AdminCall call = WithToken(absl::StrCat("Bearer ", kToken));
  EXPECT_TRUE((*tokens)(&call).ok());
  EXPECT_EQ(call.actor, "alice");
}

TEST_F(TokensFromFileTest, WhatIsWrongWithIt) {
  EXPECT_TRUE(absl::IsNotFound(TokensFromFile(path_).status()));
  for (const mode_t mode : {0644, 0622, 0602}) {
    Write(absl::StrCat("alice ", kToken), mode);
    EXPECT_TRUE(absl::IsFailedPrecondition(TokensFromFile(path_).status()))
        << mode;
  }
  EXPECT_TRUE(absl::IsFailedPrecondition(TokensFromFile("/dev/null").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(
      TokensFromFile(::testing::TempDir()).status()));
  for (const std::string& text :
       {std::string(), std::string("# nobody\n"), std::string("alice\n"),
        std::string("alice two words-are-too-many\n"),
        absl::StrCat("a ", kToken, "\na ", kToken, "\n"),
        std::string("alice short\n"), absl::StrCat("alice ", kToken, "#1\n"),
        absl::StrCat("alice#", kToken, "\n"), std::string("\0\0\0", 3),
        std::string((1 << 20) + 1, '#')}) {
    Write(text);
    const absl::Status status = TokensFromFile(path_).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text.substr(0, 60);
    EXPECT_THAT(std::string(status.message()), HasSubstr(path_));
  }
}

TEST_F(TokensFromFileTest, NoWordOfALineIsRepeated) {
  // The columns swapped, a name too many, the same name twice.
  for (const std::string& line :
       {absl::StrCat(kToken, " alice"), absl::StrCat(kToken, " is alice's"),
        absl::StrCat(kToken, " another-token-of-ours\n", kToken,
                     " yet-another-token-of-ours")}) {
    Write("# who may\n" + line + "\n");
    const std::string message(TokensFromFile(path_).status().message());
    EXPECT_THAT(message, AllOf(HasSubstr(path_ + ":"), Not(HasSubstr("horse")),
                               Not(HasSubstr("alice"))));
  }
}

TEST(CertificatesTest, ByNameLetterForLetter) {
  const Authorizer authorizer = Certificates({"ops.shop.example", "alice"});
  AdminCall call = From("ipv4:10.0.0.7:40112");
  absl::Status status = authorizer(&call);
  EXPECT_TRUE(absl::IsPermissionDenied(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("no client cert"));
  for (const char* name : {"", "ops", "ops.shop.example.evil.example", "Alice",
                           "x\033[2J", "*.shop.example"}) {
    call.identities = {name};
    status = authorizer(&call);
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << name;
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("\033")));
  }
  call.identities = {"other", "alice"};
  EXPECT_TRUE(authorizer(&call).ok());
  EXPECT_EQ(call.actor, "alice");
}

TEST(AnyOfTest, OneIsEnoughAndNoneIsNobody) {
  AdminCall call = From("unix:");
  EXPECT_TRUE(AnyOf({Certificates({"a"}), LocalPeers()})(&call).ok());
  call = From("ipv4:10.0.0.7:1");
  const absl::Status status = AnyOf({Certificates({"a"}), LocalPeers()})(&call);
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(HasSubstr("no client certificate"), HasSubstr("Unix socket")));
  EXPECT_TRUE(absl::IsPermissionDenied(AnyOf({})(&call)));
  EXPECT_TRUE(absl::IsPermissionDenied(AnyOf({nullptr})(&call)));
}

}  // namespace
}  // namespace firebreak::testing
