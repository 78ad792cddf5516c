// Does to a server what operators do all day, only more often.
//
//   Operator op(admin_address, kSpareMethod, {/*watchers=*/10, seconds(5)});
//   op.Begin();          // streams open, polls begin
//   ...
//   op.End();
//
// Watchers stream the events. At an interval the operator also asks for the
// methods, worst first, the health and the alerts, and sets and clears an
// override, so that there is something to watch.
//
// Thread safety: none; it has threads of its own between Begin() and End().
#ifndef FIREBREAK_TESTS_BENCH_ADMIN_OPERATOR_H_
#define FIREBREAK_TESTS_BENCH_ADMIN_OPERATOR_H_

#include <grpcpp/client_context.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "firebreak/v1/admin.grpc.pb.h"

namespace firebreak::bench {

class Operator {
 public:
  struct Habits {
    int watchers = 10;
    std::chrono::milliseconds every{5000};
  };

  // `method` is the one to override.
  Operator(const std::string& address, std::string method,
           const Habits& habits);
  ~Operator() { End(); }

  void Begin();
  void End();

  int64_t methods() const { return methods_; }  // seen in the last list
  int64_t events() const { return events_; }    // seen by all watchers
  int64_t failures() const { return failures_; }

 private:
  void Watch(grpc::ClientContext* context);
  void Poll();
  void PollOnce();
  void Count(const grpc::Status& status) {
    if (!status.ok()) ++failures_;
  }

  const std::string method_;
  const Habits habits_;
  const std::unique_ptr<v1::Admin::Stub> stub_;
  std::atomic<bool> stop_{false};
  std::atomic<int64_t> methods_{0};
  std::atomic<int64_t> events_{0};
  std::atomic<int64_t> failures_{0};
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts_;
  std::vector<std::thread> threads_;
};

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_ADMIN_OPERATOR_H_
