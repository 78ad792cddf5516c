// `firebreakctl advise` of what targets get now, as a shell runs it.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "firebreak/v1/admin.grpc.pb.h"
#include "tests/support/admin_fixture.h"
#include "tests/support/firebreakctl.h"
#include "tests/support/taped_calls.h"

namespace firebreak::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// Two minutes' worth, which have room on the tape.
constexpr int kEnough = 1500;
constexpr auto kApart = std::chrono::milliseconds(80);

bool Says(const Follower& follower, const std::string& text) {
  return Eventually([&] { return absl::StrContains(follower.err(), text); });
}

TEST(AdviseLive, ProposesADifferenceToThePolicyInForce) {
  AdminFixture f;
  f.Method("payment", "a:1", kCharge);
  Follower advise("advise Charge --for 10m --target " + f.address());
  TapeCalls(&f, kEnough, kApart);
  ASSERT_TRUE(Says(advise, " of 600s: 1500 calls")) << advise.err();
  const Output& output = advise.Stop();
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.err, HasSubstr("it may be too little: no call has come "
                                    "of late"));
  EXPECT_THAT(
      output.out,
      AllOf(StartsWith(absl::StrCat(kCharge, ": 1500 calls in 2m00s")),
            HasSubstr("\ntimeout: 400ms\n"), HasSubstr("and not after 2s"),
            HasSubstr("as recorded, proposed"),
            // Its entry is based on the one that holds.
            HasSubstr("\nmethod {\n  name {\n    channel: \"payment\"\n"),
            HasSubstr("  base: \"payment\"\n")));
}

TEST(AdviseLive, GoesByAPolicyFileWhereThatIsGiven) {
  AdminFixture f;
  f.Method("payment", "a:1", kCharge);
  const std::string policy = NewStem() + ".textproto";
  std::ofstream(policy)
      << "method { name {} id: \"all\" timeout: \"400ms\" }\n";
  Follower advise(absl::StrCat("advise Charge --for 10m --policy ", policy,
                               " --target ", f.address()));
  TapeCalls(&f, kEnough, kApart);
  ASSERT_TRUE(Says(advise, " of 600s: 1500 calls")) << advise.err();
  const Output& output = advise.Stop();
  unlink(policy.c_str());
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("the present 400ms fits"));
}

TEST(AdviseLive, ATargetThatDiesInTheMiddleIsToldAndTheOthersCount) {
  AdminFixture f;
  AdminFixture dying;
  for (AdminFixture* each : {&f, &dying}) {
    each->Method("payment", "a:1", kCharge);
  }
  Follower advise(absl::StrCat("advise Charge --for 10m --target ", f.address(),
                               ",", dying.address()));
  TapeCalls(&f, kEnough, kApart);
  TapeCalls(&dying, 1);
  ASSERT_TRUE(Says(advise, " of 600s: 1501 calls")) << advise.err();
  dying.KillServer();
  ASSERT_TRUE(Says(advise, "; trying again")) << advise.err();
  const Output& output = advise.Stop();
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, HasSubstr(", and did not come back"));
  EXPECT_THAT(output.out,
              AllOf(HasSubstr(": 1501 calls in 2m00s"),
                    HasSubstr("\nbulkhead.max_concurrent: no change\n    the "
                              "calls are of 2 processes")));
}

TEST(AdviseLive, SaysHowMuchThereIsAndHowMuchItTakes) {
  AdminFixture f;
  f.Method("payment", "a:1", kCharge);
  Follower advise("advise Charge --target " + f.address());
  TapeCalls(&f, 7);
  ASSERT_TRUE(Says(advise, " of 60s: 7 calls")) << advise.err();
  const Output& output = advise.Stop();
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.out, IsEmpty());
  EXPECT_THAT(output.err,
              HasSubstr("firebreakctl: too little to advise on: 7 successes in "
                        "0 s; it takes 1000 in 60s or more\n"));
}

TEST(AdviseLive, WithoutACallItIsTooLittleToo) {
  AdminFixture f;
  f.Method("payment", "a:1", kCharge);
  Follower advise("advise Charge --target " + f.address());
  ASSERT_TRUE(Eventually([&] { return f.core()->tape()->is_on(); }));
  ASSERT_TRUE(Says(advise, " of 60s: 0 calls")) << advise.err();
  const Output& output = advise.Stop();
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, HasSubstr("too little to advise on: 0 successes"));
}

