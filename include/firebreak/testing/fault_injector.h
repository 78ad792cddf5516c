// Makes attempts fail on purpose, in the client, before or after they reach a
// server.
//
//   firebreak::testing::FaultInjector injector;
//   injector.Script(kCharge, {Fault::Fail(grpc::StatusCode::UNAVAILABLE),
//                             Fault::Hang()});      // then no faults
//   injector.Sometimes("/shop.v1.StockService/", 0.01, Fault::Late(200ms));
//
//   firebreak::ChannelOptions options;
//   options.attempt_interceptors.push_back(injector.NewFactory());
//   auto channel = engine->CreateChannel("payment", target, creds, options);
//
// The engine treats these faults as faults of a server or of the network: it
// counts them, retries, and opens breakers accordingly. For channels that the
// application creates itself, push NewFactory() behind firebreak's own
// InterceptorFactory(). On a channel without firebreak it affects calls instead
// of attempts.
//
// For each attempt, the first of these rules that applies to its method decides
// the fault: the next step of a script, then Sometimes(), then Always(). Of
// several rules of one kind, the one that was added first comes first. A script
// that has ended no longer applies.
//
// Thread safety: every member function may be called from any thread. A rule
// applies to attempts that begin after it was set. Ownership: factories share
// the rules with the injector, and may outlive it.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_TESTING_FAULT_INJECTOR_H_
#define FIREBREAK_INCLUDE_FIREBREAK_TESTING_FAULT_INJECTOR_H_

#include <grpcpp/support/client_interceptor.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "firebreak/clock.h"
#include "firebreak/engine.h"
#include "firebreak/export.h"

namespace firebreak {
namespace testing {

// One fault, or several at once: Late(20ms).ThenFail(...). A value that is out
// of range means no fault.
struct FIREBREAK_EXPORT Fault {
  // The attempt is held for this long before it is sent.
  std::chrono::nanoseconds latency{0};
  // The attempt is held until it is cancelled or its deadline has passed.
  bool hangs = false;
  // If not OK, the attempt ends with this status and is not sent to a server.
  grpc::Status status;
  // A server does the work, but its answer is lost: UNAVAILABLE.
  bool drops_reply = false;
  // A stream breaks with UNAVAILABLE once the client has received this number
  // of messages, or of bytes in messages. 0: it does not break. Unary calls are
  // not affected.
  int64_t cut_after_messages = 0;
  int64_t cut_after_bytes = 0;

  static Fault None() { return {}; }
  static Fault Late(std::chrono::nanoseconds latency);
  static Fault Hang();
  static Fault Fail(grpc::StatusCode code,
                    const std::string& message = "an injected fault");
  static Fault DropReply();
  static Fault CutAfterMessages(int64_t n);
  static Fault CutAfterBytes(int64_t n);
  // Returns a copy of this fault that also fails with this status, after its
  // latency.
  Fault ThenFail(grpc::StatusCode code,
                 const std::string& message = "an injected fault") const;
};

// The number of attempts, by the fault that was decided for them. An attempt
// that is late and then fails counts as `failed`.
struct FaultCounts {
  int64_t attempts = 0;  // all of them: the sum of the counts below
  int64_t untouched = 0;
  int64_t late = 0;
  int64_t hung = 0;
  int64_t failed = 0;
  int64_t dropped = 0;
  int64_t cut = 0;  // to be cut, even if the stream ended before that
};

class FIREBREAK_EXPORT FaultInjector {
 public:
  // `clock` is the engine's clock, which measures the latencies. Null means
  // real time. Two injectors with the same seed decide the same for the same
  // sequence of attempts.
  explicit FaultInjector(std::shared_ptr<Clock> clock = nullptr,
                         uint64_t seed = 1);
  ~FaultInjector();
  FaultInjector(const FaultInjector&) = delete;
  FaultInjector& operator=(const FaultInjector&) = delete;

  // Sets the fault of every attempt of `method`: "/pkg.Service/Method",
  // "/pkg.Service/" for all methods of a service, or "" for every method,
  // including the health checks that are a breaker's probes. It does not
  // replace an earlier rule: use Clear() first.
  void Always(const std::string& method, const Fault& fault);
  // Sets the fault of a share of the attempts, [0, 1], chosen at random.
  void Sometimes(const std::string& method, double share, const Fault& fault);
  // Sets the faults of the next attempts, one after the other. Replaces an
  // earlier script for the same `method`.
  void Script(const std::string& method, std::vector<Fault> faults);
  // Removes all rules. Attempts that are held stay held.
  void Clear();

  FaultCounts counts() const;
  // How many steps of scripts have not been used.
  int64_t steps_left() const;

  // Returns a factory for ChannelOptions::attempt_interceptors. Several
  // channels may share one, or have one each. `codec` is as in ChannelOptions.
  std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>
  NewFactory(Codec codec = Codec::kProtobuf) const;

 private:
  class Rules;
  const std::shared_ptr<Rules> rules_;
};

}  // namespace testing
}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_TESTING_FAULT_INJECTOR_H_
