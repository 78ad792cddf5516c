// The real firebreakctl with a real admin service: its output and exit codes.
#include "tests/support/firebreakctl.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/generic/async_generic_service.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <sstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/support/admin_fixture.h"

namespace firebreak::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

// Returns the response inside the object in which every answer is wrapped.
std::string Unwrapped(const std::string& line) {
  EXPECT_THAT(line, StartsWith("{\"target\":\"unix:"));
  const std::string key = "\"response\":";
  const size_t begin = line.find(key);
  const size_t end = line.rfind('}');
  EXPECT_NE(begin, std::string::npos) << line;
  return begin == std::string::npos
             ? ""
             : line.substr(begin + key.size(), end - begin - key.size());
}

template <class Message>
Message FromJson(const std::string& line) {
  Message message;
  const std::string json = Unwrapped(line);
  const auto status =
      google::protobuf::util::JsonStringToMessage(json, &message);
  EXPECT_TRUE(status.ok()) << status << "\n" << json;
  return message;
}

class FirebreakctlTest : public ::testing::Test {
 protected:
  FirebreakctlTest() : charge_(f_.Bind("payment", "a:1", kCharge)) {
    f_.Bind("payment", "a:1", kRefund);
  }

  std::string Target() const { return "--target " + f_.address(); }
  Output Ctl(const std::string& args) { return Invoke(args + " " + Target()); }

  AdminFixture f_;
  core::Breaker* const charge_;
};

TEST(FirebreakctlPresetsTest, PrintsAPolicyWithoutAServer) {
  const Output output = Invoke("presets", "FIREBREAK_TARGET=unix:/nowhere");
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("  id: \"payment\"\n  # Money moves"));
  auto engine = Engine::FromText(output.out);
  EXPECT_TRUE(engine.ok()) << engine.status();
}

TEST_F(FirebreakctlTest, List) {
  Trip(charge_);
  const Output output = Ctl("list");
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.err, IsEmpty());
  EXPECT_THAT(output.out,
              AllOf(StartsWith("CHANNEL "), HasSubstr(kCharge),
                    HasSubstr(kRefund), HasSubstr("  open  "),
                    HasSubstr("  closed  "), Not(HasSubstr("\033"))));
  EXPECT_EQ(Lines(output.out), 3);
  f_.core()->BindChannel("idle", {""});
  EXPECT_THAT(Ctl("list --channel idle").out, HasSubstr("no method"));
}

TEST_F(FirebreakctlTest, Show) {
  const Output output = Ctl("show PaymentService/Charge");
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out,
              AllOf(HasSubstr(kCharge), HasSubstr("payment: timeout"),
                    HasSubstr("TARGET"), HasSubstr("budget")));
}

TEST_F(FirebreakctlTest, OverrideClearAndReset) {
  Output output = Ctl("override Charge open --for 30s");
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out, AllOf(HasSubstr(kCharge), HasSubstr("forced_open"),
                                Not(HasSubstr(kRefund))));
  core::BreakerSnapshot snapshot = charge_->Snapshot(engine::Now());
  EXPECT_EQ(snapshot.state, core::BreakerState::kForcedOpen);
  ASSERT_TRUE(snapshot.override_end.has_value());
  EXPECT_LE(*snapshot.override_end - engine::Now(), std::chrono::seconds(30));
  EXPECT_GE(*snapshot.override_end - engine::Now(), std::chrono::seconds(10));

  EXPECT_EQ(Ctl("override Charge closed").exit_code, 0);
  snapshot = charge_->Snapshot(engine::Now());
  EXPECT_EQ(snapshot.state, core::BreakerState::kForcedClosed);
  EXPECT_FALSE(snapshot.override_end.has_value());

  output = Ctl("clear Charge");
  EXPECT_EQ(output.exit_code, 0);
  EXPECT_THAT(output.out, HasSubstr("closed"));
  EXPECT_EQ(Ctl("clear Charge").out, "no override was set\n");

  Trip(charge_);
  output = Ctl("reset Charge");
  EXPECT_EQ(output.exit_code, 0);
  EXPECT_EQ(charge_->Snapshot(engine::Now()).state,
            core::BreakerState::kClosed);
}

