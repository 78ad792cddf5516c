#include "examples/shop/calls.h"

#include <thread>

namespace shop {

grpc::Status Calls::Run(
    const std::function<grpc::Status(grpc::ClientContext*)>& call) const {
  const WorkerPool::Blocked blocked(pool_);
  for (int retry = 0;; ++retry) {
    grpc::ClientContext context;
    if (plan_.timeout.count() > 0) {
      context.set_deadline(std::chrono::system_clock::now() + plan_.timeout);
    }
    grpc::Status status = call(&context);
    if (status.ok() || retry >= plan_.retries ||
        status.error_code() == grpc::StatusCode::FAILED_PRECONDITION) {
      return status;
    }
    std::this_thread::sleep_for(plan_.first_wait * (1 << retry));
  }
}

void CallFlags::AddTo(CLI::App* app) {
  app->add_flag("--no-firebreak", no_firebreak, "call through plain channels");
  app->add_option("--timeout-ms", timeout_ms,
                  "deadline of a call in milliseconds, with --no-firebreak "
                  "only: otherwise the policy's timeouts hold")
      ->check(CLI::Range(1, 600'000))
      ->capture_default_str();
  app->add_option("--retries", retries,
                  "tries after a failed call, with --no-firebreak only")
      ->check(CLI::Range(0, 10))
      ->capture_default_str();
  app->add_option("--first-wait-ms", first_wait_ms,
                  "milliseconds before the first of them; the next waits are "
                  "each twice as long")
      ->check(CLI::Range(0, 60'000))
      ->capture_default_str();
}

Calls::Plan CallFlags::plan() const {
  if (!no_firebreak) return {};
  return {std::chrono::milliseconds(timeout_ms), retries,
          std::chrono::milliseconds(first_wait_ms)};
}

}  // namespace shop
