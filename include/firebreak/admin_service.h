// The admin service of an engine: what its breakers do, and a hand on them.
//
//   firebreak::AdminService admin(engine);
//   grpc::ServerBuilder builder;
//   builder.AddListeningPort("unix:/run/shop/admin.sock",
//                            grpc::InsecureServerCredentials());
//   builder.RegisterService(&admin);
//   std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
//   ...
//   admin.Shutdown();  // event streams do not end by themselves
//   server->Shutdown();
//
// `firebreakctl` and any client of proto/firebreak/v1/admin.proto can talk to
// it. Reading is open to whoever the server lets in; changing (SetOverride,
// ClearOverride, ResetMethod) needs the authorizer's yes.
//
// Thread safety: safe from any thread. Nothing in it blocks.
// Ownership: the service outlives the server it is registered with, as gRPC
// asks of every service. It keeps the engine's state alive, but no channel.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_ADMIN_SERVICE_H_
#define FIREBREAK_INCLUDE_FIREBREAK_ADMIN_SERVICE_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "firebreak/engine.h"
#include "firebreak/v1/admin.grpc.pb.h"

namespace firebreak {

namespace admin {
class EventStreams;
}

// A call that wants to change something.
struct AdminChange {
  // "SetOverride", "ClearOverride" or "ResetMethod".
  std::string rpc;
  // Who asks, as gRPC has it: "unix:...", "ipv4:127.0.0.1:40112".
  std::string peer;
  // For credentials and metadata. Valid during the call of the authorizer.
  const grpc::CallbackServerContext* context = nullptr;
};

struct AdminOptions {
  // Whether peers on the loopback interface may change things. Off, because a
  // sidecar proxy makes every remote caller a loopback peer.
  bool allow_loopback = false;
  // Decides instead of the default, which lets peers on a Unix socket change
  // things, and those on the loopback interface if `allow_loopback`. OK allows;
  // any other status is what the caller gets. Called on gRPC's threads, several
  // at a time; must not block.
  std::function<absl::Status(const AdminChange& change)> authorizer;
};

class AdminService final : public v1::Admin::CallbackService {
 public:
  // `engine` is not null.
  explicit AdminService(const std::shared_ptr<Engine>& engine,
                        AdminOptions options = {});
  ~AdminService() override;

  // Ends all event streams, and refuses new ones, with UNAVAILABLE. Call it
  // before grpc::Server::Shutdown(): without a deadline that waits for streams
  // to end, and a watcher's stream has no end. All other calls still work.
  void Shutdown();

 private:
  grpc::ServerUnaryReactor* ListMethods(
      grpc::CallbackServerContext* context,
      const v1::ListMethodsRequest* request,
      v1::ListMethodsResponse* response) override;
  grpc::ServerUnaryReactor* GetMethod(grpc::CallbackServerContext* context,
                                      const v1::GetMethodRequest* request,
                                      v1::GetMethodResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchEventsResponse>* WatchEvents(
      grpc::CallbackServerContext* context,
      const v1::WatchEventsRequest* request) override;
  grpc::ServerUnaryReactor* SetOverride(
      grpc::CallbackServerContext* context,
      const v1::SetOverrideRequest* request,
      v1::SetOverrideResponse* response) override;
  grpc::ServerUnaryReactor* ClearOverride(
      grpc::CallbackServerContext* context,
      const v1::ClearOverrideRequest* request,
      v1::ClearOverrideResponse* response) override;
  grpc::ServerUnaryReactor* ResetMethod(
      grpc::CallbackServerContext* context,
      const v1::ResetMethodRequest* request,
      v1::ResetMethodResponse* response) override;

  absl::Status Authorize(const std::string& rpc,
                         const grpc::CallbackServerContext& context) const;

  const std::shared_ptr<engine::EngineCore> core_;
  const AdminOptions options_;
  const std::shared_ptr<admin::EventStreams> streams_;
};

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_ADMIN_SERVICE_H_