TEST_F(FirebreakctlTest, Events) {
  Trip(charge_);
  charge_->Reset(engine::Now());
  Output output = Ctl("events");
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_EQ(Lines(output.out), 2);
  EXPECT_THAT(output.out, HasSubstr("closed -> open: 2 failures in a row"));
  output = Ctl("events --after 1");
  EXPECT_EQ(Lines(output.out), 1);
  EXPECT_THAT(output.out, HasSubstr("open -> closed: by an operator"));
  output = Ctl("events --after 5");
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, HasSubstr("after_sequence: is 5"));
}

TEST_F(FirebreakctlTest, EventsFollow) {
  charge_->Reset(engine::Now());
  Follower ctl("events --follow " + Target());
  EXPECT_TRUE(ctl.WaitForOut(1)) << ctl.err();  // the earlier event
  Trip(charge_);
  EXPECT_TRUE(ctl.WaitForOut(2)) << ctl.err();  // the new event
  EXPECT_THAT(ctl.out(), HasSubstr("closed -> open"));
  f_.service()->Shutdown();
  EXPECT_TRUE(ctl.WaitForErr(1));
  EXPECT_THAT(ctl.err(),
              AllOf(HasSubstr("shutting down"), HasSubstr("; trying again\n")));
}

TEST_F(FirebreakctlTest, JsonParses) {
  Trip(charge_);
  const auto list = FromJson<v1::ListMethodsResponse>(Ctl("list --json").out);
  ASSERT_THAT(list.methods(), SizeIs(2));
  EXPECT_EQ(list.methods(0).breakers(0).state(), v1::BREAKER_STATE_OPEN);
  const Output show = Ctl("--json show Charge");
  EXPECT_EQ(FromJson<v1::GetMethodResponse>(show.out).method().method(),
            kCharge);
  EXPECT_THAT(show.out, HasSubstr("\"hedges\":\"0\""));  // zeros are shown
  EXPECT_EQ(
      FromJson<v1::SetOverrideResponse>(Ctl("override Charge open --json").out)
          .breakers(0)
          .state(),
      v1::BREAKER_STATE_FORCED_OPEN);
  EXPECT_THAT(
      FromJson<v1::ClearOverrideResponse>(Ctl("clear Charge --json").out)
          .breakers(),
      SizeIs(1));
  EXPECT_THAT(FromJson<v1::ResetMethodResponse>(Ctl("reset Charge --json").out)
                  .breakers(),
              SizeIs(1));
  std::istringstream events(Ctl("events --json").out);
  int count = 0;
  for (std::string line; std::getline(events, line);) {
    EXPECT_EQ(FromJson<v1::Event>(line).sequence(), ++count);
  }
  // The trip, and three changes, each with the breaker's change of state.
  EXPECT_EQ(count, 7);
}

TEST_F(FirebreakctlTest, WhatTheServerRefusesIsOneLine) {
  for (const char* args : {"show Chrge", "override Chrge open", "clear Chrge",
                           "reset Chrge", "--json show Chrge"}) {
    const Output output = Ctl(args);
    EXPECT_EQ(output.exit_code, 1) << args;
    EXPECT_THAT(output.out, IsEmpty());
    EXPECT_EQ(output.err,
              "firebreakctl: no method \"Chrge\"; nearest: "
              "\"/shop.v1.PaymentService/Charge\"\n");
  }
}

TEST(FirebreakctlConnectTest, AServerThatIsNotThere) {
  for (const char* args :
       {"list", "show Charge", "override Charge open", "clear Charge",
        "reset Charge", "events", "events --follow"}) {
    const Output output = Invoke(absl::StrCat(args, " --target 127.0.0.1:1"));
    EXPECT_EQ(output.exit_code, 1) << args;
    EXPECT_THAT(output.out, IsEmpty());
    EXPECT_THAT(output.err,
                StartsWith("firebreakctl: cannot reach 127.0.0.1:1: "));
    EXPECT_EQ(Lines(output.err), 1) << output.err;
  }
  const Output output = Invoke("list --target unix:/nowhere.sock");
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_EQ(Lines(output.err), 1) << output.err;
}

