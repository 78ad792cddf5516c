// The least that gRPC lets an interceptor do, without any of firebreak: what
// every figure of ours is held against.
//
// ReissueOn…: holds the call, makes the same call again below itself, hands
// its result back. No deadline, no metadata, no cancel, no second attempt: what
// is left is the price of gRPC's hooks and of the second call.
#ifndef FIREBREAK_TESTS_BENCH_OVERHEAD_FLOORS_H_
#define FIREBREAK_TESTS_BENCH_OVERHEAD_FLOORS_H_

#include <grpcpp/support/client_interceptor.h>

#include <memory>

namespace firebreak::bench {

using FactoryPtr =
    std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>;

FactoryPtr NoOpFactory();
FactoryPtr RejectFactory();
// On one completion queue with one thread that polls it.
FactoryPtr ReissueOnQueueFactory();
// On the thread that makes the call, and a completion queue of that thread.
FactoryPtr ReissueOnCallerFactory();

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_OVERHEAD_FLOORS_H_
