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
// read, unless AdminOptions::authorize_reads is set. A change (SetOverride,
// ClearOverride, ResetMethod, ApplyPolicy, SetCandidate, ClearCandidate,
// PromoteCandidate), and RecordCalls, needs the consent of the authorizer: see
// admin_auth.h and docs/security.md. Each change and each refusal is an event
// with the caller's name. A Unix socket must have a path, as above, since an
// abstract one ("unix-abstract:") is open to every user of the machine.
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

// The shares from which on ListAlerts warns, before a breaker opens or where
// there is none.
struct AlertLimits {
  // Shares of the calls in a breaker's window. Without a breaker,
  // `failure_rate` is a share of the attempts of the last minute. (0, 1], 0 =
  // never. A quarter is half of what opens a breaker by default.
  double failure_rate = 0.25;
  double slow_call_rate = 0.25;
  // With fewer calls than this, the shares are not judged. The exception is
  // `calls_hang`: few calls count with a lower share than measured, since they
  // prove little.
  int64_t minimum_calls = 10;
  // Shares of the recent calls: of those with a code that means that something
  // is broken, and of those that hang. (0, 1], 0 = never.
  double calls_fail = 0.25;
  double calls_hang = 0.25;
};

struct AdminOptions {
  // Whether peers on the loopback interface may change things. Off, because a
  // sidecar proxy makes every remote caller a loopback peer.
  bool allow_loopback = false;
  // Decides instead of the default, which is LocalPeers(allow_loopback). If it
  // is set, `allow_loopback` has no effect.
  Authorizer authorizer;
  // Whether the authorizer is asked about reads too. If false, everybody who
  // can connect may read.
  bool authorize_reads = false;
  AlertLimits alerts;
};

// One of several engines in a process.
struct NamedEngine {
  std::string name;  // its name in requests and answers
  std::shared_ptr<Engine> engine;
};

class FIREBREAK_EXPORT AdminService final : public v1::Admin::CallbackService {
 public:
  // `engine` must not be null.
  explicit AdminService(const std::shared_ptr<Engine>& engine,
                        const AdminOptions& options = {});
  // One service for several engines. Several services are not possible, since
  // gRPC allows only one service of a type in a server: with two,
  // BuildAndStart() returns null.
  // Lists, health and alerts show all engines, one after the other, and name
  // the engine of each item. Events and policies are those of one engine, which
  // the request names. Null engines are left out. An engine without a name, or
  // with the name of an earlier one, is named by its position: "1", "2", ... At
  // least one engine must not be null.
  explicit AdminService(const std::vector<NamedEngine>& engines,
                        const AdminOptions& options = {});
  ~AdminService() override;

  // Ends all streams (events, recordings) with UNAVAILABLE, refuses new ones in
  // the same way, and ends ReportHealthTo(). Call it before
  // grpc::Server::Shutdown(), which without a deadline waits for streams to
  // end: a watcher's stream has no end. All other calls still work.
  void Shutdown();

  // From now on `service` is SERVING in grpc.health.v1 while the engine is
  // healthy or degraded, and NOT_SERVING while it is unhealthy (with several
  // engines: while any of them is). The health is computed every second, and
  // reported when it changes. `health` is Server::GetHealthCheckService(), and
  // must live until Shutdown() of this service. If it is null, nothing happens.
  // A second call replaces the name, and the previous one becomes NOT_SERVING.
  //
  // This is for clients that want to know whether the dependencies of this
  // process work. Do not use it as a liveness probe: a restart of this process
  // does not repair its dependencies.
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
  grpc::ServerUnaryReactor* SetCandidate(
      grpc::CallbackServerContext* context,
      const v1::SetCandidateRequest* request,
      v1::SetCandidateResponse* response) override;
  grpc::ServerUnaryReactor* ClearCandidate(
      grpc::CallbackServerContext* context,
      const v1::ClearCandidateRequest* request,
      v1::ClearCandidateResponse* response) override;
  grpc::ServerUnaryReactor* CompareCandidate(
      grpc::CallbackServerContext* context,
      const v1::CompareCandidateRequest* request,
      v1::CompareCandidateResponse* response) override;
  grpc::ServerUnaryReactor* PromoteCandidate(
      grpc::CallbackServerContext* context,
      const v1::PromoteCandidateRequest* request,
      v1::PromoteCandidateResponse* response) override;

  const AlertLimits limits_;
  const std::unique_ptr<admin::Engines> engines_;
  const std::shared_ptr<admin::HealthReporter> reporter_;
};

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_ADMIN_SERVICE_H_
