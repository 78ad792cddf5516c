// The origin of a status after the connection was closed, by a server's GOAWAY
// or by the client's keepalive. On plain channels, as in origin_test.cc.
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "interceptors/context/origin.h"
#include "tests/support/echo_server.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/origin_fixture.h"
#include "tests/support/stub_styles.h"
#include "tests/support/tcp.h"

namespace firebreak::testing {
namespace {

using core::Origin;
using grpc::StatusCode;

// Implements just enough HTTP/2 to end every call with a GOAWAY. A test cannot
// control when gRPC's own server sends one.
class GoawayServer {
 public:
  // `says_seen`: whether the GOAWAY says that the server has seen the call.
  explicit GoawayServer(bool says_seen)
      : says_seen_(says_seen),
        listener_(tcp::NewSocket()),
        port_(tcp::Bind(listener_, 0)) {
    tcp::Must(listen(listener_, 8), "listen");
    thread_ = std::thread([this] { Run(); });
  }
  ~GoawayServer() {
    stop_ = true;
    thread_.join();
    tcp::Close(&listener_);
  }
  GoawayServer(const GoawayServer&) = delete;
  GoawayServer& operator=(const GoawayServer&) = delete;

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }
  int calls() const { return calls_; }

 private:
  enum Type { kHeaders = 1, kSettings = 4, kGoaway = 7 };

  static std::string Number(uint32_t n) {
    return {static_cast<char>(n >> 24), static_cast<char>(n >> 16),
            static_cast<char>(n >> 8), static_cast<char>(n)};
  }
  static std::string Frame(Type type, int flags, const std::string& payload) {
    return Number(static_cast<uint32_t>(payload.size())).substr(1) +
           static_cast<char>(type) + static_cast<char>(flags) + Number(0) +
           payload;
  }
  // Returns false if there are no more bytes.
  bool Read(int fd, size_t size, std::string* out) const {
    out->clear();
    std::array<char, 4096> buffer{};
    while (out->size() < size) {
      if (!IsReadable(fd)) return false;
      const ssize_t got = recv(fd, buffer.data(),
                               std::min(buffer.size(), size - out->size()), 0);
      if (got <= 0) return false;
      out->append(buffer.data(), static_cast<size_t>(got));
    }
    return true;
  }
  bool IsReadable(int fd) const {
    pollfd look{fd, POLLIN, 0};
    while (!stop_) {
      if (poll(&look, 1, /*timeout=*/20) > 0) return true;
    }
    return false;
  }
  static void Send(int fd, const std::string& bytes) {
    send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }

  void Run() {
    std::vector<std::thread> connections;
    while (IsReadable(listener_)) {
      connections.emplace_back(
          [this, fd = accept(listener_, nullptr, nullptr)] {
            int closed = fd;
            if (fd >= 0) Serve(fd);
            tcp::Close(&closed);
          });
    }
    for (std::thread& each : connections) each.join();
  }

  void Serve(int fd) {
    constexpr size_t kPreface = 24;
    constexpr size_t kHeader = 9;
    std::string bytes;
    Send(fd, Frame(kSettings, 0, ""));
    if (!Read(fd, kPreface, &bytes)) return;
    while (Read(fd, kHeader, &bytes)) {
      const auto byte = [&](size_t i) {
        return static_cast<uint8_t>(bytes[i]);
      };
      const size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
      const int type = byte(3);
      const bool is_ack = byte(4) == 1;
      const std::string stream = bytes.substr(5, 4);
      if (size > 0 && !Read(fd, size, &bytes)) return;
      if (type == kSettings && !is_ack) Send(fd, Frame(kSettings, 1, ""));
      if (type != kHeaders) continue;
      ++calls_;
      constexpr uint32_t kInternalError = 2;
      Send(fd, Frame(kGoaway, 0,
                     (says_seen_ ? stream : Number(0)) +
                         Number(kInternalError) + "leave"));
      // The loop reads on, since closing with unread bytes would be a reset.
      shutdown(fd, SHUT_WR);
    }
  }

  const bool says_seen_;
  int listener_;
  const int port_;
  std::atomic<bool> stop_{false};
  std::atomic<int> calls_{0};
  std::thread thread_;
};

class OriginConnectionTest : public OriginFixture {};
INSTANTIATE_TEST_SUITE_P(Styles, OriginConnectionTest, AllStyles(), StyleName);

TEST_P(OriginConnectionTest, AServerThatLeavesWithTheCall) {
  GoawayServer server(/*says_seen=*/true);
  UnaryCall call;
  Caller(GetParam(), NewChannel(server.address())).Run(&call);
  EXPECT_EQ(call.status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(Of(call, server.address()), Origin::kTransport)
      << call.status.error_message();
  EXPECT_EQ(server.calls(), 1);
}

// gRPC itself sends the call once more, since no server has seen it. When that
// ends in the same way, the call ends. It counts as sent, since nothing shows
// that it was not.
TEST_P(OriginConnectionTest, AServerThatLeavesAndDisownsTheCall) {
  GoawayServer server(/*says_seen=*/false);
  UnaryCall call;
  Caller(GetParam(), NewChannel(server.address())).Run(&call);
  EXPECT_EQ(call.status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(Of(call, server.address()), Origin::kTransport)
      << call.status.error_message();
  EXPECT_NE(Of(call, server.address(), /*forget_debug=*/true),
            Origin::kNowhere);
  EXPECT_EQ(server.calls(), 2);
}

TEST_P(OriginConnectionTest, AKeepaliveThatIsNotAnswered) {
  EchoServer server;
  server.Script({Step::Hang()});
  // "127.0.0.1:PORT"
  FaultProxy proxy(std::stoi(server.address().substr(10)));
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 300);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 300);
  args.SetInt("grpc.http2.ping_timeout_ms", 300);  // from 1.8x on
  UnaryCall call;
  std::thread breaker([&] {
    EXPECT_TRUE(server.WaitForCalls(1));
    FaultProxy::Faults black_hole;
    black_hole.stalled = true;
    proxy.Set(black_hole);
  });
  Caller(GetParam(), NewChannel(proxy.address(), args)).Run(&call);
  breaker.join();
  EXPECT_EQ(call.status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(Of(call, proxy.address()), Origin::kTransport)
      << call.status.error_message();
}

}  // namespace
}  // namespace firebreak::testing
