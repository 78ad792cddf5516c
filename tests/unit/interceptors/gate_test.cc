// Which batches a gate holds, and in which order it passes them on.
#include "interceptors/batch/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/engine_fixture.h"

namespace firebreak::interceptors {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Hook = grpc::experimental::InterceptionHookPoints;

// The actions of batches, in order. One thread at a time writes it, and the
// test reads it once it has seen their number.
struct Log {
  void push_back(const std::string& line) {
    lines.push_back(line);
    size.store(lines.size());
  }
  void clear() { lines.clear(); }
  std::vector<std::string> lines;
  std::atomic<size_t> size{0};
};

// A batch that records its operations.
class FakeBatch final : public grpc::experimental::InterceptorBatchMethods {
 public:
  FakeBatch(std::string name, Log* log) : name_(std::move(name)), log_(log) {}

  bool QueryInterceptionHookPoint(Hook hook) override {
    return sends_message && hook == Hook::PRE_SEND_MESSAGE;
  }
  void Proceed() override {
    log_->push_back(name_);
    if (then) std::exchange(then, nullptr)();
  }
  void Hijack() override {
    log_->push_back("hijack " + name_);
    if (then) std::exchange(then, nullptr)();
  }
  void FailHijackedSendMessage() override { log_->push_back("fail " + name_); }

  grpc::ByteBuffer* GetSerializedSendMessage() override { return nullptr; }
  const void* GetSendMessage() override { return nullptr; }
  void ModifySendMessage(const void*) override {}
  bool GetSendMessageStatus() override { return true; }
  std::multimap<std::string, std::string>* GetSendInitialMetadata() override {
    return nullptr;
  }
  grpc::Status GetSendStatus() override { return {}; }
  void ModifySendStatus(const grpc::Status&) override {}
  std::multimap<std::string, std::string>* GetSendTrailingMetadata() override {
    return nullptr;
  }
  void* GetRecvMessage() override { return nullptr; }
  std::multimap<grpc::string_ref, grpc::string_ref>* GetRecvInitialMetadata()
      override {
    return nullptr;
  }
  grpc::Status* GetRecvStatus() override {
    return receives_status ? &status_ : nullptr;
  }
  std::multimap<grpc::string_ref, grpc::string_ref>* GetRecvTrailingMetadata()
      override {
    return nullptr;
  }
  std::unique_ptr<grpc::ChannelInterface> GetInterceptedChannel() override {
    return nullptr;
  }
  void FailHijackedRecvMessage() override {}

  bool sends_message = false;
  bool receives_status = false;
  std::function<void()> then;  // what happens while it goes on

 private:
  const std::string name_;
  Log* const log_;
  grpc::Status status_;
};

class GateTest : public ::testing::Test {
 protected:
  bool Keep(FakeBatch* batch, core::Time deadline = core::kInfiniteFuture) {
    return gate_->Keep(batch, deadline, channel_);
  }
  // Timers run on another thread.
  void AwaitBatches(size_t n) {
    EXPECT_TRUE(testing::Eventually([&] { return log_.size == n; }));
  }

