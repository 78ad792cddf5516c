// A point at which the code under test is stopped until the test lets it
// continue, with a function to run on that thread.
//
//   Gate gate;
//   options.interceptors.push_back(gate.NewInterceptor());
//   ... a call: its status is known, and held on its way to the caller ...
//   gate.WaitForArrival();
//   gate.Open([] { ... });     // runs on the stopped thread
//
// Thread safety: all methods from any thread. Ownership: it outlives the
// threads that it may stop.
#ifndef FIREBREAK_TESTS_SUPPORT_GATE_H_
#define FIREBREAK_TESTS_SUPPORT_GATE_H_

#include <grpcpp/support/client_interceptor.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace firebreak::testing {

class Gate {
 public:
  // Stops the calling thread. The first one runs the function of Open().
  void Pass() {
    std::function<void()> what;
    {
      std::unique_lock<std::mutex> lock(mu_);
      ++arrived_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return open_; });
      what = std::exchange(what_, nullptr);
    }
    if (what) what();
  }
  void Open(std::function<void()> what) {
    std::lock_guard<std::mutex> lock(mu_);
    if (open_) return;
    open_ = true;
    what_ = std::move(what);
    changed_.notify_all();
  }
  bool is_open() {
    std::lock_guard<std::mutex> lock(mu_);
    return open_;
  }
  // Waits until `n` threads have arrived; false after a long time.
  bool WaitForArrival(int n = 1) {
    std::unique_lock<std::mutex> lock(mu_);
    return changed_.wait_for(lock, std::chrono::seconds(30),
                             [&] { return arrived_ >= n; });
  }

  // Stops a call when its status has been received. It has to be placed before
  // firebreak's interceptor: behind it every attempt would be stopped instead.
  std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>
  NewInterceptor() {
    return std::make_unique<Factory>(this);
  }

 private:
  class Interceptor final : public grpc::experimental::Interceptor {
   public:
    explicit Interceptor(Gate* gate) : gate_(gate) {}
    void Intercept(
        grpc::experimental::InterceptorBatchMethods* methods) override {
      if (methods->QueryInterceptionHookPoint(
              grpc::experimental::InterceptionHookPoints::POST_RECV_STATUS)) {
        gate_->Pass();
      }
      methods->Proceed();
    }

   private:
    Gate* const gate_;
  };
  class Factory final
      : public grpc::experimental::ClientInterceptorFactoryInterface {
   public:
    explicit Factory(Gate* gate) : gate_(gate) {}
    grpc::experimental::Interceptor* CreateClientInterceptor(
        grpc::experimental::ClientRpcInfo* /*info*/) override {
      return new Interceptor(gate_);
    }

   private:
    Gate* const gate_;
  };

  std::mutex mu_;
  std::condition_variable changed_;
  int arrived_ = 0;
  bool open_ = false;
  std::function<void()> what_;
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_GATE_H_
