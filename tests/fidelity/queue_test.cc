// In which order and on which threads the end of a call is reported.
#include <sys/prctl.h>

#include <algorithm>
#include <array>

#include "tests/fidelity/modes.h"
#include "tests/fidelity/recorder.h"
#include "tests/support/flight.h"

namespace firebreak::testing {
namespace {

// gRPC's threads have their own names; firebreak's have that of the program.
std::string ThreadName() {
  std::array<char, 16> name{};
  prctl(PR_GET_NAME, name.data());
  return name.data();
}

class TagsTest : public ::testing::TestWithParam<grpc::StatusCode> {
 protected:
  World world_;
};
INSTANTIATE_TEST_SUITE_P(Ends, TagsTest,
                         ::testing::Values(grpc::StatusCode::OK,
                                           grpc::StatusCode::NOT_FOUND));

TEST_P(TagsTest, BothAskedForAtOnce) {
  const Shown native = ExpectAlike([&](Mode mode) {
    world_.server.Script({Step::Fail(GetParam())});
    UnaryCall call;
    grpc::CompletionQueue cq;
    const auto stub = Echo::NewStub(world_.NewChannel(mode));
    auto reader = stub->PrepareAsyncUnary(&call.context, call.request, &cq);
    int metadata = 0;
    int finish = 0;
    reader->StartCall();
    reader->ReadInitialMetadata(&metadata);
    reader->Finish(&call.reply, &call.status, &finish);
    // Which one comes first is not defined.
    Shown shown;
    for (int i = 0; i < 2; ++i) {
      void* tag = nullptr;
      bool ok = false;
      EXPECT_TRUE(cq.Next(&tag, &ok));
      shown[tag == &metadata ? "metadata" : "finish"] = ok ? "ok" : "not ok";
    }
    return With(shown, {{"code", absl::StrCat(call.status.error_code())}});
  });
  EXPECT_EQ(native.at("finish"), "ok");
}

TEST_P(TagsTest, OneAfterTheOther) {
  const Shown native = ExpectAlike([&](Mode mode) {
    Step step = Step::Fail(GetParam());
    step.initial = {{"x-a", "1"}};
    world_.server.Script({step});
    UnaryCall call;
    grpc::CompletionQueue cq;
    const auto stub = Echo::NewStub(world_.NewChannel(mode));
    auto reader = stub->AsyncUnary(&call.context, call.request, &cq);
    void* tag = nullptr;
    bool ok = false;
    Shown shown;
    reader->ReadInitialMetadata(&shown);
    EXPECT_TRUE(cq.Next(&tag, &ok));
    EXPECT_EQ(tag, &shown);
    shown["metadata"] =
        absl::StrCat(ok, ShowMetadata(call.context.GetServerInitialMetadata()));
    reader->Finish(&call.reply, &call.status, &call);
    EXPECT_TRUE(cq.Next(&tag, &ok));
    EXPECT_EQ(tag, &call);
    shown["finish"] = absl::StrCat(ok, call.status.error_code());
    return shown;
  });
  EXPECT_EQ(native.at("finish"), absl::StrCat(1, GetParam()));
}

TEST_P(TagsTest, AQueueThatIsShutDownStillHandsThemOut) {
  const Shown native = ExpectAlike([&](Mode mode) {
    World world;
    Step step = Step::Fail(GetParam());
    step.hangs = true;
    world.server.Script({step});
    UnaryCall call;
    grpc::CompletionQueue cq;
    const auto stub = Echo::NewStub(world.NewChannel(mode));
    auto reader = stub->AsyncUnary(&call.context, call.request, &cq);
    reader->Finish(&call.reply, &call.status, &call);
    cq.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    // The main thread must poll meanwhile, or a native call would not begin.
    std::thread release([&] {
      EXPECT_TRUE(world.server.WaitForCalls(1));
      world.server.Release();
    });
    Shown shown;
    shown["next"] = cq.Next(&tag, &ok) && ok && tag == &call ? "it" : "other";
    shown["code"] = absl::StrCat(call.status.error_code());
    release.join();
    shown["then"] = cq.Next(&tag, &ok) ? "another" : "the end";
    return shown;
  });
  EXPECT_EQ(native.at("next"), "it");
  EXPECT_EQ(native.at("code"), absl::StrCat(GetParam()));
  EXPECT_EQ(native.at("then"), "the end");
}

class ThreadsTest : public FidelityTest {};
INSTANTIATE_TEST_SUITE_P(Styles, ThreadsTest, AllStyles(), StyleName);

TEST_P(ThreadsTest, TheEndIsToldWhereItIsNatively) {
  const std::string own = ThreadName();
  const Shown native = ExpectAlike([&](Mode mode) {
    const auto stub = Echo::NewStub(world_.NewChannel(mode));
    UnaryCall call;
    std::string on;
    Flight flight(GetParam());
    flight.on_end = [&] {
      on = ThreadName() == own ? "a program's" : "gRPC's";
    };
    flight.Start(stub.get(), &call);
    flight.Wait();
    return Shown{{"on", on}};
  });
  EXPECT_EQ(native.at("on"),
            GetParam() == StubStyle::kCallback ? "gRPC's" : "a program's");
}

TEST_P(ThreadsTest, InterceptorsBeforeOursRunWhereTheyDoNatively) {
  const auto own = std::this_thread::get_id();
  const std::string name = ThreadName();
  const Shown native = ExpectAlike([&](Mode mode) {
    Recorder recorder;
    const auto look = [&](Recorder::Info*, Recorder::Methods*) {
      if (std::this_thread::get_id() == own) return " on the caller's";
      return ThreadName() == name ? " on another" : " on gRPC's";
    };
    ChannelOptions options;
    options.interceptors.push_back(recorder.NewFactory("before", look));
    UnaryCall call;
    Run(world_.NewChannel(mode, std::move(options)), &call);
    Shown shown;
    for (const std::string& line : recorder.TakeLines()) {
      const size_t on = line.find(" on ");
      if (on == std::string::npos) continue;
      const bool sends = line.find("send-metadata") != std::string::npos;
      shown[sends ? "sends" : "receives"] = line.substr(on);
    }
    return shown;
  });
  EXPECT_EQ(native.at("sends"), " on the caller's");
  EXPECT_EQ(native.at("receives"), GetParam() == StubStyle::kCallback
                                       ? " on gRPC's"
                                       : " on the caller's");
}

TEST_P(ThreadsTest, ACallMadeInsideTheCallback) {
  const Shown native = ExpectAlike([&](Mode mode) {
    const auto stub = Echo::NewStub(world_.NewChannel(mode));
    UnaryCall call;
    UnaryCall next("next");
    Flight second(GetParam());
    Flight first(GetParam());
    first.on_end = [&] { second.Start(stub.get(), &next); };
    first.Start(stub.get(), &call);
    first.Wait();
    second.Wait();
    return Shown{{"code", absl::StrCat(second.status().error_code())},
                 {"reply", second.text()}};
  });
  EXPECT_EQ(native.at("reply"), "next");
}

class ChannelTest : public ::testing::Test {
 protected:
  World world_;
};

TEST_F(ChannelTest, ShowsWhatANativeOneDoes) {
  const Shown native = ExpectAlike([&](Mode mode) {
    const auto channel = world_.NewChannel(mode);
    Shown shown = {{"state before", absl::StrCat(channel->GetState(false))}};
    const auto deadline =
        std::chrono::system_clock::now() + std::chrono::seconds(30);
    shown["connects"] = absl::StrCat(channel->WaitForConnected(deadline));
    shown["state after"] = absl::StrCat(channel->GetState(false));
    shown["policy"] = channel->GetLoadBalancingPolicyName();
    shown["service config"] = channel->GetServiceConfigJSON();
    return shown;
  });
  EXPECT_EQ(native.at("state before"), absl::StrCat(GRPC_CHANNEL_IDLE));
  EXPECT_EQ(native.at("connects"), "1");
  EXPECT_EQ(native.at("state after"), absl::StrCat(GRPC_CHANNEL_READY));
}

}  // namespace
}  // namespace firebreak::testing
