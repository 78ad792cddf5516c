// The shop's servers as processes: killed at any moment, with a database that
// fails, and with cards that are declined. In the end the books agree.
#include <grpcpp/grpcpp.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "examples/shop/order_book.h"
#include "examples/shop/servers.h"
#include "examples/shop/wait.h"
#include "gtest/gtest.h"

namespace shop {
namespace {

namespace fs = std::filesystem;
using Reply = v1::CreateOrderReply;
using State = OrderBook::State;

constexpr absl::Duration kLimit = absl::Seconds(60);
constexpr int64_t kTooMuch = 1'000'000;

class ShopTest : public ::testing::Test {
 protected:
  ShopTest() {
    std::string folder = (fs::temp_directory_path() / "shop.XXXXXX").string();
    folders_.logs = mkdtemp(folder.data());
    folders_.programs = SHOP_PROGRAMS;
  }
  ~ShopTest() override {
    if (!HasFailure()) fs::remove_all(folders_.logs);
  }

  void StartAll() {
    auto helpers = StartHelpers(folders_, "");
    ASSERT_TRUE(helpers.ok()) << helpers.status();
    helpers_ = *std::move(helpers);
    RestartPayment();
    RestartOrders();
  }
  void RestartPayment() {
    payment_.process.Kill();
    auto started = StartPayment(
        folders_, "payment.log",
        payment_.address.empty() ? "127.0.0.1:0" : payment_.address, "ledger");
    ASSERT_TRUE(started.ok()) << started.status();
    payment_ = *std::move(started);
  }
  void RestartOrders() {
    orders_.process.Kill();
    auto started = StartOrders(folders_, "orders.log", payment_.address,
                               helpers_, {"--policy", Policy()});
    ASSERT_TRUE(started.ok()) << started.status();
    std::lock_guard<std::mutex> lock(mu_);
    orders_ = *std::move(started);
    stub_ = v1::OrderService::NewStub(grpc::CreateChannel(
        orders_.address, grpc::InsecureChannelCredentials()));
  }
  // That of the shop, but for a breaker that looks again at once.
  std::string Policy() {
    std::ifstream in(folders_.programs + "/policy.textproto");
    std::string path = folders_.logs + "/policy.textproto";
    std::ofstream out(path);
    for (std::string line; std::getline(in, line);) {
      const auto at = line.find("open_duration: \"5s\"");
      if (at != std::string::npos) {
        line.replace(at, 19, "open_duration: \"50ms\"");
      }
      out << line << "\n";
    }
    return path;
  }

  grpc::Status Create(const std::string& id, int64_t cents, Reply* reply) {
    std::shared_ptr<v1::OrderService::Stub> stub;
    {
      std::lock_guard<std::mutex> lock(mu_);
      stub = stub_;
    }
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(5)));
    v1::CreateOrderRequest request;
    request.set_request_id(id);
    request.set_user("me");
    request.set_cents(cents);
    return stub->CreateOrder(&context, request, reply);
  }
  void WaitUntilDone() {
    absl::StatusOr<v1::GetOrderStatsReply> stats;
    const absl::Status status = WaitUntil("orders to be done", kLimit, [&] {
      stats = OrderStats(stub_.get());
      return stats.ok() &&
             stats->accepted() == stats->paid() + stats->undone() &&
             StockOf(helpers_.inventory)->reserved() == 0;
    });
    EXPECT_TRUE(status.ok()) << status << "\n"
                             << (stats.ok() ? stats->DebugString() : "");
  }
  std::multiset<std::string> Ledger() const {
    std::multiset<std::string> orders;
    std::ifstream in(folders_.logs + "/ledger");
    for (std::string line; std::getline(in, line);) orders.insert(line);
    return orders;
  }
  std::string DatabasePath() const {
    return folders_.logs + "/orders.log.sqlite";
  }

  Folders folders_;
  Helpers helpers_;
  Server payment_;
  std::mutex mu_;
  Server orders_;
  std::shared_ptr<v1::OrderService::Stub> stub_;  // guarded by mu_
};

