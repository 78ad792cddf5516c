// A fast server whose faults come with the calls: a request says what each of
// its attempts shall meet.
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
// It is written with reactors: it has no threads of its own, hundreds of calls
// may hang, and a cancelled one ends at once.
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
  // `address` may name a port to take again after Stop().
  explicit FaultServer(CallLog* log,
                       const std::string& address = "127.0.0.1:0");
  ~FaultServer();
  FaultServer(const FaultServer&) = delete;
  FaultServer& operator=(const FaultServer&) = delete;

  // False when the port cannot be had.
  bool ok() const { return server_ != nullptr; }
  const std::string& address() const { return address_; }
  // Attempts that met this kind of step ('s' for any sN) so far.
  int64_t served(char step) const;
  // Calls that hang now, and their end as OK.
  int hanging() const;
  void ReleaseHanging();
  // Cancels what runs.
  void Stop();

 private:
  class Service;

  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_FAULT_SERVER_H_
