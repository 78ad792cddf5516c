#include "tests/bench/overhead/echo_host.h"

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <cstdio>

namespace firebreak::bench {
namespace {

class EchoService final : public testing::Echo::CallbackService {
  grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* context,
                                  const testing::EchoRequest* request,
                                  testing::EchoReply* reply) override {
    reply->set_text(request->text());
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

}  // namespace

EchoHost::EchoHost() : service_(std::make_unique<EchoService>()) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
  address_ = "127.0.0.1:" + std::to_string(port);
}

EchoHost::~EchoHost() { server_->Shutdown(); }

int ServeUntilOrphaned() {
  EchoHost host;
  std::printf("%s\n", host.address().c_str());
  std::fflush(stdout);
  char ignored = 0;
  while (read(STDIN_FILENO, &ignored, 1) > 0) {
  }
  return 0;
}

}  // namespace firebreak::bench
