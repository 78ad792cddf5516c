#include "examples/shop/load.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace shop {
namespace {

// Together the threads make 200 calls a second. There are more threads than the
// breaker's limit of failures in a row, so that one timeout per thread is
// enough to open it.
constexpr int kThreads = 8;
constexpr absl::Duration kPeriod = absl::Milliseconds(40);
// A call without an answer after this time counts as lost. It is ten times the
// time that a charge may take.
constexpr absl::Duration kGiveUp = absl::Seconds(10);
// One in this number of orders is declined, since it exceeds the card's limit.
constexpr int kDeclinedEvery = 50;

// Returns the quantile by the nearest rank, so it is one of the measured times.
// `sorted` is not empty.
absl::Duration Quantile(const std::vector<absl::Duration>& sorted, double q) {
  const double rank = std::ceil(q * static_cast<double>(sorted.size()));
  return sorted[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

}  // namespace

Load::Load(const std::string& target)
    : orders_(v1::OrderService::NewStub(
          grpc::CreateChannel(target, grpc::InsecureChannelCredentials()))) {
  for (int i = 0; i < kThreads; ++i) {
    threads_.emplace_back([this, i] { Run(i); });
  }
}

Load::~Load() { Stop(); }

void Load::Stop() {
  {
    std::lock_guard<std::mutex> lock(mu_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void Load::Run(int thread) {
  // The threads start at times that are spread evenly over the period.
  absl::Time next = absl::Now() + kPeriod * thread / kThreads;
  for (int order = thread;; ++order) {
    absl::SleepFor(next - absl::Now());
    Call* call;
    {
      std::lock_guard<std::mutex> lock(mu_);
      if (stopping_) return;
      call = &calls_.emplace_back();
      call->start = absl::Now();
    }
    std::string error;
    const Result result = CreateOrder(order % kDeclinedEvery == 0, &error);
    const absl::Time end = absl::Now();
    {
      std::lock_guard<std::mutex> lock(mu_);
      call->result = result;
      call->took = end - call->start;
      if (first_error_.empty()) first_error_ = std::move(error);
    }
    next = std::max(next + kPeriod, end);
  }
}

Load::Result Load::CreateOrder(bool is_too_much, std::string* error) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kGiveUp));
  v1::CreateOrderRequest request;
  request.set_user("demo");
  request.set_cents(is_too_much ? 1'000'000 : 499);
  v1::CreateOrderReply reply;
  const grpc::Status status = orders_->CreateOrder(&context, request, &reply);
  if (!status.ok()) {
    *error = absl::StrCat("code ", static_cast<int>(status.error_code()), ", ",
                          status.error_message());
    return Result::kFailed;
  }
  switch (reply.state()) {
    case v1::CreateOrderReply::PAID:
      return Result::kPaid;
    case v1::CreateOrderReply::CANCELLED:
      return Result::kCancelled;
    default:
      return Result::kQueued;
  }
}

Load::Summary Load::Between(absl::Time from, absl::Time to,
                            const StallWatch* stalls) const {
  Summary summary;
  std::vector<absl::Duration> times;
  {
    std::lock_guard<std::mutex> lock(mu_);
    for (const Call& call : calls_) {
      if (call.start < from || call.start >= to) continue;
      if (stalls != nullptr && call.result != Result::kInFlight &&
          stalls->Hit(call.start, call.start + call.took)) {
        continue;
      }
      ++summary.calls;
      if (call.result == Result::kInFlight) continue;
      times.push_back(call.took);
      if (call.result == Result::kPaid) ++summary.paid;
      if (call.result == Result::kQueued) ++summary.queued;
      if (call.result == Result::kCancelled) ++summary.cancelled;
      if (call.result == Result::kFailed) ++summary.failed;
    }
  }
  summary.answered = summary.paid + summary.queued + summary.cancelled;
  if (!times.empty()) {
    std::sort(times.begin(), times.end());
    summary.p50 = Quantile(times, 0.50);
    summary.p99 = Quantile(times, 0.99);
  }
  return summary;
}

std::string Load::first_error() const {
  std::lock_guard<std::mutex> lock(mu_);
  return first_error_;
}

}  // namespace shop