  const std::shared_ptr<Engine> engine_ = testing::MakeEngine("breaker {}");
  const std::shared_ptr<engine::ChannelBinding> channel_ =
      engine_->core()->BindChannel("test", {""});
  std::unique_ptr<Gate> gate_ = std::make_unique<Gate>();
  Log log_;
  FakeBatch first_{"first", &log_};
  FakeBatch a_{"a", &log_};
  FakeBatch b_{"b", &log_};
  FakeBatch c_{"c", &log_};
};

TEST_F(GateTest, WithNothingToKeepOnlyTheFirstGoesOn) {
  EXPECT_FALSE(gate_->is_open());
  ASSERT_TRUE(gate_->Claim());
  EXPECT_FALSE(gate_->Claim());
  gate_->OpenNatively(&first_, channel_);
  EXPECT_TRUE(gate_->is_open());
  EXPECT_FALSE(Keep(&a_));
  EXPECT_THAT(log_.lines, ElementsAre("first"));
}

// A batch may come while the first one is passed on.
TEST_F(GateTest, NothingPassesTheFirst) {
  for (const bool native : {true, false}) {
    log_.clear();
    gate_ = std::make_unique<Gate>();
    ASSERT_TRUE(gate_->Claim());
    first_.then = [&] {
      EXPECT_FALSE(gate_->is_open());
      EXPECT_TRUE(Keep(&a_));
      log_.push_back("first is out");
    };
    if (native) {
      gate_->OpenNatively(&first_, channel_);
    } else {
      gate_->OpenHijacked(&first_, channel_, false);
    }
    EXPECT_THAT(log_.lines, ElementsAre(native ? "first" : "hijack first",
                                        "first is out", "a"));
    EXPECT_TRUE(gate_->is_open());
  }
}

TEST_F(GateTest, OneThatReceivesTheStatusIsAllThereIs) {
  first_.receives_status = true;
  ASSERT_TRUE(gate_->Claim());
  first_.then = [&] { EXPECT_TRUE(gate_->is_open()); };
  gate_->OpenNatively(&first_, channel_);
  EXPECT_THAT(log_.lines, ElementsAre("first"));
}

TEST_F(GateTest, WhatCameBeforeTheDecisionGoesOnAfterIt) {
  EXPECT_TRUE(Keep(&a_));
  ASSERT_TRUE(gate_->Claim());
  EXPECT_TRUE(Keep(&b_));
  EXPECT_THAT(log_.lines, IsEmpty());
  gate_->OpenNatively(&first_, channel_);
  EXPECT_THAT(log_.lines, ElementsAre("first", "a", "b"));
  EXPECT_TRUE(gate_->is_open());
}

TEST_F(GateTest, WhatComesWhileOthersGoOnComesBehindThem) {
  Keep(&a_);
  ASSERT_TRUE(gate_->Claim());
  first_.then = [&] {
    EXPECT_FALSE(gate_->is_open());
    EXPECT_TRUE(Keep(&b_));
  };
  b_.then = [&] { EXPECT_TRUE(Keep(&c_)); };
  gate_->OpenNatively(&first_, channel_);
  EXPECT_THAT(log_.lines, ElementsAre("first", "a", "b", "c"));
}

TEST_F(GateTest, TheFirstIsTakenOverAndTheOthersFollow) {
  Keep(&a_);
  ASSERT_TRUE(gate_->Claim());
  gate_->OpenHijacked(&first_, channel_, false);
  EXPECT_THAT(log_.lines, ElementsAre("hijack first", "a"));
}

TEST_F(GateTest, WritesOfACallThatIsOverFail) {
  first_.sends_message = b_.sends_message = true;
  Keep(&a_);
  Keep(&b_);
  ASSERT_TRUE(gate_->Claim());
  gate_->OpenHijacked(&first_, channel_, true);
  EXPECT_THAT(log_.lines,
              ElementsAre("fail first", "hijack first", "a", "fail b", "b"));
}

TEST_F(GateTest, TheCallMayBeGoneWithItsLastBatch) {
  Keep(&a_);
  ASSERT_TRUE(gate_->Claim());
  a_.then = [&] { gate_.reset(); };
  gate_->OpenNatively(&first_, channel_);
  EXPECT_THAT(log_.lines, ElementsAre("first", "a"));
}

TEST_F(GateTest, TheCallMayBeGoneWithItsOnlyBatch) {
  for (const bool native : {true, false}) {
    gate_ = std::make_unique<Gate>();
    ASSERT_TRUE(gate_->Claim());
    first_.then = [&] { gate_.reset(); };
    if (native) {
      gate_->OpenNatively(&first_, channel_);
    } else {
      gate_->OpenHijacked(&first_, channel_, false);
    }
    EXPECT_EQ(gate_, nullptr);
  }
}

TEST_F(GateTest, ACancelLetsGoWhatNobodyDecidesOn) {
  Keep(&a_);
  Keep(&b_);
  gate_->OnCancel();
  AwaitBatches(2);
  EXPECT_TRUE(testing::Eventually([&] { return gate_->is_open(); }));
  EXPECT_THAT(log_.lines, ElementsAre("a", "b"));
  EXPECT_FALSE(gate_->Claim());
  EXPECT_FALSE(Keep(&c_));
}

TEST_F(GateTest, AfterACancelNothingIsKeptToBeginWith) {
  gate_->OnCancel();
  EXPECT_FALSE(gate_->is_open());
  // It is passed on at once.
  EXPECT_TRUE(Keep(&a_));
  EXPECT_THAT(log_.lines, ElementsAre("a"));
  EXPECT_TRUE(gate_->is_open());
  EXPECT_FALSE(Keep(&b_));
  EXPECT_FALSE(gate_->Claim());
}

TEST_F(GateTest, ACancelledCallThatIsDecidedOnKeepsItsBatches) {
  gate_->OnCancel();
  ASSERT_TRUE(gate_->Claim());
  EXPECT_TRUE(Keep(&a_));
  gate_->OpenHijacked(&first_, channel_, false);
  EXPECT_THAT(log_.lines, ElementsAre("hijack first", "a"));
}

TEST_F(GateTest, ACancelOfACallThatIsDecidedOnIsNotTheGates) {
  ASSERT_TRUE(gate_->Claim());
  Keep(&a_);
  gate_->OnCancel();
  EXPECT_EQ(channel_->core()->io()->armed_timers(), 0u);
  gate_->OpenNatively(&first_, channel_);
  EXPECT_THAT(log_.lines, ElementsAre("first", "a"));
}

TEST_F(GateTest, TheDeadlineLetsGoWhatNobodyDecidesOn) {
  Keep(&a_, core::Time::min());
  AwaitBatches(1);
  EXPECT_TRUE(testing::Eventually([&] { return gate_->is_open(); }));
  EXPECT_THAT(log_.lines, ElementsAre("a"));
}

TEST_F(GateTest, ATimerThatIsStillSetDoesNothingWhenTheCallIsGone) {
  Keep(&a_, core::kInfiniteFuture - std::chrono::hours(1));
  EXPECT_EQ(channel_->core()->io()->armed_timers(), 1u);
  ASSERT_TRUE(gate_->Claim());
  gate_->OpenNatively(&first_, channel_);
  gate_.reset();
  EXPECT_EQ(channel_->core()->io()->armed_timers(), 0u);
}

}  // namespace
}  // namespace firebreak::interceptors
