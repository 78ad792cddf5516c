#include "tests/support/call_log.h"

#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace firebreak::testing {
namespace {

using grpc::experimental::ClientRpcInfo;
using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::Interceptor;
using grpc::experimental::InterceptorBatchMethods;

// Returns the number in metadata `key`, or -1.
template <class Map>
int64_t Number(const Map& metadata, const char* key) {
  const auto found = metadata.find(key);
  int64_t number = -1;
  if (found == metadata.end() ||
      !absl::SimpleAtoi(
          absl::string_view(found->second.data(), found->second.size()),
          &number)) {
    return -1;
  }
  return number;
}

class LaunchCounter final : public Interceptor {
 public:
  explicit LaunchCounter(CallLog* log) : log_(log) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      auto* const metadata = methods->GetSendInitialMetadata();
      const int64_t id = Number(*metadata, kCallIdKey);
      if (id >= 0 && static_cast<size_t>(id) < log_->size()) {
        metadata->emplace(kAttemptKey,
                          absl::StrCat(log_->Launch(static_cast<size_t>(id))));
      }
    }
    methods->Proceed();
  }

 private:
  CallLog* const log_;
};

class LaunchCounterFactory final
    : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit LaunchCounterFactory(CallLog* log) : log_(log) {}
  Interceptor* CreateClientInterceptor(ClientRpcInfo* /*info*/) override {
    return new LaunchCounter(log_);
  }

 private:
  CallLog* const log_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>
CallLog::NewLaunchCounter() {
  return std::make_unique<LaunchCounterFactory>(this);
}

int CallLog::See(const grpc::ServerContextBase& context) {
  ++total_seen_;
  const int64_t number = Number(context.client_metadata(), kCallIdKey);
  if (number < 0 || static_cast<size_t>(number) >= size()) {
    ++strangers_;
    return 0;
  }
  const auto id = static_cast<size_t>(number);
  int64_t attempt = Number(context.client_metadata(), kAttemptKey);
  if (attempt >= 0) {
    if (attempt >= launched_[id] || attempt >= 32) {
      ++strangers_;
    } else if ((seen_[id].fetch_or(1U << attempt) & (1U << attempt)) != 0) {
      ++seen_twice_;
    }
    return static_cast<int>(attempt);
  }
  uint32_t before = seen_[id];
  while (!seen_[id].compare_exchange_weak(before, before | (before + 1))) {
  }
  return __builtin_popcount(before);
}

}  // namespace firebreak::testing
