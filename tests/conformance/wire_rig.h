// Makes calls with one A6 policy over a real socket, and tells what the server
// saw of them.
//
//   EchoServer server;
//   WireRig rig(&server, policy);
//   Played played = rig.Play("a name", {Fail(kUnavailable), Ok()});
//   EXPECT_EQ(played.seen.size(), 2U);
//
// Thread safety: none. The server outlives the rig.
#ifndef FIREBREAK_TESTS_CONFORMANCE_WIRE_RIG_H_
#define FIREBREAK_TESTS_CONFORMANCE_WIRE_RIG_H_

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "firebreak/engine.h"
#include "src/engine/engine_core.h"
#include "tests/conformance/a6_cases.h"
#include "tests/support/echo_server.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {

struct Played {
  grpc::StatusCode code = grpc::StatusCode::UNKNOWN;
  std::string message;
  std::chrono::steady_clock::time_point started;
  std::vector<SeenCall> seen;  // in the order of their arrival
};

// Has the server give one reply to each attempt of the calls with this text.
inline void Script(const std::string& text, const std::vector<Reply>& replies,
                   EchoServer* server) {
  std::vector<Step> steps;
  steps.reserve(replies.size());
  for (const Reply& reply : replies) steps.push_back(reply.ToStep());
  server->Script(text, std::move(steps));
}

class WireRig {
 public:
  WireRig(EchoServer* server, const A6Policy& policy,
          ChannelOptions options = {})
      : server_(server) {
    auto engine = Engine::FromText(policy.Text());
    EXPECT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
    channel_ = engine_->CreateChannel("test", server->address(),
                                      grpc::InsecureChannelCredentials(),
                                      std::move(options));
    // It connects first, so that a call's deadline is for the call alone.
    EXPECT_TRUE(channel_->WaitForConnected(std::chrono::system_clock::now() +
                                           std::chrono::seconds(30)));
  }

  // `text` tells the calls on one server apart. `deadline_ms`: 0 means kNoneMs,
  // which is so long that only a call that would never end reaches it.
  static constexpr int kNoneMs = 30'000;
  Played Play(const std::string& text, const std::vector<Reply>& replies,
              int deadline_ms = 0, StubStyle style = StubStyle::kSync) {
    Script(text, replies, server_);
    Played played;
    {
      UnaryCall call(text);
      call.context.set_deadline(
          std::chrono::system_clock::now() +
          std::chrono::milliseconds(deadline_ms > 0 ? deadline_ms : kNoneMs));
      played.started = std::chrono::steady_clock::now();
      Caller(style, channel_).Run(&call);
      played.code = call.status.error_code();
      played.message = call.status.error_message();
    }
    played.seen = server_->seen(text);
    return played;
  }

  int attempts_of(core::AttemptKind kind) const {
    int64_t attempts = 0;
    for (const auto& runtime : engine_->core()->Methods()) {
      attempts += runtime->stats.counts().attempts_of(kind);
    }
    return static_cast<int>(attempts);
  }

 private:
  EchoServer* const server_;
  std::shared_ptr<Engine> engine_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_CONFORMANCE_WIRE_RIG_H_
