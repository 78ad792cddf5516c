// The user service of the example. It does not use firebreak, which is a
// library for clients.
//
//   user_server --address 127.0.0.1:50053 --workers 16 --latency-ms 2
#include "absl/strings/str_cat.h"
#include "examples/shop/flags.h"
#include "examples/shop/serving.h"
#include "shop/v1/shop.grpc.pb.h"

namespace shop {
namespace {

class UserService final : public v1::UserService::CallbackService {
 public:
  UserService(WorkerPool* pool, int service_ms)
      : pool_(pool), service_ms_(service_ms) {}

  grpc::ServerUnaryReactor* VerifyUser(grpc::CallbackServerContext* context,
                                       const v1::VerifyUserRequest* request,
                                       v1::VerifyUserReply*) override {
    return InPool(pool_, context, service_ms_, [request] {
      if (!request->user().empty()) return grpc::Status::OK;
      return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION,
                          "there is no user without a name");
    });
  }

  grpc::ServerUnaryReactor* GetProfile(grpc::CallbackServerContext* context,
                                       const v1::GetProfileRequest* request,
                                       v1::GetProfileReply* reply) override {
    return InPool(pool_, context, service_ms_, [request, reply] {
      reply->set_name(absl::StrCat("Dear ", request->user()));
      return grpc::Status::OK;
    });
  }

 private:
  WorkerPool* const pool_;
  const int service_ms_;
};

int Main(int argc, char** argv) {
  CLI::App app("The user service of the shop example.", "user_server");
  ServerFlags flags("127.0.0.1:50053");
  flags.AddTo(&app);
  if (const auto exit = ParseFlags(&app, argc, argv)) return *exit;
  BlockShutdownSignals();
  WorkerPool pool(flags.capacity);
  UserService service(&pool, flags.service_ms);
  return Serve(flags, &pool, {&service});
}

}  // namespace
}  // namespace shop

int main(int argc, char** argv) { return shop::Main(argc, argv); }
