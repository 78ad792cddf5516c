#include "tests/chaos/load.h"

#include <cstdlib>
#include <iostream>
#include <map>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/support/engine_fixture.h"

namespace firebreak::testing {
namespace {

using Clock = std::chrono::steady_clock;

// The pause between two calls of a caller, so that calls that are refused at
// once do not become a busy loop.
constexpr auto kPause = std::chrono::milliseconds(2);
// A call that takes longer than this hangs.
constexpr auto kGenerous = std::chrono::seconds(20);

}  // namespace

// Makes calls in one style, one at a time, and counts the ends of each.
class Load::OneStyle {
 public:
  OneStyle(StubStyle style, const std::shared_ptr<grpc::Channel>& channel)
      : style_(style), stub_(Echo::NewStub(channel)) {}

  ~OneStyle() {
    cq_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (cq_.Next(&tag, &ok)) CountEnd(tag);
  }

  void Run(UnaryCall* unary, const std::shared_ptr<Call>& call) {
    switch (style_) {
      case StubStyle::kSync:
        unary->status =
            stub_->Unary(&unary->context, unary->request, &unary->reply);
        ++call->ends;
        return;
      case StubStyle::kCallback: {
        auto done = std::make_shared<std::promise<void>>();
        stub_->async()->Unary(&unary->context, &unary->request, &unary->reply,
                              [unary, call, done](grpc::Status status) {
                                if (++call->ends > 1) return;
                                unary->status = std::move(status);
                                done->set_value();
                              });
        done->get_future().wait();
        return;
      }
      case StubStyle::kCompletionQueue:
      case StubStyle::kCompletionQueueSplit: {
        auto reader = stub_->AsyncUnary(&unary->context, unary->request, &cq_);
        const bool split = style_ == StubStyle::kCompletionQueueSplit;
        if (split) reader->ReadInitialMetadata(nullptr);
        reader->Finish(&unary->reply, &unary->status, call.get());
        for (int tags = split ? 2 : 1; tags > 0; --tags) {
          void* tag = nullptr;
          bool ok = false;
          cq_.Next(&tag, &ok);
          CountEnd(tag);
        }
        return;
      }
    }
  }

 private:
  // The load keeps the calls until its end, so a late tag is safe.
  static void CountEnd(void* tag) {
    if (tag != nullptr) ++static_cast<Call*>(tag)->ends;
  }

