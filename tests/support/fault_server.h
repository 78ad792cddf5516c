// A fast server whose faults are in the requests: each says what happens to
// each of its attempts.
//
//   CallLog log(1000);
//   FaultServer server(&log);
//   call.request.set_text("17 u s15 o");  // UNAVAILABLE, 15 ms late, OK
//
// The first word is echoed; the attempt numbered n by the CallLog takes step n,
// and one past the last step answers OK:
//   o  OK            u  UNAVAILABLE    i  INTERNAL     f  NOT_FOUND
//   p  UNAVAILABLE with a pushback of 2 ms        n  ... of "never"
//   sN OK after N ms               h  hangs until cancelled or ReleaseHanging()
//
// It is implemented with reactors, so it has no threads of its own, hundreds of
// calls may hang, and a cancelled one ends at once.
//
// Thread safety: all methods from any thread; Stop() once.
#ifndef FIREBREAK_TESTS_SUPPORT_FAULT_SERVER_H_
#define FIREBREAK_TESTS_SUPPORT_FAULT_SERVER_H_

#include <grpcpp/server.h>

#include <cstdint>
#include <memory>
#include <string>

#include "tests/support/call_log.h"

namespace firebreak::testing {

class FaultServer {
 public:
  // `address` may name a port, to listen there again after Stop().
  explicit FaultServer(CallLog* log,
                       const std::string& address = "127.0.0.1:0");
  ~FaultServer();
  FaultServer(const FaultServer&) = delete;
  FaultServer& operator=(const FaultServer&) = delete;

  // False if it could not listen on the port.
  bool ok() const { return server_ != nullptr; }
  const std::string& address() const { return address_; }
  // The number of attempts so far with this kind of step ('s' for any sN).
  int64_t served(char step) const;
  // The number of calls that hang now; ReleaseHanging() ends them as OK.
  int hanging() const;
  void ReleaseHanging();
  // Cancels the calls in progress.
  void Stop();

 private:
  class Service;

  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_FAULT_SERVER_H_
