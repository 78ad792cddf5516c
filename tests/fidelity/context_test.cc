// The ClientContext itself: what it keeps alive, when it may be destroyed, and
// how many contexts there are.
#include <atomic>

#include "tests/fidelity/modes.h"
#include "tests/support/flight.h"

namespace firebreak::testing {
namespace {

class ContextTest : public FidelityTest {};
INSTANTIATE_TEST_SUITE_P(Styles, ContextTest, AllStyles(), StyleName);

TEST_P(ContextTest, KeepsWhatWasSet) {
  int census = 0;
  auto* const tracing = reinterpret_cast<struct census_context*>(&census);
  const auto deadline =
      std::chrono::system_clock::now() + std::chrono::minutes(10);
  const Shown native = ExpectAlike([&](Mode mode) {
    UnaryCall call;
    call.context.set_deadline(deadline);
    call.context.set_compression_algorithm(GRPC_COMPRESS_DEFLATE);
    call.context.set_census_context(tracing);
    const std::string before = call.context.peer();
    Run(world_.NewChannel(mode), &call);
    return Shown{
        {"code", absl::StrCat(call.status.error_code())},
        {"deadline", call.context.deadline() == deadline ? "kept" : "lost"},
        {"compression", absl::StrCat(call.context.compression_algorithm())},
        {"census", call.context.census_context() == tracing ? "kept" : "lost"},
        {"peer before the start", before}};
  });
  EXPECT_EQ(native.at("code"), "0");
  EXPECT_EQ(native.at("deadline"), "kept");
  EXPECT_EQ(native.at("census"), "kept");
}

TEST_P(ContextTest, MayGoAtOnceAfterTheEnd) {
  const Shown native = ExpectAlike([&](Mode mode) {
    const auto stub = Echo::NewStub(world_.NewChannel(mode));
    Shown shown;
    for (const Step& step :
         {Step::Ok(), Step::Fail(grpc::StatusCode::NOT_FOUND)}) {
      world_.server.Script({step});
      auto call = std::make_unique<UnaryCall>("hello");
      Flight flight(GetParam());
      flight.on_end = [&] { call.reset(); };
      flight.Start(stub.get(), call.get());
      flight.Wait();
      shown[absl::StrCat(step.status.error_code())] =
          absl::StrCat(flight.status().error_code(), flight.text());
    }
    return shown;
  });
  EXPECT_EQ(native.at("0"), "0hello");
  EXPECT_EQ(native.at("5"), "5");
}

// Counts every context of the process, as a program may do.
class CountContexts final : public grpc::ClientContext::GlobalCallbacks {
 public:
  static CountContexts* Get() {
    // gRPC allows this to be set once, for the whole process.
    static CountContexts* const counter = [] {
      auto* mine = new CountContexts();
      grpc::ClientContext::SetGlobalCallbacks(mine);
      return mine;
    }();
    return counter;
  }
  void DefaultConstructor(grpc::ClientContext* /*context*/) override { ++made; }
  void Destructor(grpc::ClientContext* /*context*/) override { ++gone; }

  std::atomic<int> made{0};
  std::atomic<int> gone{0};
};

TEST_P(ContextTest, GlobalCallbacksSeeEachAttemptToo) {
  CountContexts* const count = CountContexts::Get();
  const Shown native = ExpectAlike(
      [&](Mode mode) {
        const int before = count->made;
        {
          UnaryCall call;
          Run(world_.NewChannel(mode), &call);
          EXPECT_TRUE(call.status.ok());
        }
        EXPECT_TRUE(Eventually([&] { return count->gone == count->made; }));
        return Shown{{"contexts", absl::StrCat(count->made - before)}};
      },
      TakenOver(GetParam(), {{"contexts", "2"}}));
  EXPECT_EQ(native.at("contexts"), "1");
}

// Misuse for which gRPC ends the program.
class MisuseDeathTest : public FidelityTest {
 protected:
  MisuseDeathTest() {
    // Since the process has threads, each death test runs in a new process.
    ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  }
};
INSTANTIATE_TEST_SUITE_P(Styles, MisuseDeathTest,
                         ::testing::Values(StubStyle::kSync,
                                           StubStyle::kCompletionQueue),
                         StyleName);

TEST_P(MisuseDeathTest, AContextUsedTwice) {
  for (Mode mode : kModes) {
    EXPECT_DEATH(
        {
          const auto channel = world_.NewChannel(mode);
          UnaryCall call;
          Run(channel, &call);
          Run(channel, &call);
        },
        "call_ == nullptr");
  }
}

TEST_P(MisuseDeathTest, MetadataThatIsNotLegal) {
  if (!kIllegalMetadataIsFatal) {
    const Shown native = ExpectAlike([&](Mode mode) {
      UnaryCall call;
      call.context.AddMetadata("X-Upper", "1");
      Run(world_.NewChannel(mode), &call);
      return Shown{{"code", absl::StrCat(call.status.error_code())},
                   {"message", call.status.error_message()},
                   {"calls", absl::StrCat(world_.server.calls())}};
    });
    EXPECT_NE(native.at("code"), "0");
    return;
  }
  for (Mode mode : kModes) {
    EXPECT_DEATH(
        {
          UnaryCall call;
          call.context.AddMetadata("X-Upper", "1");
          Run(world_.NewChannel(mode), &call);
        },
        "Illegal header key");
  }
}

}  // namespace
}  // namespace firebreak::testing
