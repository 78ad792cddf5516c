// The server of the overhead bench: it echoes, as cheaply as gRPC can.
//
//   EchoHost host;                              // in this process
//   host.server()->InProcessChannel(args);
//
//   return ServeUntilOrphaned();                // ... or in one of its own
//
// Thread safety: none. Ownership: the destructor stops the server.
#ifndef FIREBREAK_TESTS_BENCH_OVERHEAD_ECHO_HOST_H_
#define FIREBREAK_TESTS_BENCH_OVERHEAD_ECHO_HOST_H_

#include <grpcpp/server.h>

#include <memory>
#include <string>

#include "firebreak/testing/echo.grpc.pb.h"

namespace firebreak::bench {

class EchoHost {
 public:
  EchoHost();
  ~EchoHost();

  const std::string& address() const { return address_; }
  grpc::Server* server() { return server_.get(); }

 private:
  std::unique_ptr<testing::Echo::CallbackService> service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

// Prints the address on stdout and serves until stdin ends, as it does when the
// parent process is gone.
int ServeUntilOrphaned();

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_OVERHEAD_ECHO_HOST_H_