  const StubStyle style_;
  const std::unique_ptr<Echo::Stub> stub_;
  grpc::CompletionQueue cq_;
};

Load::Load(const std::shared_ptr<grpc::Channel>& channel,
           const Options& options)
    : options_(options), channel_(channel), running_(options.callers) {
  for (int i = 0; i < options.callers; ++i) {
    callers_.emplace_back([this] { RunCaller(); });
  }
}

Load::~Load() { Stop(); }

void Load::RunCaller() {
  {
    OneStyle style(options_.style, channel_);
    while (!stop_) {
      auto call = std::make_shared<Call>();
      call->number = ++next_number_;
      {
        std::lock_guard<std::mutex> lock(mu_);
        calls_.push_back(call);
      }
      UnaryCall unary(absl::StrCat("call ", call->number));
      unary.request.set_delay_ms(options_.delay_ms);
      unary.request.set_reply_bytes(options_.reply_bytes);
      unary.context.set_deadline(std::chrono::system_clock::now() +
                                 options_.deadline);
      const Clock::time_point start = Clock::now();
      style.Run(&unary, call);
      Note(call, unary, Clock::now() - start);
      std::this_thread::sleep_for(kPause);
    }
  }
  --running_;
}

void Load::Note(const std::shared_ptr<Call>& call, const UnaryCall& unary,
                Clock::duration took) {
  CallEnd end;
  end.code = unary.status.error_code();
  end.message = unary.status.error_message();
  end.reason = Trailing(unary.context, "firebreak-reason");
  // If firebreak refuses a call, the message is firebreak's. To the status of a
  // server it only adds its reason.
  end.refused =
      absl::StartsWith(end.message, "firebreak: the breaker of ") ||
      end.message ==
          "firebreak: the deadline was spent before the call began" ||
      end.message == "firebreak: the call's deadline passed after 0 attempt(s)";
  end.own_answer =
      unary.reply.text() == absl::StrCat("call ", call->number) &&
      unary.reply.padding().size() == static_cast<size_t>(options_.reply_bytes);
  end.server = unary.reply.server();
  end.serial = unary.reply.serial();
  end.took = took;
  std::lock_guard<std::mutex> lock(mu_);
  ends_.push_back(std::move(end));
}

bool Load::WaitFor(int n, const EndIs& is) const {
  size_t next = 0;
  {
    std::lock_guard<std::mutex> lock(mu_);
    next = ends_.size();
  }
  return Eventually([&] {
    std::lock_guard<std::mutex> lock(mu_);
    for (; next < ends_.size(); ++next) n -= is(ends_[next]) ? 1 : 0;
    return n <= 0;
  });
}

void Load::Stop() {
  stop_ = true;
  if (!Eventually([&] { return running_ == 0; })) {
    std::cerr << "a call does not end; so far: " << Summary(ends()) << "\n";
    std::abort();
  }
  for (std::thread& caller : callers_) caller.join();
  callers_.clear();
}

std::vector<CallEnd> Load::ends() const {
  std::lock_guard<std::mutex> lock(mu_);
  return ends_;
}

int Load::Count(const EndIs& is) const {
  int n = 0;
  for (const CallEnd& end : ends()) n += is(end) ? 1 : 0;
  return n;
}

void Load::ExpectSound() const {
  ASSERT_TRUE(callers_.empty()) << "Stop() first";
  EXPECT_EQ(ends_.size(), calls_.size());
  // For each fault the number of calls that have it, and the last of them.
  std::map<std::string, std::pair<int, std::string>> faults;
  const auto expect = [&](bool ok, const char* what, const std::string& which) {
    if (ok) return;
    ++faults[what].first;
    faults[what].second = which;
  };
  for (const auto& call : calls_) {
    expect(call->ends == 1, "calls that did not end exactly once",
           absl::StrCat(call->number, " ended ", call->ends.load(), " times"));
  }
  std::set<std::pair<int, int>> answers;
  for (const CallEnd& end : ends_) {
    const std::string shown = absl::StrCat(end.reason, ": ", end.message);
    expect(end.took < options_.deadline + kGenerous, "overdue calls", shown);
    if (end.refused) {
      // If the machine stalls, deadlines pass.
      const bool is_spent = end.code == grpc::StatusCode::DEADLINE_EXCEEDED &&
                            end.reason == "deadline_exceeded";
      expect(is_spent || end.reason == "breaker_open" ||
                 end.reason == "probes_taken" ||
                 end.reason == "breaker_ramping",
             "refusals without a good reason", shown);
    } else if (absl::StartsWith(end.message, "firebreak: ")) {
      expect(end.code == grpc::StatusCode::DEADLINE_EXCEEDED &&
                 end.reason == "deadline_exceeded",
             "ends of ours that are no deadline", shown);
    }
    if (end.code != grpc::StatusCode::OK) continue;
    expect(end.own_answer, "OKs with another answer, or none", shown);
    expect(answers.emplace(end.server, end.serial).second,
           "answers given twice", absl::StrCat(end.serial, " of ", end.server));
  }
  for (const auto& [what, which] : faults) {
    ADD_FAILURE() << which.first << " " << what << ", such as " << which.second;
  }
}

std::string Summary(const std::vector<CallEnd>& ends) {
  std::map<std::string, int> kinds;
  for (const CallEnd& end : ends) {
    ++kinds[absl::StrCat(
        absl::StatusCodeToString(static_cast<absl::StatusCode>(end.code)), " ",
        end.refused ? "refused, " : "", end.reason, " ", end.message)];
  }
  std::string text;
  for (const auto& [kind, n] : kinds) {
    absl::StrAppend(&text, "\n  ", n, " x ", kind);
  }
  return text;
}

}  // namespace firebreak::testing
