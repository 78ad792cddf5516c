// One server of a chain, as a program: it answers a call by making a call to
// the next server, through firebreak. ServerProcess starts it.
//
//   chain_server --parent=PID --port=N --next=PORT --policy=TEXTPROTO
//   chain_server --parent=PID --port=N    the last server; answers UNAVAILABLE
//
// It passes on the status that it gets, with the server's pushback. It answers
// a call of ClientStream with the number of calls of Unary so far.
//
// Prints "listening on N" to its standard output. Only a signal ends it.
#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <iostream>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "firebreak/engine.h"
#include "firebreak/testing/echo.grpc.pb.h"

namespace firebreak::testing {
namespace {

constexpr char kPushback[] = "grpc-retry-pushback-ms";

class Service final : public Echo::Service {
 public:
  // If `next` is null, this is the last server of the chain.
  explicit Service(const std::shared_ptr<grpc::Channel>& next)
      : next_(next == nullptr ? nullptr : Echo::NewStub(next)) {}

  grpc::Status Unary(grpc::ServerContext* context, const EchoRequest* request,
                     EchoReply* reply) override {
    ++calls_;
    if (next_ == nullptr) {
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the bank is closed");
    }
    const auto onward = grpc::ClientContext::FromServerContext(*context);
    grpc::Status status = next_->Unary(onward.get(), *request, reply);
    const auto& trailing = onward->GetServerTrailingMetadata();
    if (const auto found = trailing.find(kPushback); found != trailing.end()) {
      context->AddTrailingMetadata(
          kPushback, std::string(found->second.data(), found->second.size()));
    }
    return status;
  }

  grpc::Status ClientStream(grpc::ServerContext* /*context*/,
                            grpc::ServerReader<EchoRequest>* /*reader*/,
                            EchoReply* reply) override {
    reply->set_serial(calls_);
    return grpc::Status::OK;
  }

 private:
  const std::unique_ptr<Echo::Stub> next_;
  std::atomic<int> calls_{0};
};

int Main(int argc, char** argv) {
  std::map<std::string, std::string> flags;
  for (int i = 1; i < argc; ++i) {
    flags.insert(std::pair<std::string, std::string>(
        absl::StrSplit(argv[i], absl::MaxSplits('=', 1))));
  }
  int parent = 0;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!absl::SimpleAtoi(flags["--parent"], &parent) || getppid() != parent) {
    return 2;  // the parent ended before the prctl()
  }
  std::shared_ptr<grpc::Channel> next;
  if (flags.count("--next") > 0) {
    auto engine = Engine::FromText(flags["--policy"]);
    if (!engine.ok()) {
      std::cerr << engine.status() << "\n";
      return 3;
    }
    next = (*engine)->CreateChannel("next",
                                    absl::StrCat("127.0.0.1:", flags["--next"]),
                                    grpc::InsecureChannelCredentials());
  }
  Service service(next);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(absl::StrCat("127.0.0.1:", flags["--port"]),
                           grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  if (server == nullptr) return 4;
  std::cout << "listening on " << port << std::endl;
  server->Wait();
  return 0;
}

}  // namespace
}  // namespace firebreak::testing

int main(int argc, char** argv) { return firebreak::testing::Main(argc, argv); }
