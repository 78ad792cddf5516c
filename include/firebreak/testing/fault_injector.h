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
// The engine takes what it makes for the doing of a server or of the network,
// and counts, retries and opens breakers accordingly. For channels that the
// application creates itself, push NewFactory() behind firebreak's own
// InterceptorFactory(). On a channel without firebreak it sees calls.
//
// For each attempt the first of these decides that has a word for its method:
// the script, as long as it lasts; Sometimes(), in the order in which they were
// added; Always(). Past the end of its script a method has no faults of it.
//
// Thread safety: every member function may be called from any thread; what they
// set holds for attempts that begin later. Ownership: factories share what they
// need; they may outlive the injector.
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

// One fault, or several at once: Late(20ms).ThenFail(...). What is out of range
// means none.
struct FIREBREAK_EXPORT Fault {
  // The attempt is held for so long, and has not reached a server by then.
  std::chrono::nanoseconds latency{0};
  // It is held until it is cancelled or its deadline has passed.
  bool hangs = false;
  // Not OK: the answer, which no server was asked for.
  grpc::Status status;
  // A server does the work, and its answer is lost: UNAVAILABLE.
  bool drops_reply = false;
  // A stream breaks, UNAVAILABLE, once the client has received so many
  // messages, or so many bytes of them. 0: it does not. Unary calls do not.
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
  // This fault, and that status after its latency.
  Fault ThenFail(grpc::StatusCode code,
                 const std::string& message = "an injected fault") const;
};

// Attempts, by what was decided for them. One that is late and then fails is
// `failed`.
struct FaultCounts {
  int64_t attempts = 0;  // that came by: the sum of what follows
  int64_t untouched = 0;
  int64_t late = 0;
  int64_t hung = 0;
  int64_t failed = 0;
  int64_t dropped = 0;
  int64_t cut = 0;  // or would be, had the stream gone on for so long
};

class FIREBREAK_EXPORT FaultInjector {
 public:
  // `clock` is the one that the engine goes by: latencies are measured by it.
  // Null means real time. Two injectors with the same seed, asked in the same
  // order, decide the same.
  explicit FaultInjector(std::shared_ptr<Clock> clock = nullptr,
                         uint64_t seed = 1);
  ~FaultInjector();
  FaultInjector(const FaultInjector&) = delete;
  FaultInjector& operator=(const FaultInjector&) = delete;

  // `method`: "/pkg.Service/Method"; "/pkg.Service/" is all of a service, and
  // "" every method, health checks of a breaker's probe included.
  void Always(const std::string& method, const Fault& fault);
  // For this share of the attempts, [0, 1], at random.
  void Sometimes(const std::string& method, double share, const Fault& fault);
  // For the next attempts, one after the other. Replaces a script of before.
  void Script(const std::string& method, std::vector<Fault> faults);
  // From now on no faults. Attempts that are held stay held.
  void Clear();

  FaultCounts counts() const;
  // How many steps of scripts have not been used.
  int64_t steps_left() const;

  // For ChannelOptions::attempt_interceptors; the same for several channels, or
  // one for each. `codec` as in ChannelOptions.
  std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>
  NewFactory(Codec codec = Codec::kProtobuf) const;

 private:
  class Rules;
  const std::shared_ptr<Rules> rules_;
};

}  // namespace testing
}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_TESTING_FAULT_INJECTOR_H_
