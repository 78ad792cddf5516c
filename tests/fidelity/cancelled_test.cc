// TryCancel at every time from before the start until after the end.
#include "tests/fidelity/modes.h"
#include "tests/support/flight.h"

namespace firebreak::testing {
namespace {

class CancelledTest : public FidelityTest {};
INSTANTIATE_TEST_SUITE_P(Styles, CancelledTest, AllStyles(), StyleName);

TEST_P(CancelledTest, BeforeTheStart) {
  const Shown native = ExpectAlike(
      [&](Mode mode) {
        UnaryCall call;
        call.reply.set_text("as it was");
        call.context.TryCancel();
        Run(world_.NewChannel(mode), &call);
        return With(ShowCall(call),
                    {{"calls", absl::StrCat(world_.server.calls())}});
      },
      {{"debug", ""}});
  EXPECT_EQ(native.at("code"), "1");
  EXPECT_EQ(native.at("calls"), "0");
  EXPECT_EQ(native.at("reply"), "as it was");
}

TEST_P(CancelledTest, InFlightFromAnotherThread) {
  const Shown native = ExpectAlike(
      [&](Mode mode) {
        world_.server.Script({Step::Hang()});
        const int calls = world_.server.calls();
        const int cancelled = world_.server.cancelled();
        const auto stub = Echo::NewStub(world_.NewChannel(mode));
        UnaryCall call;
        call.reply.set_text("as it was");
        Flight flight(GetParam());
        flight.Start(stub.get(), &call);
        EXPECT_TRUE(world_.server.WaitForCalls(calls + 1));
        call.context.TryCancel();
        call.context.TryCancel();
        flight.Wait();
        call.status = flight.status();
        return With(ShowCall(call),
                    {{"ends", absl::StrCat(flight.ends())},
                     {"server", world_.server.WaitForCancelled(cancelled + 1)
                                    ? "told"
                                    : "left"}});
      },
      TakenOver(GetParam(), {{"auth", ""}, {"debug", ""}}));
  EXPECT_EQ(native.at("code"), "1");
  EXPECT_EQ(native.at("server"), "told");
  EXPECT_EQ(native.at("ends"), "1");
}

TEST_P(CancelledTest, AtAnyMomentItEndsOnce) {
  const Shown native = ExpectAlike([&](Mode mode) {
    const auto stub = Echo::NewStub(world_.NewChannel(mode));
    int odd = 0;
    for (int wait = 0; wait < 60; ++wait) {
      UnaryCall call;
      Flight flight(GetParam());
      std::thread canceller([&] {
        for (int i = 0; i < wait; ++i) std::this_thread::yield();
        call.context.TryCancel();
      });
      flight.Start(stub.get(), &call);
      canceller.join();
      flight.Wait();
      const auto code = flight.status().error_code();
      if (flight.ends() != 1 || (code != grpc::StatusCode::OK &&
                                 code != grpc::StatusCode::CANCELLED)) {
        ++odd;
      }
    }
    return Shown{{"odd", absl::StrCat(odd)}};
  });
  EXPECT_EQ(native.at("odd"), "0");
}

TEST_P(CancelledTest, AfterTheEnd) {
  const Shown native = ExpectAlike([&](Mode mode) {
    UnaryCall call("hello");
    Run(world_.NewChannel(mode), &call);
    call.context.TryCancel();
    const Shown shown = ShowCall(call);
    return Shown{{"code", shown.at("code")}, {"reply", shown.at("reply")}};
  });
  EXPECT_EQ(native.at("code"), "0");
  EXPECT_EQ(native.at("reply"), "hello");
}

TEST_P(CancelledTest, TryCancelReturnsBeforeTheEndIsTold) {
  // The thread that cancels holds a lock that the end of the call needs. If
  // TryCancel reported the end itself, or waited for it, there would be a
  // deadlock.
  const Shown native = ExpectAlike([&](Mode mode) {
    world_.server.Script({Step::Hang()});
    const int calls = world_.server.calls();
    const auto stub = Echo::NewStub(world_.NewChannel(mode));
    UnaryCall call;
    std::promise<void> returned;
    std::thread::id ended_on;
    Flight flight(GetParam());
    flight.on_end = [&] {
      ended_on = std::this_thread::get_id();
      returned.get_future().wait();
    };
    flight.Start(stub.get(), &call);
    EXPECT_TRUE(world_.server.WaitForCalls(calls + 1));
    call.context.TryCancel();
    returned.set_value();
    flight.Wait();
    return Shown{
        {"code", absl::StrCat(flight.status().error_code())},
        {"ends on",
         ended_on == std::this_thread::get_id() ? "who cancels" : "another"}};
  });
  EXPECT_EQ(native.at("code"), "1");
  EXPECT_EQ(native.at("ends on"), "another");
}

}  // namespace
}  // namespace firebreak::testing
