// A real gRPC server in this process, on loopback, that answers every method
// according to a script.
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
// whichever call it belongs to. After the end of a script, and for a method
// without a script, the answer is that of Always(). If there is none, it is
// FAILED_PRECONDITION, which is not retried, with the length of the script.
//
// It has no threads of its own, and a call that hangs occupies none.
//
// Thread safety: every member function may be called from any thread.
// Ownership: the destructor cancels the calls in flight, and waits for them.
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

// The answer to one attempt.
struct FIREBREAK_EXPORT Reply {
  // Serialized messages, which are sent in this order. Only a method with a
  // stream of replies may have more than one.
  std::vector<std::string> messages;
  grpc::Status status;
  // The attempt is not answered until ScriptedServer::Release(), or until it is
  // cancelled.
  bool hangs = false;
  std::map<std::string, std::string> trailing;

  static Reply Ok(const google::protobuf::MessageLite& message);
  // An empty message, which can be parsed as any message type.
  static Reply Ok();
  static Reply Stream(std::vector<std::string> messages,
                      const grpc::Status& status = grpc::Status::OK);
  static Reply Fail(grpc::StatusCode code,
                    const std::string& message = "as the script says");
  static Reply Hang();
  // Returns a copy of this reply with a pushback: the wait before the next
  // attempt ("grpc-retry-pushback-ms"). "-1": no further attempt is wanted.
  Reply WithPushback(const std::string& milliseconds) const;
};

// One attempt, as the server received it.
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

  // "dns:///127.0.0.1:port", for CreateChannel(). Empty if no port is free.
  const std::string& target() const { return target_; }

  // Sets the replies to the next attempts, and replaces an earlier script. The
  // count of attempts is not reset.
  void Script(const std::string& method, std::vector<Reply> replies);
  // Sets the reply to every attempt for which a script has none.
  void Always(const std::string& method, const Reply& reply);

  // The number of attempts that have arrived, and the attempts themselves, of
  // which the first 10,000 of each method are kept.
  int64_t attempts(const std::string& method) const;
  std::vector<SeenAttempt> seen(const std::string& method) const;
  // The number of attempts, of any method, for which there was no reply.
  int64_t overruns() const;
  // The number of attempts that hang now.
  int64_t hanging() const;
  // Each waits, in real time, until at least `n` attempts have arrived, or
  // hang. Returns false after ten seconds.
  bool WaitForAttempts(const std::string& method, int64_t n) const;
  bool WaitForHanging(int64_t n) const;
  // Answers the attempts that hang now with `reply`.
  void Release(const Reply& reply = Reply::Ok());

 private:
  class Service;
  const std::unique_ptr<Service> service_;
  std::string target_;
};

}  // namespace testing
}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_TESTING_SCRIPTED_SERVER_H_
