// Everything that a caller sets reaches the server, and its limits hold.
#include "tests/fidelity/modes.h"
#include "tests/support/fault_proxy.h"

namespace firebreak::testing {
namespace {

using std::chrono::system_clock;

class RequestTest : public FidelityTest {
 protected:
  // Returns what the server saw of the last call.
  Shown Arrived() {
    const SeenCall seen = world_.server.seen().back();
    std::string deadline = "soon";
    const auto left = seen.deadline - system_clock::now();
    if (left > std::chrono::minutes(5)) deadline = "in ten minutes";
    if (left > std::chrono::minutes(15)) deadline = "never";
    return {{"text", seen.text},
            {"metadata", ShowMetadata(seen.metadata)},
            {"authority", seen.authority},
            {"deadline", deadline}};
  }
  // Makes a call that succeeds, and returns all that the server and the caller
  // saw of it.
  Shown Show(Mode mode, UnaryCall* call, ChannelOptions options = {}) {
    Run(world_.NewChannel(mode, std::move(options)), call);
    EXPECT_TRUE(call->status.ok()) << call->status.error_message();
    return With(Arrived(), {{"reply", call->reply.text()}});
  }
};
INSTANTIATE_TEST_SUITE_P(Styles, RequestTest, AllStyles(), StyleName);

TEST_P(RequestTest, Metadata) {
  const Shown native = ExpectAlike([&](Mode mode) {
    UnaryCall call("hello");
    for (const char* value : {"b", "c", "a", ""}) {
      call.context.AddMetadata("x-order", value);
    }
    call.context.AddMetadata("x-bytes-bin", std::string("\0\xff,=", 4));
    call.context.AddMetadata("a-first", "1");
    return Show(mode, &call);
  });
  // It contains no metadata of firebreak's.
  const std::string metadata = native.at("metadata");
  EXPECT_EQ(metadata.find("a-first=1;user-agent=grpc-c++/"), 0U) << metadata;
  EXPECT_NE(metadata.find("x-order=b;x-order=c;x-order=a;x-order=;"),
            std::string::npos)
      << metadata;
  EXPECT_NE(metadata.find("x-bytes-bin=\\x00\\xff,=;"), std::string::npos)
      << metadata;
}

TEST_P(RequestTest, UserAgent) {
  const Shown native = ExpectAlike([&](Mode mode) {
    ChannelOptions options;
    options.args.SetUserAgentPrefix("shop/1.0");
    UnaryCall call;
    return Show(mode, &call, std::move(options));
  });
  EXPECT_EQ(native.at("metadata").find("user-agent=shop/1.0 grpc-c++/"), 0U);
}

TEST_P(RequestTest, NoDeadline) {
  const Shown native = ExpectAlike([&](Mode mode) {
    UnaryCall call;
    return Show(mode, &call);
  });
  EXPECT_EQ(native.at("deadline"), "never");
}

TEST_P(RequestTest, ADeadline) {
  const auto deadline = system_clock::now() + std::chrono::minutes(10);
  const Shown native = ExpectAlike([&](Mode mode) {
    UnaryCall call;
    call.context.set_deadline(deadline);
    const Shown shown = Show(mode, &call);
    return With(shown,
                {{"kept", call.context.deadline() == deadline ? "yes" : "no"}});
  });
  EXPECT_EQ(native.at("deadline"), "in ten minutes");
  EXPECT_EQ(native.at("kept"), "yes");
}

TEST_P(RequestTest, ADeadlineThatPasses) {
  const std::string native_says = "Deadline Exceeded";
  const std::string ours =
      "firebreak: the call's deadline passed after 1 attempt(s)";
  const auto show = [&](Mode mode) {
    const auto channel = world_.NewChannel(mode);
    world_.server.Script(std::vector<Step>(10, Step::Hang()));
    const int calls = world_.server.calls();
    const int cancelled = world_.server.cancelled();
    Shown shown;
    // Uses longer and longer timeouts until a call reaches the server.
    auto timeout = std::chrono::milliseconds(50);
    while (world_.server.calls() == calls) {
      UnaryCall call;
      call.reply.set_text("as it was");
      call.context.set_deadline(system_clock::now() + timeout);
      Run(channel, &call);
      shown = {
          {"code", absl::StrCat(call.status.error_code())},
          {"message", call.status.error_message()},
          {"trailing", ShowMetadata(call.context.GetServerTrailingMetadata())},
          {"reply", call.reply.text()}};
      timeout *= 2;
    }
    // If firebreak makes the attempts, either gRPC or firebreak may notice the
    // deadline first.
    if (mode == Mode::kDriven && !GoesOutNatively(GetParam()) &&
        (shown["message"] == native_says || shown["message"] == ours)) {
      shown["message"] = shown["trailing"] = "either";
    }
    shown["server"] =
        world_.server.WaitForCancelled(cancelled + 1) ? "told" : "left";
    return shown;
  };
  const Shown native = ExpectAlike(
      show,
      TakenOver(GetParam(), {{"message", "either"}, {"trailing", "either"}}));
  EXPECT_EQ(native.at("code"), "4");
  EXPECT_EQ(native.at("message"), native_says);
  EXPECT_EQ(native.at("server"), "told");
}

TEST_P(RequestTest, ADeadlineThatIsPast) {
  const Shown reason = {{"trailing", "firebreak-reason=deadline_exceeded;"},
                        {"debug", ""}};
  const Shown native = ExpectAlike(
      [&](Mode mode) {
        UnaryCall call;
        call.context.set_deadline(system_clock::now() -
                                  std::chrono::seconds(1));
        Run(world_.NewChannel(mode), &call);
        return With(ShowCall(call),
                    {{"calls", absl::StrCat(world_.server.calls())}});
      },
      With(reason, {{"message",
                     "firebreak: the call's deadline passed after 0 "
                     "attempt(s)"}}),
      With(reason, {{"message",
                     "firebreak: the deadline was spent before the call "
                     "began"}}));
  EXPECT_EQ(native.at("code"), "4");
  EXPECT_EQ(native.at("message"), "Deadline Exceeded");
  EXPECT_EQ(native.at("calls"), "0");
}

TEST_P(RequestTest, ATimeoutOfTheServiceConfig) {
  const Shown native = ExpectAlike([&](Mode mode) {
    ChannelOptions options;
    options.args.SetServiceConfigJSON(
        R"({"methodConfig": [{"name": [{}], "timeout": "0.05s"}]})");
    world_.server.Script({Step::Hang()});
    UnaryCall call;
    Run(world_.NewChannel(mode, std::move(options)), &call);
    return Shown{
        {"code", absl::StrCat(call.status.error_code())},
        {"message", call.status.error_message()},
        {"trailing", ShowMetadata(call.context.GetServerTrailingMetadata())}};
  });
  EXPECT_EQ(native.at("code"), "4");
}

TEST_P(RequestTest, Authority) {
  const Shown native = ExpectAlike([&](Mode mode) {
    UnaryCall call;
    call.context.set_authority("payment.example");
    return Show(mode, &call);
  });
  EXPECT_EQ(native.at("authority"), "payment.example");
}

TEST_P(RequestTest, NoAuthority) {
  const Shown native = ExpectAlike([&](Mode mode) {
    UnaryCall call;
    return Show(mode, &call);
  });
  EXPECT_EQ(native.at("authority"), world_.server.address());
}

TEST_P(RequestTest, Compressed) {
  const int port = std::stoi(world_.server.address().substr(10));
  const Shown native = ExpectAlike([&](Mode mode) {
    FaultProxy proxy(port);
    UnaryCall call(std::string(100'000, 'a'));
    call.context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    Run(world_.NewChannel(mode, {}, proxy.address()), &call);
    return Shown{
        {"code", absl::StrCat(call.status.error_code())},
        {"arrived", absl::StrCat(world_.server.seen().back().text.size())},
        {"metadata", Arrived().at("metadata")},
        {"on the wire", proxy.asked() < 10'000 ? "small" : "large"},
        {"algorithm", absl::StrCat(call.context.compression_algorithm())}};
  });
  EXPECT_EQ(native.at("arrived"), "100000");
  EXPECT_EQ(native.at("on the wire"), "small");
}

TEST_P(RequestTest, CompressedByTheChannelsDefault) {
  const int port = std::stoi(world_.server.address().substr(10));
  const Shown native = ExpectAlike([&](Mode mode) {
    FaultProxy proxy(port);
    ChannelOptions options;
    options.args.SetCompressionAlgorithm(GRPC_COMPRESS_GZIP);
    UnaryCall call(std::string(100'000, 'a'));
    Run(world_.NewChannel(mode, std::move(options), proxy.address()), &call);
    return Shown{{"code", absl::StrCat(call.status.error_code())},
                 {"on the wire", proxy.asked() < 10'000 ? "small" : "large"}};
  });
  EXPECT_EQ(native.at("on the wire"), "small");
}

TEST_P(RequestTest, TooLargeToSend) {
  const Shown native = ExpectAlike([&](Mode mode) {
    ChannelOptions options;
    options.args.SetMaxSendMessageSize(1000);
    UnaryCall call(std::string(2000, 'x'));
    call.reply.set_text("as it was");
    Run(world_.NewChannel(mode, std::move(options)), &call);
    // How far such a call gets, and so its peer, is not defined even natively.
    Shown shown = ShowCall(call);
    for (const char* key : {"peer", "auth", "debug"}) shown.erase(key);
    return With(shown, {{"calls", absl::StrCat(world_.server.calls())}});
  });
  EXPECT_EQ(native.at("code"), "8");
  EXPECT_EQ(native.at("message").find(kTooLargeToSend), 0U);
  EXPECT_EQ(native.at("reply"), "as it was");
  EXPECT_EQ(native.at("calls"), "0");
}

TEST_P(RequestTest, WaitForReady) {
  // There is no server: a call that waits ends at its deadline.
  const std::string nowhere = EchoServer().address();
  const Shown native = ExpectAlike([&](Mode mode) {
    const auto channel = world_.NewChannel(mode, {}, nowhere);
    Shown shown;
    for (bool waits : {true, false}) {
      UnaryCall call;
      call.context.set_wait_for_ready(waits);
      // A call that waits must end at its deadline, and one that does not wait
      // must end before it.
      call.context.set_deadline(
          system_clock::now() +
          (waits ? std::chrono::milliseconds(100) : std::chrono::minutes(1)));
      Run(channel, &call);
      shown[waits ? "waits" : "does not"] =
          absl::StrCat(call.status.error_code());
    }
    return shown;
  });
  EXPECT_EQ(native.at("waits"), "4");
  EXPECT_EQ(native.at("does not"), "14");
}

TEST_P(RequestTest, CorkedInitialMetadata) {
  const Shown native = ExpectAlike([&](Mode mode) {
    UnaryCall call("hello");
    call.context.set_initial_metadata_corked(true);
    return Show(mode, &call);
  });
  EXPECT_EQ(native.at("reply"), "hello");
}

}  // namespace
}  // namespace firebreak::testing
