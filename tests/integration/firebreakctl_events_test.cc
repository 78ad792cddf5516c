// `firebreakctl events` with servers whose clocks are wrong, and with one whose
// stream becomes silent.
#include <gmock/gmock.h>
#include <google/protobuf/util/time_util.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/types/optional.h"
#include "tests/support/admin_fixture.h"
#include "tests/support/firebreakctl.h"

namespace firebreak::testing {
namespace {

using google::protobuf::util::TimeUtil;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

// An admin service that sends given events.
class FakeAdmin : public v1::Admin::Service {
 public:
  // Its clock is `ahead_s` seconds ahead.
  explicit FakeAdmin(int64_t ahead_s = 0) : ahead_s_(ahead_s) {
    KeepGrpc();
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address_, grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~FakeAdmin() override {
    server_->Shutdown(std::chrono::system_clock::now());
    unlink(address_.c_str() + 5);
  }

  // Adds an event with a time of a minute ago plus `ms` milliseconds.
  void Add(int64_t ms) {
    v1::Event* const event = kept_.add_events();
    event->set_sequence(kept_.events_size());
    event->set_kind(v1::EVENT_KIND_WARNING);
    *event->mutable_time() = TimeUtil::MillisecondsToTimestamp(
        TimeUtil::TimestampToMilliseconds(Now()) - 60'000 + ms);
    event->set_cause(absl::StrCat("at ", ms));
    kept_.set_last_sequence(event->sequence());
  }
  // The next `times` streams that wait for new events send one event and then
  // become silent. Later ones send one event and end with an error.
  void FallSilent(int times) { silent_ = times; }
  const std::string& address() const { return address_; }
  std::vector<v1::WatchEventsRequest> asked() {
    const std::lock_guard<std::mutex> lock(mu_);
    return asked_;
  }

  grpc::Status WatchEvents(
      grpc::ServerContext* context, const v1::WatchEventsRequest* request,
      grpc::ServerWriter<v1::WatchEventsResponse>* writer) override {
    bool silent;
    {
      const std::lock_guard<std::mutex> lock(mu_);
      asked_.push_back(*request);
      silent = !request->stop_at_newest() && silent_-- > 0;
    }
    v1::WatchEventsResponse response = kept_;
    if (!request->stop_at_newest()) {
      response.mutable_events()->Clear();
      v1::Event* const event = response.add_events();
      event->set_sequence(request->after_sequence() + 1);
      event->set_kind(v1::EVENT_KIND_WARNING);
      event->set_cause("live");
      response.set_last_sequence(event->sequence());
    }
    *response.mutable_as_of() = Now();
    writer->Write(response);
    while (silent && !context->IsCancelled()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return request->stop_at_newest()
               ? grpc::Status::OK
               : grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "enough");
  }

 private:
  google::protobuf::Timestamp Now() const {
    return TimeUtil::GetCurrentTime() + TimeUtil::SecondsToDuration(ahead_s_);
  }

  const int64_t ahead_s_;
  const std::string address_ = NewSocketAddress();
  v1::WatchEventsResponse kept_;
  std::mutex mu_;
  int silent_ = 0;
  std::vector<v1::WatchEventsRequest> asked_;
  std::unique_ptr<grpc::Server> server_;
};

std::vector<std::string> LinesOf(const std::string& text) {
  return absl::StrSplit(text, '\n', absl::SkipEmpty());
}

TEST(CtlEventsTest, ClocksThatDisagreeChangeTheOrderAndNoTime) {
  FakeAdmin right;
  // A bit more than an hour, since the time that the answer takes is
  // subtracted.
  FakeAdmin ahead(3630);
  FakeAdmin behind(-7230);
  right.Add(0);
  right.Add(30'000);
  ahead.Add(10'000);
  behind.Add(20'000);
  const std::string targets =
      absl::StrCat(" --target ", right.address(), ",", ahead.address(), ",",
                   behind.address());
  const Output output = Invoke("events" + targets);
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(
      LinesOf(output.out),
      ElementsAre(AllOf(StartsWith(right.address()), HasSubstr("at 0")),
                  StartsWith(ahead.address()), StartsWith(behind.address()),
                  AllOf(StartsWith(right.address()), HasSubstr("at 30000"))));
  EXPECT_THAT(LinesOf(output.err),
              ::testing::UnorderedElementsAre(
                  HasSubstr(absl::StrCat("the clock of ", ahead.address(),
                                         " is 1h00m ahead of ours")),
                  HasSubstr(absl::StrCat("the clock of ", behind.address(),
                                         " is 2h00m behind ours"))));
  // In JSON the times are not corrected: they are those of each server's clock.
  const std::vector<std::string> json =
      LinesOf(Invoke("events --json" + targets).out);
  ASSERT_THAT(json, SizeIs(4));
  const auto time_of = [](const std::string& line) {
    const std::string key = "\"time\":\"";
    const size_t at = line.find(key) + key.size();
    google::protobuf::Timestamp time;
    EXPECT_TRUE(
        TimeUtil::FromString(line.substr(at, line.find('"', at) - at), &time));
    return TimeUtil::TimestampToSeconds(time);
  };
  EXPECT_NEAR(static_cast<double>(time_of(json[1]) - time_of(json[0])), 3610,
              60);
  EXPECT_NEAR(static_cast<double>(time_of(json[2]) - time_of(json[0])), -7180,
              60);
}

TEST(CtlEventsTest, ThoseOfOneTargetStayInTheirOrder) {
  FakeAdmin stepped;  // its clock was set back
  FakeAdmin other;
  stepped.Add(20'000);
  stepped.Add(5'000);
  other.Add(10'000);
  other.Add(30'000);
  const Output output = Invoke(absl::StrCat("events --target ", other.address(),
                                            ",", stepped.address()));
  EXPECT_THAT(LinesOf(output.out),
              ElementsAre(HasSubstr("at 10000"), HasSubstr("at 20000"),
                          HasSubstr("at 5000"), HasSubstr("at 30000")));
}

TEST(CtlEventsTest, AServerThatFallsSilentIsAskedAnew) {
  FakeAdmin server;
  server.Add(0);
  server.FallSilent(1);
  const Output output =
      Invoke("events --follow --timeout 2s --target " + server.address());
  EXPECT_EQ(output.exit_code, 1);
  // The event that was kept, and then one of each stream, none of them twice.
  EXPECT_THAT(LinesOf(output.out),
              ElementsAre(HasSubstr("at 0"), StartsWith("    2 "),
                          StartsWith("    3 ")));
  const std::vector<std::string> errors = LinesOf(output.err);
  ASSERT_THAT(errors, SizeIs(3)) << output.err;
  EXPECT_THAT(errors[0], HasSubstr("no sign of life for 6s; trying again"));
  EXPECT_THAT(errors[1], AllOf(HasSubstr("answers again after "),
                               HasSubstr("; going on after event 2")));
  EXPECT_THAT(errors[2], HasSubstr("enough"));
  const std::vector<v1::WatchEventsRequest> asked = server.asked();
  ASSERT_THAT(asked, SizeIs(3));
  EXPECT_EQ(asked[1].heartbeat().seconds(), 2);
  EXPECT_EQ(asked[2].after_sequence(), 2);
}

TEST(CtlEventsTest, ATargetThatIsRestartedIsFollowedOn) {
  const std::string address = NewSocketAddress();
  absl::optional<AdminFixture> server;
  server.emplace(AdminOptions(), address);
  Trip(server->Bind("payment", "a:1", kCharge));
  Trip(server->Bind("payment", "a:1", kRefund));
  Follower ctl("events --follow --timeout 500ms --target " + address);
  ASSERT_TRUE(ctl.WaitForOut(2)) << ctl.err();
  server->KillServer();
  ASSERT_TRUE(ctl.WaitForErr(1));
  EXPECT_THAT(ctl.err(), HasSubstr("; trying again"));
  server.reset();
  // The new server has as many events as the first had, so by their numbers
  // alone none of them would be new.
  server.emplace(AdminOptions(), address);
  Trip(server->Bind("order", "a:1", kCharge));
  Trip(server->Bind("order", "a:1", kRefund));
  ASSERT_TRUE(ctl.WaitForOut(4)) << ctl.err();
  const Output& output = ctl.Stop();
  const std::vector<std::string> lines = LinesOf(output.out);
  ASSERT_THAT(lines, SizeIs(4));
  EXPECT_THAT(lines[2], AllOf(StartsWith("    1 "), HasSubstr("order")));
  EXPECT_THAT(output.err, AllOf(HasSubstr("answers again after "),
                                HasSubstr("it has been restarted")));
}

}  // namespace
}  // namespace firebreak::testing
