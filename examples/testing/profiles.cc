#include "examples/testing/profiles.h"

#include <grpcpp/grpcpp.h>

#include "firebreak/fallback.h"

namespace example {
namespace {

constexpr char kGetProfile[] = "/shop.v1.UserService/GetProfile";

}  // namespace

Profiles::Profiles(const std::shared_ptr<firebreak::Engine>& engine,
                   const std::string& target)
    : stub_(shop::v1::UserService::NewStub(engine->CreateChannel(
          "user", target, grpc::InsecureChannelCredentials()))) {
  shop::v1::GetProfileReply stranger;
  stranger.set_name("stranger");
  (void)engine->SetFallback(
      "user", kGetProfile,
      firebreak::FallbackChain({firebreak::DefaultReply(stranger)}));
}

std::string Profiles::Greeting(const std::string& user) {
  grpc::ClientContext context;
  shop::v1::GetProfileRequest request;
  request.set_user(user);
  shop::v1::GetProfileReply reply;
  const grpc::Status status = stub_->GetProfile(&context, request, &reply);
  return status.ok() ? "Hello, " + reply.name()
                     : "Error: " + status.error_message();
}

}  // namespace example