// Before anybody waits for a minute.
TEST(AdviseLive, NamesAtOnceWhatCannotBe) {
  AdminFixture f;
  f.Method("payment", "a:1", kCharge);
  f.Method("payment", "a:1", kRefund);
  const std::string target = " --target " + f.address();
  const struct {
    std::string args;
    int exit_code;
    std::string error;
  } cases[] = {
      {"Chrage" + target, 1, "; nearest: \"/shop.v1.PaymentService/Charge\""},
      {"PaymentService/Charge --channel paymnt" + target, 1,
       "no channel \"paymnt\""},
      {"Charge --target unix:/nowhere/admin.sock", 1, "cannot reach"},
      {"Charge --policy /nowhere" + target, 1, "/nowhere"},
      {"Charge --for 5s" + target, 2,
       "--for: is 5s; allowed [1m, 1h]: less is too little to advise on"},
      {"Charge --for 5m --recording x" + target, 2,
       "--recording excludes --for"},
  };
  for (const auto& c : cases) {
    const Output output = Invoke("advise " + c.args);
    EXPECT_EQ(output.exit_code, c.exit_code) << c.args << output.err;
    EXPECT_THAT(output.err, HasSubstr(c.error)) << c.args;
    EXPECT_THAT(output.out, IsEmpty()) << c.args;
  }
}

TEST(AdviseLive, WhatTargetsTakeForDifferentThingsHasToBeNamed) {
  AdminFixture a;
  AdminFixture b;
  a.Method("payment", "a:1", kCharge);
  b.Method("other", "a:1", kCharge);
  const Output output = Invoke(
      absl::StrCat("advise Charge --target ", a.address(), ",", b.address()));
  EXPECT_EQ(output.exit_code, 2);
  EXPECT_THAT(output.err, AllOf(HasSubstr("is not the same to all targets"),
                                HasSubstr("channel \"other\""),
                                HasSubstr("channel \"payment\"")));
}

// Says what a test has it say.
class OddServer final : public v1::Admin::Service {
 public:
  explicit OddServer(v1::GetPolicyResponse policy, v1::CallBlock block)
      : address_(NewSocketAddress()),
        policy_(std::move(policy)),
        block_(std::move(block)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address_, grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~OddServer() override {
    server_->Shutdown(std::chrono::system_clock::now());
    unlink(address_.c_str() + 5);
  }
  const std::string& address() const { return address_; }

  grpc::Status GetPolicy(grpc::ServerContext* /*context*/,
                         const v1::GetPolicyRequest* /*request*/,
                         v1::GetPolicyResponse* response) override {
    *response = policy_;
    return grpc::Status::OK;
  }
  grpc::Status GetMethod(grpc::ServerContext* /*context*/,
                         const v1::GetMethodRequest* /*request*/,
                         v1::GetMethodResponse* response) override {
    response->mutable_method()->set_method("/a.S/M\x1b[2J");
    auto* const now = response->mutable_method()->mutable_recent();
    now->mutable_now()->set_calls_per_second(-1e300);
    return grpc::Status::OK;
  }
  grpc::Status RecordCalls(
      grpc::ServerContext* context, const v1::RecordCallsRequest* /*request*/,
      grpc::ServerWriter<v1::RecordCallsResponse>* writer) override {
    v1::RecordCallsResponse response;
    *response.mutable_calls() = block_;
    writer->Write(response);
    while (!context->IsCancelled()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return grpc::Status::OK;
  }

 private:
  const std::string address_;
  const v1::GetPolicyResponse policy_;
  const v1::CallBlock block_;
  std::unique_ptr<grpc::Server> server_;
};

TEST(AdviseLive, GarbageIsToldAndEndsIt) {
  v1::CallBlock block;
  block.add_calls()->set_method(77);
  OddServer odd({}, block);
  const Output output = Invoke("advise M --target " + odd.address());
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, AllOf(HasSubstr("a block of calls has a name past "),
                                Not(HasSubstr("\x1b"))));
  v1::GetPolicyResponse policy;
  policy.mutable_policy()->add_method()->set_timeout("never");
  OddServer without(policy, {});
  const Output refused = Invoke("advise M --target " + without.address());
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("the policy of unix:"));
  EXPECT_THAT(refused.err, HasSubstr("timeout"));
}

}  // namespace
}  // namespace firebreak::testing
