// Interceptors that do the least that gRPC allows, without firebreak, as floors
// that our figures are compared with.
//
// ReissueOn… holds the call, makes the same call again below itself, and hands
// its result back. It has no deadline, metadata, cancel or second attempt, so
// what is left is the price of gRPC's hooks and of the second call.
#ifndef FIREBREAK_TESTS_BENCH_OVERHEAD_FLOORS_H_
#define FIREBREAK_TESTS_BENCH_OVERHEAD_FLOORS_H_

#include <grpcpp/support/client_interceptor.h>

#include <memory>

namespace firebreak::bench {

using FactoryPtr =
    std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>;

FactoryPtr NoOpFactory();
FactoryPtr RejectFactory();
// It runs on one completion queue, with one thread that polls it.
FactoryPtr ReissueOnQueueFactory();
// It runs on the thread that makes the call, with a completion queue of that
// thread.
FactoryPtr ReissueOnCallerFactory();

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_OVERHEAD_FLOORS_H_
