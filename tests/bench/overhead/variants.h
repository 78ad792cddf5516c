// What is compared: one channel of every kind, to one server.
//
//   std::unique_ptr<Subject> subject = MakeSubject(Variant::kGuarded, where);
//   if (subject == nullptr) ...                 // does not exist there
//   auto stub = testing::Echo::NewStub(subject->channel);
//
// All have a connection of their own, so that none profits from another's.
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
  kBuiltinRetry,  // with a retryPolicy of gRPC's own
  kNoOp,          // one interceptor that does nothing: the floor of any
  kHijack,        // one that rejects every call, and no more
  kFloorQueue,    // one that re-issues it on a completion queue of its own
  kFloorCaller,   // ... on the calling thread (sync stubs only)
  kGuarded,       // firebreak: breaker
  kDriven,        // firebreak: breaker and retry
  kDrivenQueue,   // the same, never on the calling thread
  kHedged,        // firebreak: breaker, retry and hedging
  kOpen,          // firebreak: breaker, open
};

std::vector<Variant> AllVariants();
// And what they are held against, in the order of AllVariants().
std::vector<Variant> WithFloors(const std::vector<Variant>& variants);
std::string VariantName(Variant variant);
bool IsFirebreak(Variant variant);
// Whether its calls end without having been sent.
bool Rejects(Variant variant);

enum class StubKind { kSync, kCallback, kQueue };
std::string StubName(StubKind kind);

struct Where {
  StubKind stub = StubKind::kSync;
  std::string address;             // over TCP, or
  grpc::Server* server = nullptr;  // within this process
};

struct Subject {
  Variant variant;
  std::shared_ptr<Engine> engine;  // where it is firebreak's
  std::shared_ptr<grpc::Channel> channel;
};

std::unique_ptr<Subject> MakeSubject(Variant variant, const Where& where);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_OVERHEAD_VARIANTS_H_