TEST_F(ShopTest, ADeclinedOrderIsUndoneAndItsStockReleased) {
  StartAll();
  Reply reply;
  ASSERT_TRUE(Create("fine", 499, &reply).ok());
  EXPECT_EQ(reply.state(), Reply::PAID);
  Reply declined;
  ASSERT_TRUE(Create("too-much", kTooMuch, &declined).ok());
  EXPECT_EQ(declined.state(), Reply::CANCELLED);
  EXPECT_EQ(declined.note(), "the card is declined");
  WaitUntilDone();
  const auto stock = StockOf(helpers_.inventory);
  EXPECT_EQ(stock->released(), 1);
  EXPECT_EQ(stock->confirmed(), 1);
  EXPECT_EQ(Ledger(), std::multiset<std::string>{"fine"});
  // Asked again, it is the same order.
  Reply again;
  ASSERT_TRUE(Create("fine", 499, &again).ok());
  EXPECT_EQ(again.state(), Reply::PAID);
  EXPECT_EQ(Ledger().size(), 1U);
}

TEST_F(ShopTest, AnOrderStandsWithoutItsNotification) {
  StartAll();
  helpers_.notification.process.Kill();
  Reply reply;
  ASSERT_TRUE(Create("a", 499, &reply).ok());
  EXPECT_EQ(reply.state(), Reply::PAID);
  WaitUntilDone();
  EXPECT_EQ(OrderStats(stub_.get())->unnotified(), 1);
}

TEST_F(ShopTest, AUserWhoWasVerifiedIsServedWhileTheUserServiceIsDown) {
  StartAll();
  Reply reply;
  ASSERT_TRUE(Create("a", 499, &reply).ok());
  helpers_.user.process.Kill();
  const grpc::Status status = Create("b", 499, &reply);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(reply.state(), Reply::PAID);
}

TEST_F(ShopTest, AReleaseThatFailsIsRepeatedUntilItIsDoneOverARestart) {
  StartAll();
  payment_.process.Kill();
  Reply reply;
  ASSERT_TRUE(Create("too-much", kTooMuch, &reply).ok());
  EXPECT_EQ(reply.state(), Reply::QUEUED);
  orders_.process.Kill();
  RestartPayment();
  RestartOrders();
  WaitUntilDone();
  EXPECT_EQ(OrderStats(stub_.get())->undone(), 1);
  EXPECT_EQ(StockOf(helpers_.inventory)->released(), 1);
}

