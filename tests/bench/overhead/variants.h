// The variants that are compared: one channel of each kind, to one server.
//
//   std::unique_ptr<Subject> subject = MakeSubject(Variant::kGuarded, where);
//   if (subject == nullptr) ...                 // does not exist there
//   auto stub = testing::Echo::NewStub(subject->channel);
//
// Each has a connection of its own, so that none profits from another's.
#ifndef FIREBREAK_TESTS_BENCH_OVERHEAD_VARIANTS_H_
#define FIREBREAK_TESTS_BENCH_OVERHEAD_VARIANTS_H_

#include <grpcpp/channel.h>
#include <grpcpp/server.h>

#include <memory>
#include <string>
#include <vector>

#include "firebreak/engine.h"

namespace firebreak::bench {

enum class Variant {
  kBare,          // a channel as gRPC makes it
  kBuiltinRetry,  // with gRPC's own retryPolicy
  kNoOp,          // an interceptor that does nothing: the floor of all others
  kHijack,        // one that does no more than reject every call
  kFloorQueue,    // one that re-issues calls on its own completion queue
  kFloorCaller,   // the same on the calling thread (sync stubs only)
  kGuarded,       // firebreak: breaker
  kDriven,        // firebreak: breaker and retry
  kDrivenQueue,   // the same, never on the calling thread
  kHedged,        // firebreak: breaker, retry and hedging
  kOpen,          // firebreak: breaker, which is open
};

std::vector<Variant> AllVariants();
// Adds the variants they are compared with, in the order of AllVariants().
std::vector<Variant> WithFloors(const std::vector<Variant>& variants);
std::string VariantName(Variant variant);
bool IsFirebreak(Variant variant);
// Whether its calls end without being sent.
bool Rejects(Variant variant);

enum class StubKind { kSync, kCallback, kQueue };
std::string StubName(StubKind kind);

struct Where {
  StubKind stub = StubKind::kSync;
  std::string address;             // of a server over TCP, or
  grpc::Server* server = nullptr;  // one within this process
};

struct Subject {
  Variant variant;
  std::shared_ptr<Engine> engine;  // null without firebreak
  std::shared_ptr<grpc::Channel> channel;
};

std::unique_ptr<Subject> MakeSubject(Variant variant, const Where& where);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_OVERHEAD_VARIANTS_H_
