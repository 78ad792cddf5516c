#include "tests/bench/hedging/sleeping_host.h"

#include <grpcpp/grpcpp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "firebreak/testing/echo.grpc.pb.h"
#include "src/core/measure/histogram.h"
#include "src/engine/io/clock.h"
#include "tests/bench/hedging/leaf.h"

namespace firebreak::bench {
namespace {

class Sleeper;

// One call. Whoever takes it out of the Sleeper ends it.
class SleepingCall final : public grpc::ServerUnaryReactor {
 public:
  SleepingCall(Sleeper* sleeper, std::atomic<int64_t>* cancelled)
      : sleeper_(sleeper), cancelled_(cancelled) {}

  void OnCancel() override;
  void OnDone() override { delete this; }

 private:
  Sleeper* const sleeper_;
  std::atomic<int64_t>* const cancelled_;
};

class Sleeper {
 public:
  Sleeper() : thread_([this] { Run(); }) {}
  ~Sleeper() {
    {
      std::lock_guard<std::mutex> lock(mu_);
      stop_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  void Add(core::Time due, SleepingCall* call) {
    bool is_first = false;
    {
      std::lock_guard<std::mutex> lock(mu_);
      const auto it = by_time_.emplace(due, call);
      by_call_[call] = it;
      is_first = it == by_time_.begin();
    }
    if (is_first) wake_.notify_one();
  }

  // Returns false if it is not there, or no longer.
  bool Remove(SleepingCall* call) {
    std::lock_guard<std::mutex> lock(mu_);
    const auto it = by_call_.find(call);
    if (it == by_call_.end()) return false;
    by_time_.erase(it->second);
    by_call_.erase(it);
    return true;
  }

  const core::Histogram& lateness() const { return lateness_; }

 private:
  using ByTime = std::multimap<core::Time, SleepingCall*>;

  void Run() {
    // Otherwise the kernel may add 50 us to every wait.
    prctl(PR_SET_TIMERSLACK, 1);
    std::unique_lock<std::mutex> lock(mu_);
    while (!stop_) {
      if (by_time_.empty()) {
        wake_.wait(lock);
        continue;
      }
      const auto [due, call] = *by_time_.begin();
      const core::Time now = engine::Now();
      if (due > now) {
        wake_.wait_until(lock, due);
        continue;
      }
      by_time_.erase(by_time_.begin());
      by_call_.erase(call);
      lock.unlock();
      lateness_.Record(now - due);
      call->Finish(grpc::Status::OK);
      lock.lock();
    }
  }

  std::mutex mu_;
  std::condition_variable wake_;
  bool stop_ = false;
  ByTime by_time_;
  std::map<SleepingCall*, ByTime::iterator> by_call_;
  core::Histogram lateness_;
  std::thread thread_;  // the last member, since it uses the others
};

void SleepingCall::OnCancel() {
  if (!sleeper_->Remove(this)) return;
  cancelled_->fetch_add(1);
  Finish(grpc::Status::CANCELLED);
}

int AttemptOf(const grpc::CallbackServerContext& context) {
  const auto& metadata = context.client_metadata();
  const auto it = metadata.find("grpc-previous-rpc-attempts");
  if (it == metadata.end()) return 0;
  return std::atoi(std::string(it->second.data(), it->second.size()).c_str());
}

class SleepingService final : public testing::Echo::CallbackService {
 public:
  explicit SleepingService(uint64_t seed) : seed_(seed) {}

  grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* context,
                                  const testing::EchoRequest* request,
                                  testing::EchoReply* /*reply*/) override {
    const core::Time now = engine::Now();
    SleepRequest of;
    if (!SleepRequest::FromText(request->text(), &of)) {
      grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
      reactor->Finish({grpc::StatusCode::INVALID_ARGUMENT, "no SleepRequest"});
      return reactor;
    }
    const auto variant = static_cast<size_t>(of.variant);
    hits_[variant].fetch_add(1);
    auto* const call = new SleepingCall(&sleeper_, &cancelled_[variant]);
    sleeper_.Add(now + DrawSleep(seed_, of.call, AttemptOf(*context), of.rho),
                 call);
    return call;
  }

  std::string Counts() const {
    std::ostringstream out;
    for (const auto& each : hits_) out << each << ' ';
    for (const auto& each : cancelled_) out << each << ' ';
    for (double q : {0.5, 0.99, 0.999}) {
      out << core::ToSeconds(sleeper_.lateness().Quantile(q)) * 1e6 << ' ';
    }
    return out.str();
  }

 private:
  const uint64_t seed_;
  std::array<std::atomic<int64_t>, kMostVariants> hits_{};
  std::array<std::atomic<int64_t>, kMostVariants> cancelled_{};
  Sleeper sleeper_;
};

}  // namespace

std::string SleepRequest::ToText() const {
  return absl::StrCat(variant, " ", call, " ", rho);
}

bool SleepRequest::FromText(const std::string& text, SleepRequest* out) {
  std::istringstream in(text);
  return (in >> out->variant >> out->call >> out->rho) && out->variant >= 0 &&
         out->variant < kMostVariants;
}

bool ReadCounts(Child* server, HostCounts* out) {
  server->WriteLine("counts");
  std::istringstream in(server->ReadLine());
  for (int64_t& each : out->hits) in >> each;
  for (int64_t& each : out->cancelled) in >> each;
  in >> out->late_p50_us >> out->late_p99_us >> out->late_p999_us;
  if (!in.fail()) return true;
  std::fprintf(stderr, "hedging_bench: %s\n",
               std::string(server->WhyGone().message()).c_str());
  return false;
}

int ServeSleepsUntilOrphaned(uint64_t seed) {
  SleepingService service(seed);
  grpc::ServerBuilder builder;
  std::array<int, kReplicas> ports{};
  for (int& port : ports) {
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
  }
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  for (int port : ports) std::printf("127.0.0.1:%d ", port);
  std::printf("\n");
  std::fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::printf("%s\n", service.Counts().c_str());
    std::fflush(stdout);
  }
  // This cancels the calls that are left, which ends them.
  server->Shutdown(std::chrono::system_clock::now());
  return 0;
}

}  // namespace firebreak::bench