TEST(FirebreakctlConnectTest, TheTargetFromTheEnvironment) {
  const AdminFixture f;
  EXPECT_EQ(Invoke("list", "FIREBREAK_TARGET=" + f.address()).exit_code, 0);
  const std::string wrong = "FIREBREAK_TARGET=127.0.0.1:1";
  EXPECT_EQ(Invoke("list", wrong).exit_code, 1);
  EXPECT_EQ(Invoke("list --target " + f.address(), wrong).exit_code, 0);
  EXPECT_EQ(Invoke("--target " + f.address() + " list", wrong).exit_code, 0);
}

TEST(FirebreakctlConnectTest, AServerThatDoesNotAnswer) {
  // Accepts connections, and never sends anything.
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size),
            0);
  const std::string target =
      absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  for (const char* command : {"list", "events --follow"}) {
    const Output output =
        Invoke(absl::StrCat(command, " --timeout 200ms --target ", target));
    EXPECT_EQ(output.exit_code, 1);
    EXPECT_EQ(output.err, absl::StrCat("firebreakctl: cannot reach ", target,
                                       ": no answer within 200ms\n"));
  }
  close(listener);
}

TEST(FirebreakctlConnectTest, AServerOfSomethingElse) {
  grpc::ServerBuilder builder;
  const std::string address = NewSocketAddress();
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  grpc::CallbackGenericService unimplemented;
  builder.RegisterCallbackGenericService(&unimplemented);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  const Output output = Invoke("list --target " + address);
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_EQ(output.err, absl::StrCat("firebreakctl: ", address,
                                     " has no firebreak admin service\n"));
}

TEST(FirebreakctlConnectTest, ChangesThatAreNotAllowed) {
  AdminFixture f({}, "127.0.0.1:0");
  f.Bind("payment", "", kCharge);
  EXPECT_EQ(Invoke("show Charge --target " + f.address()).exit_code, 0);
  const Output output = Invoke("reset Charge --target " + f.address());
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, HasSubstr("allow_loopback"));
  EXPECT_EQ(Lines(output.err), 1);
}

TEST(FirebreakctlUsageTest, WrongOnesExitWith2AndSayHow) {
  for (const char* args : {"",
                           "frobnicate",
                           "list --frobnicate",
                           "list extra",
                           "show",
                           "override",
                           "override Charge",
                           "override Charge ajar",
                           "override Charge open --for",
                           "override Charge open --for soon",
                           "override Charge open --for -5s",
                           "override Charge open --for 0s",
                           "override Charge open --for 721h",
                           "events --after x",
                           "events --after -1",
                           "list --timeout 0s",
                           "list --timeout 2h",
                           "list --timeout 5",
                           "list show Charge",
                           "policy",
                           "policy diff",
                           "completion",
                           "completion tcsh",
                           "list --cert /c",
                           "list --ca /nowhere",
                           "list --token-file /nowhere"}) {
    const Output output = Invoke(args);
    EXPECT_EQ(output.exit_code, 2) << args;
    EXPECT_THAT(output.out, IsEmpty()) << args;
    EXPECT_THAT(output.err,
                AllOf(StartsWith("firebreakctl: "), HasSubstr("Usage: "),
                      HasSubstr(" --help` tells more.\n")))
        << args;
    // There are few lines, so that the error stays visible.
    EXPECT_LE(Lines(output.err), 5) << output.err;
  }
}

TEST(FirebreakctlUsageTest, HelpHasExamples) {
  for (const char* command : {"", "list", "show", "override", "clear", "reset",
                              "events", "health", "alerts"}) {
    const Output output = Invoke(absl::StrCat(command, " --help"));
    EXPECT_EQ(output.exit_code, 0) << command;
    EXPECT_THAT(output.err, IsEmpty());
    EXPECT_THAT(output.out, AllOf(HasSubstr("--target"), HasSubstr("--json"),
                                  HasSubstr("\nExamples:\n  firebreakctl ")));
  }
  EXPECT_THAT(Invoke("--help").out, HasSubstr("Exit codes: 0 "));
}

TEST(FirebreakctlUsageTest, Version) {
  const Output output = Invoke("--version");
  EXPECT_EQ(output.exit_code, 0);
  EXPECT_THAT(output.out, ::testing::MatchesRegex(
                              "firebreakctl [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

}  // namespace
}  // namespace firebreak::testing
