// Tests the proxy itself: each fault, with plain sockets.
#include "tests/support/fault_proxy.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>

#include "tests/chaos/leftovers.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/tcp.h"

namespace firebreak::testing {
namespace {

using Clock = std::chrono::steady_clock;
using Ms = std::chrono::milliseconds;

// A blocking TCP socket.
class Socket {
 public:
  explicit Socket(int fd = tcp::NewSocket()) : fd_(fd) {
    // An operation that hangs fails after this time.
    const timeval limit{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int Listen() {
    const int port = tcp::Bind(fd_, 0);
    EXPECT_EQ(listen(fd_, 16), 0);
    return port;
  }
  std::unique_ptr<Socket> Accept() {
    return std::make_unique<Socket>(accept(fd_, nullptr, nullptr));
  }
  // Returns 0 or errno.
  int Connect(int port) { return tcp::Connect(fd_, port); }

  bool Send(const std::string& data) {
    return send(fd_, data.data(), data.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(data.size());
  }
  // Returns `size` bytes, or those that came before the end.
  std::string Receive(size_t size) {
    std::string data;
    while (data.size() < size) {
      char buffer[4096];
      const ssize_t n =
          recv(fd_, buffer, std::min(sizeof(buffer), size - data.size()), 0);
      last_error = n < 0 ? errno : 0;
      if (n <= 0) return data;
      data.append(buffer, static_cast<size_t>(n));
    }
    return data;
  }
  void EndSending() { shutdown(fd_, SHUT_WR); }
  // Returns whether nothing arrives for this time.
  bool IsSilentFor(Ms time) {
    pollfd entry = {fd_, POLLIN, 0};
    return poll(&entry, 1, static_cast<int>(time.count())) == 0;
  }

  int last_error = 0;

 private:
  const int fd_;
};

// A client, the proxy, and the server's end of the connection.
class FaultProxyTest : public ::testing::Test {
 protected:
  FaultProxyTest() : proxy_(listener_.Listen()) {
    EXPECT_EQ(client_.Connect(proxy_.port()), 0);
    server_ = listener_.Accept();
  }

  void ExpectForwarding() {
    EXPECT_TRUE(client_.Send("question"));
    EXPECT_EQ(server_->Receive(8), "question");
    EXPECT_TRUE(server_->Send("answer"));
    EXPECT_EQ(client_.Receive(6), "answer");
  }

  Socket listener_;
  FaultProxy proxy_;
  Socket client_;
  std::unique_ptr<Socket> server_;
};

TEST_F(FaultProxyTest, ForwardsBothWaysUntilBothHaveEnded) {
  ExpectForwarding();
  const std::string much(1'000'000, 'x');
  std::thread sends([&] {
    EXPECT_TRUE(server_->Send(much));
    server_->EndSending();
  });
  EXPECT_EQ(client_.Receive(much.size() + 1), much);
  sends.join();
  EXPECT_EQ(proxy_.answered(), 1'000'006);
  EXPECT_EQ(proxy_.open(), 1) << "the client may still send";
  EXPECT_TRUE(client_.Send("late"));
  client_.EndSending();
  EXPECT_EQ(server_->Receive(100), "late");
  EXPECT_TRUE(Eventually([&] { return proxy_.open() == 0; }));
}

TEST_F(FaultProxyTest, DelaysEachWayByItself) {
  FaultProxy::Faults faults;
  faults.to_client.delay = Ms(100);
  proxy_.Set(faults);
  const auto start = Clock::now();
  ExpectForwarding();
  EXPECT_GE(Clock::now() - start, Ms(100));
  faults.to_server.delay = Ms(100);
  proxy_.Set(faults);
  const auto both = Clock::now();
  ExpectForwarding();
  EXPECT_GE(Clock::now() - both, Ms(200));
}

TEST_F(FaultProxyTest, AStalledConnectionStaysUpAndGoesOnWhenHealed) {
  FaultProxy::Faults faults;
  faults.stalled = true;
  proxy_.Set(faults);
  EXPECT_TRUE(client_.Send("question"));
  EXPECT_TRUE(server_->IsSilentFor(Ms(50)));
  Socket another;
  EXPECT_EQ(another.Connect(proxy_.port()), 0) << "it is accepted";
  EXPECT_TRUE(another.Send("me too"));
  const auto of_another = listener_.Accept();
  EXPECT_TRUE(of_another->IsSilentFor(Ms(50)));
  proxy_.Heal();
  EXPECT_EQ(server_->Receive(8), "question");
  EXPECT_EQ(of_another->Receive(6), "me too");
}

TEST_F(FaultProxyTest, FaultsOfNewConnectionsSpareThoseThereAre) {
  FaultProxy::Faults faults;
  faults.stalled = true;
  proxy_.Set(faults, FaultProxy::Which::kNew);
  Socket another;
  EXPECT_EQ(another.Connect(proxy_.port()), 0);
  EXPECT_TRUE(another.Send("x"));
  const auto of_another = listener_.Accept();
  ExpectForwarding();
  EXPECT_TRUE(of_another->IsSilentFor(Ms(50)));
}

TEST_F(FaultProxyTest, ResetsBothSidesAtOnce) {
  ExpectForwarding();
  proxy_.Reset();
  EXPECT_EQ(client_.Receive(1), "");
  EXPECT_EQ(client_.last_error, ECONNRESET);
  EXPECT_EQ(server_->Receive(1), "");
  EXPECT_EQ(server_->last_error, ECONNRESET);
  EXPECT_TRUE(Eventually([&] { return proxy_.open() == 0; }));
}

TEST_F(FaultProxyTest, ResetsInTheMiddleOfAnAnswer) {
  FaultProxy::Faults faults;
  faults.reset_after = 10;
  proxy_.Set(faults);
  EXPECT_TRUE(server_->Send("six..."));
  EXPECT_EQ(client_.Receive(6), "six...");
  EXPECT_TRUE(server_->Send("and four of more"));
  EXPECT_EQ(client_.Receive(100), "and ");
  EXPECT_EQ(client_.last_error, ECONNRESET);
}

TEST_F(FaultProxyTest, TheClientIsNotToldThatTheServerIsGone) {
  proxy_.LoseServer();
  EXPECT_EQ(server_->Receive(1), "");
  EXPECT_EQ(server_->last_error, ECONNRESET);
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(client_.Send(std::string(100'000, 'x'))) << "it is all taken";
  }
  EXPECT_TRUE(client_.IsSilentFor(Ms(50)));
  EXPECT_EQ(proxy_.open(), 1);
}

TEST_F(FaultProxyTest, DripsAtTheRateAskedFor) {
  FaultProxy::Faults faults;
  faults.to_client.bytes_per_second = 1000;
  proxy_.Set(faults);
  const auto start = Clock::now();
  EXPECT_TRUE(server_->Send(std::string(400, 'x')));
  EXPECT_EQ(client_.Receive(400).size(), 400U);
  // The proxy need not wait after the bytes of the last twentieth of a second.
  EXPECT_GE(Clock::now() - start, Ms(350));
}

TEST_F(FaultProxyTest, RefusesAndKeepsThePort) {
  proxy_.Refuse();
  ExpectForwarding();
  {
    Socket refused;
    EXPECT_EQ(refused.Connect(proxy_.port()), ECONNREFUSED);
  }
  proxy_.Heal();
  Socket accepted;
  EXPECT_EQ(accepted.Connect(proxy_.port()), 0);
  EXPECT_TRUE(accepted.Send("hello"));
  EXPECT_EQ(listener_.Accept()->Receive(5), "hello");
  EXPECT_EQ(proxy_.accepted(), 2);
}

TEST(FaultProxyEndTest, AServerThatDoesNotListenIsAReset) {
  int port = 0;
  {
    Socket gone;
    port = gone.Listen();
  }
  FaultProxy proxy(port);
  Socket client;
  if (client.Connect(proxy.port()) == 0) {
    EXPECT_EQ(client.Receive(1), "");
    EXPECT_EQ(client.last_error, ECONNRESET);
  }
}

TEST(FaultProxyEndTest, TheEndLeavesNothingInWhateverState) {
  const Leftovers before = Leftovers::Now();
  for (int i = 0; i < 50; ++i) {
    Socket listener;
    Socket client;
    FaultProxy proxy(listener.Listen());
    EXPECT_EQ(client.Connect(proxy.port()), 0);
    FaultProxy::Faults faults;
    faults.stalled = i % 5 == 1;
    faults.to_server.bytes_per_second = i % 5 == 2 ? 1 : 0;
    faults.to_server.delay = i % 5 == 3 ? std::chrono::hours(1) : Ms(0);
    proxy.Set(faults);
    EXPECT_TRUE(client.Send(std::string(10'000, 'x')));
    if (i % 5 == 4) proxy.LoseServer();
  }
  // A joined thread may stay in /proc for a moment.
  EXPECT_TRUE(Eventually([&] {
    return Leftovers::Now().MoreThan(before).empty();
  })) << Leftovers::Now().MoreThan(before);
}

}  // namespace
}  // namespace firebreak::testing
