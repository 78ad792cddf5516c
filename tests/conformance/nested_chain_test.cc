// What retries add to an outage at the end of a chain of servers, each in a
// process of its own: order -> payment -> bank. The bank is down, and both
// servers before it may make three attempts for each call.
//
// Three attempts in each of two hops are nine calls to the bank for one order,
// during an outage, when it can bear them least. The attempt budget prevents
// that: it allows a tenth more in each hop.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "firebreak/testing/echo.grpc.pb.h"
#include "tests/support/server_process.h"

namespace firebreak::testing {
namespace {

// The backoff is short only to keep the test short.
constexpr char kRetry[] = R"pb(
  method {
    name {}
    retry {
      max_attempts: 3
      backoff { initial: "1ms" max: "2ms" }
    }
  })pb";
constexpr char kDefaultBudget[] = "";
constexpr char kNoBudget[] = "channel { budget { burst: 10000 ratio: 1 } }";

ServerProcess::Options Hop(const ServerProcess& next,
                           const std::string& budget) {
  ServerProcess::Options options;
  options.program = CHAIN_SERVER_PATH;
  options.arguments = {absl::StrCat("--next=", next.port()),
                       absl::StrCat("--policy=", kRetry, budget)};
  return options;
}

ServerProcess::Options Bank() {
  ServerProcess::Options options;
  options.program = CHAIN_SERVER_PATH;
  return options;
}

class Chain {
 public:
  explicit Chain(const std::string& budget)
      : payment_(Hop(bank_, budget)), order_(Hop(payment_, budget)) {}

  // Sends this many orders. They all fail.
  void Order(int orders) {
    std::atomic<int> left{orders};
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i) {
      clients.emplace_back([&] {
        const auto stub = StubOf(order_);
        while (left-- > 0) {
          grpc::ClientContext context;
          EchoReply reply;
          const grpc::Status status =
              stub->Unary(&context, EchoRequest(), &reply);
          // The bank's own message comes through the whole chain.
          EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
          EXPECT_EQ(status.error_message(), "the bank is closed");
        }
      });
    }
    for (std::thread& client : clients) client.join();
  }

  // Prints the calls for each order at each server, and returns those at the
  // bank.
  double AtBank(int orders) const {
    const double payment = static_cast<double>(CallsOf(payment_)) / orders;
    const double bank = static_cast<double>(CallsOf(bank_)) / orders;
    EXPECT_EQ(CallsOf(order_), orders);
    std::cout << absl::StrCat(orders, " orders: payment had ", payment,
                              " calls for each, the bank ", bank, "\n");
    return bank;
  }

 private:
  static std::unique_ptr<Echo::Stub> StubOf(const ServerProcess& server) {
    return Echo::NewStub(grpc::CreateChannel(
        server.address(), grpc::InsecureChannelCredentials()));
  }

  static int CallsOf(const ServerProcess& server) {
    const auto stub = StubOf(server);
    grpc::ClientContext context;
    EchoReply reply;
    const auto writer = stub->ClientStream(&context, &reply);
    writer->WritesDone();
    EXPECT_TRUE(writer->Finish().ok());
    return reply.serial();
  }

  ServerProcess bank_{Bank()};
  ServerProcess payment_;
  ServerProcess order_;
};

TEST(NestedChainTest, TheBudgetKeepsAnOutageFromMultiplying) {
  constexpr int kOrders = 1000;
  Chain chain(kDefaultBudget);
  chain.Order(kOrders);
  const double ratio = chain.AtBank(kOrders);
  // 1.1 * 1.1, and a little for the tokens at the start and in each second.
  EXPECT_LE(ratio, 1.3);
  // The budget was also spent.
  EXPECT_GE(ratio, 1.2);
}

// The control: the same chain without the budget.
TEST(NestedChainTest, WithoutABudgetItIsNineTimes) {
  constexpr int kOrders = 200;
  Chain chain(kNoBudget);
  chain.Order(kOrders);
  EXPECT_DOUBLE_EQ(chain.AtBank(kOrders), 9);
}

}  // namespace
}  // namespace firebreak::testing
