// The commands of firebreakctl, after their arguments have been understood.
//
//   Client client(settings);
//   return client.Show("Charge");
//
// Each makes its calls, prints the answer to standard output, and returns the
// exit code: 0, or 1 after one line on standard error that says what the server
// answered or why it cannot be reached.
//
// Thread safety: none.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_COMMANDS_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_COMMANDS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/types/optional.h"
#include "firebreak/v1/admin.grpc.pb.h"
#include "src/core/time.h"

namespace firebreak::ctl {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

struct Settings {
  std::string target;   // of the admin service, in gRPC's terms
  std::string channel;  // only methods of this one; empty = all
  core::Duration timeout = std::chrono::seconds(5);  // for one answer
  bool json = false;
  bool colours = false;
};

struct EventsRequest {
  int64_t after = 0;  // 0: from the oldest kept
  bool follow = false;
};

class Client {
 public:
  explicit Client(Settings settings);

  int List();
  int Show(const std::string& method);
  // `duration` absent: until cleared.
  int Override(const std::string& method, v1::BreakerState state,
               absl::optional<core::Duration> duration);
  int Clear(const std::string& method);
  int Reset(const std::string& method);
  // With `follow` until the stream breaks off, which is a failure.
  int Events(const EventsRequest& request);

 private:
  v1::MethodSelector Select(const std::string& method) const;
  // Prints the events of one stream; moves `*after` past them.
  grpc::Status ReadEvents(const v1::WatchEventsRequest& request,
                          grpc::ClientContext* context, int64_t* after) const;
  // Prints the answer to a change, or `none` if it holds no breaker.
  template <class Response>
  int PrintBreakers(const Response& response, const char* none) const;
  void SetDeadline(grpc::ClientContext* context) const;
  int Fail(const grpc::Status& status) const;

  const Settings settings_;
  const std::unique_ptr<v1::Admin::Stub> stub_;
};

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_COMMANDS_H_