TEST_F(ShopTest, TwentyKillsLoseNothingAndChargeNothingTwice) {
  StartAll();
  std::mutex mu;
  std::map<std::string, Reply::State> answered;  // guarded by mu
  std::atomic<bool> stop{false};
  std::vector<std::thread> customers;
  for (int customer = 0; customer < 4; ++customer) {
    customers.emplace_back([&, customer] {
      for (int n = 0; !stop; ++n) {
        const std::string id = absl::StrCat(customer, "-", n);
        const int64_t cents = n % 10 == 9 ? kTooMuch : 499;
        Reply reply;
        // As a customer would: until there is an answer.
        while (!stop && !Create(id, cents, &reply).ok()) {
          absl::SleepFor(absl::Milliseconds(5));
        }
        if (reply.state() == Reply::STATE_UNSPECIFIED) continue;
        std::lock_guard<std::mutex> lock(mu);
        answered[id] = reply.state();
      }
    });
  }
  // A random moment: after so many more answers.
  std::mt19937 random(20);
  for (int kill = 0; kill < 20; ++kill) {
    const auto count = [&] {
      std::lock_guard<std::mutex> lock(mu);
      return answered.size();
    };
    const size_t until = count() + 1 + random() % 30;
    ASSERT_TRUE(
        WaitUntil("answers", kLimit, [&] { return count() >= until; }).ok());
    if (random() % 2 == 0) {
      RestartPayment();
    } else {
      RestartOrders();
    }
  }
  stop = true;
  for (std::thread& customer : customers) customer.join();
  WaitUntilDone();
  orders_.process.Terminate();  // which lets go of the database

  // The books, one against the other.
  const std::multiset<std::string> ledger = Ledger();
  for (const std::string& id : ledger) {
    EXPECT_EQ(ledger.count(id), 1U) << id << " is charged twice";
  }
  auto book = OrderBook::Open(DatabasePath());
  ASSERT_TRUE(book.ok()) << book.status();
  for (const auto& [id, state] : answered) {
    // One that had no reservation when its server was killed is undone, and its
    // customer told.
    const bool is_declined = id.back() == '9' || state == Reply::CANCELLED;
    EXPECT_EQ(ledger.count(id), is_declined ? 0U : 1U)
        << id << " was answered with " << Reply::State_Name(state);
    const auto order = (*book)->Get(id);
    ASSERT_TRUE(order.ok()) << order.status();
    EXPECT_EQ(order->state, is_declined ? State::kUndone : State::kConfirmed);
  }
  for (const std::string& id : ledger) {
    const auto order = (*book)->Get(id);
    ASSERT_TRUE(order.ok()) << order.status();
    EXPECT_EQ(order->state, State::kConfirmed) << id;
  }
  const auto counts = (*book)->Counts();
  const auto in = [&](State state) {
    return (*counts)[static_cast<size_t>(state)];
  };
  EXPECT_EQ(in(State::kConfirmed), static_cast<int64_t>(ledger.size()));
  const auto stock = StockOf(helpers_.inventory);
  EXPECT_EQ(stock->reserved(), 0);
  EXPECT_EQ(stock->confirmed(), in(State::kConfirmed));
  EXPECT_EQ(stock->released(), in(State::kUndone));
  RecordProperty("orders", static_cast<int>(answered.size()));
}

TEST_F(ShopTest, ASecondOrderServerOnTheFileEndsAndSaysWhy) {
  StartAll();
  const auto second =
      StartOrders(folders_, "orders.log", payment_.address, helpers_, {});
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().message().find("another process has it open"),
            std::string::npos)
      << second.status();
  // The log is the first one's too.
  Reply reply;
  EXPECT_TRUE(Create("a", 499, &reply).ok());
}

TEST_F(ShopTest, WithoutSpaceAnOrderIsRefusedNotForgotten) {
  StartAll();
  orders_.process.Kill();
  // A limit for the size of files, in blocks of 512 bytes.
  std::ofstream(folders_.logs + "/order_server")
      << "#!/bin/sh\ntrap '' XFSZ\nulimit -f 600\nexec " << folders_.programs
      << "/order_server \"$@\"\n";
  fs::permissions(folders_.logs + "/order_server", fs::perms::owner_all);
  Folders limited = folders_;
  limited.programs = folders_.logs;
  auto started = StartOrders(limited, "orders.log", payment_.address, helpers_,
                             {"--policy", Policy()});
  ASSERT_TRUE(started.ok()) << started.status();
  orders_ = *std::move(started);
  stub_ = v1::OrderService::NewStub(
      grpc::CreateChannel(orders_.address, grpc::InsecureChannelCredentials()));
  std::map<std::string, Reply::State> answered;
  grpc::Status status;
  for (int n = 0; n < 100'000 && status.ok(); ++n) {
    Reply reply;
    const std::string id = absl::StrCat("order-", n);
    status = Create(id, 499, &reply);
    if (status.ok()) answered[id] = reply.state();
  }
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_NE(status.error_message().find("cannot be written down"),
            std::string::npos)
      << status.error_message();
  // With space again all that was promised is kept.
  RestartOrders();
  WaitUntilDone();
  const auto ledger = Ledger();
  EXPECT_GT(answered.size(), 0U);
  for (const auto& [id, state] : answered) {
    EXPECT_EQ(ledger.count(id), 1U) << id;
  }
}

}  // namespace
}  // namespace shop
