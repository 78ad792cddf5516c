// The admin service of an engine shows what its breakers do, and lets operators
// control them.
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
// Its clients are `firebreakctl` and any program that uses
// proto/firebreak/v1/admin.proto. Everybody who can connect to the server may
// read. A change (SetOverride, ClearOverride, ResetMethod, ApplyPolicy), and
// RecordCalls, needs the consent of the authorizer: see admin_auth.h and
// docs/security.md. Each change and each refusal is an event that says who it
// was. A Unix socket must have a path, as above: an abstract one
// ("unix-abstract:") is open to every user of the machine.
//
// Thread safety: safe from any thread. Nothing in it blocks.
// Ownership: the service must outlive the server that it is registered with, as
// gRPC asks of every service. It keeps the engine's state alive, but no
// channel.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_ADMIN_SERVICE_H_
#define FIREBREAK_INCLUDE_FIREBREAK_ADMIN_SERVICE_H_

#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "firebreak/admin_auth.h"
#include "firebreak/engine.h"
#include "firebreak/export.h"
#include "firebreak/v1/admin.grpc.pb.h"

namespace firebreak {

namespace admin {
class Engines;
class HealthReporter;
}  // namespace admin

// When ListAlerts warns, before a breaker opens or where none is.
struct AlertLimits {
  // Shares of the calls in a breaker's window, or of the last minute's attempts
  // where there is no breaker. (0, 1], 0 = never. A quarter: half of what opens
  // a breaker by default.
  double failure_rate = 0.25;
  double slow_call_rate = 0.25;
  // Fewer calls say nothing.
  int64_t minimum_calls = 10;
  // Share of the recent calls that did not get OK, with codes that say that
  // something is broken, and of those that hang. As above.
  double calls_fail = 0.25;
  double calls_hang = 0.25;
};

struct AdminOptions {
  // Whether peers on the loopback interface may change things. Off, because a
  // sidecar proxy makes every remote caller a loopback peer.
  bool allow_loopback = false;
  // Decides instead of the default, which is LocalPeers(allow_loopback).
  Authorizer authorizer;
  // Ask the authorizer for reads too. Off: who may connect may read.
  bool authorize_reads = false;
  AlertLimits alerts;
};

// One of several engines in a process.
struct NamedEngine {
  std::string name;  // how requests name it, and how answers tell it
  std::shared_ptr<Engine> engine;
};

class FIREBREAK_EXPORT AdminService final : public v1::Admin::CallbackService {
 public:
  // `engine` is not null.
  explicit AdminService(const std::shared_ptr<Engine>& engine,
                        const AdminOptions& options = {});
  // One service for several engines: gRPC lets a server have one of a kind, and
  // BuildAndStart() is null for two. Lists, health and alerts show all of them,
  // one after the other, and say which each item is of; events and policies are
  // of one engine, which the request names. Engines that are null are left out;
  // those without a name, or with that of another, are called by their place,
  // "1", "2", ... At least one is not null.
  explicit AdminService(const std::vector<NamedEngine>& engines,
                        const AdminOptions& options = {});
  ~AdminService() override;

  // Ends all streams (events, recordings), and refuses new ones, with
  // UNAVAILABLE; ends ReportHealthTo(). Call it before
  // grpc::Server::Shutdown(): without a deadline that waits for streams to end,
  // and a watcher's stream has no end. All other calls still work.
  void Shutdown();

  // From now on `service` is SERVING in grpc.health.v1 while the engine is
  // healthy or degraded, and NOT_SERVING while it is unhealthy (of several: any
  // of them); looked at every
  // second, and told when it changes. `health` is
  // Server::GetHealthCheckService(), and must not be used after Shutdown() of
  // this. Null does nothing. Again with another name: that one, and the one
  // before is NOT_SERVING.
  //
  // For whoever asks after what this process depends on. Not for a liveness
  // probe: to restart it does not bring its dependencies back.
  void ReportHealthTo(grpc::HealthCheckServiceInterface* health,
                      const std::string& service = "firebreak");

 private:
  grpc::ServerUnaryReactor* ListMethods(
      grpc::CallbackServerContext* context,
      const v1::ListMethodsRequest* request,
      v1::ListMethodsResponse* response) override;
  grpc::ServerUnaryReactor* GetMethod(grpc::CallbackServerContext* context,
                                      const v1::GetMethodRequest* request,
                                      v1::GetMethodResponse* response) override;
  grpc::ServerUnaryReactor* GetHealth(grpc::CallbackServerContext* context,
                                      const v1::GetHealthRequest* request,
                                      v1::GetHealthResponse* response) override;
  grpc::ServerUnaryReactor* ListAlerts(
      grpc::CallbackServerContext* context,
      const v1::ListAlertsRequest* request,
      v1::ListAlertsResponse* response) override;
  grpc::ServerUnaryReactor* ListDecisions(
      grpc::CallbackServerContext* context,
      const v1::ListDecisionsRequest* request,
      v1::ListDecisionsResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchEventsResponse>* WatchEvents(
      grpc::CallbackServerContext* context,
      const v1::WatchEventsRequest* request) override;
  grpc::ServerWriteReactor<v1::RecordCallsResponse>* RecordCalls(
      grpc::CallbackServerContext* context,
      const v1::RecordCallsRequest* request) override;
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
  grpc::ServerUnaryReactor* GetPolicy(grpc::CallbackServerContext* context,
                                      const v1::GetPolicyRequest* request,
                                      v1::GetPolicyResponse* response) override;
  grpc::ServerUnaryReactor* ApplyPolicy(
      grpc::CallbackServerContext* context,
      const v1::ApplyPolicyRequest* request,
      v1::ApplyPolicyResponse* response) override;

  const AlertLimits limits_;
  const std::unique_ptr<admin::Engines> engines_;
  const std::shared_ptr<admin::HealthReporter> reporter_;
};

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_ADMIN_SERVICE_H_
