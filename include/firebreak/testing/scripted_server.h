// A real gRPC server in this process, on loopback, that answers any method as a
// test says.
//
//   firebreak::testing::ScriptedServer server;
//   server.Script(kCharge, {Reply::Fail(grpc::StatusCode::UNAVAILABLE),
//                           Reply::Hang(), Reply::Ok(receipt)});
//   auto channel = engine->CreateChannel("payment", server.target(),
//                                        grpc::InsecureChannelCredentials());
//   ... a call ...
//   EXPECT_EQ(server.attempts(kCharge), 3);
//
// The n-th attempt of a method to arrive gets the n-th reply of its script,
// whichever call it belongs to. A script that ends before the attempts do
// answers FAILED_PRECONDITION, which is not sent again, and says how long it
// was; so does a method that has no script. Use Always() for the rest.
//
// It has no threads of its own, and a call that hangs takes none.
//
// Thread safety: every member function may be called from any thread.
// Ownership: the destructor cancels what runs, and waits for it.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_TESTING_SCRIPTED_SERVER_H_
#define FIREBREAK_INCLUDE_FIREBREAK_TESTING_SCRIPTED_SERVER_H_

#include <google/protobuf/message_lite.h>
#include <grpcpp/support/status.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "firebreak/export.h"

namespace firebreak {
namespace testing {

struct FIREBREAK_EXPORT Reply {
  // Serialized. A stream gets all of them, anything else the first.
  std::vector<std::string> messages;
  grpc::Status status;
  // Not answered before ScriptedServer::Release(), or its cancel.
  bool hangs = false;
  std::map<std::string, std::string> trailing;

  static Reply Ok(const google::protobuf::MessageLite& message);
  // An empty message, which every type of message can be read from.
  static Reply Ok();
  static Reply Stream(std::vector<std::string> messages,
                      const grpc::Status& status = grpc::Status::OK);
  static Reply Fail(grpc::StatusCode code,
                    const std::string& message = "as the script says");
  static Reply Hang();
  // The same, with a wait that the server asks for before the next attempt
  // ("grpc-retry-pushback-ms"); "-1": none is wanted.
  Reply WithPushback(const std::string& milliseconds) const;
};

// What one attempt looked like to the server.
struct SeenAttempt {
  std::string request;  // the first message, serialized
  std::multimap<std::string, std::string> metadata;
};

class FIREBREAK_EXPORT ScriptedServer {
 public:
  ScriptedServer();
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  // "dns:///127.0.0.1:port", for CreateChannel(). Empty: no port can be had.
  const std::string& target() const { return target_; }

  // Replaces the script of before. The count of attempts goes on; the script
  // begins with the next one.
  void Script(const std::string& method, std::vector<Reply> replies);
  // For every attempt that no script has a reply for.
  void Always(const std::string& method, const Reply& reply);

  // How many attempts have arrived, with their requests.
  int64_t attempts(const std::string& method) const;
  std::vector<SeenAttempt> seen(const std::string& method) const;
  // How many of all found no reply.
  int64_t overruns() const;
  // How many hang now.
  int64_t hanging() const;
  // Waits, in real time, until so many have arrived, or hang. False after ten
  // seconds.
  bool WaitForAttempts(const std::string& method, int64_t n) const;
  bool WaitForHanging(int64_t n) const;
  // Answers those that hang now with this.
  void Release(const Reply& reply = Reply::Ok());

 private:
  class Service;
  const std::unique_ptr<Service> service_;
  std::string target_;
};

}  // namespace testing
}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_TESTING_SCRIPTED_SERVER_H_
