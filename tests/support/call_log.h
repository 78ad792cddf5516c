// Which attempts were launched, and which of them a server saw.
//
//   CallLog log(1000);
//   // After firebreak's own interceptor:
//   options.interceptors.push_back(log.NewLaunchCounter());
//   FaultServer server(&log);
//   call.context.AddMetadata(kCallIdKey, absl::StrCat(id));   // id < 1000
//   EXPECT_LE(log.seen(id), log.launched(id));
//
// The counter is an interceptor *behind* firebreak's, which every attempt
// passes on its way to the wire, and nothing else. It numbers the attempts, so
// that a server can detect one that came twice, or that was never sent.
//
// Thread safety: all methods from any thread. Ownership: the log outlives the
// channels and servers that write to it.
#ifndef FIREBREAK_TESTS_SUPPORT_CALL_LOG_H_
#define FIREBREAK_TESTS_SUPPORT_CALL_LOG_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/client_interceptor.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace firebreak::testing {

inline constexpr char kCallIdKey[] = "call-id";
inline constexpr char kAttemptKey[] = "attempt";

class CallLog {
 public:
  // The log is for calls with ids below `calls`.
  explicit CallLog(size_t calls) : launched_(calls), seen_(calls) {}

  size_t size() const { return launched_.size(); }

  std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>
  NewLaunchCounter();
  // Counts an attempt of call `id`, and returns its number, from 0 on.
  int Launch(size_t id) { return launched_[id].fetch_add(1); }
  // Counts an attempt that has arrived. Returns the number that it carries, or
  // otherwise how many arrived before it.
  int See(const grpc::ServerContextBase& context);

  int launched(size_t id) const { return launched_[id]; }
  int seen(size_t id) const { return __builtin_popcount(seen_[id]); }
  int64_t total_seen() const { return total_seen_; }
  // Attempts that arrived twice, or were never launched. Both must be zero.
  int64_t seen_twice() const { return seen_twice_; }
  int64_t strangers() const { return strangers_; }

 private:
  std::vector<std::atomic<int>> launched_;
  std::vector<std::atomic<uint32_t>> seen_;  // a bit for each attempt
  std::atomic<int64_t> total_seen_{0};
  std::atomic<int64_t> seen_twice_{0};
  std::atomic<int64_t> strangers_{0};
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_CALL_LOG_H_
