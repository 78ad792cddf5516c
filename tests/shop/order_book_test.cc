// The order book: what is written stays, and what is wrong with its file is
// said.
#include "examples/shop/order_book.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace shop {
namespace {

namespace fs = std::filesystem;
using State = OrderBook::State;

OrderBook::Order OrderNamed(const std::string& id) {
  OrderBook::Order order;
  order.id = id;
  order.user = "me";
  order.cents = 499;
  return order;
}

class OrderBookTest : public ::testing::Test {
 protected:
  OrderBookTest() {
    std::string folder =
        (fs::temp_directory_path() / "order_book.XXXXXX").string();
    folder_ = mkdtemp(folder.data());
    path_ = folder_ + "/orders.sqlite";
  }
  ~OrderBookTest() override { fs::remove_all(folder_); }

  std::unique_ptr<OrderBook> Open() {
    auto book = OrderBook::Open(path_);
    EXPECT_TRUE(book.ok()) << book.status();
    return book.ok() ? *std::move(book) : nullptr;
  }

  std::string folder_;
  std::string path_;
};

TEST_F(OrderBookTest, AnOrderIsWhereItWasAfterTheEndOfTheProcess) {
  {
    const auto book = Open();
    ASSERT_TRUE(book->Begin(OrderNamed("a")).ok());
    ASSERT_TRUE(book->Begin(OrderNamed("b")).ok());
    ASSERT_TRUE(book->Move("a", State::kBegun, State::kReserved).ok());
  }
  const auto book = Open();
  const auto a = book->Get("a");
  ASSERT_TRUE(a.ok());
  EXPECT_EQ(a->state, State::kReserved);
  EXPECT_EQ(a->user, "me");
  EXPECT_EQ(a->cents, 499);
  EXPECT_EQ((*book->Counts())[static_cast<size_t>(State::kBegun)], 1);
  ASSERT_EQ(book->In(State::kReserved, 10)->size(), 1U);
  EXPECT_EQ(book->In(State::kReserved, 10)->front().id, "a");
  EXPECT_EQ(book->Get("c").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(OrderBookTest, AnOrderBeginsOnce) {
  const auto book = Open();
  ASSERT_TRUE(book->Begin(OrderNamed("a")).ok());
  ASSERT_TRUE(book->Move("a", State::kBegun, State::kPaid).ok());
  OrderBook::Order again = OrderNamed("a");
  again.cents = 1;
  const auto known = book->Begin(again);
  ASSERT_TRUE(known.ok());
  EXPECT_EQ(known->state, State::kPaid);
  EXPECT_EQ(known->cents, 499);
}

TEST_F(OrderBookTest, AMoveFromAnotherStateChangesNothing) {
  const auto book = Open();
  ASSERT_TRUE(book->Begin(OrderNamed("a")).ok());
  ASSERT_TRUE(book->Move("a", State::kReserved, State::kPaid).ok());
  EXPECT_EQ(book->Get("a")->state, State::kBegun);
}

TEST_F(OrderBookTest, ReadersShareTheOrdersAmongThem) {
  const auto book = Open();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(book->Begin(OrderNamed(absl::StrCat(i))).ok());
  }
  size_t all = 0;
  for (int part = 0; part < 3; ++part) {
    all += book->In(State::kBegun, 100, part, 3)->size();
  }
  EXPECT_EQ(all, 10U);
  EXPECT_EQ(book->In(State::kBegun, 4)->size(), 4U);
}

TEST_F(OrderBookTest, ASecondServerIsToldThatTheFileIsTaken) {
  const auto book = Open();
  const auto second = OrderBook::Open(path_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(second.status().message().find("another process has it open"),
            std::string::npos)
      << second.status();
  EXPECT_TRUE(book->Begin(OrderNamed("a")).ok());
}

TEST_F(OrderBookTest, WhatIsNoDatabaseIsNotTouched) {
  std::ofstream(path_) << std::string(5000, 'x');
  const auto book = OrderBook::Open(path_);
  EXPECT_EQ(book.status().code(), absl::StatusCode::kDataLoss) << book.status();
  EXPECT_EQ(fs::file_size(path_), 5000U);
}

TEST_F(OrderBookTest, ABrokenDatabaseIsNotUsed) {
  {
    const auto book = Open();
    for (int i = 0; i < 500; ++i) {
      ASSERT_TRUE(book->Begin(OrderNamed(absl::StrCat("order-", i))).ok());
    }
  }
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096 + 100);
    file << std::string(12'000, '\xff');
  }
  const auto book = OrderBook::Open(path_);
  EXPECT_EQ(book.status().code(), absl::StatusCode::kDataLoss) << book.status();
}

TEST_F(OrderBookTest, AFolderThatIsNotThereIsSaid) {
  const auto book = OrderBook::Open(folder_ + "/nowhere/orders.sqlite");
  ASSERT_FALSE(book.ok());
  EXPECT_NE(book.status().message().find("unable to open"), std::string::npos)
      << book.status();
}

TEST_F(OrderBookTest, ADiskWithoutSpaceIsSaidAndTheOrdersBeforeStay) {
  // As at the end of a disk, a write that makes a file larger fails.
  const auto old = signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit small = before;
  small.rlim_cur = rlim_t{200} * 1024;
  const auto book = Open();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  int written = 0;
  absl::Status status;
  while (written < 100'000) {
    status = book->Begin(OrderNamed(absl::StrCat("order-", written))).status();
    if (!status.ok()) break;
    ++written;
  }
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, old);
  EXPECT_FALSE(status.ok());
  EXPECT_GT(written, 0);
  EXPECT_TRUE(book->Get(absl::StrCat("order-", written - 1)).ok());
  EXPECT_FALSE(book->Get(absl::StrCat("order-", written)).ok());
  // And with space again it goes on.
  EXPECT_TRUE(book->Begin(OrderNamed(absl::StrCat("order-", written))).ok());
}

}  // namespace
}  // namespace shop
