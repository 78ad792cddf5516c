// Everything that a call shows when it has ended.
#include "tests/fidelity/modes.h"

namespace firebreak::testing {
namespace {

constexpr char kInsecure[] =
    "transport_security_type=insecure;security_level=TSI_SECURITY_NONE;";

class EndedTest : public FidelityTest {};
INSTANTIATE_TEST_SUITE_P(Styles, EndedTest, AllStyles(), StyleName);

TEST_P(EndedTest, EverythingOfAnAnswer) {
  Step step;
  step.initial = {{"x-a", "1"}, {"x-a", "2"}, {"x-b-bin", "\x01\xff"}};
  step.trailing = {{"x-c", "4"}, {"x-c", "3"}, {"x-d-bin", "\x02\xfe"}};
  const Shown native = ExpectAlike(
      [&](Mode mode) {
        world_.server.Script({step});
        UnaryCall call("hello");
        Run(world_.NewChannel(mode), &call);
        return ShowCall(call);
      },
      TakenOver(GetParam(), {{"peer", TargetAsPeer(world_.server.address())},
                             {"auth", ""}}));
  EXPECT_EQ(native.at("code"), "0");
  EXPECT_EQ(native.at("reply"), "hello");
  EXPECT_EQ(native.at("initial"), "x-a=1;x-a=2;x-b-bin=\\x01\\xff;");
  EXPECT_EQ(native.at("trailing"), "x-c=4;x-c=3;x-d-bin=\\x02\\xfe;");
  EXPECT_EQ(native.at("peer"), "ipv4:" + world_.server.address());
  EXPECT_EQ(native.at("auth"), kInsecure);
  EXPECT_EQ(native.at("debug"), "");
}

TEST_P(EndedTest, EverythingOfAFailure) {
  Step step = Step::Fail(grpc::StatusCode::FAILED_PRECONDITION,
                         "no \xe2\x82\xac here\n", std::string("\0\xff", 2));
  step.initial = {{"x-a", "1"}};
  step.trailing = {{"x-c", "3"}};
  const Shown native = ExpectAlike(
      [&](Mode mode) {
        world_.server.Script({step});
        UnaryCall call("hello");
        call.reply.set_text("as it was");
        Run(world_.NewChannel(mode), &call);
        return ShowCall(call);
      },
      TakenOver(GetParam(), {{"peer", TargetAsPeer(world_.server.address())},
                             {"auth", ""}}));
  EXPECT_EQ(native.at("code"), "9");
  EXPECT_EQ(native.at("message"), "no \xe2\x82\xac here\n");
  EXPECT_EQ(native.at("details"), "\\x00\\xff");
  EXPECT_EQ(native.at("reply"), "as it was");
  EXPECT_EQ(native.at("debug"),
            kDebugTellsOrigin ? "UNKNOWN:Error received from peer ipv4:" +
                                    world_.server.address() + " "
                              : "FAILED_PRECONDITION:no \xe2\x82\xac here\n");
}

TEST_P(EndedTest, EveryCodeComesThrough) {
  const Shown native = ExpectAlike([&](Mode mode) {
    const auto channel = world_.NewChannel(mode);
    Shown shown;
    // All codes except DATA_LOSS, after which World's driven calls are retried,
    // and one invalid code.
    for (int code : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 99}) {
      world_.server.Script(
          {Step::Fail(static_cast<grpc::StatusCode>(code), "as said")});
      UnaryCall call;
      Run(channel, &call);
      shown[absl::StrCat("code ", code)] = absl::StrCat(
          call.status.error_code(), " ", call.status.error_message());
    }
    return shown;
  });
  EXPECT_EQ(native.at("code 14"), "14 as said");
  EXPECT_EQ(native.at("code 4"), "4 as said");
}

TEST_P(EndedTest, ALimitOfOursIsNamedBesideTheServersStatus) {
  // The retry fails too. The caller gets the last attempt's own status, and the
  // reason why there was no further attempt.
  Step step = Step::Fail(grpc::StatusCode::DATA_LOSS, "lost", "details");
  step.trailing = {{"x-c", "3"}};
  const Shown native = ExpectAlike(
      [&](Mode mode) {
        world_.server.Script({step, step});
        UnaryCall call;
        Run(world_.NewChannel(mode), &call);
        return ShowCall(call);
      },
      With(TakenOver(
               GetParam(),
               {{"peer", TargetAsPeer(world_.server.address())}, {"auth", ""}}),
           {{"trailing",
             "firebreak-reason=attempts_exhausted;"
             "grpc-status-details-bin=details;x-c=3;"}}));
  EXPECT_EQ(native.at("trailing"), "grpc-status-details-bin=details;x-c=3;");
}

TEST_P(EndedTest, WhenNobodyListens) {
  const std::string nowhere = EchoServer().address();
  const Shown native = ExpectAlike([&](Mode mode) {
    UnaryCall call;
    call.reply.set_text("as it was");
    Run(world_.NewChannel(mode, {}, nowhere), &call);
    const Shown all = ShowCall(call);
    const bool refused =
        all.at("message").find("Connection refused") != std::string::npos;
    return Shown{{"code", all.at("code")},
                 {"refused", refused ? "yes" : all.at("message")},
                 {"details", all.at("details")},
                 {"initial", all.at("initial")},
                 {"trailing", all.at("trailing")},
                 {"peer", all.at("peer")},
                 {"reply", all.at("reply")}};
  });
  EXPECT_EQ(native.at("code"), "14");
  EXPECT_EQ(native.at("refused"), "yes");
  EXPECT_EQ(native.at("reply"), "as it was");
}

TEST_P(EndedTest, OfAMethodThatIsNotImplemented) {
  Echo::Service nothing;
  grpc::ServerBuilder builder;
  builder.RegisterService(&nothing);
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  const auto server = builder.BuildAndStart();
  const std::string address = absl::StrCat("127.0.0.1:", port);
  const Shown native = ExpectAlike(
      [&](Mode mode) {
        UnaryCall call;
        Run(world_.NewChannel(mode, {}, address), &call);
        return ShowCall(call);
      },
      TakenOver(GetParam(), {{"peer", TargetAsPeer(address)}, {"auth", ""}}));
  EXPECT_EQ(native.at("code"), "12");
}

TEST_P(EndedTest, MetadataOverTheLimit) {
  // This tests the metadata of answers only. Too large metadata of a request
  // sometimes closes the connection, even natively, and so ends the next call.
  Step step;
  step.trailing = {{"x-large", std::string(kOverMetadataLimit, 'x')}};
  const Shown native = ExpectAlike([&](Mode mode) {
    world_.server.Script({step});
    UnaryCall call;
    Run(world_.NewChannel(mode), &call);
    return Shown{
        {"code", absl::StrCat(call.status.error_code())},
        {"message", call.status.error_message()},
        {"trailing", ShowMetadata(call.context.GetServerTrailingMetadata())}};
  });
  EXPECT_EQ(native.at("code"), "8");
  EXPECT_NE(native.at("message").find("metadata size exceeds"),
            std::string::npos);
}

TEST_P(EndedTest, OnALameChannel) {
  // The channel that gRPC creates without credentials fails every call.
  World lame(nullptr, nullptr);
  const Shown native = ExpectAlike([&](Mode mode) {
    UnaryCall call;
    Run(lame.NewChannel(mode), &call);
    return ShowCall(call);
  });
  EXPECT_NE(native.at("code"), "0");
}

}  // namespace
}  // namespace firebreak::testing
